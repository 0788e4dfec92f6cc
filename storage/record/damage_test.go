package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

func TestUnfitDocumentsAreRefused(t *testing.T) {
	s := fresh(t)
	for name, c := range map[string]struct {
		change func(d *Document)
		want   error
	}{
		"no type":            {func(d *Document) { d.Type = "" }, ErrDocument},
		"no date":            {func(d *Document) { d.Date = time.Time{} }, ErrDocument},
		"no parts":           {func(d *Document) { d.Parts = nil }, ErrDocument},
		"too many parts":     {func(d *Document) { d.Parts = make([]federation.Part, maxParts+1) }, ErrDocument},
		"no confidentiality": {func(d *Document) { d.Confidentiality = 0 }, ErrDocument},
		"confidentiality":    {func(d *Document) { d.Confidentiality = 99 }, ErrDocument},
		"long title":         {func(d *Document) { d.Title = strings.Repeat("x", maxName+1) }, ErrDocument},
		"long type":          {func(d *Document) { d.Type = strings.Repeat("x", maxCode+1) }, ErrDocument},
		"control character":  {func(d *Document) { d.Author = "a\x00b" }, ErrDocument},
		"missing chunk":      {func(d *Document) { d.Parts[0].Size += federation.ChunkSize }, ErrDocument},
		"too many labels":    {func(d *Document) { d.Labels = make([]string, maxLabels+1) }, ErrDocument},
		"replaces a stranger": {func(d *Document) {
			d.Supersedes = federation.NewDocumentID("RAS", federation.DocumentKey{1})
		}, ErrSupersedes},
		"replaces nothing": {func(d *Document) { d.Supersedes = federation.NewDocumentID("RYJ", federation.DocumentKey{1}) }, ErrSupersedes},
	} {
		t.Run(name, func(t *testing.T) {
			d := letter(1)
			c.change(&d)
			if _, err := s.Add(ctx, Item{patient, d}); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	if _, err := s.Add(ctx, Item{Document: letter(1)}); !errors.Is(err, ErrDocument) {
		t.Errorf("no patient: %v", err)
	}
	if st, err := s.Stats(ctx); err != nil || st.Documents != 0 || st.Outbox != 0 || st.Patients != 0 {
		t.Errorf("something was left: %+v, %v", st, err)
	}
	clean(t, s)
}

func TestLargeDocumentIsStaged(t *testing.T) {
	s := fresh(t)
	var chunks []federation.Digest
	for n := range 12000 {
		chunks = append(chunks, federation.Sum(fmt.Append(nil, n)))
	}
	id := add(t, s, patient, letter(1, chunks...))
	encoded, err := s.Manifest(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	m, err := federation.DecodeManifest(encoded)
	if err != nil || len(m.Parts[0].Chunks) != len(chunks) {
		t.Fatalf("%d chunks, %v", len(m.Parts[0].Chunks), err)
	}
	for _, c := range []federation.Digest{chunks[0], chunks[11999]} {
		if holds, err := s.Holds(c); err != nil || !holds {
			t.Errorf("Holds: %v, %v", holds, err)
		}
	}
	clean(t, s)
}

func TestAdditionCutShortLeavesNothingButLeftovers(t *testing.T) {
	s := fresh(t)
	var chunks []federation.Digest
	for n := range 2500 {
		chunks = append(chunks, federation.Sum(fmt.Append(nil, n)))
	}
	a, err := s.prepare(Item{patient, letter(1, chunks...)})
	if err != nil || !a.staged {
		t.Fatal(a.staged, err)
	}
	if err := s.stage(ctx, a); err != nil { // and then the power fails
		t.Fatal(err)
	}
	if _, err := s.Document(ctx, a.doc.ID); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("half a document: %v", err)
	}
	if touched, err := s.Touched(ctx, chunks[:1]); err != nil || len(touched) != 0 {
		t.Errorf("half a document is touched: %v, %v", touched, err)
	}
	leave := s.adding.enter([]*addition{a})
	if r, err := s.Scrub(ctx, nil); err != nil || r.Leftovers != 0 {
		t.Errorf("a document being added was swept: %+v, %v", r, err)
	}
	leave()
	if r, err := s.Scrub(ctx, nil); err != nil || r.Leftovers != uint64(len(chunks)+len(a.pieces)) || len(r.Faults) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	add(t, s, patient, letter(1, chunks...))
	clean(t, s)
}

func TestDamagedChunkNamesItsDocuments(t *testing.T) {
	s := fresh(t)
	shared := federation.Sum([]byte("shared"))
	first, second := add(t, s, patient, letter(1, shared)), add(t, s, patient, letter(2, shared))
	add(t, s, patient, letter(3))
	r, err := s.Scrub(ctx, []federation.Digest{shared, federation.Sum([]byte("unknown"))})
	want := []federation.DocumentID{first, second}
	if err != nil || cmp.Diff(r.Touched, want, cmpopts.SortSlices(func(a, b federation.DocumentID) bool { return a < b })) != "" {
		t.Errorf("touched %v, want %v, %v", r.Touched, want, err)
	}
	if holds, err := s.Holds(federation.Sum([]byte("unknown"))); err != nil || holds {
		t.Errorf("unknown chunk: %v, %v", holds, err)
	}
}

func TestMissingOrDamagedRowsAreNeverAnEmptyAnswer(t *testing.T) {
	subject := fresh(t).Subject(patient)
	list := func(s *Store) error { _, err := s.BySubject(ctx, subject, 0, 10); return err }
	scrub := func(s *Store) error {
		if r, err := s.Scrub(ctx, nil); err != nil || len(r.Faults) == 0 {
			return err
		}
		return storage.ErrIntegrity
	}
	for name, c := range map[string]struct {
		key func(id federation.DocumentID) []byte
		ask func(s *Store) error
	}{
		"patient's count": {func(federation.DocumentID) []byte { return key(rowSubject, subject[:]) }, list},
		"patient's list":  {func(federation.DocumentID) []byte { return listedKey(subject, 1) }, list},
		"state":           {func(id federation.DocumentID) []byte { return documentKey(rowState, id.Key()) }, nil},
		"description":     {func(id federation.DocumentID) []byte { return documentKey(rowDocument, id.Key()) }, nil},
		"manifest":        {func(id federation.DocumentID) []byte { return manifestKey(id.Key(), 0) }, nil},
		"totals":          {func(federation.DocumentID) []byte { return []byte{rowTotals} }, func(s *Store) error { _, err := s.Stats(ctx); return err }},
		"objections":      {func(federation.DocumentID) []byte { return key(rowRefusals, subject[:]) }, func(s *Store) error { _, err := s.Refusals(ctx, subject); return err }},
		"single objection": {func(federation.DocumentID) []byte {
			return key(rowRefusal, subject[:], objection(subject, 1).idBytes())
		}, func(s *Store) error { _, err := s.Refusals(ctx, subject); return err }},
		"chunk reference": {func(id federation.DocumentID) []byte { return referenceKey(letter(1).Parts[0].Chunks[0], id.Key()) }, scrub},
	} {
		for _, how := range []string{"missing", "damaged", "another's"} {
			t.Run(name+" "+how, func(t *testing.T) {
				s := fresh(t)
				id := add(t, s, patient, letter(1))
				if err := s.AddRefusal(ctx, patient, objection(subject, 1).Directive); err != nil {
					t.Fatal(err)
				}
				k := c.key(id)
				if how != "missing" && k[0] == rowReference {
					return // a reference has no value that could be damaged
				}
				raw(t, s, func(txn *badger.Txn) error {
					item, err := txn.Get(k)
					if err != nil {
						return err
					}
					v, err := item.ValueCopy(nil)
					if err != nil {
						return err
					}
					switch how {
					case "missing":
						return txn.Delete(k)
					case "damaged":
						v[len(v)/2] ^= 4
					default:
						v = s.sealer.Seal(nil, []byte("other row"), []byte("x"))
					}
					return txn.Set(k, v)
				})
				ask := c.ask
				if ask == nil {
					ask = func(s *Store) error { _, err := s.Manifest(ctx, id); return err }
				}
				if err := ask(s); !errors.Is(err, storage.ErrIntegrity) {
					t.Errorf("got %v", err)
				}
				r, err := s.Scrub(ctx, nil)
				if k[0] != rowTotals && (err != nil || len(r.Faults) == 0) {
					t.Errorf("scrub finds nothing: %+v, %v", r, err)
				}
			})
		}
	}
}

func TestScrubFindsOutboxEntriesAmiss(t *testing.T) {
	for how, amiss := range map[string]func(txn *badger.Txn, k []byte) error{
		"missing": func(txn *badger.Txn, k []byte) error { return txn.Delete(k) },
		"damaged": func(txn *badger.Txn, k []byte) error { return txn.Set(k, []byte("no sealed entry")) },
	} {
		s := fresh(t)
		add(t, s, patient, letter(1))
		if err := s.AddRefusal(ctx, patient, objection(s.Subject(patient), 1).Directive); err != nil {
			t.Fatal(err)
		}
		waiting, err := s.Pending(ctx, 10)
		if err != nil || len(waiting) != 2 {
			t.Fatalf("%d entries, %v", len(waiting), err)
		}
		for _, e := range waiting { // that a document's entry is missing, the document tells; of an objection's, no other row tells
			if (e.Kind == federation.KindPublish) != (how == "missing") {
				continue
			}
			raw(t, s, func(txn *badger.Txn) error { return amiss(txn, entryKey(rowOutbox, e.ID)) })
		}
		if r, err := s.Scrub(ctx, nil); err != nil || len(r.Faults) != 1 {
			t.Errorf("%s: %+v, %v", how, r, err)
		}
	}
}

func TestListLongerThanItsCountIsDamage(t *testing.T) {
	s := fresh(t)
	subject := s.Subject(patient)
	add(t, s, patient, letter(1))
	add(t, s, patient, letter(2))
	raw(t, s, func(txn *badger.Txn) error { return s.putCount(txn, key(rowSubject, subject[:]), 1) })
	if list, err := s.BySubject(ctx, subject, 0, 10); !errors.Is(err, storage.ErrIntegrity) {
		t.Errorf("the second document is hidden: %+v, %v", list, err)
	}
}

func TestDamagedDocumentDoesNotHideItsSiblings(t *testing.T) {
	s := fresh(t)
	add(t, s, patient, letter(1))
	bad := add(t, s, patient, letter(2))
	remove(t, s, documentKey(rowDocument, bad.Key()))
	page, err := s.BySubject(ctx, s.Subject(patient), 0, 10)
	if err != nil || len(page.Documents) != 1 || len(page.Damaged) != 1 || page.Damaged[0] != bad {
		t.Errorf("%+v, %v", page, err)
	}
	pending, err := s.Pending(ctx, 10)
	if err != nil || len(pending) != 2 || pending[0].Err != nil || !errors.Is(pending[1].Err, storage.ErrIntegrity) {
		t.Errorf("%+v, %v", pending, err)
	}
}

func TestStoreWithoutTotalsOrWithAnotherKeyIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, testOptions(dir))
	add(t, s, patient, letter(1))
	closeStore(t, s)
	opt := testOptions(dir)
	opt.Sealer = storage.NewSealer([32]byte{9})
	if _, err := Open(ctx, opt); !errors.Is(err, storage.ErrIntegrity) {
		t.Errorf("another key: %v", err)
	}
	s = open(t, testOptions(dir))
	remove(t, s, []byte{rowTotals})
	closeStore(t, s)
	if _, err := Open(ctx, testOptions(dir)); !errors.Is(err, storage.ErrIntegrity) {
		t.Errorf("no totals: %v", err)
	}
	for _, change := range []func(o *Options){
		func(o *Options) { o.Dir = "" }, func(o *Options) { o.Trust = "x" }, func(o *Options) { o.Sealer = nil },
		func(o *Options) { o.SubjectKey = [32]byte{} }, func(o *Options) { o.IDKey = [32]byte{} },
	} {
		opt := testOptions(t.TempDir())
		change(&opt)
		if _, err := Open(ctx, opt); err == nil {
			t.Error("incomplete options are taken")
		}
	}
}

func TestNothingOnTheDiskNamesAPatient(t *testing.T) {
	dir := t.TempDir()
	s := open(t, testOptions(dir))
	d := letter(1)
	d.Title, d.Author, d.Parts[0].Name = "CANARY-TITLE", "CANARY-AUTHOR", "CANARY.pdf"
	add(t, s, patient, d)
	if err := s.AddRefusal(ctx, patient, objection(s.Subject(patient), 1).Directive); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, canary := range []string{"CANARY", patient.Digits(), patient.String(), "373942005"} {
			if strings.Contains(string(b), canary) {
				t.Errorf("%s has %q in clear", path, canary)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDamagedFileBehindAnOpenStoreIsNamed(t *testing.T) {
	opt := testOptions(t.TempDir())
	s := open(t, opt)
	add(t, s, patient, letter(1))
	closeStore(t, s) // writes a table
	s = open(t, opt)
	tables, err := filepath.Glob(filepath.Join(opt.Dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	b, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(tables[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{^b[len(b)/3]}, int64(len(b)/3)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := s.Scrub(ctx, nil)
	name := filepath.Base(tables[0])
	if err != nil || !slices.ContainsFunc(r.Faults, func(f Fault) bool { return strings.Contains(f.Reason, name) }) {
		t.Fatalf("%s: %+v, %v", name, r.Faults, err)
	}
}
