package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestLockKeepsWhereAScriptWasReading: the page that is read asks for the next by a script, and its address says which it is.
func TestLockKeepsWhereAScriptWasReading(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	b.signOn("a.okafor")
	path := b.open(numberA)
	asks := func(from string) {
		t.Helper()
		r := b.request(http.MethodGet, path+"/documents/RYJ-1/page?part=1&page=118", nil)
		r.Header.Set("Sec-Fetch-Mode", "cors")
		r.Header.Set("Referer", from)
		if got := b.do(r); got.StatusCode != http.StatusUnauthorized || got.Header.Get("HX-Redirect") != "/locked" {
			t.Fatalf("a script is told %d %q", got.StatusCode, got.Header.Get("HX-Redirect"))
		}
	}
	place := path + "?page=117&part=1"
	for from, want := range map[string]string{
		g.portal.Origin() + place:                                      place,
		strings.Replace(g.portal.Origin(), "https", "http", 1) + place: "/find",
		"https://evil.example" + place:                                 "/find",
		"https://evil.example":                                         "/find",
		g.portal.Origin() + "//evil.example/find":                      "/find",
		g.portal.Origin() + "/sign-on":                                 "/find",
		g.portal.Origin() + path + "/views":                            "/find", // takes forms only
		"::":                                                           "/find",
	} {
		g.clock.move(defaultIdle + time.Second)
		asks(from)
		got := b.signOn("a.okafor")
		if at := got.Request.URL; at.RequestURI() != want || "https://"+got.Request.Host != g.portal.Origin() {
			t.Errorf("from %q signing on again leads to %q at %s, want %q", from, at.RequestURI(), got.Request.Host, want)
		}
	}
}

// TestLockKeepsThePageOfAForm: what is sent to a locked session is lost, and its page is not.
func TestLockKeepsThePageOfAForm(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	token := field(t, tokenField, b.signOn("a.okafor").body)
	path := b.open(numberA)
	g.clock.move(defaultIdle + time.Second)
	r := b.request(http.MethodPost, path+"/emergency", url.Values{"token": {token}, "reason": {"unconscious in resus now"}, "understood": {"1"}})
	r.Header.Set("Referer", g.portal.Origin()+path+"/emergency")
	if to := b.do(r).Header.Get("Location"); to != "/locked" {
		t.Fatalf("a form of a locked session leads to %q", to)
	}
	if got := b.signOn("a.okafor").Request.URL.RequestURI(); got != path+"/emergency" {
		t.Errorf("signing on again leads to %q", got)
	}
	if len(g.region.glass) > 0 {
		t.Error("a locked session has broken the glass")
	}
}

// everywhere logs a user out on all devices from one more, and returns the first one.
func everywhere(t *testing.T, g *rig) (b *browser, place string) {
	t.Helper()
	b = g.browser()
	b.signOn("a.okafor")
	place = b.open(numberA) + "?trust=RYJ"
	two := g.browser()
	token := field(t, tokenField, two.signOn("a.okafor").body)
	id := two.session()
	two.post("/log-out", url.Values{"token": {token}, "everywhere": {"1"}})
	setSession(two, id)
	if strings.Contains(two.get("/sign-on").body, "carry on") {
		t.Error("something is kept where the user has logged out")
	}
	if to := b.get(place).Header.Get("Location"); to != "/sign-on" {
		t.Fatalf("logged out on all devices, one is led to %q", to)
	}
	return b, place
}

func TestLogOutEverywhereKeepsThePlace(t *testing.T) {
	g := newRig(t)
	b, place := everywhere(t, g)
	door := b.get("/sign-on")
	door.wants(t, 200, "Your session has ended", "because Ridgeway was started again here", "carry on where you were")
	if strings.Contains(door.body, "Okafor") || strings.Contains(door.body, "999 000") {
		t.Error("the door shows who was there")
	}
	if to, err := url.Parse(b.get("/sign-on/start").Header.Get("Location")); err != nil || to.Query().Get("max_age") != "0" {
		t.Errorf("the provider is not asked to ask again: %v", to)
	}
	g.region.told()
	got := b.signOn("a.okafor")
	if got.StatusCode != http.StatusOK || got.Request.URL.RequestURI() != place {
		t.Errorf("signing on again leads to %q: %d", got.Request.URL.RequestURI(), got.StatusCode)
	}
	wrote(t, g, "in a.okafor/doctor/: signed on")
}

func TestAnEndedSessionGivesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		who   string
		first func(g *rig, b *browser)
	}{
		"to another person": {who: "j.price"},
		"to another person, and nobody after": {who: "a.okafor", first: func(_ *rig, b *browser) {
			id := b.session()
			b.signOn("j.price")
			setSession(b, id)
		}},
		"after an hour":        {who: "a.okafor", first: func(g *rig, _ *browser) { g.clock.move(keptFor) }},
		"to who was suspended": {who: "a.okafor", first: func(g *rig, _ *browser) { g.portal.sessions.endAll("A.Okafor ") }},
		"where the user has logged out": {who: "a.okafor", first: func(_ *rig, b *browser) {
			id := field(t, tokenField, b.signOn("a.okafor").body)
			b.post("/log-out", url.Values{"token": {id}})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t)
			b, place := everywhere(t, g)
			if c.first != nil {
				c.first(g, b)
			}
			got := b.signOn(c.who)
			if got.Request.URL.Path != "/find" || strings.Contains(got.body, "Patients of this session") {
				t.Errorf("comes to %s", got.Request.URL.Path)
			}
			b.get(place).wants(t, 404, "Find the patient again")
		})
	}
}

// TestAnAttemptFromBeforeTheEndLeavesItBehind has a provider that was not told to ask again.
func TestAnAttemptFromBeforeTheEndLeavesItBehind(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	early := b.get("/sign-on/start")
	attempt, picker := cookieOf(t, early, signOnCookie), b.follow(early)
	b.signOn("a.okafor")
	place := b.open(numberA)
	g.portal.sessions.endEverywhere(&session{user: person{ID: "a.okafor"}})
	b.get(place)
	origin, _ := url.Parse(g.portal.Origin())
	b.client.Jar.SetCookies(origin, []*http.Cookie{{Name: signOnCookie, Value: attempt, Path: "/", Secure: true}})
	got := b.follow(b.post("/personas", url.Values{"request": {field(t, requestField, picker.body)}, "persona": {"a.okafor"}}))
	if got.Request.URL.Path != "/find" || strings.Contains(got.body, "Patients of this session") {
		t.Errorf("a sign-on from before the end comes to %s", got.Request.URL.Path)
	}
}

func TestASessionThatLastedItsTimeKeepsItsPlace(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	b.signOn("a.okafor")
	place := b.open(numberA)
	for range int(defaultSession/defaultIdle) + 1 { // in use all the time
		g.clock.move(defaultIdle - time.Second)
		b.get("/find")
	}
	g.clock.move(time.Minute)
	b.get(place)
	if got := b.signOn("a.okafor").Request.URL.RequestURI(); got != place {
		t.Errorf("signing on again leads to %q, want %q", got, place)
	}
}

func TestWhatIsLeftIsBounded(t *testing.T) {
	c := &clock{at: time.Now()}
	s := newSessions(time.Minute, time.Hour, c.now)
	for range 3 {
		s.begin(person{ID: "x"}, nil)
	}
	s.endEverywhere(&session{user: person{ID: "x"}})
	if len(s.left) != 3 {
		t.Fatalf("%d are left of 3", len(s.left))
	}
	c.move(keptFor)
	s.begin(person{ID: "y"}, nil)
	s.endEverywhere(&session{user: person{ID: "y"}})
	if len(s.left) != 1 {
		t.Errorf("%d are left after an hour", len(s.left))
	}
	s.cookie = patientCookie
	s.begin(person{ID: "z"}, nil)
	s.endEverywhere(&session{user: person{ID: "z"}})
	if len(s.left) != 1 {
		t.Error("a patient's session leaves something behind")
	}
}

func setSession(b *browser, id string) {
	origin, _ := url.Parse(b.portal.Origin())
	b.client.Jar.SetCookies(origin, []*http.Cookie{{Name: sessionCookie, Value: id, Path: "/", Secure: true}})
}

// TestAPageThatIsKeptUpToDateKeepsItsPlace: it asks by itself, which is no use of the session.
func TestAPageThatIsKeptUpToDateKeepsItsPlace(t *testing.T) {
	c := &clock{at: time.Now()}
	s := newSessions(time.Minute, time.Hour, c.now)
	id, _ := s.begin(person{ID: "x"}, nil)
	r := &http.Request{Header: http.Header{"Cookie": {sessionCookie + "=" + id}}}
	s.look(r, "/documents")
	if x := s.find(id); x.place != "" {
		t.Errorf("an open session has the place %q", x.place)
	}
	c.move(time.Minute)
	if x, locked := s.look(r, regionPath); !locked || x.place != regionPath {
		t.Errorf("locked %v, at %q", locked, x.place)
	}
}
