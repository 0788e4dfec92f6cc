package node

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/web"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

var historian = &admin.Asker{User: "rs1", Role: "records-staff", Purpose: "PATADMIN"}

func changesOf(t *testing.T, n *Node, id federation.DocumentID) *web.History {
	t.Helper()
	h, err := n.Changes(t.Context(), string(id), historian)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func heldDocument(t *testing.T, n *Node, id federation.DocumentID) *record.Document {
	t.Helper()
	doc, err := n.records.Document(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return &doc
}

func texts(h *web.History) (out []string) {
	for _, c := range h.Changes {
		out = append(out, c.Text)
	}
	return out
}

// A document that came with others, in one entry of the log, was taken in when its record says so.
func TestHistorySaysThatADocumentCameWithOthers(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	n.takings.mu.Lock()
	n.takings.writing = true // as if an entry were being written while both come
	n.takings.mu.Unlock()
	ids := make(chan federation.DocumentID, 2)
	for i := range 2 {
		go func() {
			receipt, err := n.Take(t.Context(), textItem(fmt.Sprintf("Letter %d", i), fmt.Sprintf("letter %d", i)))
			if err != nil {
				t.Error(err)
			}
			ids <- receipt.Document
		}()
	}
	for waiting := 0; waiting < 2; {
		n.takings.mu.Lock()
		waiting = len(n.takings.waiting)
		n.takings.mu.Unlock()
		runtime.Gosched()
	}
	n.takings.write(t.Context())
	id := <-ids
	<-ids
	if got := ingested(t, n); len(got) != 1 || got[0].Document != "" {
		t.Fatalf("they did not come together: %v", got)
	}
	doc, h := heldDocument(t, n, id), changesOf(t, n, id)
	if len(h.Changes) != 1 || h.Changes[0].Text != "taken in" || !h.Changes[0].At.Equal(doc.Indexed) || h.Changes[0].At.IsZero() || h.Cut || h.Damaged != 0 {
		t.Errorf("the history is %+v, taken in at %v", h, doc.Indexed)
	}
	if _, err := n.Withdraw(t.Context(), &admin.WithdrawRequest{Document: string(id), Reason: "wrong", By: &admin.Asker{User: "n.ferreira", Role: "governance-lead"}}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(texts(changesOf(t, n, id)), "|"); got != "withdrawn: wrong|taken in" {
		t.Errorf("after it was withdrawn: %s", got)
	}
}

// What others do, however much, does not keep a history from being found; only as much as a page holds is told.
func TestHistoryIsReadByThePatientAndToItsEnd(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	id := takeLetters(t, n, 0, 1)[0]
	doc := heldDocument(t, n, id)
	note := func(count int) {
		t.Helper()
		for i := range count {
			e := audit.Entry{Time: time.Now().UTC(), Kind: audit.Admin, Trust: n.Trust(), Subject: doc.Subject, Document: id, Detail: fmt.Sprintf("change %d", i)}
			if _, err := n.audit.Append(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	const some = changesPage + 10
	note(some)
	for range 30 {
		if _, err := n.audit.Append(t.Context(), audit.Entry{Time: time.Now().UTC(), Kind: audit.Admin, Trust: n.Trust(), Subject: federation.Subject{7}, Detail: "another patient"}); err != nil {
			t.Fatal(err)
		}
	}
	if h := changesOf(t, n, id); len(h.Changes) != some+1 || h.Changes[some].Text != "taken in" || h.Changes[0].Text != fmt.Sprintf("change %d", some-1) || h.Cut {
		t.Errorf("the history is %q, cut %v", texts(h), h.Cut)
	}
	bySubject := 0
	if _, err := history(t.Context(), func(ctx context.Context, f audit.Filter, from audit.Ref, limit int) (audit.Page, error) {
		if f.Subject == doc.Subject && f.Document == id {
			bySubject++
		}
		return n.audit.Search(ctx, f, from, limit)
	}, doc); err != nil || bySubject != 2 {
		t.Errorf("%d searches by the patient, %v", bySubject, err)
	}
	note(mostChanges)
	h := changesOf(t, n, id)
	if len(h.Changes) != mostChanges+1 || !h.Cut || h.Changes[mostChanges].Text != "taken in" {
		t.Errorf("of too many, %d are told, cut %v", len(h.Changes), h.Cut)
	}
}

// A history that is not whole says so.
func TestHistoryThatIsNotWholeSaysSo(t *testing.T) {
	t.Parallel()
	doc := &record.Document{Subject: federation.Subject{1}, Indexed: time.Now().UTC()}
	searches := 0
	endless := func(context.Context, audit.Filter, audit.Ref, int) (audit.Page, error) {
		searches++
		return audit.Page{Damaged: []uint64{uint64(searches)}, Next: audit.RefTo(uint64(searches))}, nil
	}
	h, err := history(t.Context(), endless, doc)
	if err != nil || searches != mostSearches || !h.Cut || h.Damaged != mostSearches {
		t.Errorf("after %d searches %+v, %v", searches, h, err)
	}
}
