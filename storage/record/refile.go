package record

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// Refile adds a document and withdraws the one whose place it takes, in one durable transaction: there is no moment, and no crash,
// after which both are shared or neither is. It is for what was filed under the wrong patient, or as the wrong type. The reason
// goes to the region with the withdrawal. A document that is held already and was withdrawn is shared again, with the new one's marks;
// one that is held and shared keeps its own where they are stricter.
//
//  1. storage.ErrNotFound and ErrErased: the old one is not here. 2. ErrDocument: the new one is the same, or not described well
//     enough. 3. The errors of Add.
func (s *Store) Refile(ctx context.Context, old federation.DocumentID, reason string, item Item) (Added, error) {
	a, err := s.prepare(item)
	if err != nil {
		return Added{}, err
	}
	if a.doc.ID == old || old.Custodian() != s.trust {
		return Added{}, fmt.Errorf("%s would take its own place: %w", old, ErrDocument)
	}
	defer s.adding.enter([]*addition{a})()
	if err := s.stage(ctx, a); err != nil {
		return Added{}, err
	}
	var added Added
	err = s.update(ctx, a.size()+(8<<10), func(txn *badger.Txn, t *totals) error {
		if added, err = s.insert(txn, t, a); err != nil {
			return err
		}
		if added.Held && added.State.Phase == Erased {
			return fmt.Errorf("document %s: %w", added.ID, ErrErased)
		}
		if added.Held {
			if err := s.readmit(txn, t, a); err != nil {
				return err
			}
		}
		return s.makeWay(txn, t, old, cut(reason))
	})
	return added, err
}

// readmit queues a document that is held already to be published with the marks of the one that is filed in its place.
func (s *Store) readmit(txn *badger.Txn, t *totals, a *addition) error {
	st, found, err := s.state(txn, a.key)
	if err != nil || !found {
		return orIntegrity(err)
	}
	kept, err := s.document(txn, a.key)
	if err != nil {
		return err
	}
	kind, untold := federation.KindPublish, st.Phase == Withdrawn
	marks := Marks{a.doc.Confidentiality, a.doc.Labels, a.doc.Legal}
	if !untold { // it is shared: what was said of it there counts as well
		marks.Confidentiality, marks.Legal = max(marks.Confidentiality, kept.Confidentiality), cmp.Or(kept.Legal, marks.Legal)
		for _, l := range kept.Labels {
			if !slices.Contains(marks.Labels, l) {
				marks.Labels = append(slices.Clone(marks.Labels), l)
			}
		}
	}
	kept.Confidentiality, kept.Labels, kept.Legal = marks.Confidentiality, marks.Labels, marks.Legal
	if err := s.put(txn, documentKey(rowDocument, a.key), kept.encode()); err != nil {
		return err
	}
	if kept.Legal != "" {
		kind = federation.KindWithdraw
	}
	t.setPhase(&st, Queued)
	st.At, st.Reason = s.now().UTC(), ""
	if kept.Legal == "" || !untold {
		if err := s.announce(txn, t, a.key, &st, kind, ""); err != nil {
			return err
		}
	}
	return s.putState(txn, a.key, st)
}

// makeWay withdraws the document whose place another has taken.
func (s *Store) makeWay(txn *badger.Txn, t *totals, id federation.DocumentID, reason string) error {
	st, found, err := s.state(txn, id.Key())
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("document %s: %w", id, storage.ErrNotFound)
	case st.Phase == Erased:
		return fmt.Errorf("document %s: %w", id, ErrErased)
	case st.Phase == Withdrawn:
		return nil
	}
	if err := s.announce(txn, t, id.Key(), &st, federation.KindWithdraw, reason); err != nil {
		return err
	}
	t.setPhase(&st, Withdrawn)
	st.At, st.Reason = s.now().UTC(), reason
	return s.putState(txn, id.Key(), st)
}

// Particulars are what a document's id does not follow from, and can be corrected in place.
type Particulars struct{ Author, Category, Specialty string }

// Amend changes the particulars of a document, and queues it to be published with them. It fails with storage.ErrNotFound,
// ErrWithdrawn and ErrDocument.
func (s *Store) Amend(ctx context.Context, id federation.DocumentID, p Particulars) error {
	edit := func(doc *Document) { doc.Author, doc.Category, doc.Specialty = p.Author, p.Category, p.Specialty }
	return s.redescribe(ctx, id, edit, func(txn *badger.Txn, t *totals, st *State, legal bool) error {
		if legal {
			return nil
		}
		return s.announce(txn, t, id.Key(), st, federation.KindPublish, "")
	})
}
