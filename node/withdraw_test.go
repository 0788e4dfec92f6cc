package node

import (
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// Only what has been withdrawn, and of which the region knows it, is destroyed, by somebody with governance duties who says why.
func TestErasingDestroysWhatWasWithdrawnOnly(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	id := string(takeLetters(t, n, 0, 1)[0])
	lead := &admin.Asker{User: "n.ferreira", Role: "governance-lead"}
	if _, err := n.Withdraw(t.Context(), &admin.WithdrawRequest{Document: id, Reason: "It was filed in the wrong place.", By: lead}); admin.CodeOf(err) != admin.CodeBadInput {
		t.Errorf("withdrawn as if it had been moved: %v", err)
	}
	refused := func(name string, want admin.Code, q *admin.EraseRequest) {
		t.Helper()
		if _, err := n.Erase(t.Context(), q); admin.CodeOf(err) != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	refused("shared", admin.CodeBadInput, &admin.EraseRequest{Document: id, Reason: "too old", By: lead})
	if _, err := n.Withdraw(t.Context(), &admin.WithdrawRequest{Document: id, Reason: "too old", By: &admin.Asker{User: "r.desk", Role: "records-staff"}}); err != nil {
		t.Fatal(err)
	}
	refused("without a reason", admin.CodeBadInput, &admin.EraseRequest{Document: id, Reason: " ", By: lead})
	refused("by records staff", admin.CodeDenied, &admin.EraseRequest{Document: id, Reason: "too old", By: &admin.Asker{User: "r.desk", Role: "records-staff"}})
	refused("of another trust", admin.CodeBadInput, &admin.EraseRequest{Document: "RZZ-0000000000000000", Reason: "too old", By: lead})
	refused("unknown", admin.CodeNotFound, &admin.EraseRequest{Document: "RYJ-0000000000000000", Reason: "too old", By: lead})
	if _, err := n.Erase(t.Context(), &admin.EraseRequest{Document: id, Reason: "kept for long enough", By: lead}); err != nil {
		t.Fatal(err)
	}
	refused("erased", admin.CodeNotFound, &admin.EraseRequest{Document: id, Reason: "again", By: lead})
	if _, err := n.Withdraw(t.Context(), &admin.WithdrawRequest{Document: id, Undo: true, By: lead}); admin.CodeOf(err) != admin.CodeNotFound {
		t.Errorf("shared again: %v", err)
	}
	if s := outbox(t, n); s.Phases[record.Erased] != 1 {
		t.Errorf("the counts say %v", s.Phases)
	}
	receipt, err := n.Take(t.Context(), textItem("Letter 0", "letter 0"))
	if err != nil || !receipt.AlreadyHeld || !strings.Contains(receipt.Note, "erased") {
		t.Errorf("taken in again: %+v, %v", receipt, err)
	}
	page, err := n.audit.Search(t.Context(), audit.Filter{Kinds: []audit.Kind{audit.Withdrawal}}, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	last := page.Records[len(page.Records)-1]
	if string(last.Document) != id || last.User != "n.ferreira" || !strings.Contains(last.Detail, "erased: kept for long enough") {
		t.Errorf("the audit log says %+v", last)
	}
}

// Who looks in the log for what became of a patient's documents finds that one was withdrawn, and that it was shared again.
func TestWithdrawingIsFoundInTheLogByItsPatient(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	id := takeLetters(t, n, 0, 1)[0]
	lead := &admin.Asker{User: "n.ferreira", Role: "governance-lead"}
	for _, undo := range []bool{false, true} {
		if _, err := n.Withdraw(t.Context(), &admin.WithdrawRequest{Document: string(id), Reason: "looked at again", Undo: undo, By: lead}); err != nil {
			t.Fatal(err)
		}
	}
	doc, err := n.records.Document(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	page, err := n.audit.Search(t.Context(), audit.Filter{Subject: doc.Subject, Document: id, Kinds: []audit.Kind{audit.Withdrawal, audit.Admin}}, 0, 10)
	if err != nil || len(page.Records) != 2 {
		t.Errorf("of the patient the log has %d entries about it, %v", len(page.Records), err)
	}
}
