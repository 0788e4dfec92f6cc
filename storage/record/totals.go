package record

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// Stats are the totals of a store, for reconciliation and for the operator.
type Stats struct {
	Patients  uint64 // with at least one document
	Documents uint64 // taken in, whatever became of them
	Parts     uint64
	Pages     uint64 // of parts whose number of pages is known
	Bytes     uint64
	Phases    map[Phase]uint64 // documents in each phase
	Outbox    uint64           // entries that wait, those in flight included
	Rejected  uint64           // entries that the region refused and nobody has dealt with
	Refusals  uint64           // objections recorded here that have not been committed
}

// totals is the row behind Stats. It changes in the transaction of what it counts.
type totals struct {
	patients, documents, parts, pages, bytes uint64
	phases                                   [Erased + 1]uint64
	outbox, rejected, refusals               uint64
	next                                     uint64 // number of the next outbox entry
}

// errNoTotals is returned when there is no totals row: the store is new, or damaged.
var errNoTotals = fmt.Errorf("the totals are missing: %w", storage.ErrIntegrity)

// Stats returns the totals.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	var t totals
	err := s.view(ctx, func(txn *badger.Txn) (err error) {
		t, err = s.totals(txn)
		return err
	})
	out := Stats{
		Patients: t.patients, Documents: t.documents, Parts: t.parts, Pages: t.pages, Bytes: t.bytes, Outbox: t.outbox,
		Rejected: t.rejected, Refusals: t.refusals, Phases: map[Phase]uint64{},
	}
	for p := Queued; p <= Erased; p++ {
		out.Phases[p] = t.phases[p]
	}
	return out, err
}

// AnyWaiting reports whether Waiting may have anything of any patient.
func (s *Store) AnyWaiting(ctx context.Context) (bool, error) {
	changes, quiet := s.changes.load()
	if kept := s.idle.Load(); quiet && kept == changes+1 {
		return false, ctx.Err()
	}
	stats, err := s.Stats(ctx)
	if err != nil {
		return false, err
	}
	some := stats.Outbox > 0 || stats.Phases[Refused] > 0
	if again, still := s.changes.load(); !some && quiet && still && again == changes {
		s.idle.Store(changes + 1)
	}
	return some, nil
}

// changes counts updates, so that it can be told that there was none between two moments.
type changes struct{ begun, ended atomic.Uint64 }

// load returns how many updates there were, and whether none is under way.
func (c *changes) load() (n uint64, quiet bool) {
	n = c.ended.Load() // before begun: one that begins in between is seen
	return n, c.begun.Load() == n
}

func (t *totals) fields() []*uint64 {
	f := []*uint64{&t.patients, &t.documents, &t.parts, &t.pages, &t.bytes, &t.outbox, &t.rejected, &t.refusals, &t.next}
	for p := Queued; p <= Erased; p++ {
		f = append(f, &t.phases[p])
	}
	return f
}

func (s *Store) totals(txn *badger.Txn) (totals, error) {
	var t totals
	plain, found, err := s.get(txn, []byte{rowTotals})
	if err != nil {
		return t, err
	}
	if !found {
		return t, errNoTotals
	}
	d := federation.NewDecoder("totals", plain)
	for _, f := range t.fields() {
		*f = d.U64()
	}
	return t, damaged(d.Finish())
}

func (s *Store) putTotals(txn *badger.Txn, t totals) error {
	var e federation.Encoder
	for _, f := range t.fields() {
		e.U64(*f)
	}
	return s.put(txn, []byte{rowTotals}, e.Bytes())
}

// update runs fn in a durable transaction with the totals, which are written back after it.
func (s *Store) update(ctx context.Context, size int64, fn func(txn *badger.Txn, t *totals) error) error {
	s.changes.begun.Add(1)
	defer s.changes.ended.Add(1)
	pending, err := s.db.Begin(ctx, storage.Write{Bytes: size, Fn: func(txn *badger.Txn) error {
		t, err := s.totals(txn)
		if err != nil {
			return err
		}
		before := t
		if err := fn(txn, &t); err != nil || t == before {
			return err
		}
		return s.putTotals(txn, t)
	}})
	if err == nil {
		err = pending.Wait()
	}
	if errors.Is(err, badger.ErrTxnTooBig) {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return err
}

// setPhase moves a document from one phase to another in the totals.
func (t *totals) setPhase(st *State, to Phase) {
	if st.Phase != 0 {
		t.phases[st.Phase]--
	}
	t.phases[to]++
	st.Phase = to
}
