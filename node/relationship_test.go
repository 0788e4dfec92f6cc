package node

import (
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// TestEvidenceIsADocumentOfTheLastYear: what is older, or dated in the future, shows no care that goes on, for either trust.
func TestEvidenceIsADocumentOfTheLastYear(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
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
		q := statedBy(n.Trust(), reference)
		if got, err := n.evidenced(t.Context(), subjects, q, false); err != nil || got != c.want {
			t.Errorf("%s: found %v, %v; want %v", reference, got, err, c.want)
		}
		q.Link.Evidence = string(id)
		if got, err := n.evidenced(t.Context(), subjects, q, true); err != nil || got != c.want {
			t.Errorf("%s, by its id: found %v, %v; want %v", reference, got, err, c.want)
		}
		if got := n.vouch(t.Context(), subjects[0], &admin.Asker{User: "rn1", Role: "nurse", Purpose: "TREAT", Relationship: "referral:" + reference}); got.IsZero() == c.want {
			t.Errorf("%s: vouched for: %v, want %v", reference, !got.IsZero(), c.want)
		}
	}
}

// statedBy is a nurse of a trust who names evidence of a referral.
func statedBy(trust federation.TrustID, reference string) policy.Request {
	return policy.Request{
		User: policy.User{Trust: trust, ID: "rn1", Role: "nurse"}, Purpose: "TREAT", Relationship: "referral:" + reference, Now: time.Now(),
		Link: policy.Relationship{Kind: policy.Referral, Evidence: reference},
	}
}

// TestAHiddenDocumentIsNoEvidence: whether it is found would say that it is there, to whoever guesses a reference.
func TestAHiddenDocumentIsNoEvidence(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	hideSecrets(t, n)
	subjects := []federation.Subject{patientOf(t, n)}
	for reference, c := range map[string]struct {
		change func(*ingest.Item)
		want   bool // a nurse of this trust may know of it
	}{
		"NORMAL":     {func(*ingest.Item) {}, true},
		"RESTRICTED": {func(i *ingest.Item) { i.Confidentiality = "R" }, true},
		"VERY":       {func(i *ingest.Item) { i.Confidentiality = "V" }, false},
		"LEGAL":      {func(i *ingest.Item) { i.Legal = "HFEA" }, false},
		"REFUSED":    {func(i *ingest.Item) { i.Type = secretType }, false}, // by the patient, to this trust's staff
	} {
		item := textItem("Referral "+reference, reference)
		item.Reference, item.Date = reference, time.Now().Add(-time.Hour).UTC()
		c.change(&item)
		id := take(t, n, item)
		for _, evidence := range []string{reference, string(id)} {
			if got, err := n.evidenced(t.Context(), subjects, statedBy(n.Trust(), evidence), true); err != nil || got != c.want {
				t.Errorf("%s, by %s: found %v, %v; want %v", reference, evidence, got, err, c.want)
			}
		}
		q := statedBy(n.Trust(), reference)
		q.Document.Subject = subjects[0]
		if got, err := (held{n}).Evidenced(t.Context(), q); err != nil || got != c.want {
			t.Errorf("%s, as custodian: found %v, %v; want %v", reference, got, err, c.want)
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
