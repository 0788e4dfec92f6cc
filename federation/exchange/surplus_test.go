package exchange

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// Two streams of a fetch that are told at once that the custodian is busy do not both leave it.
func TestOneOfTwoBusyStreamsStays(t *testing.T) {
	p := &puller{stripes: 2}
	p.moved.L = &p.mu
	busy := refuse(policy.Unavailable, errors.New("busy"))
	if !p.surplus(busy) {
		t.Error("the first of two is kept")
	}
	if p.surplus(busy) {
		t.Error("the last one is taken off as well")
	}
	if p.stripes != 1 || p.err != nil {
		t.Errorf("%d stripes are left, and the fetch has ended with %v", p.stripes, p.err)
	}
}

// A fetch whose last bytes have come is not held up by a stripe that waits before its next attempt.
func TestEndOfAFetchWaitsForNoAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *CustodianConfig, c *ClientConfig) {
			c.Limits.Stripes, c.Limits.Attempts, c.Limits.Backoff = 2, 10, time.Minute
			w.dial = func(n int) error {
				if n < 2 {
					return nil
				}
				return endpoint.ErrUnreachable
			}
		})
		w.path = Path{Sent: 100000, Lost: 500, RTT: 10_000_000}
		r := &reader{pace: 10 * time.Millisecond}
		w.readAll(300, []*reader{r}, func() {})
		if r.err != nil || r.chunks != 300 {
			t.Errorf("%d chunks, %v", r.chunks, r.err)
		}
		if w.dialled.Load() < 2 {
			t.Error("no second stripe was tried")
		}
		if r.done-r.last > time.Second {
			t.Errorf("the last bytes came %s before it was done", r.done-r.last)
		}
	})
}
