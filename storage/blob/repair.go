package blob

import (
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// A RepairReport says what Repair has done.
type RepairReport struct {
	Damage    []storage.Damage    // what was damaged in the files
	Recovered int                 // chunks whose keys were lost and whose bytes were found again
	Lost      []federation.Digest // chunks that have a key and cannot be read
}

// Repair makes a damaged store usable again and returns what is lost for good: it gives up what is damaged
// (storage.Repair says how), finds chunks again whose keys were lost, and reads every chunk. Chunks of which neither key nor
// bytes are left are in no list here: whoever holds references finds them with Has. A lost chunk is healed by storing the
// same content again. Chunks that had been deleted can come back; a sweep removes them.
func Repair(ctx context.Context, opt Options) (RepairReport, error) {
	var report RepairReport
	found, err := storage.Repair(opt.storage())
	report.Damage = found
	if err != nil {
		return report, err
	}
	s, err := Open(opt)
	if err != nil {
		return report, err
	}
	if len(found) > 0 {
		if report.Recovered, err = s.reindex(ctx); err != nil {
			return report, errors.Join(err, s.Close())
		}
	}
	scrubbed, err := s.Scrub(ctx, ScrubOptions{})
	report.Lost = scrubbed.Damaged
	return report, errors.Join(err, s.Close())
}

// Assess returns the damage for which Open would refuse the store; see storage.Assess.
func Assess(opt Options) ([]storage.Damage, error) { return storage.Assess(opt.storage()) }

// reindex stores the chunks again that lie in the value log, whole, and cannot be found or read by their keys.
func (s *Store) reindex(ctx context.Context) (recovered int, err error) {
	type lost struct{ key, sealed []byte }
	var lot []lost
	size := 0
	flush := func() error {
		if len(lot) == 0 {
			return nil
		}
		err := s.db.Update(ctx, func(txn *badger.Txn) error {
			for _, l := range lot {
				if err := txn.Set(l.key, l.sealed); err != nil {
					return err
				}
			}
			return nil
		})
		recovered += len(lot)
		lot, size = nil, 0
		return err
	}
	done := map[federation.Digest]struct{}{}
	err = s.db.ScanValueLog(ctx, func(key, sealed []byte) error {
		if len(key) != keySize || key[0] != keyPrefix {
			return nil
		}
		d := federation.Digest(key[1:])
		if _, again := done[d]; again {
			return nil
		}
		plain, err := s.sealer.Open(nil, chunkAAD(d), sealed)
		if err != nil {
			return nil //nolint:nilerr // a damaged copy: another may be whole, and Scrub reports the chunk if none is
		}
		if ok, err := s.readable(ctx, Chunk{Digest: d, Size: len(plain)}); ok || err != nil {
			return err
		}
		done[d] = struct{}{}
		lot = append(lot, lost{append([]byte(nil), key...), append([]byte(nil), sealed...)})
		if size += len(sealed); size < handInBytes {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return recovered, fmt.Errorf("find chunks again: %w", err)
	}
	return recovered, nil
}
