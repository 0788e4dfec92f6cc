package web

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestAgreementIsWrittenCheckedProposedAndApproved(t *testing.T) {
	g := governed(t)
	f := &g.region.fakeGoverning
	f.proposals = nil
	b := g.browser()
	b.signOn("n.ferreira").wants(t, 200, "Expires within 30 days", "Version 2")
	token := b.token()
	form := url.Values{"token": {token}, "do": {"propose"}, "kind": {"form"}, "text": {"name: x\r\n  bad: y"}, "from": {"2027-06-01"}, "from-time": {"08:00"}, "note": {"yearly review"}}
	b.post("/agreements/draft", form).wants(t, 422, "Mend what is wrong first", "line 2, column 3", "<span>  </span><mark>bad: y</mark>")
	b.get("/agreements").wants(t, 200, "Go on with your draft")
	b.get("/agreements/draft").wants(t, 200, "name: x\n  bad: y", "yearly review")
	f.findings = nil
	b.post("/agreements/draft", url.Values{"token": {token}, "do": {"add break-glass"}, "kind": {"form"}, "text": {"name: x"}}).wants(t, 200, "- block: break-glass", "Nothing wrong was found")
	b.post("/agreements/draft", url.Values{"token": {token}, "do": {"simulate"}, "kind": {"form"}, "text": {"name: x"}}).wants(t, 200, "Who gains and who loses", "12 gained", "By type of document")
	for name, change := range map[string]url.Values{"no note": {"note": {" "}}, "no day": {"from": {"soon"}}, "a time without a day": {"from": {""}}} {
		wrong := url.Values{}
		for k, v := range form {
			wrong[k] = v
		}
		for k, v := range change {
			wrong[k] = v
		}
		if got := b.post("/agreements/draft", wrong); got.StatusCode != 422 || len(f.proposals) > 0 {
			t.Errorf("%s: status %d, %d proposals", name, got.StatusCode, len(f.proposals))
		}
	}
	to := b.post("/agreements/draft", form).Header.Get("Location")
	if to != "/agreements/proposals/abc123" || len(f.proposals) != 1 {
		t.Fatalf("proposed: %q", to)
	}
	// 8 o'clock in a British June is 7 o'clock UTC.
	if got := time.UnixMicro(f.proposals[0].GetEffective()).UTC(); !got.Equal(time.Date(2027, 6, 1, 7, 0, 0, 0, time.UTC)) {
		t.Errorf("in force from %v", got)
	}
	own := b.get(to)
	own.wants(t, 200, "you cannot approve it too", "Why do you take it back?", "What changes against version 1")
	if strings.Contains(own.body, `value="approve"`) || strings.Contains(own.body, "to reject it") {
		t.Error("the proposer is offered to approve")
	}
	b.post(to, url.Values{"token": {token}, "do": {"approve"}}).wants(t, 403, "may not approve it too: a second person must")
	second := g.browser()
	second.signOn("d.banerjee")
	second.get(to).wants(t, 200, "You are the second person", `value="approve"`)
	second.post(to, url.Values{"token": {second.token()}, "do": {"reject"}}).wants(t, 422, "Say why, in a few words", "Your comment", "You need one to reject it.")
	second.follow(second.post(to, url.Values{"token": {second.token()}, "do": {"approve"}, "note": {"agreed"}})).wants(t, 200, "d.banerjee", "See version 2", ">Approved<")
	b.post("/agreements/versions/1", url.Values{"token": {token}}).wants(t, 422, "Say why this version is wanted again")
	b.post("/agreements/versions/1", url.Values{"token": {token}, "note": {"the new one was wrong"}}).wants(t, 303)
	b.get("/agreements").wants(t, 200, "Roll back to version 1, proposed by n.ferreira")
	if got := f.proposals[len(f.proposals)-1]; got.GetRollback() != 1 {
		t.Errorf("rolled back to %d", got.GetRollback())
	}
	for _, a := range f.governed {
		if a.GetUser() != "n.ferreira" && a.GetUser() != "d.banerjee" || a.GetRole() != "governance-lead" || a.GetPurpose() != "HOPERAT" {
			t.Errorf("somebody asks as %v", a)
		}
	}
}

func TestDifferencesAreShownLineByLine(t *testing.T) {
	var long []string
	for range 40 {
		long = append(long, "same")
	}
	text := strings.Join(long, "\n")
	for _, c := range []struct{ name, a, b, want string }{
		{"the same", "a\nb", "a\nb", ""},
		{"one line", "a\nb\nc", "a\nx\nc", " a,-b,+x, c"},
		{"added at the end", "a", "a\nb", " a,+b"},
		{"from nothing", "", "a\nb", "+a,+b"},
		{"ends of lines", "a\r\nb", "a\nb", ""},
		{"far apart", "x\n" + text + "\ny", text, "-x, same, same, same,~, same, same, same,-y"},
	} {
		var got []string
		for _, l := range diffOf(c.a, c.b) {
			got = append(got, map[string]string{"same": " ", "in": "+", "out": "-", "gap": "~"}[l.Kind]+l.Text)
		}
		if text := strings.Join(got, ","); text != c.want {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
	}
	// What is too large to compare is shown whole, and nothing is lost.
	a, b := strings.Repeat("a\n", 3000), strings.Repeat("b\n", 3000)
	if got := diffOf(a, b); len(got) != 6000 {
		t.Errorf("two long texts give %d lines", len(got))
	}
}

func TestDraftsAreKeptForTheirWritersOnly(t *testing.T) {
	var d drafts
	now := time.Now()
	for i := range maxDrafts + 5 {
		d.keep(string(rune('a'+i)), draft{text: "x", at: now.Add(time.Duration(i) * time.Second)})
	}
	if len(d.by) != maxDrafts {
		t.Errorf("%d drafts are kept, at most %d are wanted", len(d.by), maxDrafts)
	}
	if _, found := d.of("a"); found {
		t.Error("the oldest was kept")
	}
	g := governed(t)
	one, two := g.browser(), g.browser()
	one.signOn("n.ferreira")
	two.signOn("d.banerjee")
	one.post("/agreements/draft", url.Values{"token": {one.token()}, "do": {"check"}, "kind": {"form"}, "text": {"name: zz-draft"}}).wants(t, 200)
	if page := two.get("/agreements/draft"); strings.Contains(page.body, "zz-draft") {
		t.Error("another's draft is shown")
	}
	one.get("/agreements/draft").wants(t, 200, "zz-draft")
	one.post("/agreements/draft", url.Values{"token": {one.token()}, "do": {"drop"}, "text": {"name: zz-draft"}})
	if page := one.get("/agreements/draft"); strings.Contains(page.body, "zz-draft") {
		t.Error("a draft that was thrown away is shown")
	}
}
