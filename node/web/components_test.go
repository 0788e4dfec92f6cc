package web

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// shape is an element as nhsuk-frontend writes it: tag, its own classes, and the attributes that its script and styles go by.
// What it says, where it leads and what it is called do not count.
func (e *element) shape() string {
	out := e.tag
	var classes []string
	for _, c := range strings.Fields(e.attrs["class"]) {
		if strings.HasPrefix(c, "nhsuk-") {
			classes = append(classes, c)
		}
	}
	slices.Sort(classes)
	out += " " + strings.Join(classes, ".")
	for _, name := range []string{"data-module", "role", "draggable"} {
		if v := e.attrs[name]; v != "" {
			out += " " + name + "=" + v
		}
	}
	return out
}

// skeleton is the shape of an element and of what nhsuk-frontend has within it, down to what an author fills in.
func (e *element) skeleton() string {
	class := strings.Fields(e.attrs["class"])
	out := e.shape()
	switch {
	case slices.Contains(class, "nhsuk-button"), slices.Contains(class, "nhsuk-tag"), slices.Contains(class, "nhsuk-details__text"), slices.Contains(class, "nhsuk-details__summary-text"),
		slices.Contains(class, "nhsuk-card__link"), slices.Contains(class, "nhsuk-card__description"):
		return out
	}
	for _, k := range e.kids {
		if k.tag != "" {
			out += " (" + k.skeleton() + ")"
		}
	}
	return out
}

// components finds the components of nhsuk-frontend in what was rendered.
func components(e *element, found func(component string, e *element)) {
	e.all(func(k *element) {
		for _, c := range []string{"button", "details", "tag", "card"} {
			if slices.Contains(strings.Fields(k.attrs["class"]), "nhsuk-"+c) {
				found(c, k)
			}
		}
	})
}

// TestComponentsAreThoseOfNHSUKFrontend holds every button, tag, details and card of the portal's pages against those that
// nhsuk-frontend is published with.
func TestComponentsAreThoseOfNHSUKFrontend(t *testing.T) {
	known := make(map[string]bool)
	for _, c := range []string{"button", "details", "tag", "card"} {
		for _, html := range fixtureHTML(t, c) {
			components(parseHTML(t, html), func(_ string, e *element) { known[e.skeleton()] = true })
		}
	}
	g := governed(t)
	g.region.set(healthOf(g.clock.now(), true))
	g.region.own = map[string][]OwnDocument{numberA: {{ID: "RAS:a", Type: "373942005", Title: "Letter", Date: g.clock.now(), Confidentiality: "R", State: OwnShared, Taken: g.clock.now()}}}
	seen := make(map[string]int)
	look := func(path, body string) {
		components(parseHTML(t, body), func(c string, e *element) {
			seen[c]++
			if s := e.skeleton(); !known[s] {
				t.Errorf("%s: nhsuk-frontend has no %s like\n%s\n%s", path, c, s, e)
			}
		})
	}
	for who, paths := range map[string][]string{
		"":            {"/sign-on", "/my/sign-on"},
		"a.okafor":    {"/find"},
		"s.lindqvist": {"/documents"},
		"n.ferreira": {
			"/agreements", "/agreements/draft", "/agreements/versions/2", "/agreements/compare?a=1&b=2", "/agreements/proposals/p1", "/wishes", "/reviews", "/reviews/RAS-1", "/reviews/watched",
			"/labels", "/audit", "/audit/entries/7", "/audit/checks", "/why", "/suspensions", "/region",
		},
	} {
		b := g.browser()
		if who != "" {
			b.signOn(who)
		}
		for _, path := range paths {
			look(path, b.follow(b.get(path)).body)
		}
		switch who {
		case "a.okafor":
			path := b.open(numberA)
			for _, page := range []string{path, path + "/purpose", path + "/emergency"} {
				look(page, b.get(page).body)
			}
		case "s.lindqvist":
			path := b.post("/documents", url.Values{"token": {b.token()}, "number": {numberA}}).Header.Get("Location")
			for _, page := range []string{path, path + "/take", path + "/RAS:a", path + "/RAS:a/correct", path + "/RAS:a/labels", path + "/RAS:a/move", path + "/RAS:a/withdraw"} {
				look(page, b.get(page).body)
			}
		}
	}
	patient := g.browser()
	look("/my", patient.signOnAsPatient(numberA).body)
	for _, page := range []string{"/my/sharing", "/my/looks", "/my/choices", "/my/choices/new"} {
		look(page, patient.get(page).body)
	}
	for c, n := range map[string]int{"button": 30, "details": 10, "tag": 10, "card": 3} {
		if seen[c] < n {
			t.Errorf("%d of %s were looked at, at least %d are there", seen[c], c, n)
		}
	}
}

// fixtureHTML is what nhsuk-frontend renders of a component, for all of its fixtures.
func fixtureHTML(t *testing.T, component string) (out []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "nhsuk", component+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Fixtures []struct{ HTML string } }
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	for _, f := range all.Fixtures {
		out = append(out, f.HTML)
	}
	return out
}
