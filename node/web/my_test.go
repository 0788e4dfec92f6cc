package web

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/oauth2"

	"github.com/go-jose/go-jose/v4"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// fakeMine answers patients.
type fakeMine struct {
	mine  sync.Mutex
	asked []string // numbers
	said  []*admin.RecordDirectiveRequest
	cut   bool // the region cannot be reached

	shares  []SharedDocument // held besides
	against []string         // what choices contradict
}

func (f *fakeMine) of(patient string) {
	f.mine.Lock()
	defer f.mine.Unlock()
	f.asked = append(f.asked, patient)
}

func (f *fakeMine) MySharing(_ context.Context, patient string) (*Shares, error) {
	f.of(patient)
	return &Shares{
		Region: []Named{{"RAS", "The Hillingdon Hospitals"}, {"RYJ", "Imperial"}},
		Trusts: []SharedTrust{{Named: Named{"RYJ", "Imperial <i>"}, Sealed: 2, Documents: append([]SharedDocument{{ID: "RYJ:1", Title: "Letter <script>alert(1)</script>"}}, f.shares...), With: []SharedWith{{Named{"RAS", "The Hillingdon Hospitals"}, "doctors"}}}},
	}, nil
}

func (f *fakeMine) MyReport(_ context.Context, patient string) (*admin.ReportReply, error) {
	f.of(patient)
	return &admin.ReportReply{
		Accesses: []*admin.ReportAccess{
			{At: 1e15, Text: "A doctor at Imperial opened “Letter <b>”, to treat you.", User: "a.okafor", Role: "doctor"},
			{At: 1e15 + 60e6, Text: "A doctor at Imperial opened “Letter <b>”, to treat you.", User: "a.okafor", Role: "doctor"},
			{At: 1e15 + 70e6, Text: "You asked.", Role: "patient"},
			{At: 1e15 + 2*3600e6, Text: "A doctor at Imperial opened “Letter <b>”, to treat you.", User: "a.okafor", Role: "doctor"},
		},
		Emergencies: []*admin.ReportEmergency{{At: 1e15, Text: "A nurse at Imperial said that there was an emergency."}},
		Sites:       []*admin.ReportSite{{Name: "Imperial", Answered: true}, {Name: "London North West"}},
		Directives:  []*admin.DirectiveInfo{{Text: "Nobody may see them.", State: "in_force", By: "s.lindqvist"}},
	}, nil
}

func (f *fakeMine) MyDirectives(_ context.Context, patient string) (*admin.DirectivesReply, error) {
	f.of(patient)
	return &admin.DirectivesReply{Directives: []*admin.DirectiveInfo{{Directive: "abc", Text: "Nobody may see <them>.", State: "in_force", At: 1e15}}, Conflicts: []string{"1234 against 5678: the no counts"}}, nil
}

func (f *fakeMine) MyDirective(_ context.Context, q *admin.RecordDirectiveRequest) (*admin.RecordDirectiveReply, error) {
	f.of(q.GetPatient())
	if q.GetUntil() == "yesterday" {
		return nil, admin.Errorf(admin.CodeBadInput, "no day")
	}
	reply := &admin.RecordDirectiveReply{ReadBack: readBack, Conflicts: f.against}
	if q.GetConfirm() {
		f.mine.Lock()
		defer f.mine.Unlock()
		f.said = append(f.said, q)
		reply.Directive = "d1"
	}
	return reply, nil
}

func (f *fakeMine) MyWithdrawal(_ context.Context, patient, directive string) (*admin.RecordDirectiveReply, error) {
	f.of(patient)
	if directive != "abc" {
		return nil, admin.Errorf(admin.CodeNotFound, "no")
	}
	return &admin.RecordDirectiveReply{Directive: "w1"}, nil
}

func (f *fakeMine) MyReceipt(_ context.Context, patient, directive string) (*admin.ReceiptReply, error) {
	f.of(patient)
	return &admin.ReceiptReply{Directive: directive, Text: "Nobody may see your records.", Agreed: !f.cut, Sites: []*admin.ReceiptSite{{Trust: "RAS", Applied: true}, {Trust: "RYJ", Problem: "did not answer"}}}, nil
}

// signOnAsPatient signs a patient of the demonstration on.
func (b *browser) signOnAsPatient(number string) visit {
	b.t.Helper()
	picker := b.follow(b.get("/my/sign-on/start"))
	return b.follow(b.post(myPersonaPath, url.Values{"request": {field(b.t, requestField, picker.body)}, "persona": {number}}))
}

func TestAPatientSeesTheirOwnRecordOnly(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	b.get("/my").wants(t, 303)
	b.signOnAsPatient(numberA).wants(t, 200, "999 000 0018", "Pat Moss")
	b.get("/my/sharing").wants(t, 200, "Imperial &lt;i&gt;", "Letter &lt;script&gt;", "2 more that are extra private", "The Hillingdon Hospitals</strong>: doctors")
	page := b.get("/my/looks")
	page.wants(t, 200, "A doctor at Imperial opened", "London North West did not answer", "Emergencies")
	if got := strings.Count(page.body, "A doctor at Imperial opened"); got != 2 || !strings.Contains(page.body, "(2 times, until 02:47)") || strings.Contains(page.body, "You asked.") {
		t.Errorf("%d lines of one visit and another: %s", got, page.body)
	}
	if strings.Contains(page.body, "okafor") {
		t.Error("a member of staff is named")
	}
	b.get("/my/choices").wants(t, 200, "Nobody may see &lt;them&gt;", "This counts everywhere", "the no counts")
	copied := b.get("/my/looks/copy")
	copied.wants(t, 200, "999 000 0018", "Nobody may see them. This counts everywhere.")
	if d := copied.Header.Get("Content-Disposition"); !strings.HasPrefix(d, "attachment") || strings.Contains(copied.body, "lindqvist") || strings.Contains(copied.body, "script") {
		t.Errorf("a copy comes as %q", d)
	}
	b.get("/my/none").wants(t, 404, "Page not found")
	if wrong := slices.DeleteFunc(g.region.fakeMine.asked, func(n string) bool { return n == numberA }); len(wrong) > 0 {
		t.Errorf("others were asked about: %v", wrong)
	}
	if strings.Contains(g.log.String(), numberA) || strings.Contains(g.log.String(), "Moss") {
		t.Errorf("a patient stands in the log: %s", g.log)
	}
}

func TestAChoiceIsReadBackBeforeItCounts(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	token := field(t, tokenField, b.signOnAsPatient(numberA).body)
	form := func(kv ...string) url.Values {
		out := url.Values{"token": {token}}
		for i := 0; i < len(kv); i += 2 {
			out.Set(kv[i], kv[i+1])
		}
		return out
	}
	for name, c := range map[string]struct {
		form url.Values
		want int
		says string
	}{
		"nothing":            {form(), 422, "Choose what you want"},
		"no place":           {form("kind", "not-there"), 422, "Choose the place that must not see"},
		"no holder":          {form("kind", "not-from"), 422, "Choose the place that must not share"},
		"no document":        {form("kind", "document"), 422, "Choose the document"},
		"no place to agree":  {form("kind", "agree"), 422, "Choose the place that may"},
		"a no under a yes":   {form("kind", "agree", "trust", "RYJ"), 422, "Choose the place that may"},
		"a yes under a no":   {form("kind", "not-there", "allowed", "RYJ"), 422, "Choose the place that must not see"},
		"no day":             {form("kind", "nobody", "until", "yesterday"), 422, "Check the date"},
		"another's words":    {form("kind", "nobody", "seen", "Everybody may see them."), 200, "Staff may not know"},
		"first":              {form("kind", "nobody"), 200, "Yes, this is what I want"},
		"another's number":   {form("kind", "nobody", "patient", numberB, "nhs_number", numberB), 200, "Check what this means"},
		"what is no text":    {form("kind", "nobody", "until", "2027-01-01\u202e"), 400, "cannot be read"},
		"a forged token":     {form("kind", "nobody", "token", "x"), 403, "too old"},
		"without any token":  {url.Values{"kind": {"nobody"}}, 403, "too old"},
		"a kind out of this": {form("kind", "<script>"), 422, "Choose what you want"},
	} {
		b.post("/my/choices/new", c.form).wants(t, c.want, c.says)
		g.clock.move(asksEvery)
		if len(g.region.said) > 0 {
			t.Fatalf("%s: it was recorded", name)
		}
	}
	g.clock.move(asksAtOnce * asksEvery) // what was refused counts too
	done := b.post("/my/choices/new", form("kind", "not-there", "trust", "RYJ", "seen", field(t, seenField, b.post("/my/choices/new", form("kind", "not-there", "trust", "RYJ")).body), "patient", numberB))
	if len(g.region.said) != 1 || g.region.said[0].GetPatient() != numberA || g.region.said[0].GetScope().GetTrust() != "RYJ" || g.region.said[0].GetPermit() {
		t.Fatalf("recorded %v", g.region.said)
	}
	b.follow(done).wants(t, 200, "It is accepted", "Imperial College Healthcare, which does not answer", "The Hillingdon Hospitals")
	g.region.cut = true
	b.follow(done).wants(t, 200, "not accepted everywhere yet")
	b.get("/my/choices/abc/undo").wants(t, 200, "Nobody may see &lt;them&gt;")
	b.get("/my/choices/other/undo").wants(t, 404)
	if to := b.post("/my/choices/abc/undo", form()).Header.Get("Location"); to != "/my/choices/w1" {
		t.Errorf("leads to %q", to)
	}
	b.post("/my/choices/other/undo", form()).wants(t, 404)
	b.post("/my/choices/abc/undo", url.Values{"token": {"x"}}).wants(t, 403)
}

// TestPatientsAndStaffAreApart hands the cookies of one kind of session to the pages of the other.
func TestPatientsAndStaffAreApart(t *testing.T) {
	g := newRig(t)
	at, err := url.Parse(g.portal.Origin())
	if err != nil {
		t.Fatal(err)
	}
	staff, pat := g.browser(), g.browser()
	staffToken := field(t, tokenField, staff.signOn("s.lindqvist").body)
	patToken := field(t, tokenField, pat.signOnAsPatient(numberA).body)
	valueOf := func(b *browser, name string) string {
		for _, c := range b.client.Jar.Cookies(at) {
			if c.Name == name {
				return c.Value
			}
		}
		t.Fatalf("no cookie %s", name)
		return ""
	}
	mine := []string{"/my", "/my/sharing", "/my/looks", "/my/looks/copy", "/my/choices", "/my/choices/new", "/my/choices/abc", "/my/choices/abc/undo"}
	theirs := []string{"/", "/find", "/documents", "/region", "/region/events", "/patients/x", "/documents/patients/x", "/nothing"}
	for name, c := range map[string]struct {
		value, as, token string
		paths            []string
	}{
		"a member of staff":                         {valueOf(staff, sessionCookie), sessionCookie, staffToken, mine},
		"a member of staff, with the cookie's name": {valueOf(staff, sessionCookie), patientCookie, staffToken, mine},
		"a patient":                          {valueOf(pat, patientCookie), patientCookie, patToken, theirs},
		"a patient, with the cookie's name":  {valueOf(pat, patientCookie), sessionCookie, patToken, theirs},
		"nobody, at patients' pages":         {"x", patientCookie, "x", mine},
		"nobody, at the pages of the staff.": {"x", sessionCookie, "x", theirs},
	} {
		for _, path := range c.paths {
			for _, method := range []string{"GET", "POST"} {
				b := g.browser()
				r := b.request(method, path, url.Values{"token": {c.token}, "kind": {"nobody"}, "number": {numberA}})
				r.AddCookie(&http.Cookie{Name: c.as, Value: c.value})
				got := b.do(r)
				to := got.Header.Get("Location")
				if got.StatusCode != http.StatusSeeOther && got.StatusCode != http.StatusMethodNotAllowed && got.StatusCode != http.StatusNotFound || to != "" && !strings.HasSuffix(to, "/sign-on") {
					t.Errorf("%s: %s %s is %d, to %q", name, method, path, got.StatusCode, to)
				}
			}
		}
	}
	if len(g.region.fakeMine.asked)+len(g.region.filers) > 0 {
		t.Error("the node was asked")
	}
	// A sign-on that was begun at one door cannot be finished at the other.
	b := g.browser()
	picker := b.follow(b.get("/my/sign-on/start"))
	chosen := b.post(myPersonaPath, url.Values{"request": {field(t, requestField, picker.body)}, "persona": {numberA}}).Header.Get("Location")
	to, err := url.Parse(chosen)
	if err != nil || to.Path != myCallbackPath {
		t.Fatalf("leads to %s, %v", chosen, err)
	}
	b.get(callbackPath+"?"+to.RawQuery).wants(t, 403, "You are not signed on")
	b.get("/find").wants(t, 303)
}

func TestPatientsSessionsEndUnused(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	token := field(t, tokenField, b.signOnAsPatient(numberA).body)
	g.clock.move(defaultIdle)
	b.get("/my/looks").wants(t, 303)
	g.clock.move(-defaultIdle)
	b.get("/my/looks").wants(t, 303) // it does not come back
	b.post("/my/choices/new", url.Values{"token": {token}, "kind": {"nobody"}}).wants(t, 303)
	token = field(t, tokenField, b.signOnAsPatient(numberB).body)
	b.post("/my/log-out", url.Values{"token": {"x"}}).wants(t, 403)
	b.post("/my/log-out", url.Values{"token": {token}}).wants(t, 303)
	b.get("/my").wants(t, 303)
}

func TestOnlyAProvenNumberIsBelieved(t *testing.T) {
	door := &patientSignOn{numbers: record.Test}
	good := func() map[string]any {
		return map[string]any{"nhs_number": numberA, "identity_proofing_level": "P9", "vot": "P9.Cp.Cd", "given_name": "Pat", "family_name": "Moss"}
	}
	if who, err := door.identify(good()); err != nil || who.ID != numberA || who.Role != patientRoleName || who.Name != "Pat Moss" {
		t.Errorf("%+v, %v", who, err)
	}
	for name, spoil := range map[string]func(map[string]any){
		"P5":                       func(c map[string]any) { c["identity_proofing_level"] = "P5" },
		"P9 in words only":         func(c map[string]any) { c["identity_proofing_level"] = "P90" },
		"no level":                 func(c map[string]any) { delete(c, "identity_proofing_level") },
		"two levels":               func(c map[string]any) { c["identity_proofing_level"] = []any{"P5", "P9"} },
		"a vector of P5":           func(c map[string]any) { c["vot"] = "P5.Cp.Cd" },
		"no vector":                func(c map[string]any) { delete(c, "vot") },
		"a password alone":         func(c map[string]any) { c["vot"] = "P9.Cp" },
		"no number":                func(c map[string]any) { delete(c, "nhs_number") },
		"a number that is none":    func(c map[string]any) { c["nhs_number"] = "9990000019" },
		"two numbers":              func(c map[string]any) { c["nhs_number"] = []any{numberA, numberB} },
		"a number as an object":    func(c map[string]any) { c["nhs_number"] = map[string]any{"value": numberA} },
		"staff, signed on as such": func(c map[string]any) { clear(c); c["sub"], c["role"], c["organisation"] = "a.okafor", "doctor", "RAS" },
	} {
		claims := good()
		spoil(claims)
		if who, err := door.identify(claims); err == nil {
			t.Errorf("%s: signs on as %+v", name, who)
		}
	}
	live := &patientSignOn{numbers: record.Live}
	if _, err := live.identify(good()); err == nil {
		t.Error("a number kept for tests signs on where there are real patients")
	}
	for want, o := range map[string]PatientSignOn{
		"issuer: name":       {ClientID: "x"},
		"https address":      {Issuer: "http://i.example", ClientID: "x"},
		"client_id":          {Issuer: "https://i.example"},
		"keep one":           {Issuer: "https://i.example", ClientID: "x", KeyFile: "a", SecretFile: "b"},
		"less is not enough": {Issuer: "https://i.example", ClientID: "x", Vectors: []string{"P5.Cp.Cd"}},
	} {
		if wrong := strings.Join(o.check(), "\n"); !strings.Contains(wrong, want) {
			t.Errorf("want %q, got %q", want, wrong)
		}
	}
	if wrong := (PatientSignOn{Issuer: "https://auth.login.nhs.uk", ClientID: "ridgeway", KeyFile: "k"}).check(); len(wrong) > 0 {
		t.Errorf("good settings: %q", wrong)
	}
	if wrong := (Settings{Listen: "127.0.0.1:0", PatientPersonas: []PatientPersona{{numberA, "x"}}}).Check(false); len(wrong) == 0 {
		t.Error("a real node has patients to choose from")
	}
}

func TestThePortalProvesItselfWithItsKey(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &clock{}
	client := &oauth2.Config{ClientID: "ridgeway", Endpoint: oauth2.Endpoint{TokenURL: "https://i.example/token", AuthURL: "https://i.example/authorize"}}
	options, err := (&patientSignOn{settings: PatientSignOn{KeyFile: name}}).proof(client, c.now())
	if err != nil {
		t.Fatal(err)
	}
	sent, err := url.Parse(client.AuthCodeURL("s", options...))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.ParseSigned(sent.Query().Get("client_assertion"), []jose.SignatureAlgorithm{jose.RS512})
	if err != nil {
		t.Fatal(err)
	}
	var claims jwt.Claims
	if err := token.Claims(&key.PublicKey, &claims); err != nil || claims.Issuer != "ridgeway" || claims.Subject != "ridgeway" || !claims.Audience.Contains("https://i.example/token") || claims.ID == "" {
		t.Errorf("%+v, %v", claims, err)
	}
	if err := os.WriteFile(name, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (&patientSignOn{settings: PatientSignOn{KeyFile: name}}).proof(client, c.now()); err == nil {
		t.Error("a key that is none is used")
	}
}

func TestAPatientAsksAllTrustsNowAndThenOnly(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	token := field(t, tokenField, b.signOnAsPatient(numberA).body)
	for range asksAtOnce {
		b.get("/my/looks").wants(t, 200)
	}
	again := g.browser() // another session is the same patient
	again.signOnAsPatient(numberA)
	asked := len(g.region.fakeMine.asked)
	for name, refused := range map[string]visit{
		"looks": b.get("/my/looks"), "in another session": again.get("/my/looks"), "copy": b.get("/my/looks/copy"),
		"choice": b.post("/my/choices/new", url.Values{"token": {token}, "kind": {"nobody"}}), "undo": b.post("/my/choices/d1/undo", url.Values{"token": {token}}),
	} {
		refused.wants(t, 429, "Please wait a few seconds")
		if refused.Header.Get("Retry-After") != "5" {
			t.Errorf("%s: told to wait %q", name, refused.Header.Get("Retry-After"))
		}
	}
	if got := len(g.region.fakeMine.asked); got != asked {
		t.Errorf("the node was asked %d times more", got-asked)
	}
	b.get("/my").wants(t, 200)
	other := g.browser()
	other.signOnAsPatient(numberB)
	other.get("/my/looks").wants(t, 200)
	g.clock.move(asksEvery)
	b.get("/my/looks").wants(t, 200)
	b.get("/my/looks").wants(t, 429)
}

// readBack has the name of a trust that no form brings back as it was: a tab in it is folded, and a mark that turns text is refused.
const readBack = "Nobody at Ridge\tView\u202e may see your records. Staff may not know things that matter."

var seenField = regexp.MustCompile(`name="seen" value="([^"]*)"`)
