package exchange

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	pulseBeat = 150 * time.Millisecond
	// pulseGap is how long the process may have stood still unnoticed: bytes that were let through before may leave so much
	// later. It is within the second that the promise gives beyond a lease.
	pulseGap = 750 * time.Millisecond
	// pulseRest is how long nothing leaves after all was looked at. It is more than a beat: ticks that were due come at once when the
	// process goes on.
	pulseRest = 3 * pulseBeat
)

// pulse notices that the process or the machine has stood still. What the guard has let through is then still in the
// transport's hands, and would leave when it goes on, however long that was. So nothing leaves the socket until every release
// has been looked at again, and for a rest, in which packets that were made before come to the socket and are dropped.
//
//	beat   beat ........ stopped ........ goes on   look at all   beat   beat   beat
//	 |      |                              |           |<─────────── rest ────────>|
//	 open ──────────────────────────────── held ────────────────────────────────── open
type pulse struct {
	clock Clock
	beats atomic.Bool // somebody beats; nobody does before the start and after the end
	last  atomic.Pointer[Instant]
	shut  atomic.Bool // since it was noticed, until the rest is over

	settled Instant // when all was looked at last; for beat alone
}

// held reports whether nothing may leave now.
func (p *pulse) held() bool {
	return p.beats.Load() && (p.shut.Load() || p.stood(p.clock.Now()))
}

// begin has the pulse count from now on, until end is called.
func (p *pulse) begin() (end func()) {
	now := p.clock.Now()
	p.last.Store(&now)
	p.shut.Store(false)
	p.beats.Store(true)
	return func() { p.beats.Store(false) }
}

// stood reports whether there was no beat for too long. Nothing is known of how long when a clock went backwards.
func (p *pulse) stood(now Instant) bool {
	passed, known := now.since(*p.last.Load())
	return !known || passed > pulseGap
}

// beat looks at the clock, and has look called before anything leaves again when the process has stood still. The rest begins anew
// after a beat that was late: who sends may have stood still as well.
func (p *pulse) beat(look func()) {
	before := p.clock.Now()
	stood, late := p.stood(before), before.Monotonic-p.last.Load().Monotonic > 2*pulseBeat
	if stood {
		p.shut.Store(true)
		look()
	}
	now := p.clock.Now()
	p.last.Store(&now)
	switch {
	case stood, late:
		p.settled = now
	case now.Monotonic-p.settled.Monotonic >= pulseRest: // what the others say can be set
		p.shut.Store(false)
	}
}

// Held reports whether nothing may leave this node's socket at this moment: the process has stood still, and what was let
// through before has not been looked at again. It is asked for every datagram that is sent, and Beat must be running.
func (c *Custodian) Held() bool { return c.pulse.held() }

// Beat notices when the process has stood still, until ctx ends. See Held.
func (c *Custodian) Beat(ctx context.Context) {
	defer c.pulse.begin()()
	tick := time.NewTicker(pulseBeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.pulse.beat(func() { c.settle(ctx) })
		}
	}
}

// settle looks at every release that is under way, and ends those that may not go on. When it returns, nothing that they
// have written and that has not left is sent any more.
func (c *Custodian) settle(ctx context.Context) {
	c.mu.Lock()
	var all []*guard
	for g := range c.guards {
		all = append(all, g)
	}
	c.mu.Unlock()
	for _, g := range all {
		g.settle(ctx)
	}
}
