package web

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"
)

// startAnew has the portal know nothing of what it had in memory.
func (g *rig) startAnew() {
	g.clock.move(time.Second)
	s := g.portal.sessions
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.byKey)
	clear(s.left)
	clear(s.strays)
	g.portal.started = g.clock.now()
}

func TestWhoSignsOnAfterARestartGoesOnWhereTheyWere(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	b.signOn("a.okafor")
	place := b.open(numberA) + "?trust=RYJ"
	for range 2 { // the second one finds what the first has carried over
		g.startAnew()
		if to := b.get(place).Header.Get("Location"); to != "/sign-on" {
			t.Fatalf("after a restart one is led to %q", to)
		}
		if to, err := url.Parse(b.get("/sign-on/start").Header.Get("Location")); err != nil || to.Query().Get("max_age") != "0" {
			t.Errorf("the provider is not asked to ask again: %v", to)
		}
		if got := b.signOn("a.okafor"); got.StatusCode != 200 || got.Request.URL.RequestURI() != place {
			t.Errorf("signing on again leads to %q: %d", got.Request.URL.RequestURI(), got.StatusCode)
		}
	}
}

func TestARestartGivesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		who    string
		before func(g *rig, b *browser, token string)
		after  func(g *rig, b *browser)
	}{
		"to another person":  {who: "j.price"},
		"in another browser": {who: "a.okafor", after: func(_ *rig, b *browser) { setSession(b, secret()) }},
		"of what was left": {who: "a.okafor", before: func(_ *rig, b *browser, token string) {
			id := b.session()
			b.post("/log-out", url.Values{"token": {token}})
			setSession(b, id)
		}},
		"of what was left everywhere": {who: "a.okafor", before: func(g *rig, _ *browser, _ string) {
			two := g.browser()
			token := field(t, tokenField, two.signOn("a.okafor").body)
			two.post("/log-out", url.Values{"token": {token}, "everywhere": {"1"}})
		}},
		"in another role": {who: "a.okafor", after: func(g *rig, _ *browser) {
			for _, places := range g.region.places {
				places[0].Role = "pharmacist"
			}
		}},
		"to whom was suspended": {who: "a.okafor", before: func(g *rig, _ *browser, _ string) {
			g.portal.forgetPlaces(t.Context(), "a.okafor")
		}},
		"too late":                      {who: "a.okafor", after: func(g *rig, _ *browser) { g.clock.move(defaultSession + keptFor) }},
		"of which the node cannot tell": {who: "a.okafor", after: func(g *rig, _ *browser) { g.region.keepErr = errors.New("no") }},
		"of what has ended since":       {who: "a.okafor", after: func(g *rig, _ *browser) { g.portal.started = time.Time{} }},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t)
			b := g.browser()
			token := field(t, tokenField, b.signOn("a.okafor").body)
			place := b.open(numberA)
			if c.before != nil {
				c.before(g, b, token)
			}
			g.startAnew()
			if c.after != nil {
				c.after(g, b)
			}
			b.get(place)
			if got := b.signOn(c.who); got.Request.URL.Path != "/find" || strings.Contains(got.body, "Patients of this session") {
				t.Errorf("comes to %s", got.Request.URL.Path)
			}
		})
	}
}

// TestAnAttemptFromBeforeThePageGivesNothing: its provider was not told to ask again.
func TestAnAttemptFromBeforeThePageGivesNothing(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	b.signOn("a.okafor")
	place := b.open(numberA)
	g.startAnew()
	picker := b.follow(b.get("/sign-on/start"))
	b.get(place)
	got := b.follow(b.post("/personas", url.Values{"request": {field(t, requestField, picker.body)}, "persona": {"a.okafor"}}))
	if got.Request.URL.Path != "/find" || strings.Contains(got.body, "Patients of this session") {
		t.Errorf("a sign-on from before comes to %s", got.Request.URL.Path)
	}
}

func TestWhereStrangersWantToBeIsBounded(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	for range maxStrays + 10 {
		setSession(b, secret())
		b.get("/find")
	}
	setSession(b, secret())
	b.get("/find?" + strings.Repeat("x", maxStrayPlace))
	if n := len(g.portal.sessions.strays); n == 0 || n > maxStrays {
		t.Errorf("%d are kept", n)
	}
	for _, x := range g.portal.sessions.strays {
		if len(x.place) > maxStrayPlace {
			t.Error("a place of any length is kept")
		}
	}
}
