package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// TestMinority takes two of three voters away with kill -9 and asks those that are left for everything.
//
//	RYJ d1 (voter, killed)   RAS d2 (voter, killed)   R1K d3 (voter, lease 60 s)   RQM d4 (observer, lease 2 s)
func TestMinority(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, name := range []string{"early", "own", "late"} {
		p.write(t, name+".pdf", letter(name))
	}
	nodes := []*running{p.founded(t, "d1", "--voters", "3", "--lease", "2s"), p.joined(t, "d1", "d2", "RAS"), p.joined(t, "d1", "d3", "R1K", "--lease", "60s")}
	p.until(t, "d1", "there are three voters", threeVoters)
	p.joined(t, "d1", "d4", "RQM", "--lease", "2s")
	p.known(t, "d3", 4)
	p.known(t, "d4", 4)
	atRYJ, atR1K, atRQM := p.ingest(t, "d1", patient, "early.pdf"), p.ingest(t, "d3", otherPatient, "own.pdf"), p.ingest(t, "d4", patient, "early.pdf")
	p.listed(t, "d3", 3)
	p.listed(t, "d4", 3)
	p.json(t, "fetch", "--data", "d3", atRYJ, "--out", "early-got.pdf")
	p.json(t, "fetch", "--data", "d3", atRQM, "--out", "lease-got.pdf")

	p.until(t, "d3", "its lease has most of its time left", func(o object) bool { return age(o) < 10*time.Second })
	nodes[0].kill()
	nodes[1].kill()
	// First of all, because the lease of d3 lapses 50 s after the loss at the earliest; and not as a parallel test, which would wait for
	// its turn among all others.
	t.Run("an objection is in force at once", func(t *testing.T) { p.objectsAlone(t, atR1K) })
	p.until(t, "d3", "the loss is noticed", func(o object) bool { return !hasLeader(o) && reachable(o) == 2 })
	t.Run("minority", func(t *testing.T) {
		t.Run("ingest is acknowledged", func(t *testing.T) { t.Parallel(); p.ingestsAlone(t) })
		t.Run("locate names who is missing", func(t *testing.T) { t.Parallel(); p.locatesAlone(t) })
		t.Run("what needs the region says so", func(t *testing.T) { // and when, scenarios in virtual time say
			t.Parallel()
			p.fails(t, admin.CodeNoQuorum, []string{"region cannot agree now", "kept here", "ridgeway status"}, "suspend", "--data", "d3", "RQM", "--reason", "a trial")
			if o := p.json(t, "suspend", "--data", "d3", "RQM", "--lift"); o["taken_back"] != true || o["in_force"] != false {
				t.Errorf("what waits is taken back by its opposite: got %v", o)
			}
		})
		t.Run("the custodian is down", func(t *testing.T) {
			t.Parallel()
			p.fails(t, admin.CodeUnavailable, []string{"RYJ", atRYJ, "cannot deliver it now", "later"}, "fetch", "--data", "d3", atRYJ, "--out", "down.pdf")
		})
		t.Run("the custodian runs and has no lease", func(t *testing.T) {
			t.Parallel()
			p.until(t, "d4", "the lease lapses", func(o object) bool { return age(o) > 3500*time.Millisecond })
			p.fails(t, admin.CodeStale, []string{"RQM", atRQM, "no recent proof", "Until it has, it does not release it.", "try again when the region can be reached"}, "fetch", "--data", "d3", atRQM, "--out", "stale.pdf")
			if _, err := os.Stat(p.path("stale.pdf.part")); err == nil {
				t.Error("bytes came without a lease")
			}
			p.json(t, "fetch", "--data", "d4", atRQM, "--out", "stale-own.pdf")
		})
	})
	p.serve(t, "d1")
	p.serve(t, "d2")
	p.until(t, "d3", "the outbox empties when the region is back", func(o object) bool { return hasLeader(o) && o["outbox"] == float64(0) })
	p.listed(t, "d1", 4)
	p.json(t, "fetch", "--data", "d3", atRYJ, "--out", "again.pdf")
	for _, s := range p.json(t, "status", "--data", "d3").list(t, "sites") {
		if s["standing"] != "active" {
			t.Errorf("a suspension that was taken back took effect: %v", s)
		}
	}
	if o := p.json(t, "locate", "--data", "d1", otherPatient); len(o.list(t, "documents")) != 1 {
		t.Errorf("the objection was withdrawn while the region was away, and still closes the record: %v", o)
	}
	for _, r := range p.json(t, "rejected", "list", "--data", "d3").list(t, "rejected") {
		if r["kind"] == "directive" {
			t.Errorf("a withdrawal was said twice, and refused: %v", r)
		}
	}
}

// ingestsAlone takes in at d3, which own staff can read at once.
func (p *place) ingestsAlone(t *testing.T) {
	t.Helper()
	late := p.ingest(t, "d3", "9990000131", "late.pdf")
	if o := p.json(t, "locate", "--data", "d3", "9990000131"); len(o.list(t, "documents")) != 1 {
		t.Errorf("what was taken in alone is found at home: %v", o)
	}
	p.json(t, "fetch", "--data", "d3", late, "--out", "late-got.pdf")
	if !bytes.Equal(p.read(t, "late-got.pdf"), []byte(letter("late"))) {
		t.Error("own staff do not get what was taken in")
	}
	o := p.json(t, "status", "--data", "d3")
	if warnings := strings.Join(texts(o["warnings"]), " "); o["outbox"] == float64(0) || !strings.Contains(warnings, "no leader") {
		t.Errorf("the outbox keeps it, and a warning says why: %v", o)
	}
}

func (p *place) locatesAlone(t *testing.T) {
	t.Helper()
	o := p.json(t, "locate", "--data", "d3", patient)
	if n := len(o.list(t, "documents")); n != 2 {
		t.Errorf("found %d documents, want the 2 that were agreed on", n)
	}
	for _, s := range o.list(t, "sites") {
		if down := s["trust"] == "RYJ" || s["trust"] == "RAS"; s["reachable"] == down {
			t.Errorf("got %v", s)
		}
	}
	text := p.run(t, "locate", "--data", "d3", patient)
	for _, trust := range []string{"RYJ (Imperial College Healthcare) cannot be reached now", "RAS (Trust RAS) cannot be reached now"} {
		if !strings.Contains(text.out, trust) {
			t.Errorf("the answer lacks %q: %v", trust, text)
		}
	}
}

// objectsAlone records an objection at d3, which still has its lease and releases to d4 until then.
func (p *place) objectsAlone(t *testing.T, document string) {
	t.Helper()
	p.json(t, "fetch", "--data", "d4", document, "--out", "permitted.pdf")
	o := p.json(t, "object", "--data", "d3", otherPatient)
	if o["committed"] != false || o["state"] != "objected" {
		t.Errorf("got %v", o)
	}
	p.fails(t, admin.CodeDenied, []string{"R1K", document, "patient"}, "fetch", "--data", "d4", document, "--out", "denied.pdf")
	// Withdrawn before the region has heard of it: both are told, in this order, and each once.
	for range 2 {
		if o := p.json(t, "object", "--data", "d3", otherPatient, "--withdraw"); o["committed"] != false || o["state"] != "objected" {
			t.Errorf("got %v", o)
		}
	}
	p.fails(t, admin.CodeDenied, []string{"R1K", document, "patient"}, "fetch", "--data", "d4", document, "--out", "denied.pdf")
}

// age is how old a node's copy of the agreed state may be.
func age(o object) time.Duration {
	at, err := time.Parse(time.RFC3339, o["as_of"].(string))
	if err != nil {
		return time.Hour
	}
	return time.Since(at)
}

// threeVoters is a region in which three trusts have a vote, whoever leads, and also while nobody does.
func threeVoters(o object) bool {
	n := 0
	for _, s := range o["sites"].([]any) {
		if has := s.(map[string]any)["raft"]; has == "leader" || has == "voter" {
			n++
		}
	}
	return n == 3
}

func texts(v any) []string {
	var out []string
	for _, x := range v.([]any) {
		out = append(out, x.(string))
	}
	return out
}

// TestCustodianRefuses because the patient objects, until the objection is withdrawn.
func TestCustodianRefuses(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write(t, "letter.pdf", letter("refused"))
	p.founded(t, "d1")
	p.joined(t, "d1", "d2", "RAS")
	p.known(t, "d2", 2)
	document := p.ingest(t, "d1", patient, "letter.pdf")
	p.listed(t, "d2", 1)
	if o := p.json(t, "object", "--data", "d2", patient); o["committed"] != true || o["state"] != "objected" {
		t.Errorf("got %v", o)
	}
	for _, data := range []string{"d1", "d2"} {
		p.until(t, data, "the objection arrives", func(o object) bool { return o["applied"] == o["committed"] })
	}
	if o := p.json(t, "locate", "--data", "d2", patient); len(o.list(t, "documents")) != 0 {
		t.Errorf("the list shows what the patient objects to: %v", o)
	}
	if o := p.json(t, "locate", "--data", "d1", patient); len(o.list(t, "documents")) != 1 {
		t.Errorf("own staff do not find their own record: %v", o)
	}
	p.fails(t, admin.CodeDenied, []string{"RYJ", document, "The patient has asked that their record is not shared", "emergency"}, "fetch", "--data", "d2", document, "--out", "denied.pdf")
	// Whom nothing is shared with learns nothing, not even that there is a patient who objects.
	p.fails(t, admin.CodeNotFound, []string{document, "no document"}, "fetch", "--data", "d2", document, "--role", "admin", "--out", "denied.pdf")
	p.fails(t, admin.CodeNotFound, []string{"no document"}, "fetch", "--data", "d2", "RYJ-0000000000000000", "--out", "denied.pdf")
	for _, name := range []string{"denied.pdf", "denied.pdf.part"} {
		if _, err := os.Stat(p.path(name)); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	if o := p.json(t, "object", "--data", "d1", patient, "--withdraw"); o["state"] != "shared" || o["committed"] != true {
		t.Errorf("got %v", o)
	}
	p.until(t, "d2", "the withdrawal arrives", func(o object) bool { return o["applied"] == o["committed"] })
	p.json(t, "fetch", "--data", "d2", document, "--out", "allowed.pdf")
	if o := p.json(t, "object", "--data", "d1", patient, "--withdraw"); len(o["directives"].([]any)) != 0 {
		t.Errorf("there is nothing left to withdraw: %v", o)
	}
}
