package record

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// waits returns the ids that wait for the region, and how many cannot be read.
func waits(t *testing.T, s *Store) (ids []federation.DocumentID, damaged int) {
	t.Helper()
	docs, unread, err := s.Waiting(ctx, s.Subject(patient))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range docs {
		ids = append(ids, d.ID)
	}
	return ids, len(unread)
}

func TestWaitingIsWhatTheRegionHasAnotherWordOf(t *testing.T) {
	s := fresh(t)
	published, withdrawn := add(t, s, patient, letter(1)), add(t, s, patient, letter(2))
	settle(t, s, 1, federation.KindPublish)
	if err := s.Withdraw(ctx, withdrawn, ""); err != nil {
		t.Fatal(err)
	}
	restricted := letter(3)
	restricted.Legal = "GRA"
	add(t, s, patient, restricted)
	queued := add(t, s, patient, letter(4))
	if ids, damaged := waits(t, s); !slices.Equal(ids, []federation.DocumentID{queued}) || damaged != 0 {
		t.Errorf("got %v, %d; want %s", ids, damaged, queued)
	}
	if err := s.Relabel(ctx, published, Marks{Confidentiality: federation.Restricted}); err != nil {
		t.Fatal(err)
	}
	if ids, _ := waits(t, s); !slices.Equal(ids, []federation.DocumentID{queued, published}) {
		t.Errorf("one that was changed: got %v", ids)
	}
	remove(t, s, documentKey(rowDocument, queued.Key()))
	if ids, damaged := waits(t, s); !slices.Equal(ids, []federation.DocumentID{published}) || damaged != 1 {
		t.Errorf("one that is damaged: got %v, %d", ids, damaged)
	}
	remove(t, s, listedKey(s.Subject(patient), 1))
	if _, _, err := s.Waiting(ctx, s.Subject(patient)); !errors.Is(err, storage.ErrIntegrity) {
		t.Errorf("one that is lost: %v", err)
	}
}

// What is no longer restricted is published, also when the region has yet to hear that it was.
func TestRelabelTakesTheBarAwayAgain(t *testing.T) {
	s := fresh(t)
	id := add(t, s, patient, letter(1))
	settle(t, s, 1, federation.KindPublish)
	for _, legal := range []string{"HFEA", "", "HFEA", ""} {
		if err := s.Relabel(ctx, id, Marks{Confidentiality: federation.Normal, Legal: legal}); err != nil {
			t.Fatal(err)
		}
	}
	wantKinds(t, s, federation.KindPublish)
	settle(t, s, 2, federation.KindPublish)
	wantPhase(t, s, id, Published, false)
	for i, step := range []struct {
		legal string
		kind  federation.Kind
		phase Phase
	}{{"HFEA", federation.KindWithdraw, Queued}, {"", federation.KindPublish, Published}} {
		if err := s.Relabel(ctx, id, Marks{Confidentiality: federation.Normal, Legal: step.legal}); err != nil {
			t.Fatal(err)
		}
		settle(t, s, uint64(3+i), step.kind)
		wantPhase(t, s, id, step.phase, false)
	}
}

// A type can be of a restricted class, whatever is said of the document.
func TestTypesCanBeRestricted(t *testing.T) {
	opt := testOptions(t.TempDir())
	s := open(t, opt)
	before := letter(1)
	id := add(t, s, patient, before)
	settle(t, s, 1, federation.KindPublish)
	closeStore(t, s)
	opt.LegalTypes = map[string]string{before.Type: "HFEA"}
	s = open(t, opt)
	if d := document(t, s, id); d.Legal != "HFEA" {
		t.Errorf("one taken in before: %q", d.Legal)
	}
	if d := document(t, s, add(t, s, patient, letter(2))); d.Legal != "HFEA" || d.State.Pending() {
		t.Errorf("one taken in after: %q, %+v", d.Legal, d.State)
	}
	if err := s.Relabel(ctx, id, Marks{Confidentiality: federation.Normal}); err != nil {
		t.Fatal(err)
	}
	wantKinds(t, s, federation.KindWithdraw)
}

// Descriptions without a legal class are encoded as they always were: older folders are read, and written, the same.
func TestLegalClassesStandInASecondVersion(t *testing.T) {
	d := Document{ID: federation.NewDocumentID("RYJ", federation.DocumentKey{1}), Type: "a", Confidentiality: federation.Normal}
	plain := d.encode()
	if plain[0] != documentVersion {
		t.Errorf("version %d", plain[0])
	}
	d.Legal = "HFEA"
	b := d.encode()
	if b[0] != legalVersion || !bytes.Equal(b[1:len(plain)], plain[1:]) {
		t.Errorf("version %d changes more than its end", b[0])
	}
	if got, err := decodeDocument(d.ID, b); err != nil || got.Legal != "HFEA" {
		t.Errorf("got %q, %v", got.Legal, err)
	}
	plain[0] = legalVersion
	if _, err := decodeDocument(d.ID, append(plain, 0)); err == nil {
		t.Error("a second version without a legal class is read")
	}
}
