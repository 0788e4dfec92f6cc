package record

import (
	"errors"
	"slices"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

type testObjection struct{ federation.Directive }

func kinds(t *testing.T, s *Store) []federation.Kind {
	t.Helper()
	pending, err := s.Pending(ctx, 100)
	if err != nil {
		t.Fatal(err)
	}
	var out []federation.Kind
	for _, e := range pending {
		out = append(out, e.Kind)
	}
	return out
}

func wantKinds(t *testing.T, s *Store, want ...federation.Kind) {
	t.Helper()
	got := kinds(t, s)
	if len(got) != len(want) {
		t.Fatalf("pending %v, want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("pending %v, want %v", got, want)
		}
	}
}

func wantPhase(t *testing.T, s *Store, id federation.DocumentID, p Phase, pending bool) {
	t.Helper()
	if st := document(t, s, id).State; st.Phase != p || st.Pending() != pending {
		t.Errorf("%s is %s, pending %v; want %s, %v", id, st.Phase, st.Pending(), p, pending)
	}
}

func TestOutboxGoesDirectivesThenWithdrawalsThenTheRest(t *testing.T) {
	s := fresh(t)
	id := add(t, s, patient, letter(1))
	settle(t, s, 2, federation.KindPublish)
	add(t, s, patient, letter(2))
	if _, err := s.Enqueue(ctx, federation.Agreement{Version: 1, Effective: testTime, Cedar: "permit(principal, action, resource);"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Withdraw(ctx, id, "wrong patient"); err != nil {
		t.Fatal(err)
	}
	if err := s.AddRefusal(ctx, patient, objection(s.Subject(patient), 1).Directive); err != nil {
		t.Fatal(err)
	}
	wantKinds(t, s, federation.KindDirective, federation.KindWithdraw, federation.KindAgreement, federation.KindPublish)
	pending, err := s.Pending(ctx, 2)
	if err != nil || len(pending) != 2 || !pending[0].ID.Urgent() || !pending[1].ID.Urgent() || pending[1].Reason != "wrong patient" || pending[1].Document != id {
		t.Errorf("%+v, %v", pending, err)
	}
	clean(t, s)
}

func TestOutboxIsReadByPages(t *testing.T) {
	s := fresh(t)
	for n := range 5 {
		add(t, s, patient, letter(n))
	}
	if _, err := s.Enqueue(ctx, federation.Approve{}); err != nil {
		t.Fatal(err)
	}
	all, err := s.Pending(ctx, 10)
	if err != nil || len(all) != 6 {
		t.Fatalf("%d entries, %v", len(all), err)
	}
	var got, want []EntryID
	for after := EntryID(0); ; {
		page, err := s.PendingAfter(ctx, after, 2)
		if err != nil || len(page) > 2 {
			t.Fatalf("%d entries, %v", len(page), err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			got, after = append(got, e.ID), e.ID
		}
	}
	for _, e := range all {
		want = append(want, e.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("by pages %v, at once %v", got, want)
	}
}

// TestOutboxIsReadFromTheFirstThatWaits: what was published leaves deleted rows behind, which are not stepped over again and again.
func TestOutboxIsReadFromTheFirstThatWaits(t *testing.T) {
	s := fresh(t)
	for n := range 5 {
		add(t, s, patient, letter(2*n))
		add(t, s, patient, letter(2*n+1))
		all, err := s.Pending(ctx, 10)
		if err != nil || len(all) != 2 {
			t.Fatalf("%d entries, %v", len(all), err)
		}
		if got := EntryID(s.published.Load()); got != all[0].ID {
			t.Errorf("reading begins at %x, the first that waits is %x", got, all[0].ID)
		}
		behind, err := s.PendingAfter(ctx, all[0].ID, 10)
		if err != nil || len(behind) != 1 || behind[0].ID != all[1].ID || EntryID(s.published.Load()) != all[0].ID {
			t.Errorf("behind the first: %v, %v; reading begins at %x", behind, err, s.published.Load())
		}
		settle(t, s, uint64(n)+2, federation.KindPublish)
		wantKinds(t, s)
	}
	if _, err := s.Enqueue(ctx, federation.Approve{}); err != nil {
		t.Fatal(err)
	}
	wantKinds(t, s, federation.KindApprove)
	clean(t, s)
}

func TestStatementInFlightSurvivesACrash(t *testing.T) {
	dir := t.TempDir()
	s := open(t, testOptions(dir))
	id := add(t, s, patient, letter(1))
	statement := send(t, s, 2, federation.KindPublish)
	before, found, err := s.InFlight(ctx)
	if err != nil || !found || len(before.Entries) != 1 {
		t.Fatalf("%v, %v, %v", before, found, err)
	}
	closeStore(t, s)
	s = open(t, testOptions(dir))
	after, found, err := s.InFlight(ctx)
	if err != nil || !found || string(after.Envelope) != string(before.Envelope) || after.Entries[0] != before.Entries[0] {
		t.Fatalf("after reopening: %v, %v, %v", after, found, err)
	}
	wantKinds(t, s) // nothing else to send of it
	if err := s.SetInFlight(ctx, before); err != nil {
		t.Errorf("the same again: %v", err)
	}
	other := InFlight{Envelope: append([]byte{1}, before.Envelope...)}
	if err := s.SetInFlight(ctx, other); !errors.Is(err, ErrInFlight) {
		t.Errorf("another beside it: %v", err)
	}
	if err := s.Complete(ctx, Outcome{Statement: federation.Digest{1}, Seq: 2}); !errors.Is(err, ErrInFlight) {
		t.Errorf("outcome of another: %v", err)
	}
	if err := s.Complete(ctx, Outcome{Statement: statement, Seq: 2}); err != nil {
		t.Fatal(err)
	}
	if err := s.Complete(ctx, Outcome{Statement: statement, Seq: 2}); !errors.Is(err, ErrInFlight) {
		t.Errorf("completed twice: %v", err)
	}
	if st := document(t, s, id).State; st.Phase != Published || st.Statement != 2 || st.Pending() {
		t.Errorf("%+v", st)
	}
	if _, found, err := s.InFlight(ctx); err != nil || found {
		t.Errorf("still in flight: %v, %v", found, err)
	}
	if err := s.SetInFlight(ctx, InFlight{Envelope: []byte("x"), Entries: []EntryID{99}}); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("unknown entry: %v", err)
	}
	clean(t, s)
}

func TestWithdrawalTakesEffectHereAtOnce(t *testing.T) {
	t.Run("never published", func(t *testing.T) {
		s := fresh(t)
		id := add(t, s, patient, letter(1))
		if err := s.Withdraw(ctx, id, "mistake"); err != nil {
			t.Fatal(err)
		}
		wantPhase(t, s, id, Withdrawn, false)
		wantKinds(t, s)
		clean(t, s)
	})
	t.Run("published", func(t *testing.T) {
		s := fresh(t)
		id := add(t, s, patient, letter(1))
		settle(t, s, 2, federation.KindPublish)
		for range 2 {
			if err := s.Withdraw(ctx, id, "mistake"); err != nil {
				t.Fatal(err)
			}
		}
		wantPhase(t, s, id, Withdrawn, true)
		wantKinds(t, s, federation.KindWithdraw)
		settle(t, s, 3, federation.KindWithdraw)
		wantPhase(t, s, id, Withdrawn, false)
		if st := document(t, s, id).State; st.Statement != 3 || st.Reason != "mistake" {
			t.Errorf("%+v", st)
		}
		clean(t, s)
	})
	t.Run("while its publication is in flight", func(t *testing.T) {
		s := fresh(t)
		id := add(t, s, patient, letter(1))
		statement := send(t, s, 2, federation.KindPublish)
		if err := s.Withdraw(ctx, id, "mistake"); err != nil {
			t.Fatal(err)
		}
		wantKinds(t, s, federation.KindWithdraw)
		if err := s.Complete(ctx, Outcome{Statement: statement, Seq: 2}); err != nil {
			t.Fatal(err)
		}
		wantPhase(t, s, id, Withdrawn, true)
		settle(t, s, 3, federation.KindWithdraw)
		wantPhase(t, s, id, Withdrawn, false)
		clean(t, s)
	})
	s := fresh(t)
	if err := s.Withdraw(ctx, federation.NewDocumentID("RYJ", federation.DocumentKey{1}), ""); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	if err := s.Withdraw(ctx, federation.NewDocumentID("RAS", federation.DocumentKey{1}), ""); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("another trust's: %v", err)
	}
}

func TestReplacementMarksTheEarlierDocument(t *testing.T) {
	s := fresh(t)
	old, next := letter(1), letter(2)
	old.Labels, next.Labels = nil, nil // a sealed pointer does not say what became of a document
	first := add(t, s, patient, old)
	settle(t, s, 2, federation.KindPublish)
	next.Supersedes = first
	second := add(t, s, patient, next)
	st := document(t, s, first).State
	if st.Status != federation.Superseded || st.SupersededBy != second || st.Phase != Published || !st.Pending() {
		t.Errorf("%+v", st)
	}
	pending, err := s.Pending(ctx, 10)
	if err != nil || len(pending) != 2 {
		t.Fatalf("%+v, %v", pending, err)
	}
	for _, e := range pending {
		if e.Document == first && e.Pointer.Status != federation.Superseded || e.Document == second && e.Pointer.Supersedes != first {
			t.Errorf("pointer %+v", e.Pointer)
		}
	}
	settle(t, s, 3, federation.KindPublish)
	wantPhase(t, s, first, Published, false)
	wantPhase(t, s, second, Published, false)

	for name, c := range map[string]struct {
		item   NHSNumber
		change func(d *Document)
	}{
		"again":           {patient, func(d *Document) { d.Supersedes = first }},
		"another patient": {mustNHS(t, "4010232137"), func(d *Document) { d.Supersedes = second }},
		"another type":    {patient, func(d *Document) { d.Supersedes, d.Type = second, "823681000000100" }},
	} {
		d := letter(3)
		c.change(&d)
		if _, err := s.Add(ctx, Item{c.item, d}); !errors.Is(err, ErrSupersedes) {
			t.Errorf("%s: %v", name, err)
		}
	}
	clean(t, s)
}

func TestChangeWhileInFlightIsToldAfterwards(t *testing.T) {
	s := fresh(t)
	first := add(t, s, patient, letter(1))
	statement := send(t, s, 2, federation.KindPublish)
	next := letter(2)
	next.Supersedes = first
	add(t, s, patient, next)
	if err := s.Complete(ctx, Outcome{Statement: statement, Seq: 2}); err != nil {
		t.Fatal(err)
	}
	wantKinds(t, s, federation.KindPublish, federation.KindPublish)
	settle(t, s, 3, federation.KindPublish)
	wantPhase(t, s, first, Published, false)
	clean(t, s)
}

func TestRelabelledDocumentIsPublishedSealed(t *testing.T) {
	s := fresh(t)
	id := add(t, s, patient, letter(1))
	settle(t, s, 2, federation.KindPublish)
	if err := s.Relabel(ctx, id, Marks{Confidentiality: federation.Restricted, Labels: []string{"HIV"}}); err != nil {
		t.Fatal(err)
	}
	pending, err := s.Pending(ctx, 10)
	if err != nil || len(pending) != 1 || !pending[0].Pointer.Sealed() || pending[0].Pointer.Title != "" || pending[0].Pointer.Type != "" {
		t.Errorf("%+v, %v", pending, err)
	}
	if d := document(t, s, id); d.Confidentiality != federation.Restricted || d.Labels[0] != "HIV" || d.Title == "" {
		t.Errorf("%+v", d)
	}
	if err := s.Relabel(ctx, id, Marks{}); !errors.Is(err, ErrDocument) {
		t.Errorf("no confidentiality: %v", err)
	}
	settle(t, s, 3, federation.KindPublish)
	if err := s.Withdraw(ctx, id, ""); err != nil {
		t.Fatal(err)
	}
	if err := s.Relabel(ctx, id, Marks{Confidentiality: federation.Normal}); !errors.Is(err, ErrWithdrawn) {
		t.Errorf("withdrawn: %v", err)
	}
	clean(t, s)
}

func TestErasedDocumentLeavesACountAndNothingElse(t *testing.T) {
	s := fresh(t)
	id := add(t, s, patient, letter(1))
	settle(t, s, 2, federation.KindPublish)
	if err := s.Erase(ctx, id); !errors.Is(err, ErrWithdrawn) {
		t.Errorf("not withdrawn: %v", err)
	}
	if err := s.Withdraw(ctx, id, "order"); err != nil {
		t.Fatal(err)
	}
	if err := s.Erase(ctx, id); !errors.Is(err, ErrWithdrawn) {
		t.Errorf("region not told: %v", err)
	}
	settle(t, s, 3, federation.KindWithdraw)
	if err := s.Erase(ctx, id); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Document(ctx, id); !errors.Is(err, ErrErased) {
		t.Errorf("Document: %v", err)
	}
	if _, err := s.Manifest(ctx, id); !errors.Is(err, ErrErased) {
		t.Errorf("Manifest: %v", err)
	}
	if holds, err := s.Holds(letter(1).Parts[0].Chunks[0]); err != nil || holds {
		t.Errorf("chunk is held: %v, %v", holds, err)
	}
	page, err := s.BySubject(ctx, s.Subject(patient), 0, 10)
	if err != nil || page.Total != 1 || len(page.Documents)+len(page.Damaged) != 0 {
		t.Errorf("%+v, %v", page, err)
	}
	if a, err := s.Add(ctx, Item{patient, letter(1)}); err != nil || !a.Held || a.State.Phase != Erased {
		t.Errorf("taken in again: %+v, %v", a, err)
	}
	clean(t, s)
}

func TestWhatTheRegionRefusesIsKeptAside(t *testing.T) {
	s := fresh(t)
	id := add(t, s, patient, letter(1))
	statement := send(t, s, 2, federation.KindPublish)
	if err := s.Complete(ctx, Outcome{Statement: statement, Seq: 2, Refused: "trust is\rsuspended"}); err != nil {
		t.Fatal(err)
	}
	wantPhase(t, s, id, Refused, false)
	wantKinds(t, s)
	list, err := s.Rejected(ctx, 10)
	if err != nil || len(list) != 1 || list[0].Reason != "trust is suspended" || list[0].Seq != 2 || list[0].Entry.Document != id {
		t.Fatalf("%+v, %v", list, err)
	}
	docs, _, err := s.ByPhase(ctx, Refused, "", 10)
	if err != nil || len(docs) != 1 || docs[0].ID != id {
		t.Errorf("%+v, %v", docs, err)
	}
	if _, err := s.Retry(ctx, list[0].Entry.ID); err != nil {
		t.Fatal(err)
	}
	wantPhase(t, s, id, Queued, true)
	if _, err := s.Retry(ctx, list[0].Entry.ID); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("retried twice: %v", err)
	}
	statement = send(t, s, 3, federation.KindPublish)
	if err := s.Complete(ctx, Outcome{Statement: statement, Seq: 3, Refused: "again"}); err != nil {
		t.Fatal(err)
	}
	if list, err = s.Rejected(ctx, 10); err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := s.Dismiss(ctx, list[0].Entry.ID); err != nil {
		t.Fatal(err)
	}
	st, err := s.Stats(ctx)
	if err != nil || st.Rejected != 0 || st.Outbox != 0 || st.Phases[Refused] != 1 {
		t.Errorf("%+v, %v", st, err)
	}
	clean(t, s)
}
