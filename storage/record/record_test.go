package record

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

var (
	testTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ctx      = context.Background()
)

func testOptions(dir string) Options {
	return Options{
		Dir: dir, Trust: "RYJ", Sealer: storage.NewSealer([32]byte{1}), SubjectKey: [32]byte{2}, IDKey: [32]byte{3},
		Small: true, Now: func() time.Time { return testTime },
	}
}

func open(t testing.TB, opt Options) *Store {
	t.Helper()
	s, err := Open(ctx, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // tests that care close it themselves and look
	return s
}

func fresh(t testing.TB) *Store { return open(t, testOptions(t.TempDir())) }

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

var patient = func() NHSNumber {
	n, err := ParseNHSNumber("9434765919")
	if err != nil {
		panic(err) // the number is a constant of this file
	}
	return n
}()

// letter describes a document whose content is told by n.
func letter(n int, chunks ...federation.Digest) Document {
	if len(chunks) == 0 {
		chunks = []federation.Digest{federation.Sum(fmt.Appendf(nil, "chunk %d", n))}
	}
	size := int64(len(chunks)-1)*federation.ChunkSize + 100
	return Document{
		Type: "373942005", Category: "823651000000106", Specialty: "100", Facility: "hospital", Event: "discharge", Title: fmt.Sprintf("Letter %d", n),
		Description: "line one\nline two", Author: "Dr A", Date: testTime.Add(time.Duration(n) * time.Hour), Created: testTime.Add(-time.Hour),
		Indexed: testTime, Confidentiality: federation.Normal, Labels: []string{"PSY"}, Language: "en-GB", Format: "urn:nhs-ic:unstructured",
		Source: "epr", SourceID: fmt.Sprint(n),
		Parts: []federation.Part{{
			ContentType: "application/pdf", Name: "letter.pdf", Size: size, SHA256: federation.Sum(fmt.Append(nil, n)), SHA1: [20]byte{byte(n)},
			PageCount: 2, Chunks: chunks,
		}},
	}
}

func add(t testing.TB, s *Store, n NHSNumber, d Document) federation.DocumentID {
	t.Helper()
	a, err := s.Add(ctx, Item{Patient: n, Document: d})
	if err != nil {
		t.Fatal(err)
	}
	return a.ID
}

// send takes what is pending of one kind into flight and returns the statement.
func send(t testing.TB, s *Store, seq uint64, kind federation.Kind) federation.Digest {
	t.Helper()
	pending, err := s.Pending(ctx, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var ids []EntryID
	var publish federation.Publish
	var withdraw federation.Withdraw
	var body federation.Body
	for _, e := range pending {
		if e.Kind != kind {
			continue
		}
		ids = append(ids, e.ID)
		switch kind {
		case federation.KindPublish:
			publish.Pointers = append(publish.Pointers, e.Pointer)
			body = publish
		case federation.KindWithdraw:
			withdraw.Documents = append(withdraw.Documents, e.Document)
			body = withdraw
		default:
			if body, err = federation.DecodeBody(federation.Statement{Trust: "RYJ", Kind: kind, Body: e.Body}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if body == nil {
		t.Fatalf("nothing of kind %s is pending", kind)
	}
	signed, err := federation.Compose(federation.Place{Trust: "RYJ", Seq: seq, At: testTime}, body, ed25519.NewKeyFromSeed(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetInFlight(ctx, InFlight{Envelope: signed.Encode(), Entries: ids}); err != nil {
		t.Fatal(err)
	}
	return signed.ID()
}

func settle(t testing.TB, s *Store, seq uint64, kind federation.Kind) {
	t.Helper()
	if err := s.Complete(ctx, Outcome{Statement: send(t, s, seq, kind), Seq: seq}); err != nil {
		t.Fatal(err)
	}
}

func document(t testing.TB, s *Store, id federation.DocumentID) Document {
	t.Helper()
	d, err := s.Document(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// clean fails the test when Scrub finds anything.
func clean(t testing.TB, s *Store) {
	t.Helper()
	r, err := s.Scrub(ctx, nil)
	if err != nil || len(r.Faults) > 0 || r.Leftovers > 0 {
		t.Errorf("scrub: %+v, %v", r, err)
	}
}

// raw changes the rows behind the store's back.
func raw(t testing.TB, s *Store, fn func(txn *badger.Txn) error) {
	t.Helper()
	if err := s.db.Update(ctx, fn); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, s *Store, k []byte) {
	t.Helper()
	raw(t, s, func(txn *badger.Txn) error {
		if _, err := txn.Get(k); err != nil {
			return err
		}
		return txn.Delete(k)
	})
}

func TestSubjectIsAKeyedPseudonym(t *testing.T) {
	s := fresh(t)
	got := s.Subject(patient)
	if got != s.Subject(mustNHS(t, "943-476-5919")) {
		t.Error("one number, two subjects")
	}
	const want = "133fae7e4fd81d934b5ad32f3fa8c0cd" // HMAC-SHA256 with key 02 00.. of "ridgeway subject v1", 0, "9434765919"
	if got.String() != want {
		t.Errorf("subject %s, want %s: a change makes every patient of a region another", got, want)
	}
	opt := testOptions(t.TempDir())
	opt.SubjectKey[31] ^= 1
	if open(t, opt).Subject(patient) == got {
		t.Error("two keys, one subject")
	}
	if !s.Subject(NHSNumber{}).IsZero() {
		t.Error("no number has a subject")
	}
}

func TestDocumentIsReadBackAsItWasAdded(t *testing.T) {
	dir := t.TempDir()
	s := open(t, testOptions(dir))
	want := letter(1)
	id := add(t, s, patient, want)
	for range 2 {
		got := document(t, s, id)
		want.ID, want.Subject, want.Manifest = id, s.Subject(patient), got.Manifest
		want.State = State{Phase: Queued, Status: federation.Current, At: testTime}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(State{}), cmpopts.IgnoreFields(federation.Part{}, "Chunks")); diff != "" {
			t.Error(diff)
		}
		encoded, err := s.Manifest(ctx, id)
		if err != nil || federation.Sum(encoded) != got.Manifest {
			t.Fatalf("manifest: %v", err)
		}
		m, err := federation.DecodeManifest(encoded)
		if err != nil || m.Document != id || m.Subject != got.Subject || cmp.Diff(m.Parts, want.Parts) != "" {
			t.Errorf("manifest %+v, %v", m, err)
		}
		if n, err := s.NHSNumber(got.Subject); err != nil || n != patient {
			t.Errorf("NHS number of the patient: %v, %v", n.Masked(), err)
		}
		closeStore(t, s)
		s = open(t, testOptions(dir))
	}
	clean(t, s)
	for _, bad := range []federation.DocumentID{"RAS-0000000000000000", "RYJ-0000000000000000", "", "x"} {
		if _, err := s.Document(ctx, bad); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Document(%q): %v", bad, err)
		}
	}
	if _, err := s.NHSNumber(federation.Subject{9}); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("stranger's number: %v", err)
	}
}

func TestSameDocumentIsHeldOnce(t *testing.T) {
	s := fresh(t)
	first, err := s.Add(ctx, Item{patient, letter(1)})
	if err != nil || first.Held {
		t.Fatalf("%+v, %v", first, err)
	}
	again := letter(1)
	again.Indexed = testTime.Add(time.Hour)
	again.SourceID = "another batch"
	second, err := s.Add(ctx, Item{patient, again})
	if err != nil || !second.Held || second.ID != first.ID || second.State.Phase != Queued {
		t.Fatalf("%+v, %v", second, err)
	}
	other := letter(1)
	other.Title = "Other"
	if id := add(t, s, patient, other); id == first.ID {
		t.Error("another title, the same id")
	}
	if id := add(t, s, mustNHS(t, "4010232137"), letter(1)); id == first.ID {
		t.Error("another patient, the same id")
	}
	st, err := s.Stats(ctx)
	if err != nil || st.Documents != 3 || st.Patients != 2 || st.Outbox != 3 || st.Parts != 3 || st.Pages != 6 || st.Bytes != 300 || st.Phases[Queued] != 3 {
		t.Errorf("%+v, %v", st, err)
	}
	clean(t, s)
}

func TestConcurrentAddsOfOneDocumentAddItOnce(t *testing.T) {
	s := fresh(t)
	var added atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for n := range 10 {
				a, err := s.Add(ctx, Item{patient, letter(n)})
				if err != nil {
					t.Error(err)
				}
				if !a.Held {
					added.Add(1)
				}
			}
		})
	}
	group.Wait()
	page, err := s.BySubject(ctx, s.Subject(patient), 0, 100)
	if err != nil || added.Load() != 10 || len(page.Documents) != 10 || page.Total != 10 {
		t.Errorf("%d added, %d listed, %v", added.Load(), len(page.Documents), err)
	}
	clean(t, s)
}

func TestBatchIsAllOrNothing(t *testing.T) {
	s := fresh(t)
	bad := letter(2)
	bad.Supersedes = federation.NewDocumentID("RYJ", federation.DocumentKey{1})
	if _, err := s.AddBatch(ctx, []Item{{patient, letter(1)}, {patient, bad}}); !errors.Is(err, ErrSupersedes) {
		t.Fatalf("got %v", err)
	}
	if page, err := s.BySubject(ctx, s.Subject(patient), 0, 10); err != nil || page.Total != 0 {
		t.Errorf("a part of the batch was kept: %+v, %v", page, err)
	}
	var items []Item
	for n := range 200 {
		items = append(items, Item{patient, letter(n)})
	}
	added, err := s.AddBatch(ctx, append(items, items[0]))
	if err != nil || !added[200].Held || added[200].ID != added[0].ID {
		t.Fatalf("%v", err)
	}
	if _, err := s.AddBatch(ctx, make([]Item, maxBatch+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many: %v", err)
	}
	clean(t, s)
}

func TestListIsPagedFromTheLatest(t *testing.T) {
	s := fresh(t)
	for n := range 7 {
		add(t, s, patient, letter(n))
	}
	var titles []string
	from := Cursor(0)
	for {
		page, err := s.BySubject(ctx, s.Subject(patient), from, 3)
		if err != nil || page.Total != 7 {
			t.Fatalf("%+v, %v", page, err)
		}
		for _, d := range page.Documents {
			titles = append(titles, d.Title)
		}
		if from = page.Next; from == 0 {
			break
		}
		add(t, s, patient, letter(100)) // what comes in between does not disturb the pages; it is held from then on
		if len(titles) == 3 {
			break
		}
	}
	if got := strings.Join(titles, ","); got != "Letter 6,Letter 5,Letter 4" {
		t.Errorf("first page %s", got)
	}
	page, err := s.BySubject(ctx, s.Subject(patient), from, 10)
	if err != nil || len(page.Documents) != 4 || page.Documents[0].Title != "Letter 3" || page.Next != 0 || page.Total != 8 {
		t.Errorf("%+v, %v", page, err)
	}
	if page, err := s.BySubject(ctx, federation.Subject{1}, 0, 10); err != nil || page.Total != 0 || len(page.Documents) != 0 {
		t.Errorf("stranger: %+v, %v", page, err)
	}
}

// A document of 3,000 chunks has more rows than one transaction takes.
// Ids are how documents taken in again are known: how they are made must never change.
func TestDocumentIDsDoNotChange(t *testing.T) {
	const want = federation.DocumentID("RYJ-HZQVSGCQXH2GYPXX")
	if got := add(t, fresh(t), patient, letter(1)); got != want {
		t.Errorf("id %s, want %s", got, want)
	}
}
