package node

import (
	"sync"
	"time"
)

// tallyPause is how often the number of those that were only counted is said.
const tallyPause = time.Minute

// tally keeps what anybody can bring about from filling the log: the first is said at once, those that follow are counted,
// and the count is said once a minute.
type tally struct {
	mu   sync.Mutex
	said time.Time
	more int
}

// first reports whether this one is to be said by itself; otherwise it is counted.
func (t *tally) first(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.more == 0 && now.Sub(t.said) >= tallyPause {
		t.said = now
		return true
	}
	t.more++
	return false
}

// due returns how many were counted since something was said last, once a minute; 0 is nothing to say.
func (t *tally) due(now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.more == 0 || now.Sub(t.said) < tallyPause {
		return 0
	}
	n := t.more
	t.more, t.said = 0, now
	return n
}
