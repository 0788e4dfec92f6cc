package consensus

import (
	"context"
	"sync"
)

// applyClock is the applied position and those who wait for it to move.
type applyClock struct {
	mu      sync.Mutex
	at      position
	waiters map[*applyWaiter]struct{}
}

type applyWaiter struct {
	index uint64
	done  chan struct{}
}

func (c *applyClock) get() position {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// advance moves the clock, forward as a rule, and wakes those who waited for it.
func (c *applyClock) advance(to position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = to
	for w := range c.waiters {
		if w.index <= to.index {
			close(w.done)
			delete(c.waiters, w)
		}
	}
}

// wait returns once index is applied, or with the context's error, or with stopped's cause.
func (c *applyClock) wait(ctx context.Context, index uint64, stopped <-chan struct{}, cause func() error) error {
	c.mu.Lock()
	if c.at.index >= index {
		c.mu.Unlock()
		return nil
	}
	w := &applyWaiter{index: index, done: make(chan struct{})}
	if c.waiters == nil {
		c.waiters = make(map[*applyWaiter]struct{})
	}
	c.waiters[w] = struct{}{}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiters, w)
		c.mu.Unlock()
	}()
	select {
	case <-w.done:
		return nil
	case <-stopped:
		return cause()
	case <-ctx.Done():
		return ctx.Err()
	}
}
