package record

import (
	"context"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// maxVersions bounds how many versions of a document are looked for, in either direction.
const maxVersions = 256

// Versions returns the documents that one has replaced, the latest first, and then those that have replaced it, withdrawn and erased
// ones too. all is false where one of them was erased or cannot be read, or there are very many: there may be others then. It fails
// as Document does, and not for damage to another version.
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
			if err != nil {
				all = false // what it has replaced is not known any more
				break
			}
			next = old.Supersedes
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
				all = false
				break
			}
			next = st.SupersededBy
		}
		return ctx.Err()
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
