package node

import (
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// TestReviewersAreToldWhatWasOpened: of their own trust's documents what the region is told, and of no other more than its number.
func TestReviewersAreToldWhatWasOpened(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	take := func(title string) federation.DocumentID {
		receipt, err := n.Take(t.Context(), textItem(title, title))
		if err != nil {
			t.Fatal(err)
		}
		return receipt.Document
	}
	plain, secret, other, closed := take("plain letter"), take("secret letter"), take("another letter"), take("closed letter")
	if err := n.records.Relabel(t.Context(), secret, record.Marks{Confidentiality: federation.VeryRestricted}); err != nil {
		t.Fatal(err)
	}
	if err := n.records.Relabel(t.Context(), closed, record.Marks{Confidentiality: federation.Normal, Legal: "HFEA"}); err != nil {
		t.Fatal(err)
	}
	number, err := n.patient(patientA)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, never := federation.NewDocumentID("RAS", federation.DocumentKey{1}), federation.NewDocumentID(n.Trust(), federation.DocumentKey{2})
	r := &review{
		ID: "RYJ-1", Kind: glassKind, User: "ada", Trust: n.Trust(), Subject: n.records.Subject(number), At: time.Now(), Until: time.Now().Add(time.Minute), Granted: true,
		Documents: []federation.DocumentID{plain, secret, other, elsewhere, never, closed},
	}
	if _, err := n.reviews.begin(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	before := n.audit.Size()
	for _, role := range reviewers {
		got, err := n.Opened(t.Context(), r.ID, &admin.Asker{User: "p.osei", Role: role, Purpose: "HOPERAT"})
		if err != nil || len(got) != len(r.Documents) {
			t.Fatalf("%s is told %v, %v", role, got, err)
		}
		for i, title := range []string{"plain letter", "", "another letter", "", "", ""} {
			d := got[i]
			if d.GetDocument() != string(r.Documents[i]) || d.GetTitle() != title || (d.GetType() != "") != (title != "") || (d.GetDate() != 0) != (title != "") {
				t.Errorf("%s is told %v, wanted %q", role, d, title)
			}
		}
	}
	if n.audit.Size() != before+uint64(len(reviewers)) {
		t.Error("that somebody looked is not in the audit log")
	}
	if _, err := n.Opened(t.Context(), "RYJ-2", &admin.Asker{User: "p.osei", Role: "privacy-officer", Purpose: "HOPERAT"}); admin.CodeOf(err) != admin.CodeNotFound {
		t.Errorf("of no review: %v", err)
	}
	for _, role := range []string{"doctor", "records-staff", "admin"} {
		if got, err := n.Opened(t.Context(), r.ID, &admin.Asker{User: "ada", Role: role, Purpose: "TREAT"}); admin.CodeOf(err) != admin.CodeDenied || got != nil {
			t.Errorf("a %s is told %v, %v", role, got, err)
		}
	}
}
