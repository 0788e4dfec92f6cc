package web

import (
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// Who may decide about a proposal is told so where they begin, and who made it is not.
func TestTheSecondPersonIsToldThatTheyMayDecide(t *testing.T) {
	g := governed(t)
	const next = "Read it and decide"
	for who, want := range map[string]bool{"d.banerjee": true, "p.osei": true, "n.ferreira": false} {
		b := g.browser()
		b.signOn(who)
		page := b.get("/agreements")
		page.wants(t, 200, "Waiting for a second person", `href="/agreements/proposals/p1"`)
		if strings.Contains(page.body, next) != want {
			t.Errorf("%s: is told to decide: %v", who, !want)
		}
	}
	g.region.proposals[0].State = "approved" // and the region has yet to hear of it
	b := g.browser()
	b.signOn("d.banerjee")
	if page := b.get("/agreements"); strings.Contains(page.body, next) || !strings.Contains(page.body, "Approved, waiting for the region") {
		t.Error("what was decided is still to be decided")
	}
}

// Only an emergency's review keeps what was opened: another one must not say that nothing was.
func TestAReviewDoesNotSayThatNothingWasOpened(t *testing.T) {
	g := governed(t)
	b := g.browser()
	b.signOn("p.osei")
	for kind, wants := range map[string][2]string{
		"break_glass":     {"Nothing that this trust knows of", "does not list it"},
		"many_patients":   {"A review of this kind does not list it. The audit log has each look", "Nothing that this trust knows of"},
		"no_relationship": {"A review of this kind does not list it. The audit log has each look", "Nothing that this trust knows of"},
	} {
		g.region.cases = []*admin.Review{{Id: "RAS-9", Kind: kind, State: "open", User: "j.price", Trust: "RAS", At: 1, Due: g.clock.now().UnixMicro() + 1}}
		page := b.get("/reviews/RAS-9")
		page.wants(t, 200, wants[0])
		if strings.Contains(page.body, wants[1]) {
			t.Errorf("%s says %q", kind, wants[1])
		}
	}
}

func TestASuspendedTrustIsNotSaidToBeSilent(t *testing.T) {
	sites := []regionSite{{Trust: "RAS", Name: "Hillingdon", Up: true}, {Trust: "RYJ", Name: "Imperial"}, {Trust: "RQM", Name: "Chelsea", State: "suspended"}}
	text := saysOf(sites, 1, 0)
	for _, want := range []string{" No answer from Imperial.", " Suspended: Chelsea."} {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not say %q", text, want)
		}
	}
}
