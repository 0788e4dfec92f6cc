package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestSignOnLeadsToThePortal(t *testing.T) {
	b := newRig(t).browser()
	if got := b.get("/find").Header.Get("Location"); got != "/sign-on" {
		t.Errorf("without a session /find leads to %q, want /sign-on", got)
	}
	b.get("/sign-on").wants(t, 200, "Sign on to Ridgeway")
	b.signOn("a.okafor").wants(t, 200, "Find a patient", "Dr Amara Okafor", "Doctor")
}

func TestSignOnIsRefused(t *testing.T) {
	g := newRig(t)
	tests := map[string]func(b *browser) visit{
		"without the browser's cookie": func(b *browser) visit {
			return g.browser().get(b.callback())
		},
		"with another state": func(b *browser) visit {
			u, _ := url.Parse(b.callback())
			q := u.Query()
			q.Set("state", "forged")
			u.RawQuery = q.Encode()
			return b.get(u.String())
		},
		"with a code of another sign-on": func(b *browser) visit {
			other, _ := url.Parse(g.browser().callback())
			u, _ := url.Parse(b.callback())
			q := u.Query()
			q.Set("code", other.Query().Get("code"))
			u.RawQuery = q.Encode()
			return b.get(u.String())
		},
		"twice": func(b *browser) visit {
			to := b.callback()
			b.get(to)
			return b.get(to)
		},
		"too late": func(b *browser) visit {
			to := b.callback()
			g.clock.move(signOnTime + time.Second)
			return b.get(to)
		},
	}
	for name, attack := range tests {
		t.Run(name, func(t *testing.T) {
			got := attack(g.browser())
			got.wants(t, http.StatusForbidden, "You are not signed on")
			for _, c := range got.Cookies() {
				if c.Name == sessionCookie && c.Value != "" {
					t.Error("a session was begun all the same")
				}
			}
		})
	}
}

// callback signs on as far as the provider's answer and returns its address.
func (b *browser) callback() string {
	b.t.Helper()
	picker := b.follow(b.get("/sign-on/start"))
	return b.post("/personas", url.Values{"request": {field(b.t, requestField, picker.body)}, "persona": {"a.okafor"}}).Header.Get("Location")
}

func TestPersonasAskWhoCameByThePortalOnly(t *testing.T) {
	g := newRig(t)
	q := url.Values{"client_id": {personaClient}, "redirect_uri": {"https://evil.example/callback"}, "response_type": {"code"}, "code_challenge_method": {"S256"}, "code_challenge": {"x"}, "nonce": {"y"}}
	g.browser().get("/personas?"+q.Encode()).wants(t, 400, "This is not a sign-on")
	if to := g.browser().post("/personas", url.Values{"request": {"made up"}, "persona": {"a.okafor"}}).Header.Get("Location"); to != "/sign-on" {
		t.Errorf("a request that nobody made leads to %q", to)
	}
}

func TestSessionIdIsNewAtSignOn(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	planted := &http.Cookie{Name: sessionCookie, Value: "planted-by-an-attacker", Path: "/", Secure: true}
	origin, _ := url.Parse(g.portal.Origin())
	b.client.Jar.SetCookies(origin, []*http.Cookie{planted})
	b.signOn("a.okafor")
	first := b.session()
	if first == "" || first == planted.Value {
		t.Fatalf("the session's id is %q after sign-on", first)
	}
	b.signOn("a.okafor")
	if second := b.session(); second == first {
		t.Error("a second sign-on keeps the id of the first")
	}
	b.client.Jar.SetCookies(origin, []*http.Cookie{{Name: sessionCookie, Value: first, Path: "/", Secure: true}})
	if to := b.get("/find").Header.Get("Location"); to != "/sign-on" {
		t.Error("the id of before the second sign-on still opens the session")
	}
}

func (b *browser) session() string {
	origin, _ := url.Parse(b.portal.Origin())
	for _, c := range b.client.Jar.Cookies(origin) {
		if c.Name == sessionCookie {
			return c.Value
		}
	}
	return ""
}

func TestSessionCookieIsOutOfReach(t *testing.T) {
	b := newRig(t).browser()
	got := b.get(b.callback())
	i := slices.IndexFunc(got.Cookies(), func(c *http.Cookie) bool { return c.Name == sessionCookie })
	if i < 0 {
		t.Fatal("no session cookie")
	}
	if c := got.Cookies()[i]; !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode || !strings.HasPrefix(c.Name, "__Host-") {
		t.Errorf("session cookie: %v", c)
	}
}

func TestIdleSessionIsLockedAndKeepsItsPlace(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	b.signOn("a.okafor")
	path := b.open(numberA)
	g.clock.move(defaultIdle + time.Second)
	place := path + "?trust=RYJ"
	if to := b.get(place).Header.Get("Location"); to != "/locked" {
		t.Fatalf("an idle session leads to %q, want /locked", to)
	}
	if to := b.get("/find").Header.Get("Location"); to != "/locked" {
		t.Errorf("a locked session shows more than its lock: %q", to)
	}
	b.get(place) // where the user wants to go on
	locked := b.get("/locked")
	locked.wants(t, 200, "Your session is locked")
	for _, leak := range []string{"Okafor", numberA, "999 000"} {
		if strings.Contains(locked.body, leak) {
			t.Errorf("the locked screen shows %q", leak)
		}
	}
	if got := b.signOn("a.okafor"); got.Request.URL.RequestURI() != place {
		t.Errorf("signing on again leads to %q, want %q", got.Request.URL.RequestURI(), place)
	}
}

func TestLockedSessionGivesNothingToAnotherUser(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	b.signOn("a.okafor")
	path := b.open(numberA)
	g.clock.move(defaultIdle + time.Second)
	b.get(path)
	got := b.signOn("j.price")
	if got.Request.URL.Path != "/find" || strings.Contains(got.body, "Patients of this session") {
		t.Errorf("another user comes to %s", got.Request.URL.Path)
	}
	b.get(path).wants(t, 404, "Find the patient again")
}

// TestLockOpensForWhoSignsOnSince has a provider that does not ask again, and a browser that began to sign on before the lock.
func TestLockOpensForWhoSignsOnSince(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	early := b.get("/sign-on/start") // no session yet, so nobody needs to be asked again
	id := cookieOf(t, early, signOnCookie)
	picker := b.follow(early)
	b.signOn("a.okafor")
	path := b.open(numberA)
	g.clock.move(3 * time.Minute)
	b.portal.sessions.idle = time.Minute
	b.get(path)
	origin, _ := url.Parse(g.portal.Origin())
	b.client.Jar.SetCookies(origin, []*http.Cookie{{Name: signOnCookie, Value: id, Path: "/", Secure: true}})
	got := b.follow(b.post("/personas", url.Values{"request": {field(t, requestField, picker.body)}, "persona": {"a.okafor"}}))
	if got.Request.URL.Path != "/find" || strings.Contains(got.body, "Patients of this session") {
		t.Errorf("a sign-on from before the lock comes to %s", got.Request.URL.Path)
	}
	b.get(path).wants(t, 404, "Find the patient again")
}

func TestAskedSince(t *testing.T) {
	begun := time.Now()
	at := func(d time.Duration) map[string]any {
		return map[string]any{"auth_time": json.Number(strconv.FormatInt(begun.Add(d).Unix(), 10))}
	}
	for name, c := range map[string]struct {
		claims map[string]any
		want   bool
	}{
		"just now": {at(time.Second), true}, "by a clock that is a little behind": {at(-clockSkew / 2), true}, "this morning": {at(-4 * time.Hour), false},
		"not said": {map[string]any{}, false}, "as text": {map[string]any{"auth_time": "9999999999"}, false},
	} {
		if got := asked(c.claims, begun); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestSignOnsOfOneAddressAreBounded(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	refused := 0
	for range startsAtOnce + 20 {
		if got := b.get("/sign-on/start"); got.StatusCode == http.StatusTooManyRequests && got.Header.Get("Retry-After") != "" {
			refused++
		}
	}
	if refused != 20 {
		t.Errorf("%d of %d sign-ons are refused, want 20", refused, startsAtOnce+20)
	}
	if n := len(g.portal.signOn.attempts); n > startsAtOnce {
		t.Errorf("%d sign-ons are kept", n)
	}
	g.clock.move(time.Second)
	b.signOn("a.okafor").wants(t, 200, "Find a patient")

	l := newLimiter(g.clock.now)
	from := func(address string) *http.Request { return &http.Request{RemoteAddr: address} }
	for range startsAtOnce {
		l.allow(from("[2001:db8::1]:1000"))
	}
	if l.allow(from("[2001:db8::2]:1000")) {
		t.Error("another address of the same host has an allowance of its own")
	}
	if !l.allow(from("[2001:db8:0:1::2]:1000")) || !l.allow(from("192.0.2.1:7")) {
		t.Error("another network pays for the first")
	}
	for i := range maxAddresses + 5 {
		l.allow(from(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&0xff, i&0xff)))
	}
	if len(l.seen) > maxAddresses {
		t.Errorf("%d addresses are kept, at most %d", len(l.seen), maxAddresses)
	}
}

func cookieOf(t *testing.T, v visit, name string) string {
	t.Helper()
	for _, c := range v.Cookies() {
		if c.Name == name {
			return c.Value
		}
	}
	t.Fatalf("no cookie %s", name)
	return ""
}

func TestSessionEndsForGood(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	b.signOn("a.okafor")
	for range int(defaultSession/defaultIdle) + 1 { // in use all the time
		g.clock.move(defaultIdle - time.Second)
		b.get("/find")
	}
	g.clock.move(time.Minute)
	if to := b.get("/find").Header.Get("Location"); to != "/sign-on" {
		t.Errorf("after its time the session leads to %q", to)
	}
}

func TestLogOut(t *testing.T) {
	g := newRig(t)
	one, two, other := g.browser(), g.browser(), g.browser()
	page := one.signOn("a.okafor")
	two.signOn("a.okafor")
	other.signOn("j.price")
	token := field(t, tokenField, page.body)
	id := one.session()
	out := one.post("/log-out", url.Values{"token": {token}})
	if out.Header.Get("Clear-Site-Data") == "" {
		t.Error("logging out leaves what the browser has kept")
	}
	origin, _ := url.Parse(g.portal.Origin())
	one.client.Jar.SetCookies(origin, []*http.Cookie{{Name: sessionCookie, Value: id, Path: "/", Secure: true}})
	if to := one.get("/find").Header.Get("Location"); to != "/sign-on" {
		t.Error("a stolen cookie outlives the log-out")
	}
	two.get("/find").wants(t, 200)
	token = field(t, tokenField, one.signOn("a.okafor").body)
	one.follow(one.post("/log-out", url.Values{"token": {token}, "everywhere": {"1"}})).wants(t, 200, "You are logged out on all devices")
	if to := two.get("/find").Header.Get("Location"); to != "/sign-on" {
		t.Error("log out on all devices leaves one")
	}
	two.get("/sign-on").wants(t, 200, "Your session has ended")
	other.get("/find").wants(t, 200)
}

func TestOldestSessionOfAUserMakesRoom(t *testing.T) {
	c := &clock{at: time.Now()}
	s := newSessions(time.Minute, time.Hour, c.now)
	for range maxOfUser + 3 {
		s.begin(person{ID: "x"}, nil)
		c.move(time.Second)
	}
	s.begin(person{ID: "y"}, nil)
	if got := s.endAll("x"); got != maxOfUser {
		t.Errorf("one user has %d sessions, at most %d", got, maxOfUser)
	}
}

func TestPersonasNeedATrial(t *testing.T) {
	for name, c := range map[string]struct {
		s     Settings
		trial bool
	}{
		"on a node with real keys":             {Settings{Listen: "127.0.0.1:0", Personas: DemoPersonas()}, false},
		"on an address that others reach":      {Settings{Listen: "0.0.0.0:8443", Personas: DemoPersonas()}, true},
		"on every address":                     {Settings{Listen: ":8443", Personas: DemoPersonas()}, true},
		"beside a real provider":               {Settings{Listen: "127.0.0.1:0", Personas: DemoPersonas(), SignOn: SignOn{Issuer: "https://x.example"}}, true},
		"or a provider and a certificate miss": {Settings{Listen: "127.0.0.1:0"}, true},
	} {
		if _, err := New(Config{Settings: c.s, Trial: c.trial}); err == nil {
			t.Errorf("a portal with personas starts %s", name)
		}
	}
}

func TestClaimsSayWhoItIs(t *testing.T) {
	o := SignOn{Roles: map[string]string{"R8000": "doctor", "R8001": "nurse"}, Claims: Claims{User: "uid", Role: "roles.code", Organisation: "roles.org"}, Assurance: []string{"aal3"}}
	good := func() map[string]any {
		return map[string]any{"uid": "5550", "name": "A B", "acr": "aal3", "roles": []any{map[string]any{"code": "R8001", "org": "RAS"}, map[string]any{"code": "X", "org": "RYJ"}}}
	}
	got, err := o.identify(good(), "RAS")
	if want := (person{ID: "5550", Name: "A B", Role: "nurse"}); err != nil || got != want {
		t.Errorf("identify: %+v, %v, want %+v", got, err, want)
	}
	for name, spoil := range map[string]func(map[string]any){
		"weak assurance":   func(c map[string]any) { c["acr"] = "aal1" },
		"no assurance":     func(c map[string]any) { delete(c, "acr") },
		"no user":          func(c map[string]any) { delete(c, "uid") },
		"user is a list":   func(c map[string]any) { c["uid"] = map[string]any{} },
		"user with a line": func(c map[string]any) { c["uid"] = "a\nb" },
		"long user":        func(c map[string]any) { c["uid"] = strings.Repeat("a", 129) },
		"other trust":      func(c map[string]any) { c["roles"] = []any{map[string]any{"code": "R8001", "org": "RYJ"}} },
		"unknown role":     func(c map[string]any) { c["roles"] = []any{map[string]any{"code": "R1", "org": "RAS"}} },
		"no roles":         func(c map[string]any) { delete(c, "roles") },
	} {
		claims := good()
		spoil(claims)
		if who, err := o.identify(claims, "RAS"); err == nil {
			t.Errorf("%s: signed on as %+v", name, who)
		}
	}
}
