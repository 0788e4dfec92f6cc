package record

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// scrubStep is how many rows one transaction of Scrub reads.
const scrubStep = 1000

// A Fault is something that Scrub found.
type Fault struct {
	Document federation.DocumentID // empty when it is not about one
	Subject  federation.Subject    // zero when it is not about a patient
	Reason   string                // for the operator; no patient data
}

// A ScrubReport is what Scrub found.
type ScrubReport struct {
	Documents uint64                  // looked at
	Patients  uint64                  // looked at
	Faults    []Fault                 // rows that are damaged or missing
	Touched   []federation.DocumentID // documents that have one of the damaged chunks
	Leftovers uint64                  // rows of additions cut short, taken away
}

// Scrub reads every row, compares what has to agree, and names the documents that the damaged chunks concern. It takes away
// what additions cut short have left, and changes nothing else. It does not stop at a fault. It may run beside everything
// else. The files of the store are read too, as far as they are ended.
func (s *Store) Scrub(ctx context.Context, damagedChunks []federation.Digest) (ScrubReport, error) {
	var r ScrubReport
	touched, err := s.Touched(ctx, damagedChunks)
	if err != nil {
		return r, err
	}
	r.Touched = touched
	files, err := s.db.VerifyFiles(ctx) // what is in memory reads well whatever has become of the disk
	if err != nil {
		return r, fmt.Errorf("scrub records: %w", err)
	}
	for _, f := range files {
		r.Faults = append(r.Faults, Fault{Reason: fmt.Sprintf("file %s of the record store is damaged: %s", f.File, f.Reason)})
	}
	walks := []struct {
		row   byte
		check func(txn *badger.Txn, r *ScrubReport, k []byte) error
	}{
		{rowSubject, s.scrubSubject},
		{rowListed, s.scrubListed},
		{rowState, s.scrubDocument},
		{rowOutbox, s.scrubOutbox},
		{rowRefusals, s.scrubRefusals},
		{rowRefusal, s.scrubRefusals},
		{rowNumber, s.scrubSealed},
		{rowRefused, s.scrubSealed},
		{rowInvitation, s.scrubSealed},
		{rowSetting, s.scrubSealed},
		{rowPerson, s.scrubPerson},
		{rowNamed, s.scrubNamed},
		{rowInFlight, s.scrubSealed},
		{rowTotals, s.scrubSealed},
		{rowDocument, s.scrubDescription},
	}
	for _, w := range walks {
		if err := s.walk(ctx, w.row, func(txn *badger.Txn, k []byte) error { return w.check(txn, &r, k) }); err != nil {
			return r, fmt.Errorf("scrub records: %w", err)
		}
	}
	if r.Leftovers, err = s.Sweep(ctx); err != nil && !errors.Is(err, ErrRepaired) && !errors.Is(err, storage.ErrReadOnly) {
		return r, fmt.Errorf("scrub records: %w", err)
	}
	return r, nil
}

// walk calls fn with every key of a kind, a step of them in each transaction.
func (s *Store) walk(ctx context.Context, row byte, fn func(txn *badger.Txn, k []byte) error) error {
	from, more := []byte{row}, true
	for more {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.db.View(func(txn *badger.Txn) error {
			it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{row}})
			defer it.Close()
			n := 0
			for it.Seek(from); it.Valid() && n < scrubStep; it.Next() {
				k := it.Item().KeyCopy(nil)
				if err := fn(txn, k); err != nil {
					return err
				}
				from = append(k, 0)
				n++
			}
			more = it.Valid()
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// found keeps a fault when err is damage, and passes on any other error.
func (r *ScrubReport) found(f Fault, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, storage.ErrIntegrity) || errors.Is(err, federation.ErrVersion) {
		f.Reason = err.Error()
		r.Faults = append(r.Faults, f)
		return nil
	}
	return err
}

func (s *Store) scrubSealed(txn *badger.Txn, r *ScrubReport, k []byte) error {
	_, err := s.must(txn, k)
	return r.found(Fault{}, err)
}

// scrubSubject looks for every document that a patient's count promises.
func (s *Store) scrubSubject(txn *badger.Txn, r *ScrubReport, k []byte) error {
	subject := federation.Subject(k[1:])
	r.Patients++
	total, err := s.listed(txn, subject)
	if err != nil {
		return r.found(Fault{Subject: subject}, err)
	}
	for n := uint64(1); n <= total; n++ {
		dk, err := s.listedDocument(txn, subject, n)
		if err == nil {
			var there bool
			if there, err = exists(txn, documentKey(rowState, dk)); err == nil && !there {
				err = fmt.Errorf("document %s of a patient's list is missing: %w", federation.NewDocumentID(s.trust, dk), storage.ErrIntegrity)
			}
		}
		if err := r.found(Fault{Subject: subject}, err); err != nil {
			return err
		}
	}
	return nil
}

// scrubListed looks for the count of a patient whose list there is.
func (s *Store) scrubListed(txn *badger.Txn, r *ScrubReport, k []byte) error {
	subject := federation.Subject(k[1 : 1+len(federation.Subject{})])
	if there, err := exists(txn, key(rowSubject, subject[:])); err != nil || !there {
		return r.found(Fault{Subject: subject}, fmt.Errorf("the count of a patient's documents is missing: %w", orIntegrity(err)))
	}
	return nil
}

// scrubDescription looks for the state of a description.
func (s *Store) scrubDescription(txn *badger.Txn, r *ScrubReport, k []byte) error {
	dk := federation.DocumentKey(k[1:])
	if there, err := exists(txn, documentKey(rowState, dk)); err != nil || !there {
		return r.found(Fault{Document: federation.NewDocumentID(s.trust, dk)}, fmt.Errorf("the state of a document is missing: %w", orIntegrity(err)))
	}
	return nil
}

// scrubDocument reads a document whole and looks for the reference to each of its chunks.
func (s *Store) scrubDocument(txn *badger.Txn, r *ScrubReport, k []byte) error {
	dk := federation.DocumentKey(k[1:])
	f := Fault{Document: federation.NewDocumentID(s.trust, dk)}
	r.Documents++
	doc, err := s.describe(txn, dk)
	if errors.Is(err, ErrErased) {
		return nil
	}
	if err != nil {
		return r.found(f, err)
	}
	encoded, err := s.manifest(txn, &doc)
	if err != nil {
		return r.found(f, err)
	}
	m, err := federation.DecodeManifest(encoded)
	if err != nil || m.Document != doc.ID || m.Subject != doc.Subject {
		return r.found(f, fmt.Errorf("manifest of %s: %w", doc.ID, storage.ErrIntegrity))
	}
	for _, p := range m.Parts {
		for _, c := range p.Chunks {
			there, err := exists(txn, referenceKey(c, dk))
			if err != nil {
				return err
			}
			if !there {
				return r.found(f, fmt.Errorf("reference to chunk %s is missing: %w", c, storage.ErrIntegrity))
			}
		}
	}
	if doc.State.entry == 0 {
		return nil
	}
	if there, err := exists(txn, entryKey(rowOutbox, doc.State.entry)); err != nil || !there {
		return r.found(f, fmt.Errorf("outbox entry %d is missing: %w", doc.State.entry, orIntegrity(err)))
	}
	return nil
}

func (s *Store) scrubOutbox(txn *badger.Txn, r *ScrubReport, k []byte) error {
	id := EntryID(lastUint64(k))
	_, _, err := s.entry(txn, id)
	if err != nil {
		err = fmt.Errorf("outbox entry %x: %w; a running node writes it anew, or lists it under 'ridgeway rejected list'", uint64(id), err)
	}
	return r.found(Fault{}, err)
}

func (s *Store) scrubRefusals(txn *badger.Txn, r *ScrubReport, k []byte) error {
	subject := federation.Subject(k[1 : 1+len(federation.Subject{})])
	f := Fault{Subject: subject}
	if slices.ContainsFunc(r.Faults, func(o Fault) bool { return o.Subject == subject && k[0] == rowRefusal }) {
		return nil // said already
	}
	_, err := s.refusals(txn, subject)
	return r.found(f, err)
}

// Sweep takes away what additions that were cut short have left, manifest pieces and references to chunks, and returns how
// many rows those were. It may run beside everything else; an addition under way loses nothing. In a store that was
// repaired leftovers can be all that is left of a document: then it refuses with ErrRepaired, and the chunks must stay too.
func (s *Store) Sweep(ctx context.Context) (uint64, error) {
	if repaired, err := storage.Repaired(s.dir); err != nil || repaired {
		return 0, errors.Join(fmt.Errorf("sweep records: %w", ErrRepaired), err)
	}
	n, err := s.sweep(ctx)
	if err != nil {
		return n, fmt.Errorf("sweep records: %w", err)
	}
	return n, nil
}

// sweep takes away pieces and references whose document was never written, or has been erased.
func (s *Store) sweep(ctx context.Context) (uint64, error) {
	var rows [][]byte
	for _, row := range []byte{rowManifest, rowReference} {
		err := s.walk(ctx, row, func(txn *badger.Txn, k []byte) error {
			left, err := s.leftover(txn, k)
			if left {
				rows = append(rows, k)
			}
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	swept := uint64(0)
	for len(rows) > 0 {
		group := rows[:min(eraseStep, len(rows))]
		rows = rows[len(group):]
		n := uint64(0)
		err := s.write(ctx, int64(100*len(group)), func(txn *badger.Txn) error {
			n = 0
			for _, k := range group {
				// Asked again where no addition can come between: one that begins later writes its rows after this.
				left, err := s.leftover(txn, k)
				if err != nil {
					return err
				}
				if !left {
					continue
				}
				n++
				if err := txn.Delete(k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return swept, err
		}
		swept += n
	}
	return swept, nil
}

// leftover reports whether a piece or reference belongs to no document.
func (s *Store) leftover(txn *badger.Txn, k []byte) (bool, error) {
	dk := federation.DocumentKey(k[1 : 1+documentKeyLen])
	if k[0] == rowReference {
		dk = federation.DocumentKey(k[len(k)-documentKeyLen:])
	}
	if s.adding.has(dk) {
		return false, nil
	}
	st, found, err := s.state(txn, dk)
	if errors.Is(err, storage.ErrIntegrity) {
		return false, nil // a damaged state is a fault, not a leftover
	}
	if err != nil || found && st.Phase != Erased {
		return false, err
	}
	described, err := exists(txn, documentKey(rowDocument, dk))
	return err == nil && !described, err
}
