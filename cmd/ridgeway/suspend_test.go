package main

import (
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// TestSuspendedTrustIsTold: it hears why its connections are closed, and so does whoever asks the others for its documents.
func TestSuspendedTrustIsTold(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.founded(t, "d1", "--voters", "3")
	two := p.joined(t, "d1", "d2", "RAS")
	p.known(t, "d2", 2)
	p.write(t, "a.pdf", letter("a"))
	mine, theirs := p.ingest(t, "d1", patient, "a.pdf"), p.ingest(t, "d2", patient, "a.pdf")
	p.listed(t, "d1", 2)
	p.listed(t, "d2", 2)
	p.fails(t, admin.CodeBadInput, []string{"--reason"}, "suspend", "--data", "d1", "RAS")
	p.fails(t, admin.CodeBadInput, []string{"this trust itself", "only another trust", "--yes"}, "suspend", "--data", "d1", "RYJ", "--reason", "a slip")
	p.fails(t, admin.CodeBadInput, []string{"RAS is not suspended", "nothing to lift"}, "suspend", "--data", "d1", "RAS", "--lift")
	if o := p.json(t, "suspend", "--data", "d1", "RAS", "--reason", "lost laptop"); o["in_force"] != true {
		t.Errorf("got %v", o)
	}
	p.fails(t, admin.CodeBadInput, []string{"RAS is suspended", "lost laptop", "already"}, "suspend", "--data", "d1", "RAS", "--reason", "again")
	p.fails(t, admin.CodeDenied, []string{theirs, "RAS is suspended", "lost laptop"}, "fetch", "--data", "d1", theirs, "--out", "x.pdf")
	if e := p.run(t, "locate", "--data", "d1", patient); !strings.Contains(e.out, "RAS (Trust RAS) is suspended from the region (lost laptop)") {
		t.Errorf("locate does not say it: %v", e)
	}
	two.shows(t, two.errOut, "this trust is suspended from the region")
	o := p.until(t, "d2", "it is told", func(o object) bool { return o["suspended"] != nil })
	s := o["suspended"].(map[string]any)
	if w := strings.Join(texts(o["warnings"]), " "); s["by"] != "RYJ" || s["reason"] != "lost laptop" || !strings.Contains(w, "ridgeway suspend RAS --lift") || strings.Contains(w, "UDP") {
		t.Errorf("got %v", o)
	}
	p.fails(t, admin.CodeDenied, []string{"THIS TRUST IS SUSPENDED", "lost laptop", "RYJ"}, "fetch", "--data", "d2", mine, "--out", "x.pdf")
	p.fails(t, admin.CodeDenied, []string{"THIS TRUST IS SUSPENDED"}, "suspend", "--data", "d2", "RYJ", "--reason", "revenge")
	p.json(t, "suspend", "--data", "d1", "RAS", "--lift")
	p.until(t, "d2", "it is back", func(o object) bool { return o["suspended"] == nil && hasLeader(o) })

	// A member of staff is the trust's own business.
	nurse := []string{"suspend", "--data", "d1", "--user", "j.price"}
	p.fails(t, admin.CodeBadInput, []string{"--by"}, append(nurse, "--reason", "badge stolen")...)
	p.fails(t, admin.CodeDenied, []string{"governance-lead"}, append(nurse, "--reason", "badge stolen", "--by", "a.okafor", "--role", "doctor")...)
	p.json(t, append(nurse, "--reason", "badge stolen", "--by", "n.ferreira")...)
	p.fails(t, admin.CodeDenied, []string{"j.price is suspended by this trust"}, "locate", "--data", "d1", patient, "--user", "J.Price")
	if o := p.json(t, "suspend", "--data", "d1", "--list", "--by", "n.ferreira"); len(o.list(t, "users")) != 1 || o.list(t, "users")[0]["reason"] != "badge stolen" {
		t.Errorf("got %v", o)
	}
	p.json(t, append(nurse, "--lift", "--by", "d.banerjee")...)
	p.run(t, "locate", "--data", "d1", patient, "--user", "j.price")
}

// TestSecondProposalJoinsTheFirst, and a proposal is approved by the beginning of its id.
func TestSecondProposalJoinsTheFirst(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.founded(t, "d1", "--approvals", "2")
	p.joined(t, "d1", "d2", "RAS")
	p.known(t, "d2", 2)
	join := p.start(t, "join", "--data", "d3", "--listen", port(t), dev, "--yes", p.invitation(t, "d1", "R1K"), "--json")
	id := p.until(t, "d2", "it hears of it", func(o object) bool { return len(o.list(t, "proposals")) == 1 }).list(t, "proposals")[0]["proposal"].(string)
	p.fails(t, admin.CodeBadInput, []string{"RYJ has approved it already", "1 of 2"}, "approve", "--data", "d1", id[:10])
	p.fails(t, admin.CodeNotFound, []string{"no open proposal", "ridgeway status"}, "approve", "--data", "d1", "ffffffffffff")
	if o := p.json(t, "approve", "--data", "d2", id[:10]); o["in_force"] != true || o["approvals"] != float64(2) || o["needed"] != float64(2) || o["proposal"] != id {
		t.Errorf("got %v", o)
	}
	join.wait(t)
	one := p.json(t, "suspend", "--data", "d1", "R1K", "--reason", "a trial")
	if again := p.json(t, "suspend", "--data", "d1", "R1K", "--reason", "a trial"); again["proposal"] != one["proposal"] || again["approvals"] != float64(1) {
		t.Errorf("got %v, want %v", again, one)
	}
	p.until(t, "d2", "it hears of it", func(o object) bool { return len(o.list(t, "proposals")) == 1 })
	if o := p.json(t, "suspend", "--data", "d2", "R1K", "--reason", "the same"); o["in_force"] != true {
		t.Errorf("got %v", o)
	}
}
