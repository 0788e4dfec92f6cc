package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func TestPrecedenceIsTheTableOfTheCode(t *testing.T) {
	t.Parallel()
	rules := here("consent", "precedence", "--json").only(t).list(t, "rules")
	if len(rules) != len(node.Precedence()) {
		t.Fatalf("%d rules", len(rules))
	}
	plain := here("consent", "precedence").out
	for i, r := range node.Precedence() {
		if rules[i]["name"] != r.Name || rules[i]["text"] != r.Text || rules[i]["passed_by_break_glass"] != r.Glass {
			t.Errorf("rule %d is %v", i+1, rules[i])
		}
		if !strings.Contains(plain, r.Name) {
			t.Errorf("%s is not printed", r.Name)
		}
	}
}

// TestConsentFromTheCommandLine records a refusal of one type for one trust, and follows it to that trust and back.
func TestConsentFromTheCommandLine(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	p.founded(t, "d1")
	other := p.joined(t, "d1", "d2", "RAS")
	p.known(t, "d2", 2)
	p.write(t, "a.pdf", letter("a"))
	id := p.ingest(t, "d1", patient, "a.pdf")
	p.listed(t, "d2", 1)

	record := []string{"consent", "record", "--data", "d1", patient, "--deny", "--trust", "RAS", "--except", "role=pharmacist", "--evidence", "letter"}
	back := p.json(t, record...).has(t, "directive", "recorded", "read_back", "conflicts", "in_force", "committed", "index")
	if back["recorded"] != false || back["directive"] != "" || !strings.Contains(back["read_back"].(string), "Staff who treat you may not know things") {
		t.Errorf("without --yes it is read back only: %v", back)
	}
	if e := p.run(t, record...); e.status != 0 || !strings.Contains(e.out, "Nothing was recorded") {
		t.Errorf("without --yes it says that nothing was recorded: %v", e)
	}
	p.finds(t, "d2", 1)
	no := p.json(t, append(record, "--yes")...)
	if no["recorded"] != true || no["in_force"] != true {
		t.Fatalf("got %v", no)
	}
	p.finds(t, "d2", 0)
	p.fails(t, admin.CodeDenied, nil, "fetch", "--data", "d2", id, "--out", "x.pdf")
	p.json(t, "fetch", "--data", "d2", id, "--out", "y.pdf", "--role", "pharmacist")

	r := p.json(t, "consent", "receipt", "--data", "d1", patient, no["directive"].(string), "--wait", "2m")
	r.has(t, "directive", "text", "recorded", "agreed", "committed", "index", "complete", "sites")
	for _, s := range r.list(t, "sites") {
		if s.has(t, "trust", "holds", "applied", "at", "problem")["applied"] != true || s["at"] == "" {
			t.Errorf("the receipt says %v", s)
		}
	}
	if r["complete"] != true || r["committed"] == "" || len(r.list(t, "sites")) != 2 {
		t.Errorf("the receipt says %v", r)
	}
	list := p.json(t, "consent", "list", "--data", "d2", patient).has(t, "directives", "conflicts").list(t, "directives")
	if len(list) != 1 || list[0]["directive"] != no["directive"] || list[0]["state"] != "in_force" {
		t.Errorf("the other trust lists %v", list)
	}
	list[0].has(t, "directive", "effect", "state", "text", "by", "trust", "evidence", "at", "index", "until", "ended_by")
	p.fails(t, admin.CodeDenied, []string{"researcher"}, "consent", "list", "--data", "d1", patient, "--as", "researcher")
	if o := p.json(t, "object", "--data", "d1", patient, "--withdraw"); o["scoped"] != float64(1) {
		t.Errorf("object --withdraw does not say what remains: %v", o)
	}
	p.json(t, "consent", "withdraw", "--data", "d2", patient, no["directive"].(string), "--evidence", "phone call")
	p.finds(t, "d2", 1)
	if list := p.json(t, "consent", "list", "--data", "d1", patient, "--history").list(t, "directives"); len(list) != 2 {
		t.Errorf("history keeps both: %v", list)
	}
	other.kill()
	e := p.run(t, "consent", "receipt", "--data", "d1", patient, no["directive"].(string), "--wait", "100ms")
	if e.status != exitStatus[admin.CodeUnavailable] || !strings.Contains(e.out, "RAS    not known\n") || !strings.Contains(e.out, "\nRAS did not answer: it cannot be said whether it has applied this.\n") || !strings.Contains(e.out, "Not every trust") {
		t.Errorf("a trust that does not answer is not named: %v", e)
	}
}

// finds waits until a clinician at data finds n documents of the patient.
func (p *place) finds(t *testing.T, data string, n int) {
	t.Helper()
	p.until(t, data, fmt.Sprintf("%s finds %d documents", data, n), func(object) bool {
		return len(here("locate", "--data", p.path(data), patient, "--json").only(t).list(t, "documents")) == n
	})
}
