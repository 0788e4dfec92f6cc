package node

import (
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
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
		"any clinician":      {at(&admin.ReportAccess{Kind: "looked_up", Role: "clinician", Purpose: "TREAT"}), "A member of staff who treats patients at Hillingdon looked at the list of your documents, to treat you."},
		"no purpose":         {at(&admin.ReportAccess{Kind: "opened", Role: "doctor", Title: "Letter"}), "A doctor at Hillingdon opened “Letter”. They did not say why."},
		"a judgement":        {at(&admin.ReportAccess{Kind: "reviewed", Role: "privacy-officer", BreakGlass: true}), "A member of staff who keeps records private at Hillingdon checked whether it was right to open your records in an emergency."},
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
