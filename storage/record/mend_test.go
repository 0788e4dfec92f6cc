package record

import (
	"errors"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// spoil damages outbox entries, each in another way.
func spoil(t *testing.T, s *Store, ids ...EntryID) {
	t.Helper()
	raw(t, s, func(txn *badger.Txn) error {
		for n, id := range ids {
			k := entryKey(rowOutbox, id)
			var err error
			switch n % 3 {
			case 0:
				err = txn.Set(k, []byte("no sealed entry"))
			case 1:
				err = s.put(txn, k, []byte{outboxVersion, 0xff}) // sealed, and cut short
			default:
				err = txn.Set(k, s.sealer.Seal(nil, entryKey(rowOutbox, id+1), outboxRow{}.encode(testTime))) // another entry's place
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func TestDamagedOutboxEntriesHoldUpNobody(t *testing.T) {
	s := fresh(t)
	subject := s.Subject(patient)
	known := add(t, s, patient, letter(1))
	settle(t, s, 1, federation.KindPublish)
	if err := s.Withdraw(ctx, known, "filed in error"); err != nil {
		t.Fatal(err)
	}
	first, second := add(t, s, patient, letter(2)), add(t, s, patient, letter(3))
	objected := objection(subject, 1).Directive
	if err := s.AddRefusal(ctx, patient, objected); err != nil {
		t.Fatal(err)
	}
	consent, err := s.Enqueue(ctx, federation.Directive{ID: federation.DirectiveID{9}, Subject: subject, Effect: federation.Consent, By: "desk", Evidence: "form"})
	if err != nil {
		t.Fatal(err)
	}
	before, err := s.Pending(ctx, 100)
	if err != nil || len(before) != 5 {
		t.Fatalf("%d wait, %v", len(before), err)
	}
	var bad []EntryID
	for _, e := range before {
		if e.Document != second {
			bad = append(bad, e.ID)
		}
	}
	spoil(t, s, bad...)
	pending, err := s.Pending(ctx, 100)
	if err != nil || len(pending) != 5 {
		t.Fatalf("with damage %d wait, %v", len(pending), err)
	}
	for _, e := range pending {
		if e.Damaged != (e.ID != before[4].ID) || e.Damaged != errors.Is(e.Err, storage.ErrIntegrity) {
			t.Errorf("entry %x: damaged %t, %v", uint64(e.ID), e.Damaged, e.Err)
		}
	}
	if r, err := s.Scrub(ctx, nil); err != nil || len(r.Faults) != 4 {
		t.Errorf("scrub: %+v, %v", r.Faults, err)
	}
	if done, err := s.Mend(ctx, append(bad, before[4].ID, before[4].ID+1000)); err != nil || done != (Mended{Anew: 3, Aside: 1}) {
		t.Errorf("mended %+v, %v", done, err)
	}
	after, err := s.Pending(ctx, 100)
	if err != nil || len(after) != 4 {
		t.Fatalf("after mending %d wait, %v", len(after), err)
	}
	i := 0
	for _, want := range before {
		if want.ID == consent {
			continue
		}
		got := after[i]
		i++
		if got.Err != nil || got.Damaged || got.ID != want.ID || got.Kind != want.Kind || got.Document != want.Document || got.Reason != want.Reason || string(got.Body) != string(want.Body) {
			t.Errorf("mended to %+v, was %+v", got, want)
		}
	}
	rejected, err := s.Rejected(ctx, 10)
	if err != nil || len(rejected) != 1 || rejected[0].Entry.ID != consent || rejected[0].Entry.Kind != federation.KindDirective || rejected[0].Reason != lostEntry {
		t.Fatalf("set aside: %+v, %v", rejected, err)
	}
	if _, err := s.Retry(ctx, consent); !errors.Is(err, ErrLost) {
		t.Errorf("said again: %v", err)
	}
	if err := s.Dismiss(ctx, consent); err != nil {
		t.Error(err)
	}
	settle(t, s, 2, federation.KindDirective)
	settle(t, s, 3, federation.KindWithdraw)
	settle(t, s, 4, federation.KindPublish)
	if st, err := s.Stats(ctx); err != nil || st.Outbox != 0 || st.Rejected != 0 || st.Refusals != 0 || st.Phases[Published] != 2 || st.Phases[Withdrawn] != 1 {
		t.Errorf("in the end: %+v, %v", st, err)
	}
	for _, id := range []federation.DocumentID{first, second} {
		if st := document(t, s, id).State; st.Phase != Published || st.Pending() {
			t.Errorf("%s: %+v", id, st)
		}
	}
	clean(t, s)
}

// What was told is known from the statement: the entry need not be read.
func TestDamagedEntriesInFlightAreSettled(t *testing.T) {
	for _, refused := range []string{"", "not now"} {
		s := fresh(t)
		gone := add(t, s, patient, letter(1))
		settle(t, s, 1, federation.KindPublish)
		if err := s.Withdraw(ctx, gone, "filed in error"); err != nil {
			t.Fatal(err)
		}
		docs := []federation.DocumentID{add(t, s, patient, letter(2)), add(t, s, patient, letter(3))}
		if err := s.AddRefusal(ctx, patient, objection(s.Subject(patient), 1).Directive); err != nil {
			t.Fatal(err)
		}
		for n, kind := range []federation.Kind{federation.KindDirective, federation.KindWithdraw, federation.KindPublish} {
			seq := uint64(n + 2)
			statement := send(t, s, seq, kind)
			flight, _, err := s.InFlight(ctx)
			if err != nil {
				t.Fatal(err)
			}
			spoil(t, s, flight.Entries...)
			if err := s.Complete(ctx, Outcome{Statement: statement, Seq: seq, Refused: refused}); err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
		}
		st, err := s.Stats(ctx)
		if err != nil || st.Outbox != 0 {
			t.Errorf("%q: %+v, %v", refused, st, err)
		}
		phase := Published
		if refused != "" {
			phase = Refused
			rejected, err := s.Rejected(ctx, 10)
			if err != nil || len(rejected) != 4 || rejected[0].Entry.Kind != federation.KindDirective || len(rejected[0].Entry.Body) == 0 || rejected[1].Entry.Document != gone {
				t.Errorf("refused: %+v, %v", rejected, err)
			}
		}
		for _, id := range docs {
			if st := document(t, s, id).State; st.Phase != phase || st.Pending() {
				t.Errorf("%q: %s: %+v", refused, id, st)
			}
		}
		clean(t, s)
	}
}
