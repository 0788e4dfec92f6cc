package web

import (
	"net/url"
	"strings"
	"testing"
)

func TestWhatNobodyDidByHandIsRidgeways(t *testing.T) {
	g := newRig(t)
	g.region.own = map[string][]OwnDocument{numberA: {{ID: "RAS:a", Type: "373942005", Title: "Letter", Date: g.clock.now(), Confidentiality: "N", State: OwnShared, Taken: g.clock.now()}}}
	b, path, _ := g.filer()
	if page := b.get(path + "/RAS:a"); strings.Contains(page.body, "the node") || !strings.Contains(page.body, "Ridgeway</td>") {
		t.Error("what nobody did by hand is not said to be Ridgeway's")
	}
	if page := b.get(path + "/RAS:a/correct"); strings.Contains(page.body, "such as 2026") {
		t.Error("a date is to be typed as no browser takes it")
	}
}

// What is moved or withdrawn uncovers the version before it, which others are then shown as the latest: who does it is told before, and
// who looks afterwards sees it.
func TestWhatUncoversAnEarlierVersionSaysSo(t *testing.T) {
	g := newRig(t)
	of := func(id, replaces, by, state string) OwnDocument {
		return OwnDocument{ID: id, Type: "373942005", Title: "Letter " + id, Date: g.clock.now(), Confidentiality: "N", State: state, Replaces: replaces, ReplacedBy: by, Taken: g.clock.now()}
	}
	const warns, again = "There is an earlier version", "The latest again"
	for _, c := range []struct {
		name                string
		earlier, later      string
		warnsFor, latestFor bool
	}{
		{"both are listed", OwnShared, OwnShared, true, false},
		{"the earlier one is withdrawn", OwnWithdrawn, OwnShared, false, false},
		{"the later one is withdrawn", OwnShared, OwnWithdrawn, false, true},
		{"the region has yet to be told", OwnWaiting, OwnWaiting, true, false},
	} {
		g.region.own = map[string][]OwnDocument{numberA: {of("RAS:b", "RAS:a", "", c.later), of("RAS:a", "", "RAS:b", c.earlier)}}
		b, path, _ := g.filer()
		for _, what := range []string{"move", "withdraw"} {
			page := b.get(path + "/RAS:b/" + what)
			if got := strings.Contains(page.body, warns) && strings.Contains(page.body, path+"/RAS:a/"+what); got != c.warnsFor {
				t.Errorf("%s: %s warns: %v", c.name, what, got)
			}
			if page := b.get(path + "/RAS:a/" + what); strings.Contains(page.body, warns) {
				t.Errorf("%s: %s of the earlier one warns of another", c.name, what)
			}
		}
		for _, page := range []string{path, path + "/RAS:a"} {
			if got := strings.Contains(b.get(page).body, again); got != c.latestFor {
				t.Errorf("%s: %s says that the earlier one is the latest: %v", c.name, page, got)
			}
		}
	}
}

// A specialty that is a word and no code would stand so in every trust's list; one that a document has already may stay.
func TestASpecialtyIsACode(t *testing.T) {
	g := newRig(t)
	g.region.own = map[string][]OwnDocument{numberA: {{ID: "RAS:a", Type: "373942005", Title: "Letter", Specialty: "surgery", Date: g.clock.now(), Confidentiality: "N", State: OwnShared, Taken: g.clock.now()}}}
	b, path, token := g.filer()
	const wrong = `id="specialty-error"`
	for code, refused := range map[string]bool{"medicine": true, "30": true, "300": false, "812": false, "local:pain": false, "local:": true, "local:two words": true, "": false, "surgery": false} {
		page := b.post(path+"/RAS:a/correct", url.Values{"token": {token}, "type": {"373942005"}, "title": {"Letter"}, "date": {"2026-01-02"}, "specialty": {code}, "reason": {"r"}})
		if got := strings.Contains(page.body, wrong); got != refused || got != (page.StatusCode == 422) {
			t.Errorf("specialty %q: refused %v, status %d", code, got, page.StatusCode)
		}
	}
}
