package record

import (
	"context"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Holds reports whether a document has the chunk: what blob.Store.Sweep asks. Unpin the content of a document after Add has
// returned, not before: until then only the pin says that the chunks are needed.
func (s *Store) Holds(chunk federation.Digest) (bool, error) {
	holds := false
	err := s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: key(rowReference, chunk[:])})
		defer it.Close()
		it.Rewind()
		holds = it.Valid()
		return nil
	})
	return holds, err
}

// Touched returns the documents that have one of the chunks, in the order of their ids: those that damage to the chunks
// concerns.
func (s *Store) Touched(ctx context.Context, chunks []federation.Digest) ([]federation.DocumentID, error) {
	found := map[federation.DocumentID]bool{}
	err := s.view(ctx, func(txn *badger.Txn) error {
		for _, c := range chunks {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := s.holders(txn, c, found); err != nil {
				return err
			}
		}
		return nil
	})
	return sortedIDs(found), err
}

// Holders returns documents that have the chunk, at most so many and in no order that means anything; withdrawn ones too.
func (s *Store) Holders(ctx context.Context, chunk federation.Digest, limit int) (out []federation.DocumentID, err error) {
	err = s.view(ctx, func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: key(rowReference, chunk[:])})
		defer it.Close()
		for it.Rewind(); it.Valid() && len(out) < limit; it.Next() {
			k := it.Item().Key()
			dk := federation.DocumentKey(k[len(k)-documentKeyLen:])
			there, err := exists(txn, documentKey(rowState, dk))
			if err != nil {
				return err
			}
			if there {
				out = append(out, federation.NewDocumentID(s.trust, dk))
			}
		}
		return ctx.Err()
	})
	return out, err
}

// holders adds the documents that have chunk to found; references ahead of their document are not counted.
func (s *Store) holders(txn *badger.Txn, chunk federation.Digest, found map[federation.DocumentID]bool) error {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: key(rowReference, chunk[:])})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		k := it.Item().Key()
		dk := federation.DocumentKey(k[len(k)-documentKeyLen:])
		there, err := exists(txn, documentKey(rowState, dk))
		if err != nil {
			return err
		}
		if there {
			found[federation.NewDocumentID(s.trust, dk)] = true
		}
	}
	return nil
}
