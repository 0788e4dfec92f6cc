package policy

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

func compileForm(t testing.TB, blocks string) *Agreement {
	t.Helper()
	text, err := mustForm(t, "name: x\nblocks:\n"+blocks).Cedar("RYJ")
	if err != nil {
		t.Fatal(err)
	}
	return mustCompile(t, text)
}

const (
	ownBlock   = "  - block: own-records\n"
	rasBlock   = "  - {block: direct-care, trusts: RAS}\n"
	r1hBlock   = "  - {block: direct-care, trusts: R1H, roles: [doctor, nurse]}\n"
	glassBlock = "  - block: break-glass\n"
)

func TestSimulationCountsWhoGainsAndLoses(t *testing.T) {
	before, after := compileForm(t, ownBlock+rasBlock+glassBlock), compileForm(t, ownBlock+r1hBlock+glassBlock)
	x, err := Simulate(t.Context(), before, after, Matrix("RYJ", now, before, after))
	if err != nil {
		t.Fatal(err)
	}
	const levels = 4 // U, L, M, N
	// See and open for three purposes; and with the glass broken for COC, for which the agreement's glass is no help.
	if want := 2 * (3*2 + 1) * levels; x.Gained.Total != want {
		t.Errorf("gained %d, want %d", x.Gained.Total, want)
	}
	if want := 10 * (3*2 + 1) * levels; x.Lost.Total != want { // the group and the nine roles in it
		t.Errorf("lost %d, want %d", x.Lost.Total, want)
	}
	if got := fmt.Sprint(x.Gained.Trust, x.Gained.Role, x.Gained.Purpose, x.Gained.Action, x.Gained.Confidentiality, x.Gained.Type); got !=
		"map[R1H:56] map[doctor:28 nurse:28] map[COC:24 ETREAT:16 TREAT:16] map[open:24 open_break_glass:8 see:24] map[L:14 M:14 N:14 U:14] map[any-other:56]" {
		t.Errorf("gained %s", got)
	}
	if x.Before-x.Lost.Total+x.Gained.Total != x.After || x.Decided != 2*x.Cases {
		t.Errorf("%d before, %d lost, %d gained, %d after; %d decisions of %d cases", x.Before, x.Lost.Total, x.Gained.Total, x.After, x.Decided, x.Cases)
	}
	if len(x.Examples) != MaxExamples {
		t.Fatalf("%d examples", len(x.Examples))
	}
	for _, e := range x.Examples {
		if e.Gained != e.After.Permitted() || e.Gained == e.Before.Permitted() || len(e.Before.Chain) == 0 || len(e.After.Chain) == 0 {
			t.Errorf("example %+v", e)
		}
	}
	if got := decisive(x.Examples[len(x.Examples)-1].After); got != "agreement/direct-care" && got != "agreement" {
		t.Errorf("decided by %s", got)
	}
}

// TestExamplesAreOfDifferentGroups has two trusts lose, one gain, and one kind of document among many be hidden.
func TestExamplesAreOfDifferentGroups(t *testing.T) {
	before := compileForm(t, ownBlock+"  - {block: direct-care, trusts: [RAS, RXX]}\n"+glassBlock)
	after := compileForm(t, ownBlock+"  - {block: direct-care, trusts: [R1H, RAS]}\n  - {block: only-types, types: [a, b]}\n")
	x, err := Simulate(t.Context(), before, after, Matrix("RYJ", now, before, after))
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Examples) != MaxExamples {
		t.Fatalf("%d examples", len(x.Examples))
	}
	type combination struct {
		trust                           federation.TrustID
		action, role, purpose, typ, why string
	}
	seen := make(map[combination]bool)
	trusts, roles, actions, types, gained := map[federation.TrustID]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, 0
	for i, e := range x.Examples {
		r := e.Request
		c := combination{r.User.Trust, actionOf(&r), r.User.Role, r.Purpose, r.Document.Type, decisive(e.Before) + decisive(e.After)}
		if seen[c] {
			t.Errorf("twice: %+v", c)
		}
		seen[c], trusts[c.trust], roles[c.role], actions[c.action], types[c.typ] = true, true, true, true, true
		if e.Gained {
			gained++
		}
		if e.Count < 1 || i < 10 && e.Count > x.Examples[0].Count && e.Gained == x.Examples[0].Gained && c.why == decisive(x.Examples[0].Before)+decisive(x.Examples[0].After) {
			t.Errorf("example %d stands for %d, and the first of its kind for %d", i, e.Count, x.Examples[0].Count)
		}
		if i == 9 && (len(trusts) < 4 || len(roles) < 5 || len(actions) != 3 || len(types) != 3 || gained == 0 || gained == 10) { // as many as people are shown
			t.Errorf("the first ten are alike: trusts %v, roles %v, actions %v, types %v, %d gained", trusts, roles, actions, types, gained)
		}
		if got := count(before, after, e, Matrix("RYJ", now, before, after)); got != e.Count {
			t.Errorf("example %d stands for %d requests, and there are %d", i, e.Count, got)
		}
	}
	if len(trusts) < 4 || len(roles) < 8 || len(actions) != 3 || len(types) != 3 || gained == 0 || gained == len(x.Examples) {
		t.Errorf("the examples are alike: trusts %v, roles %v, actions %v, types %v, %d gained", trusts, roles, actions, types, gained)
	}
}

// count counts the requests of an example's group one by one.
func count(before, after *Agreement, e Example, cases iter.Seq[Case]) (n int) {
	for c := range cases {
		r := c.Request
		if r.User.Trust != e.Request.User.Trust || r.User.Role != e.Request.User.Role || r.Purpose != e.Request.Purpose ||
			r.Document.Type != e.Request.Document.Type || actionOf(&r) != actionOf(&e.Request) {
			continue
		}
		was, is := decideBoth(before, after, &c)
		if was.Permitted() != is.Permitted() && is.Permitted() == e.Gained && decisive(was) == decisive(e.Before) && decisive(is) == decisive(e.After) {
			n++
		}
	}
	return n
}

func TestSimulationIsTheSameEachTime(t *testing.T) {
	before, after := compileForm(t, ownBlock+rasBlock+glassBlock), compileForm(t, ownBlock+r1hBlock)
	first, err := Simulate(t.Context(), before, after, Matrix("RYJ", now, before, after))
	if err != nil {
		t.Fatal(err)
	}
	again, err := Simulate(t.Context(), before, after, Matrix("RYJ", now, before, after))
	if err != nil || !reflect.DeepEqual(first, again) {
		t.Errorf("differs: %v", err)
	}
}

func TestMatrixHasWhatTheAgreementsTellApart(t *testing.T) {
	a := compileForm(t, ownBlock+`  - {block: out-of-hours-summaries, trusts: NLX01, types: local-1}
  - {block: need-relationship, trusts: RAS}
  - {block: need-consent, categories: local-2}
  - {block: hide-sensitive, labels: HIV}
  - {block: last-years, years: 10}
`)
	seen := map[string]bool{}
	n := 0
	for c := range Matrix("RYJ", now, a) {
		if n++; n%11 != 0 { // enough to meet every value
			continue
		}
		r := c.Request
		seen[string(r.User.Trust)], seen[r.Document.Type], seen[r.Document.Category], seen[string(r.Link.Kind)] = true, true, true, true
		seen[fmt.Sprint("verified ", r.Link.Verified)], seen[fmt.Sprint("labels ", r.Document.Sensitivity)] = true, true
		seen[fmt.Sprint("consented ", len(c.Facts.Directives))], seen[fmt.Sprint("out of hours ", outOfHours(r.Now))] = true, true
		seen[fmt.Sprint("dated ", !r.Document.Date.IsZero())], seen["old"] = true, seen["old"] || r.Document.Date.Before(now.AddDate(-20, 0, 0))
	}
	for _, want := range []string{"RYJ", "RAS", "NLX01", string(OtherTrust), "local-1", "local-2", OtherCode, "mdt", "verified true", "labels [HIV]", "labels []", "consented 1", "out of hours true", "out of hours false", "dated false", "old"} {
		if !seen[want] {
			t.Errorf("no case of %s", want)
		}
	}
	plain := 0
	for range Matrix("RYJ", now, mustCompile(t, DefaultAgreement("RYJ"))) {
		plain++
	}
	if want := 2 * len(roleTable) * 5 * 6 * 3; plain != want {
		t.Errorf("%d cases of the default agreement, want %d", plain, want)
	}
}

func TestConsentOfTheMatrixCounts(t *testing.T) {
	before := mustCompile(t, `@id("a") permit (principal in Trust::"RAS", action == Action::"open", resource) when { context.consented };`)
	x, err := Simulate(t.Context(), nil, before, Matrix("RYJ", now, before))
	if err != nil || x.Gained.Total == 0 || x.Gained.Total == x.Cases {
		t.Errorf("%v: %d of %d", err, x.Gained.Total, x.Cases)
	}
}

func TestSimulationEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	a := mustCompile(t, DefaultAgreement("RYJ"))
	endless := func(yield func(Case) bool) {
		for n := 0; ; n++ {
			if n == 10_000 {
				cancel()
			}
			if !yield(Case{}) {
				return
			}
		}
	}
	if _, err := Simulate(ctx, a, a, endless); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// gains reports whether anybody may do anything under the second that they may not under the first.
func gains(t *rapid.T, before, after *Agreement, cases iter.Seq[Case]) {
	x, err := Simulate(context.Background(), before, after, cases)
	if err != nil {
		t.Fatal(err)
	}
	if x.Gained.Total > 0 {
		t.Fatalf("gained: %+v", x.Examples[0])
	}
}

func sample(t *rapid.T, n int) iter.Seq[Case] {
	facts := Facts{
		RegionActive: true, RequesterStanding: federation.Active, CustodianStanding: federation.Active, Complete: true, LeaseLimit: MaxLease,
	}
	var cases []Case
	for range n {
		r := drawWide(t)
		if r.consented {
			facts.Directives = []Directive{{ID: federation.DirectiveID{1}, Effect: federation.Consent, Version: 1, By: "RYJ"}}
		} else {
			facts.Directives = nil
		}
		cases = append(cases, Case{Request: r, Facts: facts})
	}
	return slices.Values(cases)
}

func TestFewerGrantsAndMoreLimitsGainNobodyAnything(t *testing.T) {
	grants := []string{
		ownBlock, rasBlock, glassBlock, "  - {block: direct-care, trusts: all, up-to: V}\n", "  - {block: pharmacist-medications, types: a}\n",
		"  - {block: out-of-hours-summaries, trusts: [RAS, RXX], types: [a, b]}\n", "  - {block: social-care-plans, categories: c}\n",
	}
	limits := []string{
		"  - {block: only-types, types: a}\n", "  - {block: last-years, years: 3}\n", "  - {block: last-years, years: 3, undated: share, trusts: all}\n",
		"  - block: research-never\n", "  - block: need-relationship\n", "  - {block: need-relationship, verified: no, emergency: holds}\n",
		"  - {block: need-consent, trusts: [RAS]}\n", "  - {block: hide-sensitive, labels: [HIV, BH], unless-consented: yes}\n",
	}
	rapid.Check(t, func(t *rapid.T) {
		given := rapid.SliceOfNDistinct(rapid.SampledFrom(grants), 2, 5, rapid.ID[string]).Draw(t, "grants")
		limited := rapid.SliceOfNDistinct(rapid.SampledFrom(limits), 0, 3, rapid.ID[string]).Draw(t, "limits")
		compile := func(blocks ...[]string) *Agreement {
			f, err := ParseForm([]byte("name: x\nblocks:\n" + strings.Join(slices.Concat(blocks...), "")))
			if err != nil {
				t.Fatal(err)
			}
			text, err := f.Cedar("RYJ")
			if err != nil {
				t.Fatal(err)
			}
			a, err := Compile(text)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		before := compile(given, limited)
		gains(t, before, compile(given[1:], limited), sample(t, 8))
		more := rapid.SampledFrom(limits).Draw(t, "another limit")
		gains(t, before, compile(given, limited, []string{more}), sample(t, 8))
		if len(limited) > 0 {
			gains(t, compile(given, limited[1:]), before, sample(t, 8))
		}
	})
}

func TestBlocksDoWhatTheySay(t *testing.T) {
	all := "  - {block: direct-care, trusts: all, up-to: R}\n"
	base := func(t testing.TB) (Request, Facts) {
		r, f := good(t) // a doctor of RAS, for TREAT, on a Sunday or whenever now is
		r.Document.Type, r.Document.Category, r.Document.Date = "a", "c", now.AddDate(-1, 0, 0)
		return r, f
	}
	weekday := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name, blocks string
		change       func(*Request)
		want         bool
	}{
		{"direct care", rasBlock, func(*Request) {}, true},
		{"direct care of another trust", r1hBlock, func(*Request) {}, false},
		{"direct care above its level", rasBlock, func(r *Request) { r.Document.Confidentiality = federation.Restricted }, false},
		{"direct care for another purpose", rasBlock, func(r *Request) { r.Purpose = "HQUALIMP" }, false},
		{"only types", all + "  - {block: only-types, types: [a]}\n", func(*Request) {}, true},
		{"only other types", all + "  - {block: only-types, types: [b]}\n", func(*Request) {}, false},
		{"only types, own staff", all + "  - {block: only-types, types: [b]}\n", func(r *Request) { r.User.Trust = "RYJ" }, true},
		{"last years", all + "  - {block: last-years, years: 2}\n", func(*Request) {}, true},
		{"too old", all + "  - {block: last-years, years: 2}\n", func(r *Request) { r.Document.Date = now.AddDate(-3, 0, 0) }, false},
		{"undated", all + "  - {block: last-years, years: 2}\n", func(r *Request) { r.Document.Date = time.Time{} }, false},
		{"undated and shared", all + "  - {block: last-years, years: 2, undated: share}\n", func(r *Request) { r.Document.Date = time.Time{} }, true},
		{"pharmacist", ownBlock + "  - {block: pharmacist-medications, types: a}\n", func(r *Request) { r.User.Role = "pharmacist" }, true},
		{"pharmacist, other document", ownBlock + "  - {block: pharmacist-medications, types: b}\n", func(r *Request) { r.User.Role = "pharmacist" }, false},
		{"pharmacist only", all + "  - {block: pharmacist-medications, types: b, only: yes}\n", func(r *Request) { r.User.Role = "pharmacist" }, false},
		{"pharmacist too", all + "  - {block: pharmacist-medications, types: b}\n", func(r *Request) { r.User.Role = "pharmacist" }, true},
		{"summary out of hours", "  - {block: out-of-hours-summaries, trusts: RAS, types: a}\n", func(r *Request) { r.Now = weekday.Add(8 * time.Hour) }, true},
		{"summary in hours", "  - {block: out-of-hours-summaries, trusts: RAS, types: a}\n", func(r *Request) { r.Now = weekday }, false},
		{"social worker", "  - {block: social-care-plans, categories: c}\n", func(r *Request) { r.User.Role = "social-worker" }, true},
		{"social worker, no care plan", "  - block: social-care-plans\n", func(r *Request) { r.User.Role = "social-worker" }, false},
		{"research", "  - {block: direct-care, trusts: all, purposes: [HRESCH, TREAT]}\n  - block: research-never\n", func(r *Request) { r.Purpose = "HRESCH" }, false},
		{"researcher", "  - {block: direct-care, trusts: all, roles: [researcher]}\n  - block: research-never\n", func(r *Request) { r.User.Role = "researcher" }, false},
		{"no relationship", all + "  - block: need-relationship\n", func(*Request) {}, false},
		{"claimed relationship", all + "  - block: need-relationship\n", func(r *Request) { r.Link = Relationship{Kind: Referral} }, false},
		{"verified relationship", all + "  - block: need-relationship\n", func(r *Request) { r.Link = Relationship{Kind: Referral, Verified: true} }, true},
		{"self-claimed", all + "  - block: need-relationship\n", func(r *Request) { r.Link = Relationship{Kind: SelfClaimed, Verified: true} }, false},
		{"no relationship, glass", all + glassBlock + "  - block: need-relationship\n", func(r *Request) { r.BreakGlass = true }, true},
		{"no relationship, glass that does not pass", all + glassBlock + "  - {block: need-relationship, emergency: holds}\n", func(r *Request) { r.BreakGlass = true }, false},
		{"no consent", all + "  - block: need-consent\n", func(*Request) {}, false},
		{"no consent for another category", all + "  - {block: need-consent, categories: b}\n", func(*Request) {}, true},
		{"sensitive", all + "  - {block: hide-sensitive, labels: [HIV, STD]}\n", func(r *Request) { r.Document.Sensitivity = []string{"STD"} }, false},
		{"a kind of what is hidden", all + "  - {block: hide-sensitive, labels: BH}\n", func(r *Request) { r.Document.Sensitivity = []string{"OPIOIDUD"} }, false},
		{"not sensitive", all + "  - {block: hide-sensitive, labels: HIV}\n", func(r *Request) { r.Document.Sensitivity = []string{"DIA"} }, true},
		{"sealed may be sensitive", all + "  - {block: hide-sensitive, labels: HIV}\n", func(r *Request) { r.Document.Sealed = true }, false},
		{"sensitive, glass", all + glassBlock + "  - {block: hide-sensitive, labels: HIV}\n", func(r *Request) { r.BreakGlass, r.Document.Sensitivity = true, []string{"HIV"} }, false},
		{"sensitive, glass that passes", all + glassBlock + "  - {block: hide-sensitive, labels: HIV, emergency: passes}\n", func(r *Request) { r.BreakGlass, r.Document.Sensitivity = true, []string{"HIV"} }, true},
		{"own records", ownBlock, func(r *Request) { r.User.Trust, r.User.Role, r.Purpose = "RYJ", "records-staff", "PATADMIN" }, true},
		{"own records of another", ownBlock, func(*Request) {}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, f := base(t)
			f.Agreement = compileForm(t, tt.blocks)
			tt.change(&r)
			if d := Decide(r, f); d.Permitted() != tt.want {
				t.Errorf("got %v", Explain(d))
			}
		})
	}
}

func BenchmarkSimulate(b *testing.B) {
	before, after := compileForm(b, ownBlock+rasBlock+glassBlock+"  - block: need-relationship\n"), compileForm(b, ownBlock+r1hBlock+glassBlock+"  - block: need-relationship\n  - {block: hide-sensitive, labels: HIV}\n")
	b.Run("300000-decisions", func(b *testing.B) {
		for b.Loop() {
			n := 0
			x, err := Simulate(context.Background(), before, after, func(yield func(Case) bool) {
				for {
					for c := range Matrix("RYJ", now, before, after) {
						if n++; n > 150_000 || !yield(c) {
							return
						}
					}
				}
			})
			if err != nil || x.Decided != 300_000 {
				b.Fatal(x.Decided, err)
			}
		}
	})
}
