package node

import (
	"slices"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
)

// What staff with duties do about a record is told as what it was: not everybody of them asked who has seen it.
func TestPatientsAreToldWhichDutyWasDone(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	id := string(takeLabelled(t, n, "Letter", func(*ingest.Item) {}))
	lead := &admin.Asker{User: "a.mensah", Role: "governance-lead"}
	if _, err := n.Why(t.Context(), &admin.WhyRequest{Document: id, By: lead, Asker: &admin.Asker{}}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Who(t.Context(), &admin.WhoRequest{Document: id, By: lead}); err != nil {
		t.Fatal(err)
	}
	for _, lift := range []bool{false, true} {
		if _, err := n.Protect(t.Context(), &admin.ProtectRequest{Patient: patientA, Asker: lead, Reason: "known to staff", Lift: lift}); err != nil {
			t.Fatal(err)
		}
	}
	report, err := n.Report(t.Context(), &admin.ReportRequest{Patient: patientA, Asker: &admin.Asker{User: "rs1", Role: "records-staff", Purpose: "PATRQT"}})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, a := range report.GetAccesses() {
		if a.GetUser() == "a.mensah" {
			kinds = append(kinds, a.GetKind())
			if strings.Contains(a.GetText(), "who has seen") || strings.Contains(a.GetText(), "not stated") {
				t.Errorf("%s is told as %q", a.GetKind(), a.GetText())
			}
			if a.GetKind() == "rules_asked" && !strings.Contains(a.GetText(), "asked by which rules “Letter” ("+id+") may be seen") {
				t.Errorf("got %q", a.GetText())
			}
		}
	}
	if want := []string{"rules_asked", "rules_asked", "watch_changed", "watch_changed"}; !slices.Equal(kinds, want) {
		t.Errorf("got %q, want %q", kinds, want)
	}
	for _, c := range []struct{ role, choice, want string }{
		{"governance-lead", "opened_checked", "opened_checked"},
		{"governance-lead", "choices_listed", "reviewed"}, // what patients do
		{patientRole, "rules_asked", "reviewed"},          // and they have no such duty
		{"governance-lead", "duty_of_tomorrow", "reviewed"},
	} {
		a := event{{log: "RAS", Access: &wire.Access{Kind: "review", Role: c.role, Choice: c.choice, Trust: "RAS"}}}.summary(nil)
		if a.GetKind() != c.want || tellingOf(a).report == "" || tellingOf(a).mine == "" {
			t.Errorf("%s by %s is %q, want %q, told with words", c.choice, c.role, a.GetKind(), c.want)
		}
	}
}
