package web

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// Who has judged is told that it is done, and what to do about an access that was not justified: whose staff it was decides who can.
func TestAJudgementSaysWhatToDoNext(t *testing.T) {
	const next, suspend, tell = "What to do now", `href="/suspensions">suspend them`, "Tell the privacy officer of Imperial College Healthcare"
	for _, c := range []struct {
		outcome, trust string
		wants, misses  []string
	}{
		{"justified", "RAS", []string{"the access was justified"}, []string{next, suspend, tell}},
		{"not_justified", "RAS", []string{"the access was not justified", next, suspend}, []string{tell}},
		{"not_justified", "RYJ", []string{"the access was not justified", next, tell}, []string{suspend}},
	} {
		g := governed(t)
		g.region.cases = []*admin.Review{{Id: "RAS-9", Kind: "break_glass", State: "open", User: "j.price", Trust: c.trust, At: 1, Due: g.clock.now().UnixMicro() + 1}}
		b := g.browser()
		b.signOn("p.osei")
		b.get("/reviews/RAS-9").wants(t, 200, "It cannot be changed afterwards", "The patient sees whether it was justified, and not what you write")
		page := b.follow(b.post("/reviews/RAS-9", url.Values{"token": {b.token()}, "outcome": {c.outcome}, "note": {"asked the ward"}}))
		page.wants(t, 200, append(c.wants, "The review is closed")...)
		for _, w := range c.misses {
			if strings.Contains(page.body, w) {
				t.Errorf("%s of %s: says %q", c.outcome, c.trust, w)
			}
		}
		if again := b.get("/reviews/RAS-9"); strings.Contains(again.body, "The review is closed") {
			t.Error("who looks at it later is told that it was closed just now")
		}
	}
}

// An example of what to write fits the kind of review.
func TestTheExampleOfAReviewIsOfItsKind(t *testing.T) {
	g := governed(t)
	b := g.browser()
	b.signOn("p.osei")
	for kind, example := range map[string]string{"break_glass": "seen in resus", "own_record": "asked the ward", "many_patients": "asked the ward"} {
		g.region.cases = []*admin.Review{{Id: "RAS-9", Kind: kind, State: "open", User: "j.price", Trust: "RAS", At: 1, Due: g.clock.now().UnixMicro() + 1}}
		b.get("/reviews/RAS-9").wants(t, 200, "Such as: "+example)
	}
}

// The list of a patient's documents stays until one of them is asked about, and each is one press away from the next.
func TestWhyKeepsTheListUntilADocumentIsChosen(t *testing.T) {
	g := governed(t)
	id := g.region.add(numberA, "RYJ", 1, &admin.Located{Title: "A letter", ContentType: "text/plain"}, []byte("text"))
	b := g.browser()
	b.signOn("s.lindqvist")
	b.get("/why")
	list := b.post("/why", url.Values{"token": {b.token()}, "number": {numberA}}).Header.Get("Location")
	of := strings.TrimPrefix(list, "/why?")
	b.get(list).wants(t, 200, "A letter", `name="of"`, "Find another patient")
	b.get("/why?who=1&document=&"+of).wants(t, 422, "Choose one of the documents in the list", "A letter")
	looks := len(g.region.askers)
	b.get("/why?who=1&"+of+"&document="+id).wants(t, 200, "Who can see", "All documents of", strings.ReplaceAll(list, "&", "&amp;"))
	if len(g.region.askers) != looks {
		t.Error("an answer about one document looks the patient up again")
	}
}

// A search from a day to an earlier one finds nothing for a reason, and what is held elsewhere is not said to be held here because
// the search for it was.
func TestAuditSaysWhichDayIsWrongAndWhoHoldsTheDocument(t *testing.T) {
	g := governed(t)
	g.region.entries = []*admin.AuditEntry{{Index: 7, At: 1, Kind: "review", Trust: "RAS", User: "p.osei", Document: "RYJ-0400000000000001", Custodian: "RAS", Detail: "searched the audit log", Leaf: "1eaf", Of: -1}}
	b := g.browser()
	b.signOn("p.osei")
	b.get("/audit?search=1&since=2026-12-01&until=2026-11-01").wants(t, 422, "The last day is before the first")
	b.get("/audit?search=1&since=2026-11-01&until=2026-11-01").wants(t, 200)
	page := b.get("/audit/entries/7")
	page.wants(t, 200, "<dt>Held by</dt><dd>Imperial College Healthcare")
	if strings.Contains(page.body, "<dt>Held by</dt><dd>The Hillingdon") {
		t.Error("the document of another trust is held here")
	}
}

// Nobody has a list of all staff: who suspends a staff id that nobody uses is told so.
func TestASuspensionOfNobodySaysSo(t *testing.T) {
	g := governed(t)
	nurse, lead := g.browser(), g.browser()
	nurse.signOn("j.price")
	lead.signOn("n.ferreira")
	for who, want := range map[string]string{"j.prize": "Nobody was signed on under that staff id", "j.price": "Their sessions have ended"} {
		lead.follow(lead.post("/suspensions", url.Values{"token": {lead.token()}, "do": {"user"}, "user": {who}, "user-reason": {"r"}})).wants(t, 200, want, who)
	}
}

// Who chose the wrong way to write an agreement is told so, and the check is made again once they choose.
func TestADraftSaysWhatItReadsLike(t *testing.T) {
	g := governed(t)
	b := g.browser()
	b.signOn("n.ferreira")
	for _, c := range []struct{ kind, text, says string }{
		{"cedar", "name: x\nblocks:\n", "This reads like a form of building blocks"},
		{"form", "permit (principal, action, resource);", "This reads like Cedar"},
		{"form", "name: x\nblocks:\n", ""},
	} {
		page := b.post("/agreements/draft", url.Values{"token": {b.token()}, "do": {"check"}, "kind": {c.kind}, "text": {c.text}})
		page.wants(t, 200, c.says, `change from:#draft [name=kind]`)
		if c.says == "" && strings.Contains(page.body, "This reads like") {
			t.Error("a form is said to read like something else")
		}
	}
}

// Places in the log are written as other large numbers are.
func TestAnEntrysNumberHasItsComma(t *testing.T) {
	g := governed(t)
	g.region.entries = []*admin.AuditEntry{{Index: 12345, At: 1, Kind: "completion", Trust: "RAS", User: "x", Leaf: "1eaf", Of: 12344}}
	b := g.browser()
	b.signOn("p.osei")
	b.get("/audit?search=1").wants(t, 200, `href="/audit/entries/12345">12,345<`)
	b.get("/audit/entries/12345").wants(t, 200, "Entry 12,345 of the audit log", "entry 12,344")
}

// Every kind of entry has its words and a place in the search, and what was done with a document is said beside its number.
func TestEveryKindOfEntryHasItsWords(t *testing.T) {
	g := governed(t)
	p := &Portal{config: Config{Trust: "RAS"}}
	for _, kind := range []string{"intent", "completion", "receipt", "refusal", "search", "view", "ingest", "withdrawal", "directive", "agreement", "break-glass", "admin", "security", "review", "sign-on", "sign-out"} {
		if words := p.entryKind(&admin.AuditEntry{Kind: kind}); words == kind {
			t.Errorf("%s has no words", kind)
		}
		if !slices.ContainsFunc(auditKinds(), func(c choice) bool { return slices.Contains(strings.Split(c.Value, ","), kind) }) {
			t.Errorf("nobody can search for %s", kind)
		}
	}
	g.region.entries = []*admin.AuditEntry{
		{Index: 1, At: 1, Kind: "withdrawal", Trust: "RAS", User: "s.lindqvist", Document: "RAS-0400000000000001", Detail: "taken in by mistake", Leaf: "1eaf", Of: -1},
		{Index: 2, At: 1, Kind: "receipt", Trust: "RAS", User: "a.okafor", Document: "RYJ-0400000000000001", Detail: "received; transfer 4c9d", Bytes: 1000, Leaf: "1eaf", Of: -1},
		{Index: 4, At: 1, Kind: "refusal", Trust: "RAS", User: "a.okafor", Document: "RYJ-0400000000000001", Detail: "refused; transfer 9f3a", Leaf: "1eaf", Of: -1},
		{Index: 3, At: 1, Kind: "sign-out", Trust: "RAS", User: "patient", Role: "patient", Leaf: "1eaf", Of: -1},
	}
	b := g.browser()
	b.signOn("p.osei")
	list := b.get("/audit?search=1")
	list.wants(t, 200, "taken in by mistake", "patient, The Hillingdon")
	for _, w := range []string{"transfer 4c9d", "transfer 9f3a", "patient, patient"} {
		if strings.Contains(list.body, w) {
			t.Errorf("says %q", w)
		}
	}
	b.get("/audit/entries/2").wants(t, 200, "<dt>Received</dt>")
	b.get("/audit/entries/3").wants(t, 200, "<dd>patient</dd>")
}
