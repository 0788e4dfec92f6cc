package record

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// stageReferences is how many chunk references one transaction takes besides a document's other rows.
const stageReferences = 2000

// maxBatch is how many documents AddBatch takes.
const maxBatch = 500

// An Item is a document to be added, and whose it is.
type Item struct {
	Patient  NHSNumber
	Document Document
}

// Added is what became of an Item.
type Added struct {
	ID    federation.DocumentID
	Held  bool  // the document was here already; nothing was changed
	State State // of the document: one that was held can have been withdrawn
}

// Add keeps a document whose chunks are durable already, and queues it to be published, in one durable transaction. Many
// concurrent calls share one write to the disk. A document that is held already is not changed: its id follows from whose
// it is, type, date, title and the bytes of its parts.
//
//  1. ErrDocument: it is not described well enough. 2. ErrSupersedes: what it replaces is not here, is another patient's or
//     of another type, or has been replaced or withdrawn. 3. The errors of storage.DB.Update.
func (s *Store) Add(ctx context.Context, item Item) (Added, error) {
	added, err := s.AddBatch(ctx, []Item{item})
	if err != nil {
		return Added{}, err
	}
	return added[0], nil
}

// AddBatch adds up to 500 documents, all or none. It fails as Add does, and with ErrTooLarge.
func (s *Store) AddBatch(ctx context.Context, items []Item) ([]Added, error) {
	if len(items) > maxBatch {
		return nil, fmt.Errorf("%d documents at once, at most %d: %w", len(items), maxBatch, ErrTooLarge)
	}
	docs := make([]*addition, len(items))
	size := int64(0)
	for i, item := range items {
		a, err := s.prepare(item)
		if err != nil {
			return nil, fmt.Errorf("document %d of %d: %w", i+1, len(items), err)
		}
		docs[i] = a
		size += a.size()
	}
	release := s.adding.enter(docs)
	defer release()
	for _, a := range docs {
		if err := s.stage(ctx, a); err != nil {
			return nil, err
		}
	}
	added := make([]Added, len(items))
	err := s.update(ctx, size, func(txn *badger.Txn, t *totals) error {
		for i, a := range docs {
			var err error
			if added[i], err = s.insert(txn, t, a); err != nil {
				return fmt.Errorf("document %d of %d: %w", i+1, len(docs), err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return added, nil
}

// addition is a document with its rows sealed: that is done before the store's one writer gets to it.
type addition struct {
	doc     Document
	patient NHSNumber
	key     federation.DocumentKey
	row     []byte
	pieces  [][]byte
	chunks  []federation.Digest
	staged  bool // manifest and references are written ahead of the document
}

func (a *addition) size() int64 {
	n := len(a.row) + 2048
	if !a.staged {
		n += len(a.chunks) * 100
		for _, p := range a.pieces {
			n += len(p)
		}
	}
	return int64(n)
}

// prepare checks, names and seals a document.
func (s *Store) prepare(item Item) (*addition, error) {
	a := &addition{doc: item.Document, patient: item.Patient}
	d := &a.doc
	if item.Patient.IsZero() {
		return nil, fmt.Errorf("no NHS number: %w", ErrDocument)
	}
	d.Subject, d.State = s.Subject(item.Patient), State{}
	d.Legal = cmp.Or(d.Legal, s.legalTypes[d.Type])
	if d.Indexed.IsZero() {
		d.Indexed = s.now().UTC()
	}
	d.identify(s.id[:], s.trust)
	a.key = d.ID.Key()
	manifest, err := federation.Manifest{Document: d.ID, Subject: d.Subject, Parts: d.Parts}.Encode()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	d.Manifest = federation.Sum(manifest)
	if err := d.check(); err != nil {
		return nil, err
	}
	k := documentKey(rowDocument, a.key)
	a.row = s.sealer.Seal(nil, k, d.encode())
	for n := 0; len(manifest) > 0; n++ {
		piece := manifest[:min(manifestPiece, len(manifest))]
		manifest = manifest[len(piece):]
		a.pieces = append(a.pieces, s.sealer.Seal(nil, manifestKey(a.key, n), piece))
	}
	seen := map[federation.Digest]bool{}
	for _, p := range d.Parts {
		for _, c := range p.Chunks {
			if !seen[c] {
				seen[c] = true
				a.chunks = append(a.chunks, c)
			}
		}
	}
	a.staged = len(a.pieces) > 1 || len(a.chunks) > stageReferences
	return a, nil
}

// stage writes what does not fit into the document's own transaction ahead of it. References without a document keep
// chunks from being removed; Scrub takes away what an addition cut short has left.
func (s *Store) stage(ctx context.Context, a *addition) error {
	if !a.staged {
		return nil
	}
	for n, piece := range a.pieces {
		if err := s.write(ctx, int64(len(piece)), func(txn *badger.Txn) error { return txn.Set(manifestKey(a.key, n), piece) }); err != nil {
			return err
		}
	}
	for rest := a.chunks; len(rest) > 0; {
		group := rest[:min(stageReferences, len(rest))]
		rest = rest[len(group):]
		if err := s.write(ctx, int64(100*len(group)), func(txn *badger.Txn) error { return a.refer(txn, group) }); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) write(ctx context.Context, size int64, fn func(txn *badger.Txn) error) error {
	p, err := s.db.Begin(ctx, storage.Write{Fn: fn, Bytes: size})
	if err != nil {
		return err
	}
	return p.Wait()
}

func (a *addition) refer(txn *badger.Txn, chunks []federation.Digest) error {
	for _, c := range chunks {
		if err := txn.Set(referenceKey(c, a.key), nil); err != nil {
			return err
		}
	}
	return nil
}

// insert writes the rows of a document, unless it is held already.
func (s *Store) insert(txn *badger.Txn, t *totals, a *addition) (Added, error) {
	st, held, err := s.state(txn, a.key)
	if err != nil {
		return Added{}, err
	}
	if held {
		return Added{ID: a.doc.ID, Held: true, State: st}, nil
	}
	if err := s.list(txn, t, a); err != nil {
		return Added{}, err
	}
	if err := txn.Set(documentKey(rowDocument, a.key), a.row); err != nil {
		return Added{}, err
	}
	if !a.staged {
		for n, piece := range a.pieces {
			if err := txn.Set(manifestKey(a.key, n), piece); err != nil {
				return Added{}, err
			}
		}
		if err := a.refer(txn, a.chunks); err != nil {
			return Added{}, err
		}
	}
	st = State{Status: federation.Current, At: s.now().UTC()}
	t.setPhase(&st, Queued)
	t.documents++
	t.parts += uint64(len(a.doc.Parts))
	t.bytes += uint64(a.doc.Bytes())
	for _, p := range a.doc.Parts {
		t.pages += uint64(p.PageCount)
	}
	if a.doc.Supersedes != "" {
		if err := s.supersede(txn, t, &a.doc); err != nil {
			return Added{}, err
		}
	}
	if a.doc.Legal == "" {
		if err := s.announce(txn, t, a.key, &st, federation.KindPublish, ""); err != nil {
			return Added{}, err
		}
	}
	return Added{ID: a.doc.ID, State: st}, s.putState(txn, a.key, st)
}

// list adds a document to its patient's list.
func (s *Store) list(txn *badger.Txn, t *totals, a *addition) error {
	head := key(rowSubject, a.doc.Subject[:])
	n, err := s.count(txn, head)
	if err != nil {
		return err
	}
	// A row beyond the count means that the count has been lost, or is an old one: counting on would hide documents.
	if beyond, err := exists(txn, listedKey(a.doc.Subject, n+1)); err != nil || beyond {
		return fmt.Errorf("a patient has more documents than are counted: %w", orIntegrity(err))
	}
	if n == 0 {
		t.patients++
	}
	if err := s.remember(txn, a.doc.Subject, a.patient); err != nil {
		return err
	}
	if err := s.putCount(txn, head, n+1); err != nil {
		return err
	}
	return s.put(txn, listedKey(a.doc.Subject, n+1), a.key[:])
}

// supersede marks what doc replaces, and queues it to be published with its new status.
func (s *Store) supersede(txn *badger.Txn, t *totals, doc *Document) error {
	k := doc.Supersedes.Key()
	st, found, err := s.state(txn, k)
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("%s is not here: %w", doc.Supersedes, ErrSupersedes)
	case st.Phase == Withdrawn || st.Phase == Erased:
		return fmt.Errorf("%s has been withdrawn: %w", doc.Supersedes, ErrSupersedes)
	case st.Status != federation.Current:
		return fmt.Errorf("%s has been replaced by %s: %w", doc.Supersedes, st.SupersededBy, ErrSupersedes)
	}
	old, err := s.document(txn, k)
	if err != nil {
		return err
	}
	if old.Subject != doc.Subject || old.Type != doc.Type {
		return fmt.Errorf("%s is of another patient or type: %w", doc.Supersedes, ErrSupersedes)
	}
	st.Status, st.SupersededBy = federation.Superseded, doc.ID
	if old.Legal == "" && (st.Phase == Published || st.Phase == Queued) {
		if err := s.announce(txn, t, k, &st, federation.KindPublish, ""); err != nil {
			return err
		}
	}
	return s.putState(txn, k, st)
}

// adding knows which documents are being added, so that Scrub does not take their rows for leftovers.
type adding struct {
	mu   sync.Mutex
	keys map[federation.DocumentKey]int
}

func (a *adding) enter(docs []*addition) (leave func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.keys == nil {
		a.keys = map[federation.DocumentKey]int{}
	}
	for _, d := range docs {
		a.keys[d.key]++
	}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, d := range docs {
			if a.keys[d.key]--; a.keys[d.key] == 0 {
				delete(a.keys, d.key)
			}
		}
	}
}

func (a *adding) has(k federation.DocumentKey) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.keys[k] > 0
}

func orIntegrity(err error) error {
	if err != nil {
		return err
	}
	return storage.ErrIntegrity
}
