package web

import (
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
