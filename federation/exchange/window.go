package exchange

import (
	"slices"
	"time"
)

// window returns how many chunks may be under way or wait for their turn: fewer while more fetches share the budget.
func (c *Client) window() int {
	return max(min(c.limits.Window, c.limits.Budget/int(max(c.bulk.Load(), 1))), leastWindow)
}

func (p *puller) window() int { return p.fetch.client.window() }

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

// choose takes the next run of chunks to ask for on s; none when the window is full. If wait is set it waits for one, and
// returns none when everything has arrived or the fetch has ended. It fails with errTurn when the sink is what it would wait for and
// others wait for the place, and with what has become of the stream meanwhile.
func (p *puller) choose(s *source, at *place, wait bool) ([]int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	began := time.Now()
	looked := began
	for {
		if p.over() {
			return nil, nil
		}
		if run := p.pick(); len(run) > 0 || !wait {
			return run, nil
		}
		now := time.Now()
		if now.Sub(began) >= patience && at.wanted() {
			return nil, errTurn
		}
		if now.Sub(looked) >= idleLook {
			looked = now
			p.mu.Unlock()
			err := s.idle()
			p.mu.Lock()
			if err != nil {
				return nil, err
			}
			continue
		}
		wake := time.AfterFunc(idleLook, p.wake)
		p.moved.Wait()
		wake.Stop()
	}
}

// wake has everybody look again.
func (p *puller) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moved.Broadcast()
}

// over reports whether there is nothing left to ask for, or to ask for it for.
func (p *puller) over() bool { return p.stopped || p.err != nil || p.arrived == p.total }

// need waits until there is a reason to open a stream again, and reports whether there will be one. Who waits gives at back: it can
// last as long as the sink likes.
func (p *puller) need(at *place) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		window := p.window() // once: it changes under other fetches
		room := min(p.plan.total, p.next+window) - p.head
		switch {
		case p.over():
			return false
		case len(p.again) > 0, p.renew, room > 0 && room >= min(window/2, p.plan.total-p.head):
			return true
		}
		at.leave()
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
