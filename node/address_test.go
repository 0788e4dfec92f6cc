package node

import (
	"os"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// rosterAddress returns where the roster has a node.
func rosterAddress(n *Node) string {
	own, _, _ := n.ledger.Roster().Node(n.ID())
	return own.Address
}

func TestNodeThatMovedTellsTheRegion(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	before := rosterAddress(n)
	stop(t, n)
	o := n.options
	o.Settings.Listen = "127.0.0.1:0" // whichever port is free
	moved := reopen(t, o)
	eventually(t, "the other address", func() bool { return rosterAddress(moved) == moved.Addr().String() })
	if rosterAddress(moved) == before {
		t.Errorf("the roster still has %s", before)
	}
	if inv, err := moved.Invite(t.Context(), &admin.InviteRequest{Trust: "RAS", Name: "Hillingdon"}); err != nil {
		t.Error(err)
	} else if got, err := parseInvitation(inv.GetInvitation()); err != nil || got.Address != moved.Addr().String() {
		t.Errorf("an invitation names %s, %v", got.Address, err)
	}
}

func TestSecondProcessOnACopiedFolderStops(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	stop(t, n)
	copied := n.options
	copied.Data = t.TempDir() + "/copy"
	if err := os.CopyFS(copied.Data, os.DirFS(n.options.Data)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(copied.Data+"/"+storage.DevKeyFile, 0o600); err != nil {
		t.Fatal(err)
	}
	first := reopen(t, n.options)
	eventually(t, "the first to be ready", func() bool { return first.unready() == "" })
	copied.Settings.Listen = freeAddr(t)
	second := reopen(t, copied)
	err := second.Wait(t.Context())
	if admin.CodeOf(err) != admin.CodeInUse || !strings.Contains(err.Error(), first.Addr().String()) {
		t.Errorf("got %v, want IN_USE that says where the other is", err)
	}
}
