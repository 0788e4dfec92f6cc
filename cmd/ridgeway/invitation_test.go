package main

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func TestInvitations(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	join := func(t *testing.T, data, invitation string, more ...string) []string {
		t.Helper()
		return append([]string{"join", "--data", data, "--listen", port(t), dev, "--yes", invitation}, more...)
	}
	good := p.invitation(t, "d1", "RAX")
	t.Run("cut short", func(t *testing.T) {
		for _, n := range []int{1, 2, 10, len(good) / 2, len(good) - 5} {
			p.fails(t, admin.CodeInvitation, []string{"cut short or was changed", "copy the whole line"}, join(t, "cut", good[:len(good)-n])...)
		}
	})
	t.Run("changed", func(t *testing.T) {
		b, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(good, "rw1."))
		if err != nil {
			t.Fatal(err)
		}
		b[10] ^= 1
		p.fails(t, admin.CodeInvitation, []string{"cut short or was changed", "copy the whole line"}, join(t, "changed", "rw1."+base64.RawURLEncoding.EncodeToString(b))...)
	})
	t.Run("not one", func(t *testing.T) {
		p.fails(t, admin.CodeInvitation, []string{"not an invitation", "rw1.", "copy the whole line"}, join(t, "none", "hello")...)
	})
	t.Run("for another trust", func(t *testing.T) {
		p.fails(t, admin.CodeInvitation, []string{"for RAX, not for RQM", "ask the sponsor"}, join(t, "other", good, "--trust", "RQM")...)
	})
	t.Run("revoked", func(t *testing.T) {
		line := p.invitation(t, "d1", "RRV")
		if o := p.json(t, "invite", "--data", "d1", "--trust", "RRV", "--revoke"); o["revoked"] != float64(1) {
			t.Errorf("got %v", o)
		}
		p.fails(t, admin.CodeInvitation, []string{"sponsor refuses", "revoked", "ask for another"}, join(t, "revoked", line)...)
	})
	t.Run("for a trust that is in the region", func(t *testing.T) {
		p.fails(t, admin.CodeBadInput, []string{"RYJ", "in the region already"}, "invite", "--data", "d1", "--trust", "RYJ", "--name", "Imperial")
	})
	t.Run("for no trust", func(t *testing.T) {
		p.fails(t, admin.CodeBadInput, []string{"--trust", "r?", "ODS code"}, "invite", "--data", "d1", "--trust", "r?", "--name", "N")
		p.fails(t, admin.CodeBadInput, []string{"--name"}, "invite", "--data", "d1", "--trust", "RAX")
		p.fails(t, admin.CodeBadInput, []string{"--valid", "one second and one year"}, "invite", "--data", "d1", "--trust", "RAX", "--name", "N", "--valid", "1ms")
	})
	t.Run("after it expired", func(t *testing.T) {
		expired(t, p, join)
	})
}

// expired redeems an invitation once its second is over: as the newcomer sees it, and as the sponsor does when the
// newcomer's clock is slow.
func expired(t *testing.T, p *place, join func(*testing.T, string, string, ...string) []string) {
	o := p.json(t, "invite", "--data", "d1", "--trust", "REX", "--name", "Late", "--valid", "1s")
	at, err := time.Parse(time.RFC3339, o["expires"].(string))
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Until(at.Add(1100 * time.Millisecond))) // the field has whole seconds
	line := o["invitation"].(string)
	p.fails(t, admin.CodeInvitation, []string{"REX", "expired on", "ask the sponsor", "another"}, join(t, "expired", line)...)
	slow := node.JoinOptions{Data: p.path("slow"), Settings: node.Settings{Listen: port(t), InsecureDevKeys: true}, Invitation: line, Now: at.Add(-time.Minute)}
	if _, err := node.Join(t.Context(), slow); admin.CodeOf(err) != admin.CodeInvitation || !strings.Contains(err.Error(), "expired") {
		t.Errorf("the sponsor goes by its own clock: got %v", err)
	}
}

// TestUsedInvitation redeems one twice: the same newcomer may, because its first answer may have been lost; another may not.
func TestUsedInvitation(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	p.founded(t, "d1")
	line := p.invitation(t, "d1", "RAS")
	p.json(t, "join", "--data", "d2", "--listen", port(t), dev, "--yes", line)
	p.fails(t, admin.CodeInvitation, []string{"used", "ask for another"}, "join", "--data", "d3", "--listen", port(t), dev, "--yes", line)
	p.fails(t, admin.CodeDataFolder, []string{"d2", "joined a region already", "ridgeway serve"}, "join", "--data", "d2", "--listen", port(t), dev, "--yes", line)
	p.fails(t, admin.CodeDataFolder, []string{"d3", "never joined", "ridgeway join"}, "serve", "--data", "d3", "--listen", port(t), dev)
}

// TestAddressOfAnotherTrust is refused before the invitation is used up.
func TestAddressOfAnotherTrust(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	p.founded(t, "d1")
	taken := p.json(t, "status", "--data", "d1")["address"].(string)
	line := p.invitation(t, "d1", "RAS")
	p.fails(t, admin.CodeBadInput, []string{"RYJ is reached at " + taken + " already", "--listen", "--advertise"}, "join", "--data", "d2", "--listen", port(t), "--advertise", taken, dev, "--yes", line)
	own := port(t)
	p.json(t, "join", "--data", "d2", "--listen", own, "--advertise", own, dev, "--yes", line)
}

// TestSponsorDown says what to look at, and succeeds with the same folder and invitation once the sponsor is back.
func TestSponsorDown(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	sponsor := p.founded(t, "d1")
	line := p.invitation(t, "d1", "RAS")
	address := p.json(t, "status", "--data", "d1")["address"].(string)
	sponsor.kill()
	p.fails(t, admin.CodeUnavailable, []string{address, "does not answer", "check that its node runs", "UDP"}, "join", "--data", "d2", "--listen", port(t), dev, "--yes", line)
	p.serve(t, "d1")
	p.until(t, "d1", "the sponsor leads again", hasLeader)
	p.json(t, "join", "--data", "d2", "--listen", port(t), dev, "--yes", line)
}
