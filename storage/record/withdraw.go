package record

import (
	"cmp"
	"context"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// eraseStep is how many chunk references Erase deletes in one transaction.
const eraseStep = 2000

// Withdraw ends the sharing of a document: here when it returns, in the region when the statement that it queues is
// committed. A document that the region has never heard of is not announced. Withdrawing twice changes nothing. What the
// document had replaced stays replaced. It fails with storage.ErrNotFound.
func (s *Store) Withdraw(ctx context.Context, id federation.DocumentID, reason string) error {
	reason = cut(reason)
	return s.change(ctx, id, func(txn *badger.Txn, t *totals, st *State) error {
		if st.Phase == Withdrawn || st.Phase == Erased {
			return nil
		}
		if err := s.announce(txn, t, id.Key(), st, federation.KindWithdraw, reason); err != nil {
			return err
		}
		t.setPhase(st, Withdrawn)
		st.At, st.Reason = s.now().UTC(), reason
		return nil
	})
}

// Readmit undoes a withdrawal: it queues the document to be published again. One that is not withdrawn is left as it is; one of
// a legally restricted class stays at this trust as before. It fails with storage.ErrNotFound, and with ErrErased when nothing
// is left to be shared.
func (s *Store) Readmit(ctx context.Context, id federation.DocumentID) error {
	return s.change(ctx, id, func(txn *badger.Txn, t *totals, st *State) error {
		if st.Phase == Erased {
			return fmt.Errorf("document %s: %w", id, ErrErased)
		}
		if st.Phase != Withdrawn {
			return nil
		}
		doc, err := s.document(txn, id.Key())
		if err != nil {
			return err
		}
		t.setPhase(st, Queued)
		st.At, st.Reason = s.now().UTC(), ""
		if doc.Legal != "" {
			return nil // a withdrawal that waits is told all the same
		}
		return s.announce(txn, t, id.Key(), st, federation.KindPublish, "")
	})
}

// Marks are what a document's labels say of who may see it.
type Marks struct {
	Confidentiality federation.Confidentiality
	Labels          []string
	Legal           string
}

// Relabel changes the marks of a document, and queues it to be published with them; one that has become legally restricted is
// queued to be withdrawn from the region instead. It fails with storage.ErrNotFound, ErrWithdrawn and ErrDocument.
func (s *Store) Relabel(ctx context.Context, id federation.DocumentID, m Marks) error {
	edit := func(doc *Document) {
		doc.Confidentiality, doc.Labels, doc.Legal = m.Confidentiality, m.Labels, cmp.Or(m.Legal, s.legalTypes[doc.Type])
	}
	return s.redescribe(ctx, id, edit, func(txn *badger.Txn, t *totals, st *State, legal bool) error {
		if !legal {
			return s.announce(txn, t, id.Key(), st, federation.KindPublish, "")
		}
		if err := s.announce(txn, t, id.Key(), st, federation.KindWithdraw, ""); err != nil {
			return err
		}
		t.setPhase(st, Queued)
		st.At = s.now().UTC()
		return nil
	})
}

// Erase removes the description, manifest and chunk references of a document that has been withdrawn and of whose withdrawal
// the region knows. What is left says that there was one, so that counts agree and the same bytes are not taken in again
// unnoticed. Its chunks go when the chunk store is next cleared of what nothing refers to. It fails with
// storage.ErrNotFound, and with ErrWithdrawn when the document is not withdrawn or the region has yet to be told.
func (s *Store) Erase(ctx context.Context, id federation.DocumentID) error {
	doc, err := s.Document(ctx, id)
	if err != nil {
		return err
	}
	if doc.State.Phase != Withdrawn || doc.State.Pending() {
		return fmt.Errorf("document %s must be withdrawn first: %w", id, ErrWithdrawn)
	}
	encoded, err := s.Manifest(ctx, id)
	if err != nil {
		return err
	}
	manifest, err := federation.DecodeManifest(encoded)
	if err != nil {
		return damaged(err)
	}
	k := id.Key()
	err = s.change(ctx, id, func(txn *badger.Txn, t *totals, st *State) error {
		if st.Phase == Withdrawn && !st.Pending() {
			t.setPhase(st, Erased)
			st.At = s.now().UTC()
		}
		return txn.Delete(documentKey(rowDocument, k))
	})
	if err != nil {
		return err
	}
	var rows [][]byte
	for n := 0; n*manifestPiece < len(encoded); n++ {
		rows = append(rows, manifestKey(k, n))
	}
	for _, p := range manifest.Parts {
		for _, c := range p.Chunks {
			rows = append(rows, referenceKey(c, k))
		}
	}
	return s.remove(ctx, rows)
}

// remove deletes rows, a group at a time.
func (s *Store) remove(ctx context.Context, rows [][]byte) error {
	for len(rows) > 0 {
		group := rows[:min(eraseStep, len(rows))]
		rows = rows[len(group):]
		err := s.write(ctx, int64(100*len(group)), func(txn *badger.Txn) error {
			for _, k := range group {
				if err := txn.Delete(k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// change runs fn with the state of a document, which is written back.
func (s *Store) change(ctx context.Context, id federation.DocumentID, fn func(txn *badger.Txn, t *totals, st *State) error) error {
	if id.Custodian() != s.trust {
		return fmt.Errorf("document %s: %w", id, storage.ErrNotFound)
	}
	return s.update(ctx, 8<<10, func(txn *badger.Txn, t *totals) error {
		st, found, err := s.state(txn, id.Key())
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("document %s: %w", id, storage.ErrNotFound)
		}
		if err := fn(txn, t, &st); err != nil {
			return err
		}
		return s.putState(txn, id.Key(), st)
	})
}

// redescribe edits what is written of a document that is not withdrawn, and then has tell queue what the region is to hear of
// it; legal says whether the document is of a legally restricted class after the edit.
func (s *Store) redescribe(ctx context.Context, id federation.DocumentID, edit func(*Document), tell func(txn *badger.Txn, t *totals, st *State, legal bool) error) error {
	return s.change(ctx, id, func(txn *badger.Txn, t *totals, st *State) error {
		if st.Phase == Withdrawn || st.Phase == Erased {
			return fmt.Errorf("document %s: %w", id, ErrWithdrawn)
		}
		doc, err := s.document(txn, id.Key())
		if err != nil {
			return err
		}
		edit(&doc)
		if err := doc.check(); err != nil {
			return err
		}
		if err := s.put(txn, documentKey(rowDocument, id.Key()), doc.encode()); err != nil {
			return err
		}
		return tell(txn, t, st, doc.Legal != "")
	})
}
