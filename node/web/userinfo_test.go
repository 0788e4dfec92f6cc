package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// strict is a provider as the standards let them be: roles in UserInfo only, one way to redeem a code, an issuer in each answer.
type strict struct {
	*httptest.Server
	key    *ecdsa.PrivateKey
	signs  *ecdsa.PrivateKey // what it signs with
	token  map[string]any    // besides the claims that every ID token has
	info   map[string]any
	nonce  string
	asked  []string // paths
	header bool     // a code came with an Authorization header
}

func newStrict(t *testing.T) (*strict, *signOn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &strict{key: key, signs: key}
	p.Server = httptest.NewTLSServer(p)
	p.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	t.Cleanup(p.Close)
	s := &signOn{
		settings: SignOn{
			Issuer: p.URL, ClientID: "portal", Roles: map[string]string{"R8000": "doctor"}, Assurance: []string{"aal3"},
			Claims: Claims{Role: "roles.code", Organisation: "roles.org"},
		},
		trust: "RAS", origin: func() string { return "https://portal.example" }, client: p.Client(), now: time.Now, attempts: make(map[sessionKey]attempt),
	}
	return p, s
}

func (p *strict) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked = append(p.asked, r.URL.Path)
	var answer any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answer = map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/auth", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys", "userinfo_endpoint": p.URL + "/me",
			"id_token_signing_alg_values_supported": []string{"ES256"}, "token_endpoint_auth_methods_supported": []string{"client_secret_post", "none"},
		}
	case "/keys":
		answer = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &p.key.PublicKey, KeyID: "k", Algorithm: "ES256", Use: "sig"}}}
	case "/token":
		if _, _, found := r.BasicAuth(); found || r.PostFormValue("client_id") != "portal" {
			p.header = true
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer = map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 60, "id_token": p.sign()}
	case "/me":
		if r.Header.Get("Authorization") != "Bearer access" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer = p.info
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // a client that went away is seen by the test
}

func (p *strict) sign() string {
	claims := map[string]any{"iss": p.URL, "aud": "portal", "sub": "a.okafor", "nonce": p.nonce, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "acr": "aal3"}
	for name, value := range p.token {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return err.Error()
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.signs}, (&jose.SignerOptions{}).WithHeader("kid", "k"))
	if err != nil {
		return err.Error()
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return err.Error()
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		return err.Error()
	}
	return text
}

// through goes to the provider and comes back, with what else it says in the address.
func (p *strict) through(t *testing.T, s *signOn, more url.Values) (arrival, error) {
	t.Helper()
	id, to, err := s.start(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	p.nonce = u.Query().Get("nonce")
	q := url.Values{"code": {"code"}, "state": {u.Query().Get("state")}}
	for name := range more {
		q.Set(name, more.Get(name))
	}
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/?"+q.Encode(), nil)
	r.AddCookie(&http.Cookie{Name: signOnCookie, Value: id})
	return s.finish(r)
}

func TestRolesMayComeFromUserInfo(t *testing.T) {
	roles := []any{map[string]any{"code": "R8000", "org": "RAS"}}
	p, s := newStrict(t)
	p.info = map[string]any{"sub": "a.okafor", "name": "Dr Amara Okafor", "roles": roles}
	who, err := p.through(t, s, url.Values{"iss": {p.URL}})
	if err != nil || who.ID != "a.okafor" || who.Role != "doctor" || who.Name != "Dr Amara Okafor" || who.level != "aal3" {
		t.Fatalf("signed on as %+v, %v", who, err)
	}
	if got := strings.Join(p.asked, " "); p.header || strings.Count(got, "/token") != 1 || strings.Count(got, "/me") != 1 {
		t.Errorf("the provider was asked %s, with a header %v: a code is redeemed once, in the way that it takes", got, p.header)
	}
	p.token, p.asked = map[string]any{"name": "Dr Amara Okafor", "roles": roles}, nil
	if _, err := p.through(t, s, nil); err != nil || strings.Contains(strings.Join(p.asked, " "), "/me") {
		t.Errorf("asked %v though the ID token says all: %v", p.asked, err)
	}
}

func TestUserInfoAndAnswersAreNotBelievedBlindly(t *testing.T) {
	roles := []any{map[string]any{"code": "R8000", "org": "RAS"}}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(*strict)
		more  url.Values
		says  string
	}{
		"of somebody else":           {func(p *strict) { p.info["sub"] = "j.price" }, nil, "somebody else"},
		"of nobody":                  {func(p *strict) { delete(p.info, "sub") }, nil, "somebody else"},
		"no answer":                  {func(p *strict) { p.info = nil }, nil, "somebody else"},
		"a stricter check than done": {func(p *strict) { p.token, p.info["acr"] = map[string]any{"acr": "aal1"}, "aal3" }, nil, "stricter"},
		"a check that was not said":  {func(p *strict) { p.token, p.info["acr"] = map[string]any{"acr": nil}, "aal3" }, nil, "stricter"},
		"another organisation": {func(p *strict) {
			p.token = map[string]any{"roles": []any{map[string]any{"code": "R8000", "org": "RYJ"}}}
		}, nil, "staff of RAS"},
		"a forged token":             {func(p *strict) { p.signs = stranger }, nil, "does not hold"},
		"an expired token":           {func(p *strict) { p.token = map[string]any{"exp": time.Now().Add(-time.Hour).Unix()} }, nil, "does not hold"},
		"a token for another":        {func(p *strict) { p.token = map[string]any{"aud": "other"} }, nil, "does not hold"},
		"a token of another sign-on": {func(p *strict) { p.token = map[string]any{"nonce": "other"} }, nil, "another sign-on"},
		"an answer of another":       {func(*strict) {}, url.Values{"iss": {"https://other.example"}}, "another identity provider"},
	} {
		p, s := newStrict(t)
		p.info = map[string]any{"sub": "a.okafor", "name": "Dr Amara Okafor", "roles": roles}
		c.spoil(p)
		if who, err := p.through(t, s, c.more); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %+v, %v, want %q", name, who, err, c.says)
		}
	}
}

// A provider that was there and has gone is told in words, before a browser is sent to it.
func TestAProviderThatIsDownIsToldInWords(t *testing.T) {
	p, s := newStrict(t)
	now := time.Now()
	s.now = func() time.Time { return now }
	for range 2 {
		if _, _, err := s.start(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.asked) != 1 {
		t.Errorf("asked %v within a moment", p.asked)
	}
	p.Close()
	now = now.Add(providerFresh)
	if _, to, err := s.start(t.Context(), false); err == nil {
		t.Errorf("a browser is sent to %s, where nobody answers", to)
	}
}

// After a refusal the provider must ask again: it would send the same person back, checked no better.
func TestAfterARefusalTheProviderAsksAgain(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	refused := b.get("/sign-on/callback?code=x&state=y")
	refused.wants(t, 403, `href="/sign-on/start?again=1"`)
	if to := b.get("/sign-on/start?again=1").Header.Get("Location"); !strings.Contains(to, "prompt=login") || !strings.Contains(to, "max_age=0") {
		t.Errorf("asked with %s", to)
	}
	if to := b.get("/sign-on/start").Header.Get("Location"); strings.Contains(to, "prompt=login") {
		t.Errorf("a first sign-on is asked with %s", to)
	}
}
