package blob

import (
	"context"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

const deleteLot = 256 // chunks deleted in one transaction

// Delete removes chunks, durably, and returns those that it removed: chunks that are pinned by a Put stay. The
// caller must know that nothing references them. The space is given back by CollectGarbage.
func (s *Store) Delete(ctx context.Context, ds []federation.Digest) (removed []federation.Digest, err error) {
	for len(ds) > 0 {
		n := min(len(ds), deleteLot)
		lot, err := s.deleteSome(ctx, ds[:n])
		removed = append(removed, lot...)
		if err != nil {
			return removed, fmt.Errorf("delete chunks: %w", err)
		}
		ds = ds[n:]
	}
	return removed, nil
}

func (s *Store) deleteSome(ctx context.Context, ds []federation.Digest) ([]federation.Digest, error) {
	var doomed []federation.Digest
	for _, d := range ds {
		if s.pins.doom(d) {
			doomed = append(doomed, d)
		}
	}
	defer s.pins.deleted(doomed)
	if len(doomed) == 0 {
		return nil, nil
	}
	p, err := s.db.Begin(ctx, storage.Write{
		Purpose: storage.Essential, // it is what makes room
		Bytes:   int64(len(doomed)) * chunkOverhead,
		Fn: func(txn *badger.Txn) error {
			for _, d := range doomed {
				if err := txn.Delete(chunkKey(d)); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	if err := p.Wait(); err != nil {
		return nil, err
	}
	return doomed, nil
}

// Sweep deletes every chunk that is neither referenced nor pinned and returns how many those were. referenced is
// asked about each stored chunk and must tell of every record that was stored before it is asked; records stored
// meanwhile are covered by the pins of their Put. An error of it ends the sweep.
func (s *Store) Sweep(ctx context.Context, referenced func(federation.Digest) (bool, error)) (deleted int, err error) {
	s.pins.beginSweep()
	defer s.pins.endSweep()
	var lot []federation.Digest
	flush := func() error {
		removed, err := s.Delete(ctx, lot)
		deleted += len(removed)
		lot = lot[:0]
		return err
	}
	err = s.Digests(ctx, func(d federation.Digest) error {
		used, err := referenced(d)
		if err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
		if used {
			return nil
		}
		if lot = append(lot, d); len(lot) < deleteLot {
			return nil
		}
		return flush()
	})
	if err != nil {
		return deleted, err
	}
	return deleted, flush()
}

// CollectGarbage gives space of deleted chunks back to the file system: files of which at least the part ratio, 0 to 1,
// is garbage are written anew without it. It returns how many files it has removed.
func (s *Store) CollectGarbage(ctx context.Context, ratio float64) (files int, err error) {
	for {
		more, err := s.db.CollectGarbage(ctx, ratio)
		if err != nil || !more {
			return files, err
		}
		files++
	}
}
