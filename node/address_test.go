package node

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

// A trust joins before its sponsor, which listens at whichever port is free, has told the region where it is.
func TestSponsorSaysItselfWhereItIs(t *testing.T) {
	t.Parallel()
	first := settledNode(t, func(o *Options) { o.Settings.Listen = "127.0.0.1:0" })
	for _, p := range first.peers(first.ledger.Roster()) {
		if p.GetAddress() != first.Addr().String() {
			t.Errorf("a newcomer is told %s, want %s", p.GetAddress(), first.Addr())
		}
	}
	second := joinNode(t, first, "RAS")
	eventually(t, "the region", func() bool { return second.ledger.Roster().Active(second.ID()) })
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
	// The second, as a rule. Where the first does not answer its question in time, it has the region told of its address: then
	// the first.
	type end struct {
		err   error
		other string
	}
	ended := make(chan end, 2)
	go func() { ended <- end{first.Wait(t.Context()), second.Addr().String()} }()
	go func() { ended <- end{second.Wait(t.Context()), first.Addr().String()} }()
	select {
	case e := <-ended:
		if admin.CodeOf(e.err) != admin.CodeInUse || !strings.Contains(e.err.Error(), e.other) {
			t.Errorf("got %v, want IN_USE that says where the other is", e.err)
		}
	case <-time.After(time.Minute):
		t.Error("two processes go on with one node's keys")
	}
}

func TestSlowProcessOnACopiedFolderIsAskedAgain(t *testing.T) {
	tests := []struct {
		name  string
		slow  time.Duration // until it answers
		other bool          // with another node's keys
		want  bool
		took  time.Duration
	}{
		{name: "at once", want: true},
		{name: "busy for a while", slow: doubleTimeout + 4*time.Second, want: true, took: doubleTimeout + 4*time.Second},
		{name: "somebody else", other: true},
		{name: "nobody", slow: time.Hour, took: doubleWithin},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got := askedAgain(t.Context(), doubleWithin, func(ctx context.Context) (answered, certain bool) {
					ctx, cancel := context.WithTimeout(ctx, doubleTimeout)
					defer cancel()
					select {
					case <-ctx.Done():
						return false, false
					case <-time.After(tt.slow - time.Since(began)):
						return !tt.other, true
					}
				})
				if took := time.Since(began); got != tt.want || took != tt.took {
					t.Errorf("got %v after %s, want %v after %s", got, took, tt.want, tt.took)
				}
			})
		})
	}
}
