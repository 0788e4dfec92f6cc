package web

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func TestEveryAnswerIsGuarded(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	g.region.add(numberA, "RYJ", 1, &admin.Located{Title: "Letter", ContentType: "text/plain"}, []byte("text"))
	b.signOn("a.okafor")
	path := b.open(numberA)
	id := ""
	for x := range g.region.docs {
		id = x
	}
	for _, at := range []string{"/sign-on", "/find", path, path + "/purpose", path + "/emergency", path + "/documents/" + id, path + "/documents/" + id + "/file", "/no-such-page", "/static/none", path + "/documents/none"} {
		h := b.get(at).Header
		for name, want := range map[string]string{
			"Content-Security-Policy": "frame-ancestors 'none'", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Strict-Transport-Security": "max-age=31536000",
			"Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if !strings.Contains(h.Get(name), want) {
				t.Errorf("%s: %s is %q, want %q", at, name, h.Get(name), want)
			}
		}
		if policy := h.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe-inline") || strings.Contains(policy, "'unsafe-eval'") || strings.Contains(policy, "http") || !strings.Contains(policy, "default-src 'none'") {
			t.Errorf("%s: policy %q", at, policy)
		}
	}
}

func TestAssetsAreCachedByContent(t *testing.T) {
	g := newRig(t)
	got := g.browser().get(g.portal.assets.url("portal.css"))
	got.wants(t, 200)
	if c := got.Header.Get("Cache-Control"); !strings.Contains(c, "immutable") {
		t.Errorf("an asset by its content has %q", c)
	}
	for name, want := range map[string]string{"portal.js": "text/javascript", "pdfjs/pdf.min.mjs": "text/javascript", "pdfjs/jbig2.wasm": "application/wasm"} {
		if got := g.browser().get("/static/" + name).Header.Get("Content-Type"); !strings.HasPrefix(got, want) {
			t.Errorf("%s is %q, want %s", name, got, want)
		}
	}
	g.browser().follow(g.browser().get("/static/../handler.go")).wants(t, 404)
}

func TestForgedFormsChangeNothing(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	token := field(t, tokenField, b.signOn("a.okafor").body)
	path := b.open(numberA)
	foreign := field(t, tokenField, g.browser().signOn("j.price").body)
	for _, at := range []string{"/find", path + "/purpose", path + "/emergency", "/log-out"} {
		for name, forge := range map[string]func(*http.Request, url.Values){
			"no token":             func(_ *http.Request, f url.Values) { f.Del("token") },
			"another user's token": func(_ *http.Request, f url.Values) { f.Set("token", foreign) },
			"from another site":    func(r *http.Request, _ url.Values) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"from a sibling site":  func(r *http.Request, _ url.Values) { r.Header.Set("Sec-Fetch-Site", "same-site") },
			"from another origin": func(r *http.Request, _ url.Values) {
				r.Header.Del("Sec-Fetch-Site")
				r.Header.Set("Origin", "https://evil.example")
			},
			"from an opaque origin":   func(r *http.Request, _ url.Values) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
			"under another host":      func(r *http.Request, _ url.Values) { r.Host = "evil.example" },
			"with the token in a GET": func(r *http.Request, f url.Values) { r.URL.RawQuery = "token=" + f.Get("token"); f.Del("token") },
		} {
			form := url.Values{"token": {token}, "number": {numberB}, "purpose": {"COC"}, "relationship": {"mdt"}, "reason": {"unconscious in resus now"}, "understood": {"1"}}
			r := b.request("POST", at, form)
			forge(r, form)
			again := b.request("POST", r.URL.String(), form)
			again.Header, again.Host = r.Header, r.Host
			if got := b.do(again); got.StatusCode != http.StatusForbidden && got.StatusCode != http.StatusMisdirectedRequest {
				t.Errorf("%s %s: status %d", at, name, got.StatusCode)
			}
		}
	}
	if len(g.region.glass) > 0 {
		t.Error("a forged form has broken the glass")
	}
	b.get("/find").wants(t, 200, "To treat this patient")
}

func TestOtherSitesCanOnlyLink(t *testing.T) {
	b := newRig(t).browser()
	b.signOn("a.okafor")
	for mode, want := range map[string]int{"navigate": 200, "no-cors": 403, "cors": 403} {
		r := b.request("GET", "/find", nil)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Sec-Fetch-Mode", mode)
		b.do(r).wants(t, want)
	}
}

func TestNoAddressLeadsElsewhere(t *testing.T) {
	b := newRig(t).browser()
	for _, at := range []string{"//evil.example", "/sign-on?next=https://evil.example", "/sign-on/start?next=//evil.example", "/%2f%2fevil.example", "/\\evil.example", "/locked?place=https://evil.example"} {
		v := b.get(at)
		for range 5 {
			to, err := url.Parse(v.Header.Get("Location"))
			if err != nil || to.Host != "" && "https://"+to.Host != b.portal.Origin() || strings.HasPrefix(v.Header.Get("Location"), "//") || strings.HasPrefix(v.Header.Get("Location"), `/\`) {
				t.Fatalf("%s leads to %q", at, v.Header.Get("Location"))
			}
			if v.Header.Get("Location") == "" {
				break
			}
			v = b.get(v.Header.Get("Location"))
		}
	}
}

func TestKeysOfPatientsAreOfOneSession(t *testing.T) {
	g := newRig(t)
	one, two := g.browser(), g.browser()
	one.signOn("a.okafor")
	two.signOn("j.price")
	path := one.open(numberA)
	two.get(path).wants(t, 404, "Find the patient again")
	two.get(path+"/documents/x/file").wants(t, 404)
	g.browser().get(path).wants(t, 303)
	if strings.Contains(path, numberA) {
		t.Error("an NHS number stands in an address")
	}
}

var inline = regexp.MustCompile(`(?i)<style|<script[^>]*>[^<]|\sstyle=|\son[a-z]+=|javascript:|https?://`)

func TestTemplatesHaveNothingInline(t *testing.T) {
	files, err := fs.Glob(embedded, "templates/*.html")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := embedded.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if found := inline.FindAll(b, -1); found != nil {
			t.Errorf("%s: %q", f, found)
		}
	}
}

func TestLogNamesNoPatient(t *testing.T) {
	g := newRig(t)
	id := g.region.add(numberA, "RYJ", 1, &admin.Located{Title: "Canary title", ContentType: "text/plain"}, []byte("canary text"))
	b := g.browser()
	b.signOn("a.okafor")
	path := b.open(numberA)
	b.get(path)
	b.get(path + "/documents/" + id)
	g.region.docs[id].fail = admin.Errorf(admin.CodeDenied, "RYJ refuses to release %s: no", id)
	b.get(path + "/documents/" + id)
	for _, canary := range []string{numberA, "999 000", "anary", "Okafor", path[len("/patients/"):]} {
		if strings.Contains(g.log.String(), canary) {
			t.Errorf("the log says %q:\n%s", canary, g.log)
		}
	}
}

// TestFormsBringText: what turns or steers text is refused in whatever form it comes, and lines that were typed become one.
func TestFormsBringText(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	token := field(t, tokenField, b.signOn("a.okafor").body)
	path := b.open(numberA)
	for name, bad := range map[string]string{"order": "unconscious in \u202eresus", "control": "unconscious in \x1bresus", "no UTF-8": "unconscious in \xffresus", "longer than any field sends": strings.Repeat("unconscious ", 400)} {
		for _, at := range []string{path + "/emergency", path + "/purpose", "/find"} {
			form := url.Values{"token": {token}, "reason": {bad}, "understood": {"1"}}
			b.post(at, form).wants(t, http.StatusBadRequest, "Nothing was changed")
			if t.Failed() {
				t.Fatalf("%s at %s", name, at)
			}
		}
	}
	// Fields of one line are bounded closer than those of several, whose forms say themselves what is too long.
	long := url.Values{"token": {token}, "nhs": {strings.Repeat("9", admin.MaxLine+1)}}
	b.post("/find", long).wants(t, http.StatusBadRequest, "Nothing was changed")
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(url.Values{"reason": {" in\r\nresus\t now "}, "text": {"a:\n- b\x1b"}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := r.ParseForm(); err != nil {
		t.Fatal(err)
	}
	if fault := foldForm(r); fault != "" || r.PostFormValue("reason") != "in resus now" || r.FormValue("reason") != "in resus now" || r.PostFormValue("text") != "a:\n- b\x1b" {
		t.Errorf("%q: %v", fault, r.PostForm)
	}
}

// TestLongTypingIsKept: what a field of several lines lets people type, and is more than is taken, is said beside the field, and is
// still in it.
func TestLongTypingIsKept(t *testing.T) {
	g := governed(t)
	lead, doctor := g.browser(), g.browser()
	lead.signOn("n.ferreira")
	token := lead.token()
	sent := governanceForms(lead.wishKey(numberA))
	sent["/agreements/proposals/p1"]["note"] = []string{"n"}
	long := strings.Repeat("wŷ", 500) // 1,000 letters
	tried := 0
	for at, form := range sent {
		for _, name := range typedFields() {
			if !form.Has(name) {
				continue
			}
			tried++
			form.Set("token", token)
			form.Set(name, long)
			lead.post(at, form).wants(t, http.StatusUnprocessableEntity, "Say it in fewer words", long)
			if t.Failed() {
				t.Fatalf("%s at %s", name, at)
			}
		}
	}
	if tried < 7 {
		t.Errorf("only %d fields were tried", tried)
	}
	lead.post("/suspensions", url.Values{"token": {token}, "do": {"trust"}, "trust": {"RYJ"}, "sure": {"1"}, "trust-reason": {long}}).wants(t, http.StatusUnprocessableEntity, "Say it in fewer words", long)
	token = field(t, tokenField, doctor.signOn("a.okafor").body)
	long = strings.Repeat("🚑", 250) // 500 letters, as browsers count them
	doctor.post(doctor.open(numberA)+"/emergency", url.Values{"token": {token}, "understood": {"1"}, "reason": {long}}).wants(t, http.StatusUnprocessableEntity, "Say it in fewer words", long)
	if len(g.region.glass) > 0 || len(g.region.shut) > 0 {
		t.Error("something was done that cannot be kept whole")
	}
}
