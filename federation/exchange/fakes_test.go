package exchange

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

type ledger struct {
	mu       sync.Mutex
	roster   *federation.Roster
	pointers map[federation.DocumentID]federation.Pointer
	facts    policy.Facts
	err      error
	reads    int
	onFacts  func() // before the facts are given; it must not use the ledger
}

func (l *ledger) Roster() *federation.Roster {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.roster
}

func (l *ledger) Pointer(_ context.Context, id federation.DocumentID) (federation.Pointer, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.pointers[id]
	return p, ok, nil
}

func (l *ledger) Facts(context.Context, policy.Request) (policy.Facts, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads++
	if l.onFacts != nil {
		l.onFacts()
	}
	return l.facts, l.err
}

func (l *ledger) change(f func(*ledger)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l)
}

type store struct {
	mu        sync.Mutex
	manifests map[federation.DocumentID][]byte
	documents map[federation.DocumentID]policy.Document
	chunks    map[federation.Digest][]byte
	onChunk   func(n int) error                          // before the n-th chunk is read, from 1
	handOut   func(d federation.Digest, b []byte) []byte // what is read instead; mu is held
	n         int
}

func (s *store) Document(_ context.Context, id federation.DocumentID) (policy.Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.documents[id]
	if !ok {
		return d, errors.New("record is missing")
	}
	return d, nil
}

func (s *store) Manifest(_ context.Context, id federation.DocumentID) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.manifests[id]
	if !ok {
		return nil, errors.New("manifest is missing")
	}
	return m, nil
}

func (s *store) Chunk(_ context.Context, d federation.Digest) ([]byte, error) {
	s.mu.Lock()
	s.n++
	n, hook, b := s.n, s.onChunk, s.chunks[d]
	if s.handOut != nil {
		b = s.handOut(d, b)
	}
	s.mu.Unlock()
	if hook != nil {
		if err := hook(n); err != nil {
			return nil, err
		}
	}
	if b == nil {
		return nil, errors.New("chunk is missing")
	}
	return b, nil
}

// auditor keeps events, and fails with err, or from the failFrom-th event on.
type auditor struct {
	mu       sync.Mutex
	events   []Event
	err      error
	failFrom int
	onAppend func(Event)
	open     int       // intents without a last entry
	changed  sync.Cond // of open
}

// settled waits until every intent has its last entry.
func (a *auditor) settled() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changed.L = &a.mu
	for a.open > 0 {
		a.changed.Wait()
	}
}

func (a *auditor) Append(_ context.Context, e Event) (uint64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.onAppend != nil {
		a.onAppend(e)
	}
	if a.err != nil && len(a.events)+1 >= a.failFrom {
		return 0, a.err
	}
	a.events = append(a.events, e)
	switch e.Kind {
	case Intent:
		a.open++
	case Released, Interrupted:
		a.open--
	case Refused, Asked, Received, Failed:
	}
	if a.changed.L == nil {
		a.changed.L = &a.mu
	}
	a.changed.Broadcast()
	return uint64(len(a.events)), nil
}

func (a *auditor) kinds() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := ""
	for i, e := range a.events {
		if i > 0 {
			s += " "
		}
		s += e.Kind.String()
	}
	return s
}

func (a *auditor) last() Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.events) == 0 {
		return Event{}
	}
	return a.events[len(a.events)-1]
}

type freshness struct {
	mu    sync.Mutex
	err   error
	asked int
	gate  chan struct{} // if set, WaitApplied waits for it
}

func (f *freshness) ReadIndex(context.Context) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	return uint64(f.asked), f.err
}

func (f *freshness) WaitApplied(ctx context.Context, _ uint64) error {
	f.mu.Lock()
	gate := f.gate
	f.mu.Unlock()
	if gate == nil {
		return nil
	}
	select {
	case <-gate:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *freshness) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *freshness) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// testClock stands still unless ticking, plus what a test adds to each of the three.
type testClock struct {
	base    Clock
	ticking bool
	mu      sync.Mutex
	add     Instant
	wall    time.Duration
}

func newTestClock() *testClock { return &testClock{base: ProcessClock()} }

func (c *testClock) Now() Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := Instant{Wall: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	if c.ticking {
		i = c.base.Now()
	}
	return Instant{Monotonic: i.Monotonic + c.add.Monotonic, Boot: i.Boot + c.add.Boot, Wall: i.Wall.Add(c.wall)}
}

// jump moves the clocks: all three pass as much time together.
func (c *testClock) jump(mono, boot, wall time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add.Monotonic += mono
	c.add.Boot += boot
	c.wall += wall
}

func (c *testClock) pass(d time.Duration) { c.jump(d, d, d) }
