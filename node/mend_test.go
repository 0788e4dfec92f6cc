package node

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// overwrite damages a row behind its store's back.
func overwrite[T interface{ Set(k, v []byte) error }](t *testing.T, update func(context.Context, func(T) error) error, k []byte) {
	t.Helper()
	if err := update(t.Context(), func(txn T) error { return txn.Set(k, []byte("damaged")) }); err != nil {
		t.Fatal(err)
	}
}

// Outbox entries that are damaged on disk hold up nobody: a document's is told as if nothing had been, and of an agreement's, of
// which nothing else knows, the operator is told.
func TestDamagedOutboxEntriesDoNotHoldUpTheRest(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	o := n.options
	var damagedIDs []record.EntryID
	var docs []federation.DocumentID
	stop(t, n)
	offline(t, n, func(s *record.Store) {
		number, err := record.ParseNHSNumber("9434765919")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			d := documentOf(textItem(fmt.Sprint("Letter ", i), ""), []federation.Part{{ContentType: "text/plain", Name: "a.txt"}})
			added, err := s.Add(t.Context(), record.Item{Patient: number, Document: d})
			if err != nil {
				t.Fatal(err)
			}
			docs = append(docs, added.ID)
		}
		if _, err := s.Enqueue(t.Context(), secondAgreement()); err != nil {
			t.Fatal(err)
		}
		pending, err := s.Pending(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range pending {
			if e.Document != docs[1] {
				damagedIDs = append(damagedIDs, e.ID)
			}
		}
	})
	if len(damagedIDs) != 3 {
		t.Fatalf("%d entries to damage", len(damagedIDs))
	}
	db, err := storage.Open(storage.Options{Dir: n.folder.Path("records"), Profile: storage.Records, Small: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range damagedIDs {
		overwrite(t, db.Update, binary.BigEndian.AppendUint64([]byte{'o'}, uint64(id)))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	n = reopen(t, o)
	eventually(t, "the rest to be told", func() bool { return outbox(t, n).Outbox == 0 })
	for _, id := range docs {
		if d, err := n.records.Document(t.Context(), id); err != nil || d.State.Phase != record.Published {
			t.Errorf("%s: %+v, %v", id, d.State, err)
		}
	}
	st, err := n.Status(t.Context(), &admin.StatusRequest{})
	if err != nil || st.GetRejected() != 1 || !slices.ContainsFunc(st.GetWarnings(), func(s string) bool { return strings.Contains(s, "damaged here: 'ridgeway rejected list") }) {
		t.Errorf("status: %d, %q, %v", st.GetRejected(), st.GetWarnings(), err)
	}
	list, err := n.Rejected(t.Context(), &admin.RejectedRequest{})
	if err != nil || len(list.GetRejections()) != 1 || !strings.Contains(list.GetRejections()[0].GetReason(), "have it recorded again, then dismiss this") || list.GetRejections()[0].GetEffect() != "the region has not been told of it" || !list.GetRejections()[0].GetSetAside() {
		t.Fatalf("rejected: %v, %v", list, err)
	}
	id := list.GetRejections()[0].GetId()
	if _, err := n.Settle(t.Context(), &admin.SettleRequest{Ids: []string{id}, Retry: true}); admin.CodeOf(err) != admin.CodeBadInput || !strings.Contains(err.Error(), "rejected dismiss "+id) {
		t.Errorf("said again: %v", err)
	}
	if _, err := n.Settle(t.Context(), &admin.SettleRequest{Ids: []string{id}}); err != nil {
		t.Error(err)
	}
	if st := outbox(t, n); st.Rejected != 0 {
		t.Errorf("dismissed: %+v", st)
	}
}
