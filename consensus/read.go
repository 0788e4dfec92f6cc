package consensus

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"
)

// View reads the state in one transaction that is as fresh as c says. It returns fn's error; ErrNoQuorum when freshness cannot
// be proven in time; ErrStopped or ErrClosed. The Reader is valid within fn only. What fn reads must not be assumed to be
// current any more when View returns.
func (r *Replica) View(ctx context.Context, c Consistency, fn func(Reader) error) error {
	if err := r.readable(); err != nil {
		return err
	}
	if err := r.freshen(ctx, c); err != nil {
		return err
	}
	state, err := r.machine.current()
	if err != nil {
		return err
	}
	defer state.release()
	reader := state.read()
	defer reader.discard()
	return fn(reader)
}

func (r *Replica) freshen(ctx context.Context, c Consistency) error {
	switch c.kind {
	case consistencyLocal:
		return ctx.Err()
	case consistencyLinearizable:
	default:
		return fmt.Errorf("%w: consistency", ErrConfig)
	}
	ctx, cancel := r.limited(ctx)
	defer cancel()
	index, err := r.ReadIndex(ctx)
	if err != nil {
		return err
	}
	if err := r.WaitApplied(ctx, index); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("wait for entry %d: %w: %w", index, ErrNoQuorum, err)
		}
		return err
	}
	return nil
}

// WaitApplied returns once this replica has applied the entry at index, or with the context's error.
func (r *Replica) WaitApplied(ctx context.Context, index uint64) error {
	return r.machine.applied.wait(ctx, index, r.stopped, r.stoppedErr)
}

// Sync returns once everything that this replica has applied is on its disk, without a log to replay: after a power cut it is there
// also while the region cannot be reached. It costs a sync. When that fails the replica stops.
func (r *Replica) Sync() error {
	if err := r.readable(); err != nil {
		return err
	}
	state, err := r.machine.current()
	if err != nil {
		return err
	}
	defer state.release()
	if err := state.sync(); err != nil {
		r.machine.fail(err)
		return err
	}
	return nil
}

// ReadIndex returns an index such that a replica which has applied it holds everything that was acknowledged before the call.
// The leader proves that it still leads by committing an entry after the call began; all who wait share it. The error is
// ErrNoQuorum when that cannot be done in time.
func (r *Replica) ReadIndex(ctx context.Context) (uint64, error) {
	ctx, cancel := r.limited(ctx)
	defer cancel()
	return r.asks.do(ctx, r.askIndex)
}

// askIndex gets a read index from the leader, wherever it is.
func (r *Replica) askIndex(ctx context.Context) (uint64, error) {
	ctx, cancel := r.limited(ctx)
	defer cancel()
	var index uint64
	err := r.atLeader(ctx, func(leader ID) (again bool, err error) {
		if leader == r.config.ID {
			index, err = r.readIndexHere(ctx)
		} else {
			var answer reply
			answer, _, err = r.caller.do(ctx, leader, call{kind: frameReadIndex}, r.unseated(leader))
			if err == nil {
				index, err = answer.index, answer.err()
			}
		}
		return err != nil, err // nothing is lost by asking again
	})
	return index, err
}

// readIndexHere gets a read index on this replica, which must lead.
func (r *Replica) readIndexHere(ctx context.Context) (uint64, error) {
	if r.raft.State() != raft.Leader {
		return 0, ErrNotLeader
	}
	return r.barriers.do(ctx, r.commitEmpty)
}

// commitEmpty commits an empty entry and returns what was applied here before it began. Everything acknowledged by then was applied
// here, unless another replica led in between: then, and before the first barrier of a term, the barrier's own index is
// the answer. Returning less than the barrier spares followers the wait for the message that commits it.
func (r *Replica) commitEmpty(ctx context.Context) (uint64, error) {
	ctx, cancel := r.limited(ctx)
	defer cancel()
	term := r.raft.CurrentTerm()
	ready := r.readyTerm.Load() == term
	before := r.machine.applied.get().index
	result, err := r.queue.submit(ctx, []byte{entryEmpty}, barrier)
	if err != nil {
		return 0, err
	}
	if r.raft.CurrentTerm() != term {
		return result.Index, nil
	}
	if !ready {
		r.readyTerm.Store(term)
		r.queue.flushSoon() // so that followers reach the index at once
		return result.Index, nil
	}
	return before, nil
}

// sharer lets all who wait share one run of a function that began after each of them asked.
type sharer struct {
	mu      sync.Mutex
	next    *round
	running bool
}

type round struct {
	done  chan struct{}
	index uint64
	err   error
}

func (s *sharer) do(ctx context.Context, fn func(context.Context) (uint64, error)) (uint64, error) {
	s.mu.Lock()
	if s.next == nil {
		s.next = &round{done: make(chan struct{})}
	}
	mine := s.next
	if !s.running {
		s.running = true
		go s.run(context.WithoutCancel(ctx), fn)
	}
	s.mu.Unlock()
	select {
	case <-mine.done:
		return mine.index, mine.err
	case <-ctx.Done():
		return 0, fmt.Errorf("%w: %w", ErrNoQuorum, ctx.Err())
	}
}

// run runs rounds until nobody waits. fn bounds itself in time.
func (s *sharer) run(ctx context.Context, fn func(context.Context) (uint64, error)) {
	for {
		s.mu.Lock()
		now := s.next
		s.next = nil
		if now == nil {
			s.running = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		now.index, now.err = fn(ctx)
		close(now.done)
	}
}
