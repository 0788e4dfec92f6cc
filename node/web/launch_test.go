package web

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const recordSystem = "https://epr.example/fhir"

// launching is the test's provider as an authorisation server: what extra has goes into the answer of the token endpoint.
type launching struct {
	http.RoundTripper
	extra map[string]any
}

func (l *launching) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/token") {
		return resp, err
	}
	answer := map[string]any{}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	for k, v := range l.extra {
		answer[k] = v
	}
	b, err := json.Marshal(answer)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	return resp, err
}

func launchRig(t *testing.T) (*rig, *launching) {
	g := newRig(t)
	l := &launching{RoundTripper: g.portal.personas}
	g.portal.signOn.client = &http.Client{Transport: l}
	g.portal.signOn.settings.Launch = Launch{From: []string{recordSystem}}
	return g, l
}

// launch comes from the record system, chooses who it is, and returns where that leads.
func (b *browser) launch(who string) visit {
	b.t.Helper()
	q := url.Values{"iss": {recordSystem}, "launch": {"opaque-1"}}
	start := b.get("/launch?" + q.Encode())
	to, err := url.Parse(start.Header.Get("Location"))
	if err != nil || to.Query().Get("launch") != "opaque-1" || to.Query().Get("aud") != recordSystem || !strings.Contains(to.Query().Get("scope"), "launch") {
		b.t.Fatalf("the authorisation server is asked with %v, %v", to, err)
	}
	picker := b.follow(start)
	back := b.post("/personas", url.Values{"request": {field(b.t, requestField, picker.body)}, "persona": {who}}).Header.Get("Location")
	return b.get(back)
}

func TestLaunchOpensThePatientWithNothingToType(t *testing.T) {
	g, l := launchRig(t)
	g.region.add(numberA, "RYJ", 1, &admin.Located{Title: "Letter of A", ContentType: "text/plain", Date: at("2024-01-01")}, []byte("about A"))
	g.region.add(numberB, "RYJ", 2, &admin.Located{Title: "Letter of B", ContentType: "text/plain", Date: at("2024-01-01")}, []byte("about B"))
	l.extra = map[string]any{"patient": "999 000 0018"}
	b := g.browser()
	got := b.launch("a.okafor")
	path := got.Header.Get("Location")
	if !strings.HasPrefix(path, "/patients/") || strings.Contains(path, numberA) {
		t.Fatalf("a launch leads to %q", path)
	}
	b.get(path).wants(t, 200, "Letter of A", "999 000 0018", "To treat this patient")
	if who := g.region.askers[len(g.region.askers)-1]; who.GetUser() != "a.okafor" || who.GetPurpose() != "TREAT" || who.GetRelationship() != "self-claimed" {
		t.Errorf("the node is asked by %v", who)
	}
	// The next launch is another patient, in another tab: the first tab stays with its own.
	l.extra = map[string]any{"patient": numberB}
	second := b.launch("a.okafor").Header.Get("Location")
	b.get(second).wants(t, 200, "Letter of B", "999 000 0026")
	first := b.get(path)
	first.wants(t, 200, "Letter of A", "999 000 0018")
	if second == path || strings.Contains(first.body, "Letter of B") {
		t.Error("a launch has changed the patient of another tab")
	}
}

// TestADemonstrationHasARecordSystemToLaunchFrom: a visitor gets from its open patient to the patient's documents without typing.
func TestADemonstrationHasARecordSystemToLaunchFrom(t *testing.T) {
	g := newRig(t)
	g.portal.signOn.settings = g.portal.personas.settings() // as once it listens
	g.region.add(numberB, "RYJ", 2, &admin.Located{Title: "Letter of B", ContentType: "text/plain", Date: at("2024-01-01")}, []byte("about B"))
	b := g.browser()
	b.get("/sign-on").wants(t, 200, `href="/personas/record-system"`)
	b.get("/personas/record-system").wants(t, 200, "Lee Hart", "999 000 0026")
	start := b.post("/personas/record-system", url.Values{"number": {numberB}})
	address := start.Header.Get("Location")
	if start.StatusCode != http.StatusSeeOther || !strings.HasPrefix(address, "/launch?") || strings.Contains(address, numberB) {
		t.Fatalf("%d, to %q", start.StatusCode, address)
	}
	signOn := func() visit {
		picker := b.follow(b.get(address))
		return b.get(b.post("/personas", url.Values{"request": {field(t, requestField, picker.body)}, "persona": {"a.okafor"}}).Header.Get("Location"))
	}
	b.get(signOn().Header.Get("Location")).wants(t, 200, "Letter of B", "999 000 0026", "To treat this patient", "appointment with us")
	signOn().wants(t, http.StatusForbidden, "did not say which patient") // it is good once
	if to := b.post("/personas/record-system", url.Values{"number": {"1"}}).Header.Get("Location"); to != "/personas/record-system" {
		t.Errorf("what is no number leads to %q", to)
	}
	if strings.Contains(g.log.String(), numberB) {
		t.Errorf("a patient stands in the log: %s", g.log)
	}
}

func TestLaunchSaysWhyWhereItCan(t *testing.T) {
	g, l := launchRig(t)
	g.portal.signOn.settings.Launch = Launch{From: []string{recordSystem}, Number: "nhs_number", PurposeClaim: "pou", RelationshipClaim: "rel", Relationship: "appointment"}
	l.extra = map[string]any{"patient": "Patient/77", "nhs_number": numberA, "pou": "COC", "rel": "referral:UBRN-1"}
	b := g.browser()
	b.get(b.launch("a.okafor").Header.Get("Location")).wants(t, 200, "To coordinate their care", "referred to me", "UBRN-1")
	l.extra = map[string]any{"nhs_number": numberA}
	b.get(b.launch("a.okafor").Header.Get("Location")).wants(t, 200, "To treat this patient", "appointment with us")
}

func TestLaunchIsRefused(t *testing.T) {
	g, l := launchRig(t)
	for name, q := range map[string]url.Values{
		"another system": {"iss": {"https://evil.example/fhir"}, "launch": {"x"}}, "no system": {"launch": {"x"}}, "no launch": {"iss": {recordSystem}}, "too long": {"iss": {recordSystem}, "launch": {strings.Repeat("x", 5000)}},
	} {
		if got := g.browser().get("/launch?" + q.Encode()); got.StatusCode != http.StatusBadRequest || got.Header.Get("Location") != "" {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
	}
	for name, c := range map[string]struct {
		extra  map[string]any
		status int
		says   string
	}{
		"no patient": {nil, 403, "did not say which patient"}, "no NHS number": {map[string]any{"patient": "Patient/77"}, 422, "valid NHS number"},
		"not a text": {map[string]any{"patient": 9990000018}, 403, "did not say which patient"},
	} {
		t.Run(name, func(t *testing.T) {
			l.extra = c.extra
			g.browser().launch("a.okafor").wants(t, c.status, c.says)
		})
	}
	g.portal.signOn.settings.Launch.PurposeClaim = "pou"
	l.extra = map[string]any{"patient": numberA, "pou": "HMARKT"}
	g.browser().launch("a.okafor").wants(t, 403, "a reason that this portal does not know")
	// An answer's patient counts only for who was launched: an ordinary sign-on opens nobody.
	l.extra = map[string]any{"patient": numberA}
	b := g.browser()
	if got := b.signOn("a.okafor"); got.Request.URL.Path != "/find" || strings.Contains(got.body, "Patients of this session") {
		t.Errorf("a sign-on leads to %s", got.Request.URL.Path)
	}
}

func TestLaunchDoesNotOpenALock(t *testing.T) {
	g, l := launchRig(t)
	l.extra = map[string]any{"patient": numberA}
	b := g.browser()
	b.signOn("a.okafor")
	other := b.open(numberB)
	g.clock.move(defaultIdle + time.Second)
	q := url.Values{"iss": {recordSystem}, "launch": {"opaque-1"}}
	to, err := url.Parse(b.get("/launch?" + q.Encode()).Header.Get("Location"))
	if err != nil || to.Query().Get("prompt") != "login" {
		t.Errorf("from a locked session the authorisation server is asked with %v", to)
	}
	if got := b.get(b.launch("j.price").Header.Get("Location")); strings.Contains(got.body, "999 000 0026") {
		t.Error("another user's launch shows what the locked session knew")
	}
	b.get(other).wants(t, 404, "Find the patient again")
}

func TestLaunchSettingsAreChecked(t *testing.T) {
	if wrong := (Launch{From: []string{recordSystem}}).check(); len(wrong) > 0 {
		t.Errorf("good settings: %q", wrong)
	}
	for want, l := range map[string]Launch{"from:": {From: []string{"http://epr.example"}}, "purpose:": {Purpose: "HMARKT"}, "relationship:": {Relationship: "friend"}} {
		if wrong := strings.Join(l.check(), "\n"); !strings.Contains(wrong, want) {
			t.Errorf("want %q, got %q", want, wrong)
		}
	}
}
