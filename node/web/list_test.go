package web

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// titles returns what the list shows, in its order.
func titles(v visit) []string {
	var out []string
	for _, m := range regexp.MustCompile(`<td class="rw-doc"><a href="[^"]*">([^<]*)</a>`).FindAllStringSubmatch(v.body, -1) {
		out = append(out, m[1])
	}
	return out
}

func threeLetters(g *rig) {
	g.region.add(numberA, "RYJ", 1, &admin.Located{Title: "Clinic of Dr Müller", Author: "Dr J. Müller", Specialty: "320", Type: "823681000000100", ContentType: "text/plain", Date: at("2024-05-01")}, nil)
	g.region.add(numberA, "RAS", 2, &admin.Located{Title: "Discharge", Author: "Ward 7", Specialty: "340", Type: "373942005", ContentType: "text/plain", Date: at("2023-05-01")}, nil)
	g.region.add(numberA, "RYJ", 3, &admin.Located{Sealed: true}, nil)
}

func TestListIsSearched(t *testing.T) {
	g := newRig(t)
	threeLetters(g)
	b := g.browser()
	b.signOn("a.okafor")
	path := b.open(numberA)
	for typed, want := range map[string][]string{
		"muller": {"Clinic of Dr Müller"}, "MÜLLER clinic": {"Clinic of Dr Müller"}, "cardiology": {"Clinic of Dr Müller"}, "hillingdon ward": {"Discharge"}, "may 2023": {"Discharge"},
		"müller ward": nil, "details": {"Details are kept at Imperial College Healthcare"}, "(.*": nil, `"><script>`: nil, "": {"Clinic of Dr Müller", "Discharge", "Details are kept at Imperial College Healthcare"},
	} {
		got := b.get(path + "?" + url.Values{"q": {typed}}.Encode())
		if !slices.Equal(titles(got), want) {
			t.Errorf("%q finds %q, want %q", typed, titles(got), want)
		}
		if strings.Contains(got.body, `"><script>`) {
			t.Error("what was typed becomes markup")
		}
	}
}

func TestListIsNarrowedBySpecialtyAndAuthor(t *testing.T) {
	g := newRig(t)
	threeLetters(g)
	b := g.browser()
	b.signOn("a.okafor")
	path := b.open(numberA)
	page := b.get(path)
	for _, want := range []string{`data-rw-count="specialty:320">1<`, `data-rw-count="specialty:none">1<`, `data-rw-count="author:Ward 7">1<`, "Respiratory medicine", "Not stated"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("no %s", want)
		}
	}
	for query, want := range map[string][]string{
		"specialty=340": {"Discharge"}, "specialty=none": {"Details are kept at Imperial College Healthcare"}, "author=Ward+7": {"Discharge"}, "specialty=340&specialty=320&trust=RYJ": {"Clinic of Dr Müller"},
	} {
		if got := titles(b.get(path + "?" + query)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

func TestNewSinceTheLastVisit(t *testing.T) {
	g := newRig(t)
	threeLetters(g)
	b := g.browser()
	b.signOn("a.okafor")
	path := b.open(numberA)
	if page := b.get(path); strings.Contains(page.body, ">New<") || strings.Contains(page.body, "last visit") {
		t.Error("at the first visit something is new")
	}
	b.get(path + "?trust=RYJ")
	if g.region.visited != 1 {
		t.Errorf("one visit is kept %d times", g.region.visited)
	}
	g.clock.move(time.Hour)
	// A letter of long ago that was scanned today is new.
	g.region.add(numberA, "RYJ", 4, &admin.Located{Title: "Scanned late", ContentType: "text/plain", Date: at("2001-05-01")}, nil)
	b = g.browser()
	b.signOn("a.okafor")
	path = b.open(numberA)
	for range 2 { // it stays new for as long as the session lasts
		page := b.get(path)
		page.wants(t, 200, "New since your last visit", `Scanned late</a> <strong class="nhsuk-tag nhsuk-tag--green">New</strong>`)
		if n := strings.Count(page.body, ">New</strong>"); n != 1 {
			t.Errorf("%d documents are new, want 1", n)
		}
	}
	if got := titles(b.get(path + "?new=1")); !slices.Equal(got, []string{"Scanned late"}) {
		t.Errorf("what is new: %q", got)
	}
	other := g.browser() // whoever has not been there has missed nothing
	other.signOn("j.price")
	if page := other.get(other.open(numberA)); strings.Contains(page.body, ">New</strong>") {
		t.Error("what is new to one user is new to another")
	}
	again := g.browser()
	again.signOn("a.okafor")
	if page := again.get(again.open(numberA)); strings.Contains(page.body, ">New</strong>") {
		t.Error("what was new at the last visit is new again")
	}
	g.region.keepErr = admin.Errorf(admin.CodeInternal, "disk")
	last := g.browser()
	last.signOn("a.okafor")
	last.get(last.open(numberA)).wants(t, 200, "4 documents") // the list does without
}

func TestVisitKnowsWhatWasListed(t *testing.T) {
	var ids []string
	for i := range 500 {
		ids = append(ids, fmt.Sprintf("RYJ-%d", i))
	}
	v := NewVisit(time.Now(), ids)
	for _, id := range ids {
		if !v.Has(id) {
			t.Fatalf("%s was listed", id)
		}
	}
	if v.Has("RYJ-500") || (Visit{}).Has("RYJ-1") {
		t.Error("what was not listed was")
	}
}

func TestViewsAreSaved(t *testing.T) {
	g := newRig(t)
	threeLetters(g)
	b := g.browser()
	b.signOn("a.okafor")
	path := b.open(numberA)
	token := field(t, tokenField, b.get(path).body)
	save := func(form url.Values) visit {
		form.Set("token", token)
		return b.post(path+"/views", form)
	}
	to := save(url.Values{"name": {"Heart  clinic"}, "view": {"specialty=320&q=clinic&evil=1&page=7"}}).Header.Get("Location")
	if want := path + "?q=clinic&specialty=320"; to != want {
		t.Errorf("after saving it goes on at %q, want %q", to, want)
	}
	b.get(path).wants(t, 200, `href="`+path+`?q=clinic&amp;specialty=320">Heart clinic</a>`)
	b.get(to).wants(t, 200, `aria-current="true">Heart clinic</a>`)
	// It is the user's, at every patient and in every session, and nobody else's.
	second := b.open(numberB)
	b.get(second).wants(t, 200, `href="`+second+`?q=clinic&amp;specialty=320">Heart clinic</a>`)
	other := g.browser()
	other.signOn("j.price")
	if page := other.get(other.open(numberA)); strings.Contains(page.body, "Heart clinic") {
		t.Error("another user sees the view")
	}
	for name, form := range map[string]url.Values{
		"Enter a name": {"view": {"trust=RYJ"}}, "of up to 40": {"name": {strings.Repeat("x", 41)}, "view": {"trust=RYJ"}}, "nothing to save": {"name": {"All"}, "view": {"page=2"}},
	} {
		save(form).wants(t, 422, "The view was not saved", name)
	}
	save(url.Values{"name": {"heart clinic"}, "view": {"hide=1"}}) // the same name again
	if views := g.region.views["a.okafor"]; len(views) != 1 || views[0].Query != "hide=1" {
		t.Errorf("views: %v", views)
	}
	save(url.Values{"name": {"HEART CLINIC"}, "forget": {"1"}})
	if views := g.region.views["a.okafor"]; len(views) != 0 {
		t.Errorf("after deleting: %v", views)
	}
	for i := range maxViews + 1 {
		save(url.Values{"name": {fmt.Sprint(i)}, "view": {"hide=1"}})
	}
	if views := g.region.views["a.okafor"]; len(views) != maxViews {
		t.Errorf("%d views are kept, at most %d", len(views), maxViews)
	}
	b.post(path+"/views", url.Values{"name": {"x"}, "view": {"hide=1"}, "token": {"forged"}}).wants(t, 403)
}
