package web

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

const (
	personaPath   = "/personas"
	personaClient = "ridgeway-portal"
	personaKey    = "personas"
	personaTime   = 5 * time.Minute
	maxPersonas   = 1_000 // sign-ons under way
)

// Persona is somebody a visitor of a demonstration can be.
type Persona struct {
	ID, Name, Role, Does string

	claims map[string]any // besides those of staff
}

// personaList returns the invented staff of a trust whose names were asked for.
func personaList(wanted []string) []Persona {
	var out []Persona
	for _, p := range []Persona{
		{"a.okafor", "Dr Amara Okafor", "doctor", "Consultant physician. Opens the records of other trusts to treat patients.", nil},
		{"j.price", "Jo Price", "nurse", "Ward sister. Reads letters and charts, and may declare an emergency.", nil},
		{"y.demir", "Yusuf Demir", "pharmacist", "Ward pharmacist. Sees what each trust's agreement lets pharmacists see.", nil},
		{"s.lindqvist", "Sam Lindqvist", "records-staff", "Health records. Sees this trust's own records, and nobody else's.", nil},
		{"n.ferreira", "Nadia Ferreira", "governance-lead", "Information governance. Writes what this trust shares, and looks after patients' choices.", nil},
		{"d.banerjee", "Dr Dev Banerjee", "governance-lead", "Caldicott guardian. Approves as the second person what is to be shared.", nil},
		{"p.osei", "Philippa Osei", "privacy-officer", "Privacy officer. Judges emergencies and unusual access, and answers patients.", nil},
		{"t.hughes", "Tom Hughes", "admin", "Runs this trust's node.", nil},
	} {
		for _, w := range wanted {
			if w == p.ID {
				out = append(out, p)
			}
		}
	}
	return out
}

// DemoPersonas are the ids of all personas.
func DemoPersonas() []string {
	return []string{"a.okafor", "j.price", "y.demir", "s.lindqvist", "n.ferreira", "d.banerjee", "p.osei", "t.hughes"}
}

// personas is an OpenID Connect provider that believes everybody, for demonstrations and tests. The portal uses it as it
// would use any other: discovery, keys, code with PKCE and a signed ID token; only that the portal's own requests to it do
// not leave the process.
type personas struct {
	people []Persona
	trust  federation.TrustID
	path   string // where it stands, and where browsers go back to
	back   string
	origin func() string
	key    *ecdsa.PrivateKey
	now    func() time.Time

	mu     sync.Mutex
	asked  map[string]grant // by request id
	issued map[string]grant // by code
	begun  map[string]grant // by launch
}

// grant is what a browser came with, and who was chosen.
type grant struct {
	redirect, state, nonce, challenge string
	patient                           string // NHS number, when a record system has launched the portal
	who                               Persona
	until                             time.Time
}

func newPersonas(ids []string, trust federation.TrustID, origin func() string, now func() time.Time) (*personas, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key for personas: %w", err)
	}
	return &personas{people: personaList(ids), trust: trust, path: personaPath, back: callbackPath, origin: origin, key: key, now: now, asked: make(map[string]grant), issued: make(map[string]grant), begun: make(map[string]grant)}, nil
}

// settings is how the portal finds this provider.
func (p *personas) settings() SignOn {
	roles := make(map[string]string)
	for _, x := range p.people {
		roles[x.Role] = x.Role
	}
	from := Launch{From: []string{p.origin() + recordSystemPath}, Relationship: string(policy.Appointment)}
	return SignOn{Issuer: p.origin() + p.path, ClientID: personaClient, Roles: roles, Launch: from}
}

// ask keeps what a browser came with and returns the id of the request; empty when it is none that this portal sent.
func (p *personas) ask(q url.Values) string {
	if q.Get("client_id") != personaClient || q.Get("redirect_uri") != p.origin()+p.back || q.Get("response_type") != "code" ||
		q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || q.Get("nonce") == "" {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id := secret()
	prune(p.asked, p.now())
	begun := p.begun[q.Get("launch")] // none, when there is no launch
	delete(p.begun, q.Get("launch"))
	if p.now().After(begun.until) {
		begun.patient = ""
	}
	p.asked[id] = grant{patient: begun.patient, redirect: q.Get("redirect_uri"), state: q.Get("state"), nonce: q.Get("nonce"), challenge: q.Get("code_challenge"), until: p.now().Add(personaTime)}
	return id
}

// launch returns what stands for a patient in the address by which a record system launches the portal; it is good once.
func (p *personas) launch(patient string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := secret()
	prune(p.begun, p.now())
	p.begun[id] = grant{patient: patient, until: p.now().Add(personaTime)}
	return id
}

// choose makes a code for a request and returns where the browser takes it; empty when there is no such request or persona.
func (p *personas) choose(request, who string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, found := p.asked[request]
	delete(p.asked, request)
	if !found || p.now().After(g.until) {
		return ""
	}
	for _, x := range p.people {
		if x.ID == who {
			code := secret()
			g.who = x
			prune(p.issued, p.now())
			p.issued[code] = g
			return g.redirect + "?" + url.Values{"code": {code}, "state": {g.state}}.Encode()
		}
	}
	return ""
}

func prune(m map[string]grant, now time.Time) {
	for k, g := range m {
		if now.After(g.until) || len(m) >= maxPersonas {
			delete(m, k)
		}
	}
}

// RoundTrip answers the portal's own requests: discovery, keys, and a token for a code.
func (p *personas) RoundTrip(r *http.Request) (*http.Response, error) {
	issuer := p.origin() + p.path
	var answer any
	status := http.StatusOK
	switch r.URL.String() {
	case issuer + "/.well-known/openid-configuration":
		answer = map[string]any{
			"issuer": issuer, "authorization_endpoint": issuer, "token_endpoint": issuer + "/token", "jwks_uri": issuer + "/keys",
			"id_token_signing_alg_values_supported": []string{"ES256"}, "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		}
	case issuer + "/keys":
		answer = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &p.key.PublicKey, KeyID: personaKey, Algorithm: "ES256", Use: "sig"}}}
	case issuer + "/token":
		token, patient, err := p.token(r)
		if err != nil {
			status, answer = http.StatusBadRequest, map[string]string{"error": "invalid_grant"}
			break
		}
		said := map[string]any{"access_token": secret(), "token_type": "Bearer", "expires_in": 60, "id_token": token}
		if patient != "" {
			said["patient"] = patient
		}
		answer = said
	default:
		status, answer = http.StatusNotFound, map[string]string{"error": "not_found"}
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)),
	}, nil
}

// token redeems a code, once, for a signed ID token and the patient of the launch, if there was one.
func (p *personas) token(r *http.Request) (token, patient string, err error) {
	if err := r.ParseForm(); err != nil {
		return "", "", err
	}
	p.mu.Lock()
	g, found := p.issued[r.Form.Get("code")]
	delete(p.issued, r.Form.Get("code"))
	p.mu.Unlock()
	sum := sha256.Sum256([]byte(r.Form.Get("code_verifier")))
	if !found || p.now().After(g.until) || r.Form.Get("redirect_uri") != g.redirect ||
		subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(g.challenge)) != 1 {
		return "", "", ErrSignOn
	}
	now := p.now()
	said := map[string]any{
		"iss": p.origin() + p.path, "aud": personaClient, "sub": g.who.ID, "name": g.who.Name, "role": g.who.Role, "organisation": string(p.trust),
		"nonce": g.nonce, "auth_time": now.Unix(), "iat": now.Unix(), "exp": now.Add(personaTime).Unix(),
	}
	maps.Copy(said, g.who.claims)
	claims, err := json.Marshal(said)
	if err != nil {
		return "", "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key}, (&jose.SignerOptions{}).WithHeader("kid", personaKey).WithType("JWT"))
	if err != nil {
		return "", "", err
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		return "", "", err
	}
	token, err = signed.CompactSerialize()
	return token, g.patient, err
}
