package policy

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// wishTexts are agreements that do, and do not, ask for consent. None of them shares more for the lack of one.
var wishTexts = []string{
	DefaultAgreement("RYJ"),
	`permit (principal, action, resource);`,
	`permit (principal, action, resource) when { context.consented };`,
	`permit (principal, action, resource); forbid (principal, action == Action::"open", resource) unless { context.consented };`,
}

func drawWishFacts(t *rapid.T, agreements []*Agreement) Facts {
	return Facts{
		RegionActive: true, RequesterStanding: federation.Active, CustodianStanding: federation.Active, Complete: rapid.IntRange(0, 9).Draw(t, "complete") > 0,
		Directives: drawWishes(t, "directives", 6), LocalRefusals: drawWishes(t, "local", 2), Agreement: rapid.SampledFrom(agreements).Draw(t, "agreement"),
		LeaseAge: time.Duration(rapid.IntRange(-1, 12).Draw(t, "age")) * time.Second, LeaseLimit: 10 * time.Second,
	}
}

func compileAll(t *testing.T) []*Agreement {
	t.Helper()
	var all []*Agreement
	for _, text := range wishTexts {
		all = append(all, mustCompile(t, text))
	}
	return all
}

// noMore fails when after allows or shows what before did not.
func noMore(t *rapid.T, what string, before, after Decision) {
	t.Helper()
	if after.Permitted() && !before.Permitted() {
		t.Fatalf("%s permits: before %v, after %v", what, before.Chain, after.Chain)
	}
	if after.Visible && !before.Visible && !before.Permitted() {
		t.Fatalf("%s shows: before %v, after %v", what, before.Chain, after.Chain)
	}
}

func TestMoreScopedDenialsNeverPermitNorShow(t *testing.T) {
	agreements := compileAll(t)
	rapid.Check(t, func(t *rapid.T) {
		r, f := drawScopedRequest(t), drawWishFacts(t, agreements)
		more := f
		d := drawWish(t, federation.Object)
		d.ID, d.Supersedes = federation.DirectiveID{77}, federation.DirectiveID{}
		if rapid.Bool().Draw(t, "here") {
			more.LocalRefusals = append(slices.Clone(f.LocalRefusals), d)
		} else {
			more.Directives = append(slices.Clone(f.Directives), d)
		}
		noMore(t, "a denial", Decide(r, f), Decide(r, more))
	})
}

func TestFaultsOnlyEverRefuseMore(t *testing.T) {
	agreements := compileAll(t)
	rapid.Check(t, func(t *rapid.T) {
		r, f := drawScopedRequest(t), drawWishFacts(t, agreements)
		worse, dim := f, r
		switch rapid.IntRange(0, 8).Draw(t, "fault") {
		case 0:
			worse.Complete = false
		case 1:
			worse.Directives = append(slices.Clone(f.Directives), Directive{ID: federation.DirectiveID{88}, Effect: 99, Version: 4})
		case 2:
			worse.LocalRefusals = append(slices.Clone(f.LocalRefusals), Directive{Effect: 0})
		case 3:
			worse.Agreement = nil
		case 4:
			worse.LeaseAge = time.Hour
		case 5:
			worse.LeaseLimit = 0
		case 6: // a copy that knows less of the document
			dim.Document.Type, dim.Document.Category, dim.Document.Date = "", "", time.Time{}
			dim.Document.Sensitivity, dim.Document.Sealed = nil, true
		case 7:
			worse.RequesterStanding = 0
		case 8: // a grant that has not arrived
			worse.Directives = slices.DeleteFunc(slices.Clone(f.Directives), func(d Directive) bool {
				return d.Effect == federation.Consent && len(d.Except) == 0 && d.Supersedes == federation.DirectiveID{}
			})
		}
		before, after := Decide(r, f), Decide(dim, worse)
		if dim.BreakGlass && dim.Document.Sealed && !r.Document.Sealed {
			return // an agreement may look at the type of what is opened in an emergency
		}
		noMore(t, "a fault", before, after)
	})
}

func TestAGrantNeverPassesTheLawNorWidensTheAgreement(t *testing.T) {
	agreements := compileAll(t)
	rapid.Check(t, func(t *rapid.T) {
		r, f := drawScopedRequest(t), drawWishFacts(t, agreements)
		with := f
		g := drawWish(t, federation.Consent)
		g.ID, g.Version, g.Supersedes = federation.DirectiveID{77}, 20, federation.DirectiveID{}
		with.Directives = append(slices.Clone(f.Directives), g)
		d := Decide(r, with)
		if d.Permitted() && r.Document.Restricted() {
			t.Fatalf("a grant passes the law: %v", d.Chain)
		}
		// What the custodian shares with a patient who has consented to all and refused nothing is all that it shares.
		most := f
		most.Directives, most.LocalRefusals = []Directive{consent(1, 1, federation.Scope{})}, nil
		if d.Permitted() && !Decide(r, most).Permitted() {
			t.Fatalf("a grant widens the agreement: %v", d.Chain)
		}
		if here := f; d.Permitted() {
			here.LocalRefusals = append(slices.Clone(f.LocalRefusals), g)
			noMore(t, "a grant that is not agreed on", Decide(r, f), Decide(r, here))
		}
	})
}

func TestOrderOfScopedDirectivesIsIrrelevant(t *testing.T) {
	agreements := compileAll(t)
	rapid.Check(t, func(t *rapid.T) {
		r, f := drawScopedRequest(t), drawWishFacts(t, agreements)
		for i := range f.Directives { // one id is one directive
			f.Directives[i].ID = federation.DirectiveID{byte(i + 1)}
		}
		for i := range f.LocalRefusals {
			f.LocalRefusals[i].ID = federation.DirectiveID{byte(i + 100)}
		}
		g := f
		g.Directives, g.LocalRefusals = rapid.Permutation(f.Directives).Draw(t, "order"), rapid.Permutation(f.LocalRefusals).Draw(t, "order here")
		for _, d := range [][]Directive{g.Directives, g.LocalRefusals} {
			for i := range d {
				d[i].Except = rapid.Permutation(d[i].Except).Draw(t, "exceptions")
			}
		}
		x, y := Decide(r, f), Decide(r, g)
		if x.Outcome != y.Outcome || x.Visible != y.Visible || len(x.Chain) != len(y.Chain) {
			t.Fatalf("%v and %v", x, y)
		}
		for i := range x.Chain {
			if x.Chain[i].Rule != y.Chain[i].Rule || x.Chain[i].Version != y.Chain[i].Version {
				t.Fatalf("%v and %v", x.Chain, y.Chain)
			}
		}
	})
}

func TestWithdrawingOneDenialNeverAffectsAnother(t *testing.T) {
	agreements := compileAll(t)
	rapid.Check(t, func(t *rapid.T) {
		r, f := drawScopedRequest(t), drawWishFacts(t, agreements)
		r.BreakGlass = false
		f.Directives = slices.DeleteFunc(f.Directives, func(d Directive) bool {
			return d.Effect == federation.Withdrew || d.Supersedes != federation.DirectiveID{}
		})
		for i := range f.Directives {
			f.Directives[i].ID = federation.DirectiveID{byte(i + 1)}
		}
		n := slices.IndexFunc(f.Directives, func(d Directive) bool { return d.Effect == federation.Object })
		if n < 0 {
			return
		}
		withdrawn, without := f, f
		withdrawn.Directives = append(slices.Clone(f.Directives), withdrawalOf(byte(n+1), 99))
		without.Directives = slices.Delete(slices.Clone(f.Directives), n, n+1)
		if x, y := Decide(r, withdrawn), Decide(r, without); x.Outcome != y.Outcome || !slices.Equal(x.Chain, y.Chain) {
			t.Fatalf("withdrawn %v, never said %v", x, y)
		}
	})
}
