package node

import (
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// TestEvidenceIsADocumentOfTheLastYear: what is older, or dated in the future, shows no care that goes on, for either trust.
func TestEvidenceIsADocumentOfTheLastYear(t *testing.T) {
	t.Parallel()
	n := startNode(t, nil)
	subjects := []federation.Subject{patientOf(t, n)}
	for reference, c := range map[string]struct {
		age  time.Duration
		want bool
	}{
		"of today":            {0, true},
		"of later today":      {-23 * time.Hour, true},
		"of next week":        {-7 * 24 * time.Hour, false},
		"of a year ago":       {365 * 24 * time.Hour, true},
		"of over a year ago":  {367 * 24 * time.Hour, false},
		"of twenty years ago": {20 * 366 * 24 * time.Hour, false},
	} {
		item := textItem("Referral "+reference, "referral "+reference)
		item.Reference, item.Date = reference, time.Now().Add(-c.age).UTC()
		id := take(t, n, item)
		link := policy.Relationship{Kind: policy.Referral, Evidence: reference}
		if got, err := n.evidenced(t.Context(), subjects, link, false); err != nil || got != c.want {
			t.Errorf("%s: found %v, %v; want %v", reference, got, err, c.want)
		}
		link.Evidence = string(id)
		if got, err := n.evidenced(t.Context(), subjects, link, true); err != nil || got != c.want {
			t.Errorf("%s, by its id: found %v, %v; want %v", reference, got, err, c.want)
		}
		text := "referral:" + reference
		if got := n.vouch(t.Context(), subjects[0], text); got.IsZero() == c.want {
			t.Errorf("%s: vouched for: %v, want %v", reference, !got.IsZero(), c.want)
		}
	}
}

// patientOf is the patient of the tests as the region sees them.
func patientOf(t *testing.T, n *Node) federation.Subject {
	t.Helper()
	number, err := n.checkPatient(patientA)
	if err != nil {
		t.Fatal(err)
	}
	return n.records.Subject(number)
}
