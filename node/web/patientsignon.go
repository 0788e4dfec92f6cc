package web

import (
	"cmp"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

const (
	myPath          = "/my"
	myCallbackPath  = myPath + "/sign-on/callback"
	myPersonaPath   = myPath + "/personas"
	patientCookie   = "__Host-ridgeway-my"
	mySignOnCookie  = "__Host-ridgeway-my-sign-on"
	patientRoleName = "patient"
	provenLevel     = "P9" // identity proved with papers, as NHS login calls it
	assertionTime   = 5 * time.Minute
)

// PatientSignOn says which provider says who a patient is. It has the form of NHS login: the NHS number and how well it was proved
// are claims of the ID token.
type PatientSignOn struct {
	Issuer     string   `yaml:"issuer,omitempty"`
	ClientID   string   `yaml:"client_id,omitempty"`
	KeyFile    string   `yaml:"client_key_file,omitempty"`    // PEM file of the RSA key with which the portal proves itself (private_key_jwt)
	SecretFile string   `yaml:"client_secret_file,omitempty"` // or its password; neither: PKCE alone
	CAFile     string   `yaml:"ca_file,omitempty"`            // certificates to trust instead of the system's
	Scopes     []string `yaml:"scopes,omitempty"`             // besides openid: profile
	Vectors    []string `yaml:"vectors,omitempty"`            // of trust, any of which is enough: P9.Cp.Cd, P9.Cp.Ck, P9.Cm
}

// PatientPersona is a patient that a visitor of a demonstration can be.
type PatientPersona struct{ Number, Name string }

func (o PatientSignOn) vectors() []string {
	if len(o.Vectors) > 0 {
		return o.Vectors
	}
	return []string{"P9.Cp.Cd", "P9.Cp.Ck", "P9.Cm"}
}

func (o PatientSignOn) check() []string {
	var wrong []string
	add := func(format string, args ...any) {
		wrong = append(wrong, "portal: patients: "+fmt.Sprintf(format, args...))
	}
	if o.Issuer == "" {
		if o.ClientID != "" || o.KeyFile != "" || o.SecretFile != "" {
			add("issuer: name the provider by which patients sign on")
		}
		return wrong
	}
	if u, err := url.Parse(o.Issuer); err != nil || u.Scheme != "https" || u.Host == "" {
		add("issuer: %q is not the https address of an OpenID Connect provider", o.Issuer)
	}
	if o.ClientID == "" {
		add("client_id: give the name by which the provider knows the portal")
	}
	if o.KeyFile != "" && o.SecretFile != "" {
		add("client_key_file and client_secret_file at once: keep one")
	}
	for _, v := range o.vectors() {
		if v != provenLevel && !strings.HasPrefix(v, provenLevel+".") {
			add("vectors: %q does not begin with %s: less is not enough to see a record", v, provenLevel)
		}
	}
	return wrong
}

// patientSignOn is what differs where patients sign on.
type patientSignOn struct {
	settings PatientSignOn
	numbers  record.Mode
}

// asks are the parameters by which the provider is told how well a patient must have proved who they are.
func (o *patientSignOn) asks() []oauth2.AuthCodeOption {
	if o == nil {
		return nil
	}
	vectors, err := json.Marshal(o.settings.vectors())
	if err != nil { // cannot be: it is a list of texts
		return nil
	}
	return []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("vtr", string(vectors))}
}

// proof is how the portal proves itself to the provider: a statement signed with its key (RFC 7523 section 2.2).
func (o *patientSignOn) proof(client *oauth2.Config, now time.Time) ([]oauth2.AuthCodeOption, error) {
	if o == nil || o.settings.KeyFile == "" {
		return nil, nil
	}
	key, err := readKey(o.settings.KeyFile)
	if err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS512, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("use the portal's key: %w", err)
	}
	said, err := json.Marshal(map[string]any{
		"iss": client.ClientID, "sub": client.ClientID, "aud": client.Endpoint.TokenURL, "jti": secret(), "iat": now.Unix(), "exp": now.Add(assertionTime).Unix(),
	})
	if err != nil {
		return nil, err
	}
	signed, err := signer.Sign(said)
	if err != nil {
		return nil, fmt.Errorf("sign for the provider: %w", err)
	}
	text, err := signed.CompactSerialize()
	return []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), oauth2.SetAuthURLParam("client_assertion", text),
	}, err
}

func readKey(name string) (*rsa.PrivateKey, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("patients: client_key_file: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("patients: client_key_file: there is no key in %s", name)
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if key, ok := any.(*rsa.PrivateKey); err == nil && ok {
		return key, nil
	}
	return nil, fmt.Errorf("patients: client_key_file: %s has no RSA key that can be read", name)
}

// identify reads which patient signed on. A number that was not proved with papers refuses: whoever guesses one must not see a record.
func (o *patientSignOn) identify(claims map[string]any) (person, error) {
	if level := values(claims, "identity_proofing_level"); len(level) != 1 || level[0] != provenLevel {
		return person{}, fmt.Errorf("%w: you have not yet proved who you are with your papers, such as a passport. Do this in your NHS login, then come back", ErrSignOn)
	}
	if vot := values(claims, "vot"); len(vot) != 1 || !slices.Contains(o.settings.vectors(), vot[0]) {
		return person{}, fmt.Errorf("%w: you have not signed on as safely as this service needs", ErrSignOn)
	}
	numbers := values(claims, "nhs_number")
	if len(numbers) != 1 {
		return person{}, fmt.Errorf("%w: we were not told your NHS number", ErrSignOn)
	}
	number, err := record.ParseNHSNumber(numbers[0])
	if err == nil {
		_, err = o.numbers.Check(number)
	}
	if err != nil {
		return person{}, fmt.Errorf("%w: we were not told an NHS number that can be yours", ErrSignOn)
	}
	name := cmp.Or(first(values(claims, "name")), strings.TrimSpace(first(values(claims, "given_name"))+" "+first(values(claims, "family_name"))))
	return person{ID: number.Digits(), Name: clip(name, maxName), Role: patientRoleName}, nil
}

// callback is where browsers come back to.
func (s *signOn) callback() string {
	if s.own != nil {
		return myCallbackPath
	}
	return callbackPath
}

// cookie binds an attempt to a browser. Patients' and staff's have names of their own, so that neither can be finished as the other.
func (s *signOn) cookie() string {
	if s.own != nil {
		return mySignOnCookie
	}
	return signOnCookie
}

// levelClaim is the claim that says how strictly somebody was checked.
func (s *signOn) levelClaim() string {
	if s.own != nil {
		return "vot"
	}
	return "acr"
}

func (s *signOn) identify(claims map[string]any) (person, error) {
	if s.own != nil {
		return s.own.identify(claims)
	}
	return s.settings.identify(claims, s.trust)
}

// patientDoor is where patients come in: a provider, sessions and cookies of their own. Nothing of it opens staff's pages, and
// nothing of staff's opens it.
type patientDoor struct {
	signOn   *signOn
	sessions *sessions
	starts   *limiter
	asks     *limiter
	personas *personas // nil but in demonstrations
}

// newPatientDoor returns the door; nil where there is none.
func newPatientDoor(c Config, origin func() string) (*patientDoor, error) {
	o := c.Settings.Patients
	if o.Issuer == "" && len(c.Settings.PatientPersonas) == 0 {
		return nil, nil
	}
	d := &patientDoor{sessions: newSessions(c.Settings.idle(), c.Settings.session(), c.Now), starts: newLimiter(c.Now), asks: newAsks(c.Now)}
	d.sessions.cookie = patientCookie
	if len(o.Scopes) == 0 {
		o.Scopes = []string{"profile"}
	}
	d.signOn = &signOn{
		settings: SignOn{Issuer: o.Issuer, ClientID: o.ClientID, SecretFile: o.SecretFile, CAFile: o.CAFile, Scopes: o.Scopes},
		trust:    c.Trust, origin: origin, now: c.Now, logger: c.Logger, own: &patientSignOn{settings: o, numbers: c.Numbers}, attempts: make(map[sessionKey]attempt),
	}
	var err error
	if len(c.Settings.PatientPersonas) > 0 {
		if d.personas, err = newPersonas(nil, c.Trust, origin, c.Now); err != nil {
			return nil, err
		}
		d.personas.people, d.personas.path, d.personas.back = patientPersonas(c.Settings.PatientPersonas), myPersonaPath, myCallbackPath
		d.signOn.client = &http.Client{Transport: d.personas}
		return d, nil
	}
	if d.signOn.client, err = d.signOn.settings.httpClient(); err != nil {
		return nil, fmt.Errorf("%w: patients: %w", ErrSettings, err)
	}
	return d, nil
}

// listens tells the door that the portal has its address.
func (d *patientDoor) listens() {
	if d != nil && d.personas != nil {
		d.signOn.settings.Issuer, d.signOn.settings.ClientID = d.personas.origin()+myPersonaPath, personaClient
	}
}

func patientPersonas(list []PatientPersona) []Persona {
	var out []Persona
	for _, p := range list {
		out = append(out, Persona{
			ID: p.Number, Name: p.Name, Role: patientRoleName, Does: "A patient, with the NHS number " + (&patient{Number: p.Number}).Spaced() + ". Sees who has looked, and decides what is shared.",
			claims: map[string]any{"nhs_number": p.Number, "identity_proofing_level": provenLevel, "vot": "P9.Cp.Cd"},
		})
	}
	return out
}
