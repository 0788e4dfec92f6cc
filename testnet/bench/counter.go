package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

// patience is how long a statement waits at most for those who were told last.
const patience = time.Millisecond

// counter is where callers wait who have a pointer each to be agreed on, as documents wait in a node's outbox. What comes while a
// statement is on its way goes into the next one.
//
// Who was told comes again, and at once. Did the next statement not wait for them, callers would fall into two halves for good: one in
// the statement on its way, one waiting for the next. So it waits until as many have come as were told, for a quarter of the time at
// most that the statement before took. The pointer that finds nobody there goes alone.
type counter struct {
	trust *speaker
	to    *consensus.Replica
	kept  *os.File // the statement on its way, synced before it is submitted, as a node's outbox keeps it

	wake     chan struct{} // capacity 1
	expected uint64        // of run only: what arrived will be when as many have come as were told last

	mu      sync.Mutex
	waiting []waiter
	arrived uint64 // so far
}

type waiter struct {
	pointer federation.Pointer
	done    chan error // capacity 1
}

func newCounter(trust *speaker, to *consensus.Replica, keptIn string) (*counter, error) {
	kept, err := os.Create(keptIn)
	return &counter{trust: trust, to: to, kept: kept, wake: make(chan struct{}, 1)}, err
}

// publish returns when the region has agreed on a pointer.
func (c *counter) publish(ctx context.Context, p federation.Pointer) error {
	w := waiter{p, make(chan error, 1)}
	c.mu.Lock()
	c.waiting = append(c.waiting, w)
	c.arrived++
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run says what publish brings until ctx ends.
func (c *counter) run(ctx context.Context) error {
	for ctx.Err() == nil {
		c.mu.Lock()
		group := c.waiting[:min(len(c.waiting), federation.MaxPointers)]
		c.waiting = c.waiting[len(group):]
		c.mu.Unlock()
		if len(group) > 0 {
			began := time.Now()
			err := c.say(ctx, group)
			c.mu.Lock()
			c.expected = c.arrived + uint64(len(group))
			c.mu.Unlock()
			for _, w := range group {
				w.done <- err
			}
			c.gather(ctx, min(time.Since(began)/4, patience))
			continue
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
		}
	}
	return c.kept.Close()
}

// say has the region agree on a group in one statement.
func (c *counter) say(ctx context.Context, group []waiter) error {
	body := federation.Publish{Pointers: make([]federation.Pointer, len(group))}
	for i, w := range group {
		body.Pointers[i] = w.pointer
	}
	cmd, err := c.trust.say(body)
	if err != nil {
		return err
	}
	_, err = c.kept.WriteAt(cmd, 0) // in place of the one before, which is settled
	if err := errors.Join(err, datasync(c.kept)); err != nil {
		return fmt.Errorf("keep a statement: %w", err)
	}
	return accept(ctx, c.to, cmd, consensus.Bulk)
}

// gather waits until as many have come as were told last.
func (c *counter) gather(ctx context.Context, most time.Duration) {
	late := time.NewTimer(most)
	defer late.Stop()
	for c.missing() {
		select {
		case <-c.wake:
		case <-late.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (c *counter) missing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.arrived < c.expected
}
