package web

import (
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// TestSignOnByAProviderOverTLS has the provider outside the process, with a certificate of its own.
func TestSignOnByAProviderOverTLS(t *testing.T) {
	var provider *personas
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Scheme, r.URL.Host = "https", r.Host
		resp, err := provider.RoundTrip(r)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(resp.StatusCode)
		if _, err := io.Copy(w, resp.Body); err != nil {
			t.Error(err)
		}
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo) // a client that does not trust it is wanted
	server.StartTLS()
	t.Cleanup(server.Close)
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	origin := "https://portal.example"
	provider, err := newPersonas(DemoPersonas(), "RAS", func() string { return server.URL }, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	settings := provider.settings()
	settings.CAFile = ca
	client, err := settings.httpClient()
	if err != nil {
		t.Fatal(err)
	}
	s := &signOn{settings: settings, trust: "RAS", origin: func() string { return origin }, client: client, now: time.Now, attempts: make(map[sessionKey]attempt)}
	begin := func() (cookie *http.Cookie, code, state string) {
		id, to, err := s.start(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" || q.Get("prompt") != "login" || q.Get("max_age") != "0" || q.Get("redirect_uri") != origin+callbackPath {
			t.Errorf("the provider is asked with %v", q)
		}
		provider.mu.Lock()
		provider.issued["code-"+id] = grant{redirect: q.Get("redirect_uri"), nonce: q.Get("nonce"), challenge: q.Get("code_challenge"), who: provider.people[0], until: time.Now().Add(time.Minute)}
		provider.mu.Unlock()
		return &http.Cookie{Name: signOnCookie, Value: id}, "code-" + id, q.Get("state")
	}
	finish := func(cookie *http.Cookie, code, state string) (arrival, error) {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/?"+url.Values{"code": {code}, "state": {state}}.Encode(), nil)
		r.AddCookie(cookie)
		return s.finish(r)
	}
	if who, err := finish(begin()); err != nil || who.ID != "a.okafor" || who.Role != "doctor" {
		t.Errorf("signed on as %+v, %v", who, err)
	}
	cookie, code, state := begin()
	again := provider.issued[code]
	if _, err := finish(cookie, code, state); err != nil {
		t.Fatal(err)
	}
	provider.issued[code] = again // a provider that redeems a code twice
	if _, err := finish(cookie, code, state); err == nil {
		t.Error("a sign-on is finished twice")
	}
	spoil := func(change func(*grant)) error {
		cookie, code, state := begin()
		provider.mu.Lock()
		g := provider.issued[code]
		change(&g)
		provider.issued[code] = g
		provider.mu.Unlock()
		_, err := finish(cookie, code, state)
		return err
	}
	for name, change := range map[string]func(*grant){
		"a token of another sign-on":       func(g *grant) { g.nonce = "other" },
		"a code that another verifier got": func(g *grant) { g.challenge = "other" },
		"a role that is not mapped":        func(g *grant) { g.who.Role = "owner" },
		"no user":                          func(g *grant) { g.who.ID = "" },
	} {
		if err := spoil(change); err == nil {
			t.Errorf("%s signs on", name)
		}
	}
	earlier := func() time.Time { return time.Now().Add(-time.Minute) } // the provider's memory of somebody who sat here before
	provider.now = earlier
	if err := spoil(func(*grant) {}); err == nil {
		t.Error("a locked session opens though the provider did not ask again")
	}
	provider.now = time.Now
	provider.trust = "RYJ"
	if err := spoil(func(*grant) {}); err == nil {
		t.Error("staff of another trust sign on")
	}
	provider.trust = "RAS"
	other, err := newPersonas(DemoPersonas(), "RAS", func() string { return server.URL }, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	provider.key = other.key
	if err := spoil(func(*grant) {}); err != nil {
		t.Logf("after a change of keys: %v", err) // the keys are fetched again
	}
	untrusted := settings
	untrusted.CAFile = ""
	if client, err = untrusted.httpClient(); err != nil {
		t.Fatal(err)
	}
	s2 := &signOn{settings: untrusted, trust: "RAS", origin: func() string { return origin }, client: client, now: time.Now, attempts: make(map[sessionKey]attempt)}
	if _, _, err := s2.start(t.Context(), false); err == nil {
		t.Error("a provider with an unknown certificate is believed")
	}
}

func TestThePortalIsReachedHoweverItsOriginIsWritten(t *testing.T) {
	for _, origin := range []string{"https://P.Example", "https://p.example:443", "https://p.example"} {
		p, err := New(Config{
			Settings: Settings{Listen: "127.0.0.1:0", Origin: origin, Personas: DemoPersonas()}, Trial: true, Trust: "RAS", Names: func(t federation.TrustID) string { return string(t) }, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodGet, "https://p.example/sign-on", nil) // browsers write it so
		w := httptest.NewRecorder()
		p.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusOK || p.Origin() != "https://p.example" {
			t.Errorf("origin %s: status %d, and it calls itself %s", origin, w.Code, p.Origin())
		}
	}
}

func TestSettingsAreChecked(t *testing.T) {
	good := func() Settings {
		return Settings{Listen: "0.0.0.0:8443", Origin: "https://p.example", Certificate: "c", Key: "k", SignOn: SignOn{Issuer: "https://i.example", ClientID: "x", Roles: map[string]string{"Consultant": "doctor"}}}
	}
	if wrong := good().Check(false); len(wrong) > 0 {
		t.Errorf("good settings: %q", wrong)
	}
	if wrong := (Settings{}).Check(false); len(wrong) > 0 {
		t.Errorf("no portal: %q", wrong)
	}
	for want, spoil := range map[string]func(*Settings){
		"portal: listen:":          func(s *Settings) { s.Listen = "nonsense" },
		"no TCP address":           func(s *Settings) { s.Listen = "" },
		"origin:":                  func(s *Settings) { s.Origin = "http://p.example" },
		"origin: 0.0.0.0:8443":     func(s *Settings) { s.Origin = "" },
		"certificate, key":         func(s *Settings) { s.Key = "" },
		"issuer:":                  func(s *Settings) { s.SignOn.Issuer = "http://i.example" },
		"client_id":                func(s *Settings) { s.SignOn.ClientID = "" },
		"roles: say which":         func(s *Settings) { s.SignOn.Roles = nil },
		`there is no role "boss"`:  func(s *Settings) { s.SignOn.Roles["Boss"] = "boss" },
		"idle_minutes":             func(s *Settings) { s.Idle = 500 },
		"session_minutes":          func(s *Settings) { s.Session = -1 },
		"origin: \"https://p/path": func(s *Settings) { s.Origin = "https://p/path" },
	} {
		s := good()
		spoil(&s)
		if wrong := strings.Join(s.Check(false), "\n"); !strings.Contains(wrong, want) {
			t.Errorf("want %q, got %q", want, wrong)
		}
	}
}
