package node

import (
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// What a patient reads of who looked must need no training: no word of the agreements, and nothing that is not known put as if it were.
func TestAPatientReadsWhoLookedInPlainWords(t *testing.T) {
	t.Parallel()
	at := func(a *admin.ReportAccess) *admin.ReportAccess {
		a.Trust, a.TrustName, a.Outcome = "RAS", "Hillingdon", policy.Permit.String()
		return a
	}
	for name, c := range map[string]struct {
		access *admin.ReportAccess
		want   string
	}{
		"any clinician":      {at(&admin.ReportAccess{Kind: "looked_up", Role: "clinician", Purpose: "TREAT"}), "A health worker at Hillingdon looked at the list of your documents, to treat you."},
		"another's document": {at(&admin.ReportAccess{Kind: "opened", Role: "doctor", Purpose: "TREAT", Custodian: "RYJ", CustodianName: "Imperial", Relationship: "admission", BreakGlass: true}), "A doctor at Hillingdon opened one of your documents, to treat you. They said: you are or were in hospital there. They said that it was an emergency. Imperial keeps that document."},
		"another's list":     {at(&admin.ReportAccess{Kind: "looked_up", Role: "doctor", Purpose: "TREAT", Custodian: "RYJ", CustodianName: "Imperial"}), "A doctor at Hillingdon looked at the list of your documents, to treat you."},
		"no purpose":         {at(&admin.ReportAccess{Kind: "opened", Role: "doctor", Title: "Letter"}), "A doctor at Hillingdon opened “Letter”. They did not say why."},
		"a judgement":        {at(&admin.ReportAccess{Kind: "reviewed", Role: "privacy-officer", BreakGlass: true}), "A member of staff who keeps records private at Hillingdon checked an emergency: was it right to open your records?"},
		"a report":           {at(&admin.ReportAccess{Kind: "reviewed", Role: "records-staff", Purpose: "PATRQT"}), "A member of health records staff at Hillingdon asked who has seen your documents, because you asked for it."},
		"a role of tomorrow": {at(&admin.ReportAccess{Kind: "looked_up", Role: "astronaut", Purpose: "TREAT"}), "A member of staff at Hillingdon looked at the list of your documents, to treat you."},
	} {
		if got := myAccessWords(c.access); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	for _, r := range policy.Roles() {
		words := someone(r.Code, "Hillingdon")
		for _, bad := range []string{"registered", "direct care", "supervision", "Caldicott", "governance", "allied", "any ", "not known"} {
			if strings.Contains(words, bad) {
				t.Errorf("%s is %q to a patient: %q needs training", r.Code, words, bad)
			}
		}
	}
}

// Whoever declares an emergency has opened nothing by that, and who may not declare one opens nothing by it.
func TestReportsTellOfAnEmergencyThatWasRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		outcome      policy.Outcome
		mine, report string
	}{
		{policy.Permit, "A doctor at Hillingdon said that there was an emergency. They could then open your records.", "dr.a (doctor) at Hillingdon said that there was an emergency, and could open your record, to treat you."},
		{policy.Denied, "A doctor at Hillingdon said that there was an emergency. They asked to open your records. The answer was no.", "dr.a (doctor) at Hillingdon said that there was an emergency, and asked to open your record, to treat you. It was refused."},
		{policy.TooMany, "A doctor at Hillingdon said that there was an emergency. They asked to open your records. The answer was no.", "dr.a (doctor) at Hillingdon said that there was an emergency, and asked to open your record, to treat you. It was refused."},
	} {
		e := logged{log: "RAS", Access: &wire.Access{
			Kind: audit.BreakGlass.String(), Outcome: c.outcome.String(), Trust: "RAS", User: "dr.a", Role: "doctor", Purpose: "TREAT", BreakGlass: true,
		}}
		a := event{e}.summary(nil)
		a.TrustName = "Hillingdon"
		if got := myAccessWords(a); got != c.mine {
			t.Errorf("%s: %q, want %q", c.outcome, got, c.mine)
		}
		if got := accessWords(a); got != c.report {
			t.Errorf("%s: %q, want %q", c.outcome, got, c.report)
		}
	}
}

// Who was refused has looked at nothing.
func TestReportsTellOfALookThatWasRefused(t *testing.T) {
	t.Parallel()
	a := event{{log: "RAS", Access: &wire.Access{
		Kind: audit.Search.String(), Outcome: policy.Denied.String(), Trust: "RAS", User: "dr.a", Role: "doctor", Purpose: "TREAT",
	}}}.summary(nil)
	a.TrustName = "Hillingdon"
	if got, want := myAccessWords(a), "A doctor at Hillingdon asked to look at what is kept about you, to treat you. The answer was no. Nothing was shown."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := accessWords(a), "dr.a (doctor) at Hillingdon asked to look at what is kept about you, to treat you. It was refused, and nothing was shown."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Trusts of which the same is to be said stand in one sentence: a patient does not read a list of places to learn one thing.
func TestAPatientReadsInOneSentenceWhoHasNotCheckedAnEmergency(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	early, late := now.Add(time.Hour).UnixMicro(), now.Add(-time.Hour).UnixMicro()
	got := emergencyWords(&admin.ReportEmergency{User: "A doctor", TrustName: "Hillingdon", Reason: "resus", Reviews: []*admin.ReportReview{
		{TrustName: "A", Due: early},
		{TrustName: "B", Outcome: reviewJustified},
		{TrustName: "C", Due: late},
		{TrustName: "D", Due: early},
		{TrustName: "E", Due: early},
	}}, now)
	want := "B checked this afterwards: it was right to do so. C has not checked this yet. It should be done by now. A, D and E have not checked this yet."
	if !strings.HasSuffix(got, want) {
		t.Errorf("%q does not end with %q", got, want)
	}
	if two := notChecked([]string{"A", "B"}); two != "A and B have not checked this yet" {
		t.Error(two)
	}
}
