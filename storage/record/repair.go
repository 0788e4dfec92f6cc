package record

import (
	"context"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// OpenDamaged opens a store that Open refuses as damaged, for reading only. What the damage has touched is missing, or is
// what it was before an update that was lost; Scrub and Touched tell. It fails as storage.OpenSalvage does.
func OpenDamaged(opt Options) (*Store, error) {
	if err := opt.check(); err != nil {
		return nil, err
	}
	db, err := storage.OpenSalvage(opt.storage())
	if err != nil {
		return nil, fmt.Errorf("open damaged records: %w", err)
	}
	return &Store{dir: opt.Dir, db: db, sealer: opt.Sealer, trust: opt.Trust, subject: opt.SubjectKey, id: opt.IDKey, now: opt.Now}, nil
}

// Assess returns the damage for which Open would refuse the store; see storage.Assess.
func Assess(opt Options) ([]storage.Damage, error) { return storage.Assess(opt.storage()) }

// Repair makes a damaged store usable again by giving up the rows that are damaged; see storage.Repair.
func Repair(opt Options) ([]storage.Damage, error) { return storage.Repair(opt.storage()) }

// Missing returns the documents that refer to a chunk that has does not have, in the order of their ids.
func (s *Store) Missing(ctx context.Context, has func(federation.Digest) (bool, error)) ([]federation.DocumentID, error) {
	found := map[federation.DocumentID]bool{}
	var last federation.Digest
	there, asked := false, false
	err := s.walk(ctx, rowReference, func(txn *badger.Txn, k []byte) error {
		chunk := federation.Digest(k[1:])
		if !asked || chunk != last {
			var err error
			if there, err = has(chunk); err != nil {
				return err
			}
			last, asked = chunk, true
		}
		if there {
			return nil
		}
		return s.holders(txn, chunk, found)
	})
	return sortedIDs(found), err
}

// Named returns the documents that the keys of damaged rows name, in the order of their ids.
func (s *Store) Named(damage []storage.Damage) []federation.DocumentID {
	found := map[federation.DocumentID]bool{}
	for _, d := range damage {
		for _, k := range d.Keys {
			switch {
			case len(k) > documentKeyLen && (k[0] == rowDocument || k[0] == rowState || k[0] == rowManifest):
				found[federation.NewDocumentID(s.trust, federation.DocumentKey(k[1:]))] = true
			case len(k) > documentKeyLen && k[0] == rowReference:
				found[federation.NewDocumentID(s.trust, federation.DocumentKey(k[len(k)-documentKeyLen:]))] = true
			}
		}
	}
	return sortedIDs(found)
}

func sortedIDs(found map[federation.DocumentID]bool) []federation.DocumentID {
	out := make([]federation.DocumentID, 0, len(found))
	for id := range found {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}
