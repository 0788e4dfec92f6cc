package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const hostile = `<script>alert(1)</script><img src=x onerror=alert(2)>`

// governed is a rig whose region has something on every page of governance, all of it in words that mean harm.
func governed(t *testing.T) *rig {
	t.Helper()
	g := newRig(t)
	now := g.clock.now()
	f := &g.region.fakeGoverning
	g.region.set(healthOf(now, true))
	f.versions = []*admin.AgreementVersion{
		{Trust: "RAS", Version: 2, State: "in_force", Effective: 1, Expires: now.Add(10 * 24 * time.Hour).UnixMicro(), Proposer: "n.ferreira", Approver: "d.banerjee", Note: hostile, Cedar: "@id(\"x\")\n@reason(\"" + hostile + "\")\npermit (principal, action, resource);\n// two\n", Form: "name: " + hostile},
		{Trust: "RAS", Version: 1, State: "superseded", Effective: 1, Proposer: "x", Cedar: "@id(\"x\")\nforbid (principal, action, resource);\n// one\n"},
	}
	f.proposals = []*admin.AgreementProposal{{Id: "p1", State: "proposed", By: "n.ferreira", Note: hostile, Cedar: "permit (principal, action, resource); // " + hostile, Base: 2}}
	f.findings = []*admin.Finding{{Line: 2, Column: 3, Severity: "error", Code: "unknown-role", Text: hostile}}
	f.directives = []*admin.DirectiveInfo{
		{Directive: strings.Repeat("ab", 16), Effect: "deny", State: "in_force", Text: hostile, By: hostile, Trust: "RAS", Evidence: hostile, At: 1},
		{Directive: strings.Repeat("cd", 16), Effect: "permit", State: "withdrawn", Text: "gone", Trust: "RAS", At: 1},
	}
	f.conflicts = []string{hostile}
	f.receipt = &admin.ReceiptReply{Text: hostile, Recorded: 1, Agreed: true, Sites: []*admin.ReceiptSite{{Trust: "RAS", Applied: true, At: 1}, {Trust: "RYJ", Problem: hostile}}}
	f.cases = []*admin.Review{
		{Id: "RAS-2", Kind: "colleague", User: "a.okafor", Trust: "RAS", Reason: hostile, At: 1, Due: now.Add(time.Hour).UnixMicro()},
		{Id: "RAS-1", Kind: "break_glass", User: hostile, Trust: "RYJ", Patient: numberA, Reason: hostile, At: 1, Due: now.Add(-time.Hour).UnixMicro(), Documents: []string{"RYJ-x" + hostile}},
		{Id: "RAS-3", Kind: "colleague", User: "n.ferreira", Trust: "RAS", Reason: "looked at a colleague", At: 1, Due: now.Add(2 * time.Hour).UnixMicro()},
		{Id: "RAS-4", Kind: "colleague", User: "j.price", Trust: "RAS", Reason: "r", At: 1, Outcome: "justified", ClosedBy: "p.osei", Note: hostile},
	}
	f.entries = []*admin.AuditEntry{{Index: 7, At: 1, Kind: "refusal", Trust: "RYJ", User: hostile, Role: "nurse", Purpose: "TREAT", Outcome: "DENIED", Detail: hostile, Chain: []string{hostile}, Leaf: "1eaf", Of: -1, Document: hostile}}
	return g
}

func (b *browser) token() string {
	b.t.Helper()
	return field(b.t, tokenField, b.get("/wishes").body)
}

// wishKey opens a patient and returns the key by which the session knows them.
func (b *browser) wishKey(number string) string {
	b.t.Helper()
	to := b.post("/wishes", url.Values{"token": {b.token()}, "number": {number}}).Header.Get("Location")
	if !strings.HasPrefix(to, "/wishes/") || strings.Contains(to, number) {
		b.t.Fatalf("a patient's wishes are at %q", to)
	}
	return to
}

// governanceForms are all forms of governance, with what a browser would send.
func governanceForms(wishes string) map[string]url.Values {
	return map[string]url.Values{
		"/agreements/versions/1":                         {"note": {"again"}},
		"/agreements/draft":                              {"do": {"propose"}, "text": {"name: x"}, "kind": {"form"}, "note": {"n"}},
		"/agreements/proposals/p1":                       {"do": {"approve"}},
		wishes + "/record":                               {"do": {"confirm"}, "effect": {"deny"}, "evidence": {"e"}},
		wishes + "/withdraw/" + strings.Repeat("ab", 16): {"evidence": {"e"}, "read": {"1"}},
		"/reviews/RAS-1":                                 {"outcome": {"justified"}, "note": {"n"}},
		"/audit/export":                                  {},
		"/audit/entries/7":                               {},
		"/audit/checks":                                  {"do": {"own"}},
		"/suspensions":                                   {"do": {"user"}, "user": {"j.price"}, "user-reason": {"r"}},
		"/reviews/watched":                               {"do": {"mark"}, "number": {numberA}, "kind": {"protected"}, "reason": {"r"}},
		"/labels":                                        {"do": {"label"}, "plan": {"plan-1"}, "which": {"like"}, "type": {"373942005"}, "confidentiality": {"R"}, "reason": {"r"}},
	}
}

func TestGovernanceIsForItsRoles(t *testing.T) {
	g := governed(t)
	who := map[string]string{"a.okafor": "", "j.price": "", "t.hughes": "", "s.lindqvist": "wishes audit why labels", "n.ferreira": "agreements wishes reviews reviews/watched audit why labels suspensions", "p.osei": "agreements wishes reviews reviews/watched audit why labels suspensions"}
	for persona, may := range who {
		b := g.browser()
		b.signOn(persona)
		for _, part := range []string{"agreements", "wishes", "reviews", "reviews/watched", "audit", "why", "labels", "suspensions"} {
			want := http.StatusForbidden
			if strings.Contains(may, part) {
				want = http.StatusOK
			}
			if got := b.get("/" + part); got.StatusCode != want {
				t.Errorf("%s gets /%s with %d, want %d", persona, part, got.StatusCode, want)
			}
		}
		if may != "" {
			continue
		}
		token := field(t, tokenField, b.follow(b.get("/")).body)
		for path, form := range governanceForms("/wishes/any") {
			form.Set("token", token)
			b.post(path, form).wants(t, http.StatusForbidden, "not for your role")
		}
	}
	f := &g.region.fakeGoverning
	if len(f.recorded)+len(f.withdrawn)+len(f.suspends)+len(f.exported)+len(f.shut)+len(f.protected)+len(g.region.labels) > 0 || f.proposals[0].GetState() != "proposed" || len(f.proposals) != 1 {
		t.Error("a form of another role has changed something")
	}
}

func TestForgedFormsOfGovernanceChangeNothing(t *testing.T) {
	g := governed(t)
	b := g.browser()
	b.signOn("d.banerjee")
	wishes := b.wishKey(numberA)
	foreign := g.browser()
	foreign.signOn("p.osei")
	for name, token := range map[string]string{"none": "", "another session's": foreign.token(), "made up": "x"} {
		for path, form := range governanceForms(wishes) {
			form.Set("token", token)
			if got := b.post(path, form); got.StatusCode != http.StatusForbidden {
				t.Errorf("%s with the token %s: status %d", path, name, got.StatusCode)
			}
		}
	}
	// A patient's key of one session is nothing in another.
	foreign.get(wishes).wants(t, http.StatusNotFound, "Find the patient again")
	f := &g.region.fakeGoverning
	if len(f.recorded)+len(f.withdrawn)+len(f.suspends)+len(f.exported)+len(f.shut)+len(f.protected)+len(g.region.labels) > 0 || f.proposals[0].GetState() != "proposed" || len(f.proposals) != 1 || f.cases[1].GetOutcome() != "" {
		t.Error("a forged form has changed something")
	}
}

func TestHostileWordsOfGovernanceStayWords(t *testing.T) {
	g := governed(t)
	g.region.witnessed = true
	b := g.browser()
	b.signOn("p.osei")
	wishes := b.wishKey(numberA)
	token := b.token()
	pages := map[string]visit{}
	for _, path := range []string{
		"/agreements", "/agreements/versions/2", "/agreements/compare?a=1&b=2", "/agreements/draft?from=2", "/agreements/proposals/p1", wishes, wishes + "/record", wishes + "/withdraw/" + strings.Repeat("ab", 16),
		wishes + "/receipt/" + strings.Repeat("ab", 16), "/reviews", "/reviews?closed=1", "/reviews/RAS-1", "/reviews/RAS-4", "/audit?search=1&user=" + url.QueryEscape(hostile), "/audit/entries/7", "/suspensions",
		"/why?ask=1&document=" + url.QueryEscape(hostile), "/why?who=1&document=x",
	} {
		pages[path] = b.get(path)
	}
	pages["a draft"] = b.post("/agreements/draft", url.Values{"token": {token}, "do": {"check"}, "kind": {"form"}, "text": {"</textarea>" + hostile + "\n " + hostile}, "note": {hostile}})
	pages["a simulation"] = b.post("/agreements/proposals/p1", url.Values{"token": {token}, "do": {"simulate"}})
	pages["a read-back"] = b.post(wishes+"/record", url.Values{"token": {token}, "effect": {"deny"}, "evidence": {hostile}})
	for name, v := range pages {
		if v.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d: %.800s", name, v.StatusCode, v.body)
		}
		if strings.Contains(v.body, "<script>alert") || strings.Contains(v.body, "<img src=x") || strings.Contains(v.body, " style=") || strings.Contains(v.body, "onclick") || strings.Contains(v.body, "<b>a document") {
			t.Errorf("%s: words of others are markup, or a style or script stands in it", name)
		}
	}
	pages["a simulation"].wants(t, 200, "Pharmacist or pharmacy technician", "12 gained", "Discharge summary", "1,200")
	if log := g.log.String(); strings.Contains(log, numberA) {
		t.Error("the log names a patient")
	}
}

func TestAWishIsReadBackBeforeItIsRecorded(t *testing.T) {
	g := governed(t)
	f := &g.region.fakeGoverning
	b := g.browser()
	b.signOn("s.lindqvist")
	b.post("/wishes", url.Values{"token": {b.token()}, "number": {"123"}}).wants(t, 422, "An NHS number has 10 digits")
	wishes := b.wishKey(numberA)
	b.get(wishes).wants(t, 200, "In force in the whole region", "contradict", "History", "Withdrawn", "Patients&#39; choices", "Record a choice")
	f.directives = append(f.directives, &admin.DirectiveInfo{Directive: strings.Repeat("ef", 16), Effect: "withdraw", State: "in_force", Text: "taken back", Trust: "RAS", At: 2})
	if page := b.get(wishes); strings.Count(page.body, ">In force in the whole region<") != 1 || !strings.Contains(page.body, ">Done in the whole region<") {
		t.Error("a withdrawal is said to be in force, as what it ends was")
	}
	f.directives = f.directives[:2]
	form := url.Values{"token": {b.token()}, "effect": {"deny"}, "role": {"nurse"}, "except-1-person": {"rn7"}, "except-1-trust": {"RYJ"}, "except-3-type": {"824321000000109"}, "evidence": {"in person"}, "do": {"read"}}
	b.post(wishes+"/record", url.Values{"token": {b.token()}}).wants(t, 422, "Select whether the patient refuses or agrees", "Say how the patient told you")
	b.post(wishes+"/record", form).wants(t, 200, "Read this back to the patient", "No nurse may see your records.", "This contradicts what they have said before", `name="role" value="nurse"`)
	if len(f.recorded) != 1 || f.recorded[0].GetConfirm() {
		t.Fatal("it was recorded before it was confirmed")
	}
	form.Set("do", "change")
	b.post(wishes+"/record", form).wants(t, 200, `value="nurse" selected`)
	form.Set("do", "confirm")
	to := b.post(wishes+"/record", form).Header.Get("Location")
	last := f.recorded[len(f.recorded)-1]
	if to != wishes+"/receipt/"+strings.Repeat("ab", 16) || !last.GetConfirm() || last.GetScope().GetRole() != "nurse" || last.GetExcept()[0].GetPerson() != "rn7" || len(last.GetExcept()) != 2 || last.GetExcept()[1].GetType() != "824321000000109" || last.GetPatient() != numberA || last.GetBy() != "s.lindqvist" {
		t.Errorf("recorded %v, and sent to %s", last, to)
	}
	if a := last.GetAsker(); a.GetUser() != "s.lindqvist" || a.GetRole() != "records-staff" || a.GetPurpose() != "PATRQT" {
		t.Errorf("asked as %v", a)
	}
	open := b.get(to)
	open.wants(t, 200, "in force at 1 of 2 trusts", "looked=1", "Not known")
	if strings.Contains(open.body, "Holds records") {
		t.Error("records staff are told who holds records of the patient")
	}
	if page := b.get(to + "?looked=45"); strings.Contains(page.body, "data-hx-get") {
		t.Error("a receipt looks again for ever, and keeps a session open that nobody uses")
	}
	f.receipt.Complete = true
	if page := b.get(to); strings.Contains(page.body, "data-hx-get") {
		t.Error("a receipt that is complete looks again")
	}
	path := wishes + "/withdraw/" + strings.Repeat("ab", 16)
	b.post(path, url.Values{"token": {b.token()}, "evidence": {"by letter"}}).wants(t, 422, "Confirm that you have read it")
	b.get(wishes+"/withdraw/"+strings.Repeat("cd", 16)).wants(t, 404, "no such choice")
	if len(f.withdrawn) != 0 {
		t.Error("a wish was withdrawn that was not read back")
	}
	b.post(path, url.Values{"token": {b.token()}, "evidence": {"by letter"}, "read": {"1"}}).wants(t, 303)
	if len(f.withdrawn) != 1 || f.withdrawn[0].GetEvidence() != "by letter" {
		t.Errorf("withdrawn: %v", f.withdrawn)
	}
}

func TestReviewsAreJudgedByOthersThanThePerson(t *testing.T) {
	g := governed(t)
	b := g.browser()
	b.signOn("n.ferreira")
	page := b.get("/reviews")
	page.wants(t, 200, "1 review is overdue", "was due 1 hour ago", "Emergency access")
	if strings.Index(page.body, "RAS-1") > strings.Index(page.body, "RAS-2") {
		t.Error("what is overdue does not come first")
	}
	b.get("/reviews/RAS-1").wants(t, 200, "999 000 0018", "Judge it", "What was opened")
	own := b.get("/reviews/RAS-3")
	own.wants(t, 200, "This is about you, so you cannot judge it")
	if strings.Contains(own.body, `name="outcome"`) {
		t.Error("one's own review can be judged")
	}
	token := b.token()
	b.post("/reviews/RAS-3", url.Values{"token": {token}, "outcome": {"justified"}, "note": {"it was me"}}).wants(t, 403, "cannot judge it")
	b.post("/reviews/RAS-1", url.Values{"token": {token}}).wants(t, 422, "Select whether the access was justified", "Say how you found out")
	b.follow(b.post("/reviews/RAS-1", url.Values{"token": {token}, "outcome": {"not_justified"}, "note": {"nobody was in resus"}})).wants(t, 200, "Not justified", "nobody was in resus", "A judgement is not changed")
	b.get("/reviews/none").wants(t, 404)
}

func TestAuditIsSearchedProvenAndExported(t *testing.T) {
	g := governed(t)
	f := &g.region.fakeGoverning
	b := g.browser()
	b.signOn("p.osei")
	token := b.token()
	to := b.post("/audit", url.Values{"token": {token}, "number": {"999 000 0018"}, "user": {"j.price"}, "since": {"2026-06-01"}, "until": {"2026-06-02"}, "purpose": {"PATRQT"}, "glass": {"1"}}).Header.Get("Location")
	if strings.Contains(to, numberA) || strings.Contains(to, "999") || !strings.HasPrefix(to, "/audit?") {
		t.Fatalf("the search is at %s", to)
	}
	b.get(to).wants(t, 200, "999 000 0018", "Refused", "/audit/entries/7")
	q := f.searched[len(f.searched)-1]
	if x := q.GetFilter(); x.GetPatient() != numberA || x.GetUser() != "j.price" || !x.GetBreakGlass() || q.GetAsker().GetPurpose() != "PATRQT" || x.GetUntil()-x.GetSince() != 48*time.Hour.Microseconds() {
		t.Errorf("searched for %v", q)
	}
	b.get("/audit").wants(t, 200, ` list="trust-list"`, `<option value="Imperial College Healthcare (RYJ)">`) // trusts go by name or code
	for typed, want := range map[string]string{"imperial college healthcare (RYJ)": "RYJ", " ryj ": "RYJ", "RQX": "RQX", "imperial": "RYJ", "College Health": "RYJ"} {
		b.get(b.post("/audit", url.Values{"token": {token}, "trust": {typed}}).Header.Get("Location"))
		if got := f.searched[len(f.searched)-1].GetFilter().GetTrust(); got != want {
			t.Errorf("%q is searched for as %q, want %q", typed, got, want)
		}
	}
	g.browser().follow(g.browser().get(to)).wants(t, 200, "Sign on")
	b.post("/audit", url.Values{"token": {token}, "number": {"1"}, "document": {"x"}, "trust": {"!"}, "since": {"soon"}}).wants(t, 422, "An NHS number has 10 digits", "not a document&#39;s number", "ODS code", "Enter a day")
	b.get("/audit/entries/7").wants(t, 200, "has not witnessed this log yet", "1eaf")
	f.witnessed = true
	b.get("/audit/entries/7").wants(t, 200, "Proven", "r00t", "h4sh", "place 77")
	b.get("/audit/entries/8").wants(t, 404)
	file := b.post("/audit/entries/7", url.Values{"token": {token}})
	file.wants(t, 200, `"format":"ridgeway audit export 1"`, "AuditEvent")
	if d := file.Header.Get("Content-Disposition"); d != `attachment; filename="audit-RAS-entry-7.ndjson"` || !strings.Contains(file.Header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("downloaded as %q", d)
	}
	if one := f.exported[len(f.exported)-1]; !one.GetFilter().GetSingle() || one.GetFilter().GetEntry() != 7 || !one.GetProofs() {
		t.Errorf("exported %v", one)
	}
	f.broken = true
	r := b.request("POST", "/audit/export", url.Values{"token": {token}})
	resp, err := b.client.Do(r)
	if err == nil {
		buf := make([]byte, 1<<16)
		for err == nil {
			_, err = resp.Body.Read(buf)
		}
		_ = resp.Body.Close()
		if err.Error() == "EOF" {
			t.Error("an export that failed half-way looks whole")
		}
	}
	b.post("/audit/checks", url.Values{"token": {token}, "do": {"region"}}).wants(t, 200, "The log is not whole", "entry 7 was rewritten")
	f.broken = false
	b.post("/audit/checks", url.Values{"token": {token}, "do": {"own"}}).wants(t, 200, "The log is whole", "1,234 entries")
	if a := f.governed[len(f.governed)-1]; a.GetUser() != "p.osei" || a.GetRole() != "privacy-officer" || a.GetPurpose() != ownDuties {
		t.Errorf("verified for %v", a)
	}
	b.post("/audit/checks", url.Values{"token": {token}, "do": {"region"}}).wants(t, 200, "whole as far as it was compared", "did not answer", "1,200 entries")
	b.post("/audit/checks", url.Values{"token": {token}, "do": {"reconcile"}, "days": {"x"}}).wants(t, 422, "Enter a number of days")
	b.post("/audit/checks", url.Values{"token": {token}, "do": {"reconcile"}, "days": {"7"}}).wants(t, 200, "1 read was found at one end only", "the other end has no entry")
}

// An emergency is named once, its end is told by British clocks, and what was asked of another trust is not called sent.
func TestAuditEntriesAreInWords(t *testing.T) {
	g := governed(t)
	const id = "RYJ-0400000000000001"
	g.region.entries = []*admin.AuditEntry{
		{Index: 7, At: 1, Kind: "break_glass", BreakGlass: true, Trust: "RAS", User: "a.okafor", Role: "doctor", Relationship: "appointment:A-7", Outcome: "PERMIT", Detail: "emergency RAS-1 until 2026-07-01T13:11:54Z: shock", Leaf: "1eaf", Of: -1},
		{Index: 8, At: 1, Kind: "intent", Trust: "RAS", User: "a.okafor", Role: "doctor", Document: id, Custodian: "RYJ", Outcome: "PERMIT", Chain: []string{"The agreement of RYJ permits TREAT."}, Leaf: "2eaf", Of: -1},
		{Index: 9, At: 1, Kind: "intent", Trust: "RYJ", User: "x", Role: "doctor", Document: "RAS-0400000000000001", Custodian: "RAS", Outcome: "PERMIT", Leaf: "3eaf", Of: -1},
	}
	b := g.browser()
	b.signOn("p.osei")
	list := b.get("/audit?search=1")
	list.wants(t, 200, "until 1 July 2026 at 14:11: shock", "About to be asked for", "About to be sent")
	if strings.Contains(list.body, `Emergency <strong`) {
		t.Error("an emergency is named twice")
	}
	b.get("/audit/entries/7").wants(t, 200, "The patient has an appointment there (A-7)")
	b.get("/audit/entries/8").wants(t, 200, "The agreement of Imperial College Healthcare (RYJ) permits Treatment (TREAT).")
}

func TestWhyAndWho(t *testing.T) {
	g := governed(t)
	b := g.browser()
	id := g.region.add(numberA, "RYJ", 1, &admin.Located{Title: "A letter", ContentType: "text/plain"}, []byte("text"))
	b.signOn("s.lindqvist")
	b.get("/why?ask=1&document="+id+"&role=nurse&trust=RYJ").wants(t, 200, "Refused", "Nurse of Imperial College Healthcare (RYJ), for: Treatment. Open it: "+id, "nurse of Imperial College Healthcare (RYJ) opens it for Healthcare research (HRESCH)", "The sharing agreement of Imperial College Healthcare (RYJ), version 2: RYJ-0400000000000001 (RYJ)", "They are told")
	b.get("/why?ask=1&document=").wants(t, 422, "Enter the document&#39;s number")
	q := g.region.whys[0]
	if q.GetAsker().GetRole() != "nurse" || q.GetTrust() != "RYJ" || q.GetBy().GetUser() != "s.lindqvist" || q.GetBy().GetRole() != "records-staff" {
		t.Errorf("asked %v", q)
	}
	b.get("/why?who=1&document="+id).wants(t, 200, "Doctor, Nurse", "The patient was referred to them or their team", "open in an emergency", "Any other trust")
	token := b.token()
	b.post("/why", url.Values{"token": {token}, "number": {"1"}}).wants(t, 422, "An NHS number has 10 digits")
	to := b.post("/why", url.Values{"token": {token}, "number": {numberA}}).Header.Get("Location")
	if strings.Contains(to, numberA) {
		t.Errorf("the patient stands in %s", to)
	}
	b.get(to).wants(t, 200, "A letter", url.QueryEscape(id))
}

func TestRefusalsAreSaidInPlainWords(t *testing.T) {
	for in, want := range map[string]string{
		"n.ferreira has proposed it and may not approve it too: a second person must":                              "n.ferreira has proposed it and may not approve it too: a second person must.",
		"there is no proposal \"x\": 'ridgeway agreement show' lists those that wait":                              "There is no proposal \"x\".",
		"RAS is not in the region: 'ridgeway status' lists who is":                                                 "RAS is not in the region.",
		"x in the role \"y\" may not do that: whoever proposes is a or b (--role)":                                 "X in the role \"y\" may not do that: whoever proposes is a or b.",
		"--effective 2026-01-01T00:00:00Z lies in the past: leave it out for as soon as the agreement is approved": "Effective 2026-01-01T00:00:00Z lies in the past: leave it out for as soon as the agreement is approved.",
		"the agreement is empty: 'ridgeway agreement init' writes one to begin with":                               "The agreement is empty.",
		"no open proposal has the id \"x\": it may be in force already. 'ridgeway status' lists those that wait":   "No open proposal has the id \"x\": it may be in force already.",
		"the region has not witnessed this log yet: try again once it can be reached, or export without --proofs":  "The region has not witnessed this log yet: try again once it can be reached, or export without proofs.",
		"version 3 of the agreement expires on 2 May. Propose the next one with 'ridgeway agreement propose'":      "Version 3 of the agreement expires on 2 May.",
	} {
		got := plainWords(admin.Errorf(admin.CodeBadInput, "%s", in))
		if got != want {
			t.Errorf("%q\n  is said as %q\n  want       %q", in, got, want)
		}
	}
	if got := plainWords(http.ErrAbortHandler); strings.Contains(got, "abort") {
		t.Errorf("an error of the program reaches people: %q", got)
	}
}

// TestReviewNamesWhatWasOpened as far as the reviewer may know: of the others it says that it does not, and whom to ask.
func TestReviewNamesWhatWasOpened(t *testing.T) {
	g := newRig(t)
	const own, told, kept, hidden = "RAS-0400000000000001", "RYJ-0400000000000002", "RYJ-0400000000000003", "RAS-0400000000000004"
	f := &g.region.fakeGoverning
	f.cases = []*admin.Review{{Id: "RAS-1", Kind: "break_glass", User: "a.okafor", Trust: "RAS", Reason: "unconscious in resus", At: 1, Due: 1, Documents: []string{own, told, kept, hidden}}}
	f.opened = []*admin.Located{
		{Document: own, Custodian: "RAS", Type: "373942005", Title: "Discharge <summary>, Cardiology", Date: time.Date(2024, 2, 3, 0, 0, 0, 0, time.UTC).UnixMicro()},
		{Document: told, Custodian: "RYJ", Type: "373942005"},
		{Document: kept, Custodian: "RYJ"},
		{Document: hidden, Custodian: "RAS"},
		{Document: "RYJ-0400000000000009", Custodian: "RYJ", Type: "373942005", Title: "of another review"},
	}
	b := g.browser()
	b.signOn("p.osei")
	page := b.get("/reviews/RAS-1")
	page.wants(t, 200, "<strong>Discharge &lt;summary&gt;, Cardiology</strong>, Discharge summary, 3 Feb 2024, held by The Hillingdon Hospitals", "<strong>Discharge summary</strong>, held by Imperial College Healthcare",
		"A document that Imperial College Healthcare holds. Its name is not shared with reviewers here: ask the privacy officer of Imperial College Healthcare", "A document of this trust. What it is called is not told here", own, told, kept, hidden)
	if strings.Contains(page.body, "of another review") {
		t.Error("a document is named that is not of this review")
	}
	if last := f.governed[len(f.governed)-1]; last.GetUser() != "p.osei" || last.GetPurpose() != ownDuties {
		t.Errorf("asked as %v", last)
	}
}

// TestVersionsSayWhenTheyCount to the minute, and of the one in force when the next takes its place.
func TestVersionsSayWhenTheyCount(t *testing.T) {
	g := newRig(t)
	when := func(hour int) int64 { return time.Date(2027, 1, 9, hour, 30, 0, 0, time.UTC).UnixMicro() }
	g.region.versions = []*admin.AgreementVersion{
		{Version: 4, State: "future", Effective: when(17)},
		{Version: 3, State: "future", Effective: when(15)},
		{Version: 2, State: "in_force", Effective: when(8)},
		{Version: 1, State: "superseded", Effective: when(7)},
	}
	b := g.browser()
	b.signOn("n.ferreira")
	b.get("/agreements").wants(t, 200, "9 Jan 2027, 08:30</td>", "9 Jan 2027, 15:30, when the next one comes</td>", "9 Jan 2027, 15:30</td>", "the next one came")
}
