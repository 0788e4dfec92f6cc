package exchange

import (
	"slices"
	"time"
)

// window returns how many chunks may be under way or wait for their turn: fewer while more fetches share the budget.
func (p *puller) window() int {
	l := p.fetch.client.limits
	return max(min(l.Window, l.Budget/int(max(p.fetch.client.bulk.Load(), 1))), 2*mostWant)
}

// room reports whether a stream with n chunks under way, which has received so many lately, may ask for more.
func (p *puller) room(n, lately int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return n+mostWant <= max(min(p.window()/max(p.stripes, 1), max(lately, leastUnder)), mostWant)
}

// pace counts what one stream receives, in steps of a second.
type pace struct {
	since      time.Time
	last, this int // chunks in the second before and in the one under way
}

func (p *pace) arrived(now time.Time) {
	p.lately(now)
	p.this++
}

// lately returns how many chunks came within the last second or two.
func (p *pace) lately(now time.Time) int {
	if age := now.Sub(p.since); age > time.Second {
		p.last, p.this, p.since = p.this, 0, now
		if age > 2*time.Second {
			p.last = 0
		}
	}
	return max(p.last, p.this)
}

// choose takes the next run of chunks to ask for; none when the window is full. If wait is set it waits for one, and
// returns none when everything has arrived or the fetch has ended.
func (p *puller) choose(wait bool) []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if p.stopped || p.err != nil || p.arrived == p.total {
			return nil
		}
		if run := p.pick(); len(run) > 0 {
			return run
		}
		if !wait {
			return nil
		}
		p.moved.Wait()
	}
}

// pick takes up to mostWant chunks that follow each other.
func (p *puller) pick() []int {
	if len(p.again) > 0 {
		n := 1
		for n < len(p.again) && n < mostWant && p.again[n] == p.again[n-1]+1 {
			n++
		}
		run := slices.Clone(p.again[:n])
		p.again = p.again[n:]
		return run
	}
	var run []int
	for end := min(p.plan.total, p.next+p.window()); p.head < end && len(run) < mostWant; p.head++ {
		run = append(run, p.head)
	}
	return run
}

// put makes a chunk ready for the sink.
func (p *puller) put(seq int, buf *[]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready[seq] = buf
	p.arrived++
	p.moved.Broadcast()
}

// giveBack returns chunks that did not come, for any stream to ask for.
func (p *puller) giveBack(seqs []int) {
	if len(seqs) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.again = append(p.again, seqs...)
	slices.Sort(p.again)
	p.moved.Broadcast()
}
