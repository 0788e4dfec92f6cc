package web

import "sync"

// slots bounds what lasts: how much of it is under way at all, and how much of one holder, so that nobody can hold all of it. It is
// safe for concurrent use.
type slots struct {
	most, each int

	mu   sync.Mutex
	all  int
	held map[string]int
}

// enter takes a place. Where there is none, leave is nil.
func (x *slots) enter(holder string) (leave func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.held == nil {
		x.held = make(map[string]int)
	}
	if x.all >= x.most || x.held[holder] >= x.each {
		return nil
	}
	x.all++
	x.held[holder]++
	return func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.all--
		if x.held[holder]--; x.held[holder] == 0 {
			delete(x.held, holder)
		}
	}
}
