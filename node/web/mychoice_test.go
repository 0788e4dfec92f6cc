package web

import (
	"net/url"
	"strings"
	"testing"
)

// TestWhatMustNotBeAndWhatMayBeAreAskedApart: each choice brings one question, in its own words, and nothing that is not needed.
func TestWhatMustNotBeAndWhatMayBeAreAskedApart(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	token := field(t, tokenField, b.signOnAsPatient(numberA).body)
	form := b.get("/my/choices/new")
	form.wants(t, 200, "Which place must not see them?", "Which place must not share it?", "Which document must not be shared?", "Which place may see them?")
	for _, clumsy := range []string{"or may", "Not needed"} {
		if strings.Contains(form.body, clumsy) {
			t.Errorf("the form says %q", clumsy)
		}
	}
	allowed := url.Values{"token": {token}, "kind": {"agree"}, "allowed": {"RYJ"}, "trust": {"R1K"}}
	read := b.post("/my/choices/new", allowed)
	read.wants(t, 200, `name="allowed" value="RYJ"`)
	allowed.Set("seen", field(t, seenField, read.body))
	b.post("/my/choices/new", allowed).wants(t, 303)
	if len(g.region.said) != 1 || !g.region.said[0].GetPermit() || g.region.said[0].GetScope().GetTrust() != "RYJ" {
		t.Errorf("recorded %v", g.region.said)
	}
	open := b.post("/my/choices/new", url.Values{"token": {token}, "kind": {"agree"}})
	open.wants(t, 422, `value="agree" checked`, `id="allowed-error"`, `href="#allowed"`)
}

// TestPatientsReadOfChoicesEverywhere: what a patient has decided has one name on all that they read.
func TestPatientsReadOfChoicesEverywhere(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	token := field(t, tokenField, b.signOnAsPatient(numberA).body)
	pages := map[string]string{"read back": b.post("/my/choices/new", url.Values{"token": {token}, "kind": {"nobody"}}).body}
	for _, path := range []string{"/my", "/my/sharing", "/my/looks", "/my/looks/copy", "/my/choices", "/my/choices/new", "/my/choices/abc", "/my/choices/abc/undo"} {
		got := b.get(path)
		got.wants(t, 200)
		pages[path] = got.body
	}
	for path, body := range pages {
		for _, other := range []string{"wish", "directive", "objection", "consent", "dissent", "You said", "you said", "you have said"} {
			if strings.Contains(body, other) {
				t.Errorf("%s says %q", path, other)
			}
		}
	}
	for path, want := range map[string]string{"/my/looks/copy": "Your choices about sharing", "/my/choices": "Your choice of", "/my/choices/abc": "Your choice of", "/my/choices/abc/undo": "Your choice:"} {
		if !strings.Contains(pages[path], want) {
			t.Errorf("%s does not say %q", path, want)
		}
	}
}
