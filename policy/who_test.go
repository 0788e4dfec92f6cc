package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

func TestWhoCouldSeeADocument(t *testing.T) {
	r, f := good(t)
	f.Agreement = compileForm(t, ownBlock+"  - {block: direct-care, trusts: RAS, roles: [doctor, nurse], purposes: [TREAT]}\n  - {block: break-glass, purposes: [BTG], roles: [doctor]}\n  - {block: need-relationship, kinds: [referral, mdt], actions: [open]}\n")
	f.RequesterStanding, f.LeaseAge = 0, -1 // who could, not who can now
	var got []string
	for _, a := range Who(r.Document, f, []federation.TrustID{"RAS", "RXX"}, now) {
		got = append(got, fmt.Sprintf("%s %s %v %v %v %s", a.Trust, a.Action, a.Roles, a.Purposes, a.Relationships, a.Reason.Rule))
	}
	want := []string{
		"RAS see [doctor nurse] [TREAT] [] agreement/direct-care",
		"RAS open [doctor nurse] [TREAT] [referral mdt] agreement/direct-care",
		"RAS open_break_glass [doctor] [BTG] [] agreement/break-glass",
		"RXX open_break_glass [doctor] [BTG] [] agreement/break-glass",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestNobodyCouldSeeWhatThePatientWithholds(t *testing.T) {
	r, f := good(t)
	f.Directives = []Directive{objectionAt(1, 5)}
	for _, a := range Who(r.Document, f, []federation.TrustID{"RAS"}, now) {
		if a.Action != actionGlass {
			t.Errorf("%v", a)
		}
	}
	r.Document.LegallyRestricted = true
	if got := Who(r.Document, f, []federation.TrustID{"RAS"}, now); len(got) > 0 {
		t.Errorf("legally restricted: %v", got)
	}
}

func TestDecisionIsExplainedWithVersions(t *testing.T) {
	r, f := good(t)
	r.BreakGlass, f.Directives = true, []Directive{objectionAt(7, 42)}
	text := strings.Join(Explain(Decide(r, f)), "\n")
	for _, want := range []string{"Permitted, only because the glass was broken.", "agreed at index 42", "The sharing agreement of RYJ, version 3, rule break-glass", "This decides."} {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not stand in\n%s", want, text)
		}
	}
	barred := r
	barred.Document.LegalClass = "GRA"
	if text := strings.Join(Explain(Decide(barred, f)), "\n"); strings.Count(text, "The law") != 1 {
		t.Errorf("what nothing may pass does not stand there once:\n%s", text)
	}
	hidden := f
	hidden.Agreement = nil
	r.BreakGlass = false
	if text := strings.Join(Explain(Decide(r, hidden)), "\n"); !strings.Contains(text, "hidden") || !strings.Contains(text, "There is no such document.") {
		t.Errorf("hidden:\n%s", text)
	}
}

// TestAGroupIsNamedOnlyWithAllOfItsKinds: "every clinician" may not be said where one kind of them is left out.
func TestAGroupIsNamedOnlyWithAllOfItsKinds(t *testing.T) {
	clinicians := append([]string{"clinician"}, clinicalRoles()...)
	for name, tt := range map[string]struct{ codes, groups, roles []string }{
		"all":           {append([]string{"social-worker"}, clinicians...), []string{"clinician"}, []string{"social-worker"}},
		"one left out":  {clinicians[:len(clinicians)-1], nil, clinicians[:len(clinicians)-1]},
		"without group": {clinicians[1:], nil, clinicians[1:]},
		"out of order":  {[]string{"nurse", "doctor"}, nil, []string{"doctor", "nurse"}},
	} {
		if groups, roles := RolesTogether(tt.codes); !slices.Equal(groups, tt.groups) || !slices.Equal(roles, tt.roles) {
			t.Errorf("%s: %q and %q", name, groups, roles)
		}
	}
	var all []string
	for _, p := range slices.Backward(Purposes()) {
		all = append(all, p.Code)
	}
	if in, whole := PurposesTogether(all); !whole || in[0] != "TREAT" {
		t.Errorf("all purposes: %v %q", whole, in)
	}
	if in, whole := PurposesTogether([]string{"COC", "TREAT"}); whole || !slices.Equal(in, []string{"TREAT", "COC"}) {
		t.Errorf("two purposes: %v %q", whole, in)
	}
}
