package record

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// maxPage bounds how many documents one call returns.
const maxPage = 1000

// Document returns a document and its state, withdrawn or not: whoever releases it looks at State.Phase. It fails with
// storage.ErrNotFound for one that was never here, ErrErased, and storage.ErrIntegrity for one that is damaged.
func (s *Store) Document(ctx context.Context, id federation.DocumentID) (Document, error) {
	var doc Document
	err := s.view(ctx, func(txn *badger.Txn) (err error) {
		if id.Custodian() != s.trust {
			return fmt.Errorf("document %s: %w", id, storage.ErrNotFound)
		}
		doc, err = s.describe(txn, id.Key())
		return err
	})
	return doc, err
}

// Withheld returns those of ids that this store keeps back whatever the region's index says of them: withdrawn, erased and
// legally restricted documents; nil when there are none. Whatever was never here or cannot be read is not among them. All are
// looked up at one moment: a transaction for each of a thousand would take longer than everything else that lists them.
func (s *Store) Withheld(ctx context.Context, ids []federation.DocumentID) (out map[federation.DocumentID]bool, err error) {
	err = s.view(ctx, func(txn *badger.Txn) error {
		var room [2][]byte
		for _, id := range ids {
			if id.Custodian() != s.trust || !s.withholds(txn, id.Key(), &room) {
				continue
			}
			if out == nil {
				out = make(map[federation.DocumentID]bool)
			}
			out[id] = true
		}
		return ctx.Err()
	})
	return out, err
}

// withholds is Withheld for one document. room is used again for the next.
func (s *Store) withholds(txn *badger.Txn, k federation.DocumentKey, room *[2][]byte) bool {
	plain, found, err := s.open(txn, documentKey(rowState, k), room[0])
	if err != nil || !found {
		return false
	}
	room[0] = plain[:0]
	st, err := decodeState(plain)
	if err != nil {
		return false
	}
	if st.Phase == Withdrawn || st.Phase == Erased {
		return true
	}
	if plain, found, err = s.open(txn, documentKey(rowDocument, k), room[1]); err != nil || !found {
		return false
	}
	room[1] = plain[:0]
	legal, err := legallyRestricted(plain, s.legalTypes)
	return err == nil && legal
}

// Manifest returns the encoded manifest of a document, whose digest was published, and fails as Document does.
func (s *Store) Manifest(ctx context.Context, id federation.DocumentID) ([]byte, error) {
	var out []byte
	err := s.view(ctx, func(txn *badger.Txn) error {
		if id.Custodian() != s.trust {
			return fmt.Errorf("document %s: %w", id, storage.ErrNotFound)
		}
		doc, err := s.describe(txn, id.Key())
		if err != nil {
			return err
		}
		out, err = s.manifest(txn, &doc)
		return err
	})
	return out, err
}

// manifest joins the pieces and compares them with the digest in the description.
func (s *Store) manifest(txn *badger.Txn, doc *Document) ([]byte, error) {
	var out []byte
	k := doc.ID.Key()
	for n := 0; ; n++ {
		piece, found, err := s.get(txn, manifestKey(k, n))
		if err != nil {
			return nil, fmt.Errorf("manifest of %s: %w", doc.ID, err)
		}
		if !found {
			break
		}
		out = append(out, piece...)
	}
	if federation.Sum(out) != doc.Manifest {
		return nil, fmt.Errorf("manifest of %s: %w", doc.ID, storage.ErrIntegrity)
	}
	return out, nil
}

// A Cursor is where a listing goes on. Zero is the beginning, and stands for "no more" in a Page.
type Cursor uint64

// A Page is part of a patient's documents.
type Page struct {
	Documents []Document
	Damaged   []federation.DocumentID // documents that are there and cannot be read: show that the list is not complete
	Total     uint64                  // of the patient's documents, withdrawn and erased ones included
	Next      Cursor
}

// BySubject lists a patient's documents, the one taken in last first, at most limit (at most 1,000). Withdrawn ones are
// in it, erased ones are not. When documents are missing that were counted the answer is storage.ErrIntegrity.
func (s *Store) BySubject(ctx context.Context, subject federation.Subject, from Cursor, limit int) (Page, error) {
	var page Page
	err := s.view(ctx, func(txn *badger.Txn) error {
		total, err := s.listed(txn, subject)
		if err != nil {
			return err
		}
		page.Total = total
		n := total
		if from != 0 {
			n = min(uint64(from), total)
		}
		for ; n > 0; n-- {
			if len(page.Documents)+len(page.Damaged) >= min(limit, maxPage) {
				page.Next = Cursor(n)
				return nil
			}
			k, err := s.listedDocument(txn, subject, n)
			if err != nil {
				return err
			}
			doc, err := s.describe(txn, k)
			switch {
			case errors.Is(err, ErrErased):
			case errors.Is(err, storage.ErrIntegrity):
				page.Damaged = append(page.Damaged, federation.NewDocumentID(s.trust, k))
			case err != nil:
				return err
			default:
				page.Documents = append(page.Documents, doc)
			}
		}
		return nil
	})
	return page, err
}

// Waiting returns the documents of a patient of which the region has yet to hear what this store says: those that are queued
// or were refused, and published ones that have changed since. Withdrawn and legally restricted ones are not among them.
// Damaged ones are: show that the list is not complete. When documents are missing that were counted the answer is
// storage.ErrIntegrity.
func (s *Store) Waiting(ctx context.Context, subject federation.Subject) (docs []Document, damaged []federation.DocumentID, err error) {
	err = s.view(ctx, func(txn *badger.Txn) error {
		total, err := s.listed(txn, subject)
		if err != nil {
			return err
		}
		for n := total; n > 0; n-- {
			k, err := s.listedDocument(txn, subject, n)
			if err != nil {
				return err
			}
			st, found, err := s.state(txn, k)
			if err == nil && found && !st.waits() {
				continue
			}
			doc, err := s.describe(txn, k)
			switch {
			case errors.Is(err, ErrErased):
			case errors.Is(err, storage.ErrIntegrity):
				damaged = append(damaged, federation.NewDocumentID(s.trust, k))
			case err != nil:
				return err
			case doc.Legal == "":
				docs = append(docs, doc)
			}
		}
		return nil
	})
	return docs, damaged, err
}

// listed returns how many documents a patient has, after looking whether there are more than are counted.
func (s *Store) listed(txn *badger.Txn, subject federation.Subject) (uint64, error) {
	total, err := s.count(txn, key(rowSubject, subject[:]))
	if err != nil {
		return 0, err
	}
	if beyond, err := exists(txn, listedKey(subject, total+1)); err != nil || beyond {
		return 0, fmt.Errorf("a patient has more documents than are counted: %w", orIntegrity(err))
	}
	return total, nil
}

func (s *Store) listedDocument(txn *badger.Txn, subject federation.Subject, n uint64) (federation.DocumentKey, error) {
	var k federation.DocumentKey
	plain, err := s.must(txn, listedKey(subject, n))
	if err != nil {
		return k, fmt.Errorf("document %d of a patient: %w", n, err)
	}
	if copy(k[:], plain) != len(k) {
		return k, fmt.Errorf("document %d of a patient: %w", n, storage.ErrIntegrity)
	}
	return k, nil
}

// ByPhase lists documents in one phase, in the order of their ids, at most limit (at most 1,000), after the one given; an
// empty id begins. next is empty when there are no more.
func (s *Store) ByPhase(ctx context.Context, p Phase, after federation.DocumentID, limit int) (docs []Document, next federation.DocumentID, err error) {
	err = s.view(ctx, func(txn *badger.Txn) error {
		from := []byte{rowState}
		if after != "" {
			from = append(documentKey(rowState, after.Key()), 0)
		}
		return s.scanFrom(txn, []byte{rowState}, from, func(k, plain []byte) (bool, error) {
			if err := ctx.Err(); err != nil {
				return false, err
			}
			st, err := decodeState(plain)
			if err != nil {
				return false, damaged(err)
			}
			if st.Phase != p {
				return true, nil
			}
			if len(docs) >= min(limit, maxPage) {
				next = docs[len(docs)-1].ID
				return false, nil
			}
			dk := federation.DocumentKey(k[1:])
			doc, err := s.describe(txn, dk)
			if errors.Is(err, ErrErased) || errors.Is(err, storage.ErrIntegrity) {
				doc, err = Document{ID: federation.NewDocumentID(s.trust, dk), State: st}, nil // Document says what is wrong with it
			}
			docs = append(docs, doc)
			return true, err
		})
	})
	return docs, next, err
}

// describe returns a document with its state.
func (s *Store) describe(txn *badger.Txn, k federation.DocumentKey) (Document, error) {
	id := federation.NewDocumentID(s.trust, k)
	st, found, err := s.state(txn, k)
	if err != nil {
		return Document{}, fmt.Errorf("document %s: %w", id, err)
	}
	if !found {
		// A description without a state is damage, not absence.
		if there, err := exists(txn, documentKey(rowDocument, k)); err != nil || there {
			return Document{}, fmt.Errorf("document %s has lost its state: %w", id, orIntegrity(err))
		}
		return Document{}, fmt.Errorf("document %s: %w", id, storage.ErrNotFound)
	}
	if st.Phase == Erased {
		return Document{}, fmt.Errorf("document %s: %w", id, ErrErased)
	}
	doc, err := s.document(txn, k)
	doc.State = st
	return doc, err
}

// document returns a description, which must be there.
func (s *Store) document(txn *badger.Txn, k federation.DocumentKey) (Document, error) {
	id := federation.NewDocumentID(s.trust, k)
	plain, err := s.must(txn, documentKey(rowDocument, k))
	if err != nil {
		return Document{}, fmt.Errorf("document %s: %w", id, err)
	}
	doc, err := decodeDocument(id, plain)
	if err != nil {
		return Document{}, fmt.Errorf("document %s: %w", id, damaged(err))
	}
	doc.Legal = cmp.Or(doc.Legal, s.legalTypes[doc.Type])
	doc.Closed = slices.Contains(s.sealedTypes, doc.Type) || slices.Contains(s.sealedSpecialties, doc.Specialty)
	return doc, nil
}

func (s *Store) state(txn *badger.Txn, k federation.DocumentKey) (State, bool, error) {
	plain, found, err := s.get(txn, documentKey(rowState, k))
	if err != nil || !found {
		return State{}, found, err
	}
	st, err := decodeState(plain)
	return st, true, damaged(err)
}

func (s *Store) putState(txn *badger.Txn, k federation.DocumentKey, st State) error {
	return s.put(txn, documentKey(rowState, k), st.encode())
}

// scan opens the rows whose keys begin with prefix, in order, until fn says no. k and plain are valid within fn.
func (s *Store) scan(txn *badger.Txn, prefix []byte, fn func(k, plain []byte) (bool, error)) error {
	return s.scanFrom(txn, prefix, prefix, fn)
}

func (s *Store) scanFrom(txn *badger.Txn, prefix, from []byte, fn func(k, plain []byte) (bool, error)) error {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
	defer it.Close()
	for it.Seek(from); it.Valid(); it.Next() {
		k := it.Item().KeyCopy(nil)
		plain, err := s.must(txn, k)
		if err != nil {
			return err
		}
		if more, err := fn(k, plain); err != nil || !more {
			return err
		}
	}
	return nil
}

func lastUint64(k []byte) uint64 { return binary.BigEndian.Uint64(k[len(k)-8:]) }
