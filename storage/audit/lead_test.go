package audit

import (
	"bytes"
	"context"
	"os"
	"runtime/debug"
	"sync"
	"testing"
	"time"
)

// syncs notes who has the write-ahead file synced, and can hold them up.
type syncs struct {
	mu   sync.Mutex
	who  []string // "caller" or "loop"
	gate chan struct{}
}

func (s *syncs) sync(f *os.File) error {
	stack := debug.Stack()
	if !bytes.Contains(stack, []byte("(*ahead).write(")) {
		return fdatasync(f)
	}
	who := "caller"
	if bytes.Contains(stack, []byte("writeLoop")) {
		who = "loop"
	}
	s.mu.Lock()
	s.who = append(s.who, who)
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	return fdatasync(f)
}

func (s *syncs) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.who...)
}

// TestWhoIsAloneWritesItself: nobody need be woken to write for a caller that waits for its own entry. What comes meanwhile
// goes together in one write of the log's own goroutine, whoever leads.
func TestWhoIsAloneWritesItself(t *testing.T) {
	s := &syncs{}
	opt := testOptions(t.TempDir())
	opt.Sync = s.sync
	l := open(t, opt)
	for i := range 3 {
		if at, err := l.Append(context.Background(), entry(i)); err != nil || at != uint64(i) {
			t.Fatalf("entry %d: %d, %v", i, at, err)
		}
	}
	if got := s.seen(); len(got) != 3 || got[0] != "caller" || got[1] != "caller" || got[2] != "caller" {
		t.Errorf("synced by %v, want three times the caller", got)
	}
	gate := make(chan struct{})
	s.mu.Lock()
	s.who, s.gate = nil, gate
	s.mu.Unlock()
	var all sync.WaitGroup
	add := func(i int) {
		all.Go(func() {
			if _, err := l.Append(context.Background(), entry(i)); err != nil {
				t.Errorf("entry %d: %v", i, err)
			}
		})
	}
	add(3)
	until(t, func() bool { return len(s.seen()) == 1 })
	const more = 5
	for i := range more {
		add(4 + i)
	}
	until(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.waiting) == more
	})
	close(gate)
	all.Wait()
	if got := s.seen(); len(got) != 2 || got[0] != "caller" || got[1] != "loop" {
		t.Errorf("synced by %v, want the caller, and once the loop for all others", got)
	}
	p, err := l.Begin(context.Background(), entry(9))
	if err != nil {
		t.Fatal(err)
	}
	if at, err := p.Wait(); err != nil || at != 4+more {
		t.Errorf("begun and waited for: %d, %v", at, err)
	}
	closeLog(t, l)
}

func until(t *testing.T, met func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("did not come true within a minute")
		}
	}
}
