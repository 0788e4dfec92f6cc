package exchange

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ridgeway-exchange/ridgeway/policy"
)

// guard keeps the decision of one release true while its bytes leave. The rule is: a byte leaves only on a decision
// whose facts were read under a proof of freshness that is at most one lease old at that moment. Changes that concern
// the release are signalled, and make it decide anew at once; but a signal that is lost costs time, not the promise.
type guard struct {
	release *release

	wanted atomic.Uint64 // counts the signals
	wake   chan struct{} // has one entry when a signal has not been looked at

	mu       sync.Mutex
	had      uint64 // signals that the decision takes into account
	hold     Hold
	decided  Instant
	leased   bool // the decision needs the lease
	refusal  *Refusal
	decision policy.Decision
	age      time.Duration  // of the proof, when it was decided
	halt     func(*Refusal) // ends the stream at once; nil when nothing is being sent
}

func newGuard(r *release) *guard { return &guard{release: r, wake: make(chan struct{}, 1)} }

// poke says that something has changed. It does not block.
func (g *guard) poke() {
	g.wanted.Add(1)
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// decide reads the facts and decides. The decision replaces the one before, except that a refusal stays one.
func (g *guard) decide(ctx context.Context) *Refusal {
	c := g.release.custodian
	seen := g.wanted.Load()       // before the facts are read: a later signal makes it decide again
	hold := c.cfg.Lease.Current() // before the facts are read: they are at least as fresh
	at := c.cfg.Clock.Now()
	age := c.cfg.Lease.Age(hold)
	decision, refusal := g.release.decide(ctx, hold)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refusal != nil {
		return g.refusal
	}
	g.had, g.hold, g.decided, g.refusal, g.decision, g.age = max(g.had, seen), hold, at, refusal, decision, age
	g.leased = !decision.Glass && !g.release.own()
	return refusal
}

// check reports whether a byte may leave at this moment, and for how long that will hold without another check.
func (g *guard) check(ctx context.Context) (time.Duration, *Refusal) {
	g.mu.Lock()
	had, hold, decided, leased, refusal := g.had, g.hold, g.decided, g.leased, g.refusal
	g.mu.Unlock()
	if refusal != nil {
		return 0, refusal
	}
	lease := g.release.custodian.cfg.Lease
	if had != g.wanted.Load() || g.aged(hold, decided, leased) {
		if refusal := g.decide(ctx); refusal != nil {
			return 0, refusal
		}
		g.mu.Lock()
		hold, leased = g.hold, g.leased
		g.mu.Unlock()
	}
	if !leased {
		left := g.release.left()
		if left <= 0 { // between the decision and here: it is the emergency that has ended, no proof that is too old
			return 0, g.fail(glassOver())
		}
		return left, nil
	}
	left := lease.Limit() - lease.Age(hold)
	if left < 0 {
		return 0, g.fail(refuse(policy.StalePolicy, nil))
	}
	return left, nil
}

// aged reports whether it is time to decide anew: the proof is half as old as it may be and there is a newer one, or it
// has lapsed; without a lease, that much time has passed since the decision.
func (g *guard) aged(hold Hold, decided Instant, leased bool) bool {
	c := g.release.custodian
	lease := c.cfg.Lease
	if !leased {
		passed, ok := c.cfg.Clock.Now().since(decided)
		return !ok || passed > lease.Limit()/2 || g.release.left() <= 0
	}
	age := lease.Age(hold)
	return age > lease.Limit() || age > lease.Limit()/2 && lease.Current() != hold
}

// fail ends the release with a refusal, unless it has ended already.
func (g *guard) fail(r *Refusal) *Refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refusal == nil {
		g.refusal = r
	}
	return g.refusal
}

// settle looks once, and ends the stream when the release may not go on.
func (g *guard) settle(ctx context.Context) {
	g.mu.Lock()
	halt := g.halt
	g.mu.Unlock()
	if halt == nil {
		return
	}
	if _, refusal := g.check(ctx); refusal != nil {
		halt(refusal)
	}
}

// sending says how the stream is ended at once; nil when it is over.
func (g *guard) sending(halt func(*Refusal)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.halt = halt
}

// watch looks at every signal as it comes, and calls stop when the release may not go on: a write that is blocked does
// not look by itself.
func (g *guard) watch(ctx context.Context, stop func(*Refusal)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.wake:
			if _, refusal := g.check(ctx); refusal != nil && ctx.Err() == nil {
				stop(refusal)
				return
			}
		}
	}
}
