package exchange

import (
	"testing"
	"time"
)

func TestStreamHasNoMoreUnderWayThanItReceivedLately(t *testing.T) {
	f := &fetch{client: &Client{limits: ClientLimits{}.withDefaults()}}
	p := &puller{fetch: f, stripes: 1}
	var pace pace
	now := time.Unix(1000, 0)
	room := func() int {
		n := 0
		for p.room(n, pace.lately(now)) {
			n += mostWant
		}
		return n
	}
	if got := room(); got != leastUnder {
		t.Errorf("%d chunks under way before anything has come, want %d", got, leastUnder)
	}
	for range 5 * leastUnder {
		pace.arrived(now)
	}
	if got := room(); got != 5*leastUnder {
		t.Errorf("%d under way after %d have come", got, 5*leastUnder)
	}
	now = now.Add(1500 * time.Millisecond)
	pace.arrived(now)
	if got := room(); got != 5*leastUnder {
		t.Errorf("%d under way in the second after", got)
	}
	now = now.Add(2500 * time.Millisecond)
	if got := room(); got != leastUnder {
		t.Errorf("%d under way after a silence", got)
	}
	for range 1000 {
		pace.arrived(now)
	}
	if got := room(); got != f.client.limits.Window {
		t.Errorf("%d under way on a fast path, want the window of %d", got, f.client.limits.Window)
	}
	p.stripes = 16
	if got := room(); got != f.client.limits.Window/16 {
		t.Errorf("%d under way on one of 16 streams", got)
	}
}
