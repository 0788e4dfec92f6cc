package web

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func at(day string) int64 {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		panic(err)
	}
	return t.UnixMicro()
}

func TestNumberIsReadAsPeopleWriteIt(t *testing.T) {
	g := newRig(t)
	for _, typed := range []string{"9990000018", "999 000 0018", " 999-000-0018 ", "999\u00a0000\u00a00018", "999\u2011000\u20130018", "9 9 9 0 0 0 0 0 1 8\t"} {
		if got, wrong := g.portal.readNumber(typed); got != numberA || wrong != "" {
			t.Errorf("%q: %q, %q", typed, got, wrong)
		}
	}
	for typed, want := range map[string]string{
		"": "Enter an NHS number", "   ": "Enter an NHS number", "999000001": "10 digits: you entered 9", "99900000188": "you entered 11", "999000O018": "digits only",
		"9990000081": "two are swapped", "0000000000": "placeholder", strings.Repeat("9", 500): "10 digits", "<script>": "digits only",
	} {
		if got, wrong := g.portal.readNumber(typed); got != "" || !strings.Contains(wrong, want) {
			t.Errorf("%.20q: %q, %q, want %q", typed, got, wrong, want)
		}
	}
}

func TestTestNumbersAreRefusedOnALiveNode(t *testing.T) {
	p := &Portal{config: Config{}}
	p.config.Numbers = 1 // live
	if _, wrong := p.readNumber(numberA); !strings.Contains(wrong, "kept for tests") {
		t.Errorf("a number of the test range: %q", wrong)
	}
}

func TestWrongNumberIsExplained(t *testing.T) {
	b := newRig(t).browser()
	token := field(t, tokenField, b.signOn("a.okafor").body)
	b.post("/find", url.Values{"token": {token}, "number": {`12"><script>alert(1)</script>`}}).wants(t, 422, "There is a problem", "digits only", "Error: Find a patient", "&lt;script&gt;")
}

func TestPurposeIsAskedOnceAndCarried(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	token := field(t, tokenField, b.signOn("a.okafor").body)
	path := b.post("/find", url.Values{"token": {token}, "number": {"999 000 0018"}}).Header.Get("Location")
	if to := b.get(path).Header.Get("Location"); to != path+"/purpose" {
		t.Fatalf("before the purpose is known the timeline leads to %q", to)
	}
	for name, form := range map[string]url.Values{
		"Select why you need the record":   {"relationship": {"mdt"}},
		"Select how you know the patient":  {"purpose": {"TREAT"}, "relationship": {"friend"}},
		"Enter a reference of up to 100":   {"purpose": {"TREAT"}, "relationship": {"mdt"}, "evidence": {strings.Repeat("x", 200)}},
		"Select why you need the record\n": {"purpose": {"HMARKT"}, "relationship": {"mdt"}},
	} {
		form.Set("token", token)
		b.post(path+"/purpose", form).wants(t, 422, strings.TrimSpace(name))
	}
	b.post(path+"/purpose", url.Values{"token": {token}, "purpose": {"COC"}, "relationship": {"referral"}, "evidence": {"UBRN-1"}})
	b.get(path).wants(t, 200, "There are no documents that you can see", "To coordinate their care")
	got := g.region.askers[len(g.region.askers)-1]
	if got.GetUser() != "a.okafor" || got.GetRole() != "doctor" || got.GetPurpose() != "COC" || got.GetRelationship() != "referral:UBRN-1" {
		t.Errorf("the node was asked by %v", got)
	}
	again := b.post("/find", url.Values{"token": {token}, "number": {numberA}}).Header.Get("Location")
	if again != path {
		t.Errorf("the same patient has the address %q, and had %q", again, path)
	}
	b.get(again).wants(t, 200)
}

func TestTwoTabsOnTwoPatients(t *testing.T) {
	g := newRig(t)
	of := map[string]string{
		numberA: g.region.add(numberA, "RYJ", 1, &admin.Located{Title: "Letter of A", ContentType: "text/plain", Date: at("2024-01-01")}, []byte("about A")),
		numberB: g.region.add(numberB, "RYJ", 2, &admin.Located{Title: "Letter of B", ContentType: "text/plain", Date: at("2024-01-01")}, []byte("about B")),
	}
	b := g.browser()
	b.signOn("a.okafor")
	a, second := b.open(numberA), b.open(numberB)
	b.get(a).wants(t, 200, "999 000 0018", "Letter of A")
	b.get(second).wants(t, 200, "999 000 0026", "Letter of B")
	got := b.get(a)
	got.wants(t, 200, "999 000 0018", "Letter of A")
	if strings.Contains(got.body, "999 000 0026") || strings.Contains(got.body, "Letter of B") {
		t.Error("the first tab shows the second patient")
	}
	b.get(a+"/documents/"+of[numberA]).wants(t, 200, "about A", "999 000 0018")
	b.get(a+"/documents/"+of[numberB]).wants(t, 404, "There is no such document")
	b.get(a+"/documents/"+of[numberB]+"/file").wants(t, 404)
	b.get(a+"/documents/"+of[numberB]+"/page").wants(t, 404)
}

func TestTimelineIsOneListNewestFirst(t *testing.T) {
	g := newRig(t)
	g.region.add(numberA, "RYJ", 1, &admin.Located{Title: "Middle", Type: "373942005", ContentType: "application/pdf", Date: at("2024-05-01"), Pages: 2}, nil)
	old := g.region.add(numberA, "RAS", 2, &admin.Located{Title: "Oldest", Type: "823681000000100", ContentType: "image/tiff", Date: at("2020-05-01")}, nil)
	g.region.add(numberA, "RAS", 3, &admin.Located{Title: "Newest", Type: "823681000000100", ContentType: "text/xml", Date: at("2025-05-01"), Supersedes: old, Confidentiality: "R"}, nil)
	g.region.add(numberA, "RYJ", 4, &admin.Located{Sealed: true}, nil)
	b := g.browser()
	b.signOn("a.okafor")
	path := b.open(numberA)
	page := b.get(path)
	page.wants(t, 200, "4 documents", "Discharge summary", "Replaced", "newer version", "Restricted", "Details are kept at Imperial College Healthcare", "1 May 2025")
	var places []int
	for _, title := range []string{">Newest<", ">Middle<", ">Oldest<", ">Details are kept at"} {
		places = append(places, strings.Index(page.body, title))
	}
	for i := 1; i < len(places); i++ {
		if places[i] < places[i-1] {
			t.Errorf("the order is %v", places)
		}
	}
	some := b.get(path + "?trust=RYJ")
	some.wants(t, 200, "2 of 4 documents", "Middle")
	if strings.Contains(some.body, ">Newest<") {
		t.Error("a document of another trust is shown")
	}
	// The counts of a facet are of what the other facets leave.
	for _, want := range []string{`data-rw-count="trust:RAS">2<`, `data-rw-count="type:Outpatient letter">0<`, `data-rw-count="type:Discharge summary">1<`} {
		if !strings.Contains(some.body, want) {
			t.Errorf("no %s", want)
		}
	}
	b.get(path+"?year=2024&hide=1").wants(t, 200, "1 of 4 documents")
	b.get(path+"?type=none").wants(t, 200, "No document matches")
}

func TestTimelineHintsAtNothingHidden(t *testing.T) {
	g := newRig(t)
	g.region.add(numberA, "RAS", 1, &admin.Located{Title: "Letter", Type: "373942005", ContentType: "text/plain", Date: at("2024-05-01")}, nil)
	b := g.browser()
	b.signOn("a.okafor")
	path := b.open(numberA)
	clean := func(v visit) string {
		return regexp.MustCompile(`\d\d:\d\d(:\d\d)?`).ReplaceAllString(v.body, "")
	}
	before := clean(b.get(path))
	hidden := g.region.add(numberA, "RYJ", 2, &admin.Located{Title: "Secret", Type: "1", ContentType: "text/plain", Date: at("2025-05-01")}, []byte("secret"))
	g.region.docs[hidden].hidden = true
	if after := clean(b.get(path)); after != before {
		t.Errorf("a hidden document changes the page:\n%s\n---\n%s", before, after)
	}
	none := g.region.add(numberB, "RYJ", 3, &admin.Located{Title: "Other"}, nil)
	g.region.docs[hidden].fail = admin.Errorf(admin.CodeNotFound, "there is no document %s that you may know of", hidden)
	mask := func(v visit, id string) string { return strings.ReplaceAll(clean(v), id, "ID") }
	if a, c := mask(b.get(path+"/documents/"+hidden), hidden), mask(b.get(path+"/documents/"+none), none); a != c {
		t.Errorf("a hidden document is told from one that does not exist:\n%s\n---\n%s", a, c)
	}
}

func TestSilentTrustIsNamed(t *testing.T) {
	g := newRig(t)
	g.region.add(numberA, "RYJ", 1, &admin.Located{Title: "Far letter", Date: at("2024-05-01")}, nil)
	g.region.sites[1].Reachable, g.region.sites[1].AsOf = false, g.clock.now().Add(-5*time.Minute).UnixMicro()
	b := g.browser()
	b.signOn("a.okafor")
	path := b.open(numberA)
	b.get(path).wants(t, 200, "<strong>Imperial College Healthcare</strong> does not answer", "5 minutes ago", "1 of its documents is listed as the region knew", "Far letter", "No answer")
	g.region.sites[1].Reachable, g.region.sites[1].Standing = true, "suspended"
	b.get(path).wants(t, 200, "is suspended by the region")
	g.clock.move(3 * time.Minute)
	b.get(path).wants(t, 200, "This list is as the region knew it 3 minutes ago")
}

func TestLongTimelineIsPaged(t *testing.T) {
	g := newRig(t)
	for i := range 120 {
		g.region.add(numberA, "RYJ", byte(i), &admin.Located{Title: fmt.Sprintf("Letter %d", i), ContentType: "text/plain", Date: at("2024-01-01") + int64(i)*86_400_000_000}, nil)
	}
	b := g.browser()
	b.signOn("a.okafor")
	path := b.open(numberA)
	b.get(path).wants(t, 200, "120 documents", "1 to 50", "Letter 119", "Older documents")
	b.get(path+"?page=3").wants(t, 200, "101 to 120", "Letter 0", "Newer documents")
	for _, page := range []string{"99999", "-1", "x", "0"} {
		b.get(path+"?page="+page).wants(t, 200, "120 documents")
	}
}

func TestHostileWordsStayWords(t *testing.T) {
	g := newRig(t)
	evil := `<img src=x onerror=alert(1)>"'><script>alert(2)</script>`
	id := g.region.add(numberA, "RYJ", 1, &admin.Located{Title: evil, Author: evil, Type: "local:" + evil, ContentType: "text/plain", Date: at("2024-05-01")}, []byte(evil))
	g.region.docs[id].name = "..\\../x\r\nSet-Cookie: a=b\"\u202efdp.exe"
	b := g.browser()
	b.signOn("a.okafor")
	path := b.open(numberA)
	for _, where := range []string{path, path + "/documents/" + id} {
		got := b.get(where)
		if got.StatusCode != 200 || strings.Contains(got.body, "<img src=x") || strings.Contains(got.body, "<script>alert") {
			t.Errorf("%s lets markup through", where)
		}
	}
	file := b.get(path + "/documents/" + id + "/file")
	for _, bad := range []string{"\u202e", "/", `\\`, "\r", "\n"} {
		if strings.Contains(strings.TrimPrefix(file.Header.Get("Content-Disposition"), "attachment; "), bad) {
			t.Errorf("the file's name has %q: %q", bad, file.Header.Get("Content-Disposition"))
		}
	}
	if file.Header.Get("Set-Cookie") != "" || !strings.HasPrefix(file.Header.Get("Content-Disposition"), "attachment") || file.Header.Get("Content-Type") != "application/octet-stream" || !strings.Contains(file.Header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("a text is sent as %v", file.Header)
	}
}
