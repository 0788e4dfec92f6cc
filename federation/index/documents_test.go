package index

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

func (r *testRegion) pointer(id federation.DocumentID) (p federation.Pointer, withdrawn, found bool) {
	r.t.Helper()
	p, withdrawn, found, err := Pointer(r.store, id)
	if err != nil {
		r.t.Fatal(err)
	}
	return p, withdrawn, found
}

func TestPublishedPointersAreFoundAsTheyWere(t *testing.T) {
	r := grown(t, Config{})
	sealed := pointerOf("RAS", alice, 3)
	sealed.Confidentiality = federation.VeryRestricted
	sealed = sealed.Seal()
	old := pointerOf("RAS", alice, 4)
	old.Date = time.Date(1948, 7, 5, 0, 0, 0, 0, time.UTC)
	r.accept("RAS", publication(old, sealed, pointerOf("RAS", alice, 2), pointerOf("RAS", bob, 5)))
	r.accept("RYJ", publication(pointerOf("RYJ", alice, 1)))
	want := []federation.Pointer{pointerOf("RYJ", alice, 1), pointerOf("RAS", alice, 2), old, sealed}
	if diff := cmp.Diff(want, locateAll(t, r.store, alice)); diff != "" {
		t.Errorf("newest first, sealed last (-want +got):\n%s", diff)
	}
	for _, w := range want {
		if got, withdrawn, found := r.pointer(w.Document); !found || withdrawn || !cmp.Equal(got, w) {
			t.Errorf("%s: %v, %v, %v", w.Document, got, withdrawn, found)
		}
	}
	for _, id := range []federation.DocumentID{documentOf("RYJ", 9), "nonsense"} {
		if _, withdrawn, found := r.pointer(id); found || withdrawn {
			t.Errorf("%s: withdrawn %v, found %v", id, withdrawn, found)
		}
	}
}

func TestAMisfiledDocumentMovesInOneStep(t *testing.T) {
	r := founded(t, Config{}, 1)
	r.accept("RYJ", publication(pointerOf("RYJ", alice, 1)))
	moved := pointerOf("RYJ", bob, 1)
	r.accept("RYJ", publication(moved))
	if got := locateAll(t, r.store, alice); len(got) != 0 {
		t.Errorf("still under the wrong patient: %v", got)
	}
	moved.Date = moved.Date.Add(-time.Hour)
	r.accept("RYJ", publication(moved))
	if diff := cmp.Diff([]federation.Pointer{moved}, locateAll(t, r.store, bob)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := r.counts(); got.Pointers != 1 || got.Withdrawn != 0 {
		t.Errorf("%+v", got)
	}
}

func TestAWithdrawnDocumentIsRememberedAndMayComeBack(t *testing.T) {
	r := grown(t, Config{})
	r.accept("RYJ", publication(pointerOf("RYJ", alice, 1), pointerOf("RYJ", alice, 2)))
	r.accept("RAS", publication(pointerOf("RAS", alice, 1)))
	got := r.say("RYJ", federation.Withdraw{Documents: []federation.DocumentID{documentOf("RYJ", 1), documentOf("RYJ", 77)}})
	if got.Outcome != Accepted || got.Detail != "1 of 2 documents were not in the index" {
		t.Fatalf("%v", got)
	}
	if p, withdrawn, found := r.pointer(documentOf("RYJ", 1)); !withdrawn || !found || p.Subject != alice || p.Title != "" {
		t.Errorf("%v, %v, %v", p, withdrawn, found)
	}
	if got := locateAll(t, r.store, alice); len(got) != 2 {
		t.Errorf("left: %v", got)
	}
	if got := r.counts(); got.Pointers != 2 || got.Withdrawn != 1 {
		t.Errorf("%+v", got)
	}
	r.accept("RYJ", publication(pointerOf("RYJ", alice, 1)))
	if _, withdrawn, found := r.pointer(documentOf("RYJ", 1)); withdrawn || !found {
		t.Errorf("withdrawn %v, found %v", withdrawn, found)
	}
	if got := r.counts(); got.Pointers != 3 || got.Withdrawn != 0 {
		t.Errorf("%+v", got)
	}
}

func TestASupersededPointerSaysSo(t *testing.T) {
	r := founded(t, Config{}, 1)
	next := func(n, old int) federation.Pointer {
		p := pointerOf("RYJ", alice, n)
		p.Supersedes = documentOf("RYJ", old)
		return p
	}
	r.refuse("RYJ", publication(pointerOf("RYJ", bob, 7), next(1, 1)), BadPointer)
	r.accept("RYJ", publication(pointerOf("RYJ", alice, 1), next(2, 1), next(3, 99)))
	r.accept("RYJ", publication(next(4, 2)))
	for n, want := range map[int]federation.DocumentStatus{1: federation.Superseded, 2: federation.Superseded, 3: federation.Current, 4: federation.Current} {
		if p, _, _ := r.pointer(documentOf("RYJ", n)); p.Status != want {
			t.Errorf("document %d: %s, want %s", n, p.Status, want)
		}
	}
	sealed := pointerOf("RYJ", alice, 5)
	sealed.Confidentiality = federation.Restricted
	r.accept("RYJ", publication(sealed.Seal(), next(6, 5)))
	if p, _, found := r.pointer(documentOf("RYJ", 5)); !found || !cmp.Equal(p, sealed.Seal()) {
		t.Errorf("sealed: %v", p)
	}
}

// Every pointer of the largest statement moves and supersedes the largest there can be: what one command may write is enough.
func TestTheLargestPublicationKeepsWithinTheLimitsOfConsensus(t *testing.T) {
	r := founded(t, Config{}, 1)
	text := func(n int) string { return strings.Repeat("x", n) }
	var all []federation.Pointer
	for n := range federation.MaxPointers {
		p := pointerOf("RYJ", alice, n)
		p.Type, p.Category, p.Specialty, p.ContentType, p.Language = text(64), text(63), text(62), text(61), text(60)
		p.Title, p.Author = text(256), text(128)
		all = append(all, p)
	}
	for i := 0; i < len(all); i += 250 {
		r.accept("RYJ", publication(all[i:i+250]...))
	}
	var next []federation.Pointer
	for n := range federation.MaxPointers {
		p := pointerOf("RYJ", bob, 5000+n)
		p.Confidentiality = federation.Restricted
		p.Supersedes = documentOf("RYJ", n)
		next = append(next, p.Seal())
	}
	r.accept("RYJ", publication(next...))
	for i := range next {
		next[i].Subject, next[i].Supersedes = alice, documentOf("RYJ", i)
	}
	r.accept("RYJ", publication(next...))
	if got := r.counts().Pointers; got != 2000 {
		t.Errorf("%d pointers", got)
	}
	if p, _, _ := r.pointer(documentOf("RYJ", 999)); p.Status != federation.Superseded {
		t.Errorf("status %s", p.Status)
	}
}

func TestPlacesPutLaterDatesFirst(t *testing.T) {
	dates := []time.Time{
		time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 0, 1, 0, 0, time.UTC), time.Date(2026, 1, 1, 0, 0, 59, 0, time.UTC),
		time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(1850, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC),
		{},
	}
	last := place(0)
	for _, d := range dates {
		p := pointerOf("RYJ", alice, 1)
		p.Date = d
		if got := placeOf(p); got < last || (d.IsZero() != (got == undated)) {
			t.Errorf("%s at %d after %d", d, got, last)
		} else {
			last = got
		}
	}
}

func TestReadersSeeTheirOwnStateOnly(t *testing.T) {
	var r Reader = consensus.NewMemoryStore()
	if root, index, err := Root(r); err != nil || index != 0 || root.IsZero() {
		t.Errorf("empty: %v, %d, %v", root, index, err)
	}
	if got, err := Proposals(r); err != nil || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := Directives(r, alice); err != nil || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got := locateAll(t, r, alice); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// TestAPageGoesIntoTheRoomThatItIsGiven: whatever was in it, and also when it is too small.
func TestAPageGoesIntoTheRoomThatItIsGiven(t *testing.T) {
	r := grown(t, Config{})
	for n := range 3 {
		r.accept("RAS", publication(pointerOf("RAS", alice, n+1)))
	}
	want := locateAll(t, r.store, alice)
	for _, size := range []int{0, 1, 2, 3, 8} {
		room := make([]federation.Pointer, size)
		for i := range room {
			room[i] = pointerOf("RYJ", bob, 99)
		}
		page, err := Locate(r.store, Query{Subject: alice, Room: room})
		if err != nil || !cmp.Equal(page.Pointers, want) {
			t.Fatalf("room for %d: %v, %v", size, page.Pointers, err)
		}
		if size > len(want) && &page.Pointers[0] != &room[0] {
			t.Error("room that is large enough is not used")
		}
	}
}
