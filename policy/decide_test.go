package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func mustCompile(t testing.TB, text string) *Agreement {
	t.Helper()
	a, err := Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// good is a request that the default agreement of RYJ permits.
func good(t testing.TB) (Request, Facts) {
	t.Helper()
	doc := federation.NewDocumentID("RYJ", federation.DocumentKey{1})
	r := Request{
		User:     User{Trust: "RAS", ID: "u1", Role: "doctor"},
		Action:   Open,
		Purpose:  "TREAT",
		Now:      now,
		Document: Document{ID: doc, Custodian: "RYJ", Subject: federation.Subject{1}, Type: "373942005", Confidentiality: federation.Normal, Date: now},
	}
	return r, Facts{
		RegionActive:      true,
		RequesterStanding: federation.Active,
		CustodianStanding: federation.Active,
		Complete:          true,
		Agreement:         mustCompile(t, DefaultAgreement("RYJ")),
		AgreementVersion:  3,
		LeaseAge:          time.Second,
		LeaseLimit:        10 * time.Second,
	}
}

func objectionAt(id byte, version uint64) Directive {
	return Directive{ID: federation.DirectiveID{id}, Effect: federation.Object, Version: version, By: "RAS"}
}

func withdrawalOf(id byte, version uint64) Directive {
	return Directive{ID: federation.DirectiveID{id, 1}, Effect: federation.Withdrew, Target: federation.DirectiveID{id}, Version: version, By: "RAS"}
}

func TestPrecedence(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*Request, *Facts)
		want    Outcome
		outward Outcome
		rule    string // of the decisive reason
	}{
		{"direct care is permitted", func(*Request, *Facts) {}, Permit, Permit, "agreement/direct-care"},
		{"region not active", func(_ *Request, f *Facts) { f.RegionActive = false }, Denied, NotFound, "standing"},
		{"requester suspended", func(_ *Request, f *Facts) { f.RequesterStanding = federation.Suspended }, Denied, NotFound, "standing"},
		{"requester only proposed", func(_ *Request, f *Facts) { f.RequesterStanding = federation.Proposed }, Denied, NotFound, "standing"},
		{"requester not known", func(_ *Request, f *Facts) { f.RequesterStanding = 0 }, Denied, NotFound, "standing"},
		{"custodian not known", func(_ *Request, f *Facts) { f.CustodianStanding = 0 }, Denied, NotFound, "standing"},
		{"custodian suspended", func(_ *Request, f *Facts) { f.CustodianStanding = federation.Suspended }, Denied, NotFound, "standing"},
		{"suspension beats break-glass", func(r *Request, f *Facts) { r.BreakGlass = true; f.RequesterStanding = federation.Suspended }, Denied, NotFound, "standing"},
		{"legally restricted", func(r *Request, _ *Facts) { r.Document.LegallyRestricted = true }, Denied, NotFound, "legal"},
		{"legal bar beats break-glass", func(r *Request, _ *Facts) { r.Document.LegallyRestricted, r.BreakGlass = true, true }, Denied, NotFound, "legal"},
		{"objection", func(_ *Request, f *Facts) { f.Directives = []Directive{objectionAt(1, 5)} }, Denied, Denied, "directive"},
		{"objection withdrawn", func(_ *Request, f *Facts) { f.Directives = []Directive{objectionAt(1, 5), withdrawalOf(1, 6)} }, Permit, Permit, "agreement/direct-care"},
		{"withdrawal listed before its objection", func(_ *Request, f *Facts) { f.Directives = []Directive{withdrawalOf(1, 6), objectionAt(1, 5)} }, Permit, Permit, "agreement/direct-care"},
		{"objected again after the withdrawal", func(_ *Request, f *Facts) {
			f.Directives = []Directive{objectionAt(1, 5), withdrawalOf(1, 6), objectionAt(2, 7)}
		}, Denied, Denied, "directive"},
		{"at one version the objection wins", func(_ *Request, f *Facts) { f.Directives = []Directive{objectionAt(1, 5), withdrawalOf(1, 5)} }, Denied, Denied, "directive"},
		{"withdrawal of another", func(_ *Request, f *Facts) { f.Directives = []Directive{objectionAt(1, 5), withdrawalOf(2, 9)} }, Denied, Denied, "directive"},
		{"local objection counts at once", func(_ *Request, f *Facts) { f.LocalRefusals = []Directive{objectionAt(1, 0)} }, Denied, Denied, "directive"},
		{"local withdrawal does not count", func(_ *Request, f *Facts) {
			f.Directives, f.LocalRefusals = []Directive{objectionAt(1, 5)}, []Directive{withdrawalOf(1, 9)}
		}, Denied, Denied, "directive"},
		{"unknown effect refuses", func(_ *Request, f *Facts) { f.Directives = []Directive{{}} }, Denied, NotFound, "directive"},
		{"directives not read", func(_ *Request, f *Facts) { f.Complete = false }, Unavailable, Unavailable, "directive"},
		{"break-glass passes an objection", func(r *Request, f *Facts) {
			r.BreakGlass, r.Purpose, f.Directives = true, "BTG", []Directive{objectionAt(1, 5)}
		}, Permit, Permit, "break-glass"},
		{"break-glass passes a stale lease", func(r *Request, f *Facts) { r.BreakGlass, f.LeaseAge = true, time.Hour }, Permit, Permit, "break-glass"},
		{"break-glass needs the agreement", func(r *Request, f *Facts) {
			r.BreakGlass, r.User.Role, f.Directives = true, "researcher", []Directive{objectionAt(1, 5)}
		}, Denied, NotFound, "agreement"},
		{"no agreement", func(_ *Request, f *Facts) { f.Agreement = nil }, Denied, NotFound, "agreement"},
		{"administrator", func(r *Request, _ *Facts) { r.User.Role = "admin" }, Denied, NotFound, "agreement"},
		{"research", func(r *Request, _ *Facts) { r.Purpose = "HRESCH" }, Denied, NotFound, "agreement"},
		{"restricted", func(r *Request, _ *Facts) { r.Document.Confidentiality = federation.Restricted }, Denied, NotFound, "agreement"},
		{"very restricted", func(r *Request, _ *Facts) { r.Document.Confidentiality = federation.VeryRestricted }, Denied, NotFound, "agreement"},
		{"unknown role", func(r *Request, _ *Facts) { r.User.Role = "docter" }, Denied, NotFound, "request"},
		{"unknown purpose", func(r *Request, _ *Facts) { r.Purpose = "treat" }, Denied, NotFound, "request"},
		{"stale lease", func(_ *Request, f *Facts) { f.LeaseAge = 11 * time.Second }, StalePolicy, StalePolicy, "lease"},
		{"clock went back", func(_ *Request, f *Facts) { f.LeaseAge = -time.Second }, StalePolicy, StalePolicy, "lease"},
		{"no lease", func(_ *Request, f *Facts) { f.LeaseLimit = 0 }, StalePolicy, StalePolicy, "lease"},
		{"lease limit over the longest", func(_ *Request, f *Facts) { f.LeaseLimit = time.Hour }, StalePolicy, StalePolicy, "lease"},
		{"denied rather than stale", func(_ *Request, f *Facts) { f.LeaseAge, f.Directives = time.Hour, []Directive{objectionAt(1, 5)} }, Denied, Denied, "directive"},
		{"seeing needs no lease", func(r *Request, f *Facts) { r.Action, f.LeaseAge = See, time.Hour }, Permit, Permit, "agreement/direct-care"},
		{"own records", func(r *Request, f *Facts) {
			r.User.Trust, r.User.Role, f.LeaseLimit, f.Directives = "RYJ", "records-staff", 0, []Directive{objectionAt(1, 5)}
		}, Permit, Permit, "agreement/own-records"},
		{"own administrator", func(r *Request, _ *Facts) { r.User.Trust, r.User.Role = "RYJ", "admin" }, Denied, NotFound, "agreement"},
		{"document of another custodian", func(r *Request, _ *Facts) { r.Document.Custodian = "RAS" }, Denied, NotFound, "request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, f := good(t)
			tt.change(&r, &f)
			d := Decide(r, f)
			if d.Outcome != tt.want || d.Outward() != tt.outward {
				t.Fatalf("got %s, outward %s, want %s, %s; chain %v", d.Outcome, d.Outward(), tt.want, tt.outward, d.Chain)
			}
			if last := d.Chain[len(d.Chain)-1]; last.Rule != tt.rule {
				t.Errorf("decisive rule %q, want %q", last.Rule, tt.rule)
			}
			if tt.outward == NotFound && d.Safe() != NotFound.Safe() {
				t.Errorf("a hidden document has a text of its own: %q", d.Safe())
			}
		})
	}
}

func TestChainNamesRulesWithTheirVersions(t *testing.T) {
	r, f := good(t)
	r.BreakGlass, f.Directives = true, []Directive{objectionAt(7, 42)}
	d := Decide(r, f)
	if !d.Permitted() || !d.Glass {
		t.Fatalf("got %+v", d)
	}
	var versions []uint64
	for _, reason := range d.Chain {
		versions = append(versions, reason.Version)
	}
	if !slices.Contains(versions, 42) || !slices.Contains(versions, 3) {
		t.Errorf("versions %v miss the directive's 42 or the agreement's 3", versions)
	}
}

func TestSeenButNotOpenedIsDeniedWithoutRules(t *testing.T) {
	r, f := good(t)
	f.Agreement = mustCompile(t, `@id("s") permit (principal, action == Action::"see", resource);
		@id("g") permit (principal, action == Action::"open_break_glass", resource);`)
	d := Decide(r, f)
	if d.Outward() != Denied || !d.CanBreak || strings.Contains(d.Safe(), "rule \"s\"") || !strings.Contains(d.Safe(), "emergency") {
		t.Fatalf("got %s %q", d.Outward(), d.Safe())
	}
}

func TestForbidWinsAndFailureRefuses(t *testing.T) {
	r, f := good(t)
	r.Document.Type = "x"
	permit := `permit (principal, action, resource);`
	for name, tt := range map[string]struct {
		text string
		want Outcome
	}{
		"permit alone": {permit, Permit},
		"forbid wins":  {permit + `forbid (principal, action, resource) when { resource.type == "x" };`, Denied},
		// Cedar skips a forbid that fails; skipping it here would turn an objection into a permit.
		"failing forbid": {permit + `forbid (principal, action, resource) when { context.now.toTime() > duration("1h") && datetime(resource.type) > context.now };`, Denied},
		"overflow":       {permit + `forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };`, Denied},
		"other trust":    {`permit (principal in Trust::"RXX", action, resource);`, Denied},
		"this trust":     {`permit (principal is User in Trust::"RAS", action, resource);`, Permit},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := Compile(tt.text)
			if err != nil {
				if name == "failing forbid" {
					return // the strict validator refuses it before it can fail
				}
				t.Fatal(err)
			}
			f.Agreement = a
			if d := Decide(r, f); d.Outcome != tt.want {
				t.Fatalf("got %s, want %s: %v", d.Outcome, tt.want, d.Chain)
			}
		})
	}
}

func TestZeroValuesRefuse(t *testing.T) {
	if d := Decide(Request{}, Facts{}); d.Permitted() || d.Outward() != NotFound {
		t.Fatalf("got %+v", d)
	}
	var d Decision
	if d.Permitted() || d.Outward() != NotFound {
		t.Fatal("the zero decision is not a refusal")
	}
}

func drawRequest(t *rapid.T) Request {
	doc := federation.NewDocumentID("RYJ", federation.DocumentKey{1})
	return Request{
		User: User{
			Trust: rapid.SampledFrom([]federation.TrustID{"RAS", "RYJ", "RXX"}).Draw(t, "trust"), ID: "u",
			Role: rapid.SampledFrom([]string{"doctor", "records-staff", "admin"}).Draw(t, "role"),
		},
		Action: rapid.SampledFrom([]Action{See, Open}).Draw(t, "action"), Purpose: rapid.SampledFrom([]string{"TREAT", "BTG", "HRESCH"}).Draw(t, "purpose"),
		Document: Document{
			ID: doc, Custodian: "RYJ", Subject: federation.Subject{1}, LegallyRestricted: rapid.IntRange(0, 9).Draw(t, "legal") == 0,
			Confidentiality: federation.Confidentiality(rapid.IntRange(1, 6).Draw(t, "confidentiality")),
		},
		BreakGlass: rapid.Bool().Draw(t, "glass"), Now: now,
	}
}

func drawDirectives(t *rapid.T, label string, most int) []Directive {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Directive {
		id, version := byte(rapid.IntRange(1, 3).Draw(t, "id")), uint64(rapid.IntRange(1, 6).Draw(t, "version"))
		if rapid.Bool().Draw(t, "withdrew") {
			return withdrawalOf(id, version)
		}
		return objectionAt(id, version)
	}), 0, most).Draw(t, label)
}

func TestMoreDenialsNeverPermit(t *testing.T) {
	texts := []string{
		DefaultAgreement("RYJ"),
		`permit (principal, action, resource);`,
		`permit (principal in Trust::"RAS", action, resource); forbid (principal, action == Action::"see", resource) when { resource.confidentiality in Confidentiality::"L" };`,
	}
	forbids := []string{
		`forbid (principal, action, resource) when { resource.confidentiality in Confidentiality::"M" };`,
		`forbid (principal in Trust::"RAS", action, resource) when { context.purpose == Purpose::"TREAT" };`,
		`forbid (principal, action == Action::"open_break_glass", resource);`,
		`forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };`,
	}
	type pair struct{ before, after *Agreement }
	var pairs []pair
	for _, text := range texts {
		for _, forbid := range forbids {
			pairs = append(pairs, pair{mustCompile(t, text), mustCompile(t, text+forbid)})
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		r := drawRequest(t)
		p := rapid.SampledFrom(pairs).Draw(t, "agreement")
		f := Facts{
			RegionActive: true, RequesterStanding: federation.Active, CustodianStanding: federation.Active, Complete: true,
			Directives: drawDirectives(t, "directives", 4), LocalRefusals: drawDirectives(t, "local", 1), Agreement: p.before,
			LeaseAge: time.Duration(rapid.IntRange(-1, 12).Draw(t, "age")) * time.Second, LeaseLimit: 10 * time.Second,
		}
		more, faulty := f, r
		switch rapid.IntRange(0, 9).Draw(t, "denial") {
		case 0:
			more.Directives = append(slices.Clone(f.Directives), objectionAt(byte(rapid.IntRange(1, 5).Draw(t, "id")), uint64(rapid.IntRange(0, 9).Draw(t, "v"))))
		case 1:
			more.LocalRefusals = append(slices.Clone(f.LocalRefusals), objectionAt(9, 0))
		case 2:
			more.Agreement = p.after
		case 3:
			more.Agreement = nil
		case 4:
			more.RequesterStanding = federation.Suspended
		case 5:
			more.CustodianStanding = 0
		case 6:
			more.LeaseLimit, more.Complete = 0, false
		case 7:
			more.RegionActive = false
		case 8:
			faulty.Document.LegallyRestricted = true
		case 9:
			more = Facts{}
		}
		if before, after := Decide(r, f), Decide(faulty, more); after.Permitted() && !before.Permitted() {
			t.Fatalf("a denial permits: before %v, after %v", before.Chain, after.Chain)
		} else if !before.Visible && after.Visible && !before.Permitted() {
			t.Fatalf("a denial shows: before %v, after %v", before.Chain, after.Chain)
		}
	})
}

func TestOrderOfDirectivesIsIrrelevant(t *testing.T) {
	a := mustCompile(t, DefaultAgreement("RYJ"))
	rapid.Check(t, func(t *rapid.T) {
		r := drawRequest(t)
		f := Facts{
			RegionActive: true, RequesterStanding: federation.Active, CustodianStanding: federation.Active, Complete: true,
			Directives: drawDirectives(t, "directives", 8), Agreement: a, LeaseLimit: time.Second,
		}
		g := f
		g.Directives = rapid.Permutation(f.Directives).Draw(t, "order")
		x, y := Decide(r, f), Decide(r, g)
		if x.Outcome != y.Outcome || !slices.Equal(x.Chain, y.Chain) {
			t.Fatalf("%v and %v", x, y)
		}
	})
}
