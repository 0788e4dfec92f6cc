package record

import (
	"errors"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// TestWithdrawalCanBeUndone, wherever it is on its way: what the region is told in the end is that the document is there.
func TestWithdrawalCanBeUndone(t *testing.T) {
	withdraw := func(t *testing.T, s *Store, id federation.DocumentID) {
		t.Helper()
		if err := s.Withdraw(ctx, id, "wrong patient"); err != nil {
			t.Fatal(err)
		}
	}
	for name, before := range map[string]func(t *testing.T, s *Store, id federation.DocumentID){
		"agreed": func(t *testing.T, s *Store, id federation.DocumentID) {
			withdraw(t, s, id)
			settle(t, s, 3, federation.KindWithdraw)
		},
		"waiting": withdraw,
	} {
		t.Run(name, func(t *testing.T) {
			s := fresh(t)
			id := add(t, s, patient, letter(1))
			settle(t, s, 2, federation.KindPublish)
			before(t, s, id)
			for range 2 { // again changes nothing
				if err := s.Readmit(ctx, id); err != nil {
					t.Fatal(err)
				}
				wantKinds(t, s, federation.KindPublish)
				wantPhase(t, s, id, Queued, true)
			}
			settle(t, s, 4, federation.KindPublish)
			wantPhase(t, s, id, Published, false)
			if st := document(t, s, id).State; st.Reason != "" {
				t.Errorf("it still says why it was withdrawn: %q", st.Reason)
			}
			clean(t, s)
		})
	}
	t.Run("in flight", func(t *testing.T) {
		s := fresh(t)
		id := add(t, s, patient, letter(1))
		settle(t, s, 2, federation.KindPublish)
		withdraw(t, s, id)
		statement := send(t, s, 3, federation.KindWithdraw)
		if err := s.Readmit(ctx, id); err != nil {
			t.Fatal(err)
		}
		wantKinds(t, s, federation.KindPublish) // after what is on its way
		if err := s.Complete(ctx, Outcome{Statement: statement, Seq: 3}); err != nil {
			t.Fatal(err)
		}
		wantPhase(t, s, id, Queued, true)
		settle(t, s, 4, federation.KindPublish)
		wantPhase(t, s, id, Published, false)
		clean(t, s)
	})
	t.Run("of a restricted class", func(t *testing.T) {
		s := fresh(t)
		d := letter(1)
		d.Legal = "HFEA"
		id := add(t, s, patient, d)
		withdraw(t, s, id)
		if err := s.Readmit(ctx, id); err != nil {
			t.Fatal(err)
		}
		wantKinds(t, s)
		wantPhase(t, s, id, Queued, false)
	})
	t.Run("nothing there", func(t *testing.T) {
		s := fresh(t)
		if err := s.Readmit(ctx, federation.NewDocumentID("RYJ", federation.DocumentKey{1})); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	})
}

// TestWhatWaitsCanBeUnsaid, but not what may have been heard.
func TestWhatWaitsCanBeUnsaid(t *testing.T) {
	s := fresh(t)
	enqueue := func() EntryID {
		t.Helper()
		id, err := s.Enqueue(ctx, federation.Suspend{Trust: "RAS", Reason: "a trial"})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	unsay := func(id EntryID, want bool) {
		t.Helper()
		if gone, err := s.Unsay(ctx, id); err != nil || gone != want {
			t.Errorf("got %v, %v; want %v", gone, err, want)
		}
	}
	id := enqueue()
	unsay(id, true)
	wantKinds(t, s)
	unsay(id, false)
	id = enqueue()
	send(t, s, 2, federation.KindSuspend)
	unsay(id, false)
	if _, found, err := s.InFlight(ctx); !found || err != nil {
		t.Errorf("what is on its way was lost: %v", err)
	}
	add(t, s, patient, letter(1))
	pending, err := s.Pending(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	unsay(pending[0].ID, false) // a document's entry goes by Withdraw only
	clean(t, s)
}
