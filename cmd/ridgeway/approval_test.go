package main

import (
	"os"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// TestJoinWaitsForApproval lets the third trust of a region wait for the second one's approval, interrupts it, and runs the
// same command again.
func TestJoinWaitsForApproval(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	p.founded(t, "d1", "--approvals", "2")
	p.joined(t, "d1", "d2", "RAS")
	p.known(t, "d2", 2)
	args := []string{"join", "--data", "d3", "--listen", port(t), dev, "--yes", p.invitation(t, "d1", "R1K"), "--json"}

	r := p.start(t, args...)
	r.shows(t, r.errOut, "R1K waits for the approval of other trusts: 1 of 2 have approved")
	p.fails(t, admin.CodeUnavailable, []string{"d3 is joining its region", "until other trusts have approved", "'ridgeway status' at a trust of the region"}, "status", "--data", "d3")
	r.interrupt(t).failure(t, admin.CodeInterrupted, "waits for approval (1 of 2)", "same command again", "same folder and invitation")
	if _, err := os.Stat(p.path("d3/secrets/membership.sealed")); err == nil {
		t.Error("the membership is there before the others have approved")
	}
	p.fails(t, admin.CodeDataFolder, []string{"d3 has not joined its region yet", "'ridgeway join' again", "same folder and invitation"}, "status", "--data", "d3")
	if o := p.run(t, append(args, "--no-wait")...).only(t); o["pending"] != true || o["approvals"] != float64(1) || o["needed"] != float64(2) {
		t.Errorf("got %v", o)
	}
	p.fails(t, admin.CodeDataFolder, []string{"d3", "never joined", "same invitation", "waits for approval"}, "serve", "--data", "d3", dev)

	r = p.start(t, args...)
	r.shows(t, r.errOut, "1 of 2 have approved")
	proposal := p.until(t, "d2", "the proposal is known", func(o object) bool { return len(o["proposals"].([]any)) == 1 }).list(t, "proposals")[0]
	if o := p.json(t, "approve", "--data", "d2", proposal["proposal"].(string)); o["in_force"] != true {
		t.Errorf("got %v", o)
	}
	if e := r.wait(t); e.status != 0 || e.only(t)["pending"] != false {
		t.Errorf("got %v", e)
	}
	p.serve(t, "d3")
	p.known(t, "d3", 3)
}
