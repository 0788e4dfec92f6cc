package blob

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/time/rate"

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
	err := s.change(ctx, len(doomed), func(txn *badger.Txn) error {
		for _, d := range doomed {
			if err := errors.Join(txn.Delete(chunkKey(d)), txn.Delete(looseKey(d))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return doomed, nil
}

// change writes a few small rows for the sake of making room.
func (s *Store) change(ctx context.Context, rows int, fn func(txn *badger.Txn) error) error {
	p, err := s.db.Begin(ctx, storage.Write{Purpose: storage.Essential, Bytes: int64(rows) * chunkOverhead, Fn: fn})
	if err != nil {
		return err
	}
	return p.Wait()
}

// SweepOptions say what Sweep removes.
type SweepOptions struct {
	// Referenced is asked about each stored chunk and must tell of every record that was stored before it is asked; records
	// stored meanwhile are covered by the pins of their Put. An error of it ends the sweep.
	Referenced func(federation.Digest) (bool, error)
	// Age is for how long a chunk must have been known to be unreferenced. The first sweep that finds it begins the time, and
	// only writes it down; 0 removes it at once.
	Age time.Duration
	// Now is the clock of Age; nil is time.Now.
	Now func() time.Time
	// PerSecond bounds how many chunks are asked about in a second; 0 does not.
	PerSecond int
}

// A SweepReport counts what Sweep has done.
type SweepReport struct {
	Chunks  int // asked about
	Loose   int // unreferenced, and left for now
	Deleted int
}

// Sweep deletes the chunks that are neither referenced nor pinned and have been unreferenced for long enough.
func (s *Store) Sweep(ctx context.Context, opt SweepOptions) (SweepReport, error) {
	s.pins.beginSweep()
	defer s.pins.endSweep()
	w := sweep{s: s, opt: opt, limit: rate.NewLimiter(rate.Inf, 1)}
	if opt.PerSecond > 0 {
		w.limit = rate.NewLimiter(rate.Limit(opt.PerSecond), max(opt.PerSecond/10, 1))
	}
	if w.opt.Now == nil {
		w.opt.Now = time.Now
	}
	err := s.Digests(ctx, func(d federation.Digest) error { return w.look(ctx, d) })
	if err == nil {
		err = w.flush(ctx)
	}
	if err == nil {
		err = w.forget(ctx)
	}
	if err != nil {
		return w.report, fmt.Errorf("sweep: %w", err)
	}
	return w.report, nil
}

// A sweep under way.
type sweep struct {
	s      *Store
	opt    SweepOptions
	limit  *rate.Limiter
	report SweepReport
	old    []federation.Digest // to be deleted
	fresh  []federation.Digest // found unreferenced for the first time
}

// look judges one chunk.
func (w *sweep) look(ctx context.Context, d federation.Digest) error {
	if err := w.limit.Wait(ctx); err != nil {
		return err
	}
	w.report.Chunks++
	used, err := w.opt.Referenced(d)
	if err != nil || used {
		return err
	}
	since, known, err := w.s.looseSince(d)
	switch {
	case err != nil:
		return err
	case w.opt.Age <= 0 || known && w.opt.Now().Sub(since) >= w.opt.Age:
		w.old = append(w.old, d)
	default:
		w.report.Loose++
		if !known {
			w.fresh = append(w.fresh, d)
		}
	}
	if len(w.old)+len(w.fresh) < deleteLot {
		return nil
	}
	return w.flush(ctx)
}

func (w *sweep) flush(ctx context.Context) error {
	removed, err := w.s.Delete(ctx, w.old)
	w.report.Deleted += len(removed)
	w.report.Loose += len(w.old) - len(removed)
	fresh := w.fresh
	w.old, w.fresh = w.old[:0], nil
	if err != nil || len(fresh) == 0 {
		return err
	}
	now := binary.BigEndian.AppendUint64(nil, uint64(w.opt.Now().Unix()))
	return w.s.change(ctx, len(fresh), func(txn *badger.Txn) error {
		for _, d := range fresh {
			if err := txn.Set(looseKey(d), now); err != nil {
				return err
			}
		}
		return nil
	})
}

// forget takes away what was written down of chunks that are referenced again, or gone.
func (w *sweep) forget(ctx context.Context) error {
	var gone []federation.Digest
	err := w.s.digests(ctx, loosePrefix, func(d federation.Digest) error {
		there, err := w.s.Has(d)
		if err != nil {
			return err
		}
		if there {
			if there, err = w.opt.Referenced(d); err != nil || !there {
				return err
			}
		}
		gone = append(gone, d)
		return nil
	})
	for err == nil && len(gone) > 0 {
		lot := gone[:min(len(gone), deleteLot)]
		gone = gone[len(lot):]
		err = w.s.change(ctx, len(lot), func(txn *badger.Txn) error {
			for _, d := range lot {
				if err := txn.Delete(looseKey(d)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return err
}

// looseSince returns since when a chunk is known to be unreferenced.
func (s *Store) looseSince(d federation.Digest) (since time.Time, known bool, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get(looseKey(d))
		if err != nil {
			return err
		}
		return item.Value(func(v []byte) error {
			if known = len(v) == 8; known {
				since = time.Unix(int64(binary.BigEndian.Uint64(v)), 0)
			}
			return nil
		})
	})
	if errors.Is(err, badger.ErrKeyNotFound) {
		err = nil
	}
	return since, known, err
}

func looseKey(d federation.Digest) []byte { return append([]byte{loosePrefix}, d[:]...) }

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
