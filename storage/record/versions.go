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

// maxVersions bounds how many versions of a document are looked for, in either direction.
const maxVersions = 256

// Versions returns the documents that one has replaced, the latest first, and then those that have replaced it, withdrawn and erased
// ones too. all is false where one of them was erased, or there are very many: there may be others then. It fails as Document does.
func (s *Store) Versions(ctx context.Context, id federation.DocumentID) (others []federation.DocumentID, all bool, err error) {
	doc, err := s.Document(ctx, id)
	if err != nil || doc.Supersedes == "" && doc.State.SupersededBy == "" {
		return nil, err == nil, err
	}
	err = s.view(ctx, func(txn *badger.Txn) error {
		others, all = nil, true
		for next := doc.Supersedes; next != ""; {
			if len(others) == maxVersions || slices.Contains(others, next) {
				all = false
				break
			}
			others = append(others, next)
			old, err := s.describe(txn, next.Key())
			switch {
			case errors.Is(err, ErrErased), errors.Is(err, storage.ErrNotFound):
				all, next = false, "" // what it has replaced is not known any more
			case err != nil:
				return err
			default:
				next = old.Supersedes
			}
		}
		before := len(others)
		for next := doc.State.SupersededBy; next != ""; {
			if len(others)-before == maxVersions || slices.Contains(others, next) {
				all = false
				break
			}
			others = append(others, next)
			st, found, err := s.state(txn, next.Key())
			if err != nil || !found {
				return fmt.Errorf("document %s, which replaced %s: %w", next, id, orIntegrity(err))
			}
			next = st.SupersededBy
		}
		return nil
	})
	return others, all, err
}

// Identify returns the id that a document has, or would have, at this trust. It fails with ErrDocument.
func (s *Store) Identify(item Item) (federation.DocumentID, error) {
	a, err := s.prepare(item)
	if err != nil {
		return "", err
	}
	return a.doc.ID, nil
}
