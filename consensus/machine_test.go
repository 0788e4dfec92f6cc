package consensus

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestMachineThatFailsStopsItsReplica(t *testing.T) {
	for _, c := range []struct{ name, cmd, want string }{
		{"error", "fail", "told to fail"},
		{"panic", "panic", "told to panic"},
		{"effects above the limit", "huge", "too large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRegion(t)
				r := g.start(1)[0]
				g.set(r, "k", "1")
				if _, err := r.Submit(g.context(5*time.Second), []byte(c.cmd), Bulk); err == nil {
					t.Fatal("the command was acknowledged")
				}
				g.until("the replica to stop", func() bool { return r.Status().State == Stopped })
				s := r.Status()
				if !errors.Is(s.Cause, ErrStopped) || !strings.Contains(s.Cause.Error(), c.want) {
					t.Errorf("cause is %v, want %q", s.Cause, c.want)
				}
				if _, err := r.Submit(g.context(time.Second), []byte("set k 2"), Bulk); !errors.Is(err, ErrStopped) {
					t.Errorf("submit: %v, want ErrStopped", err)
				}
				if _, err := get(g.context(time.Second), r, Local(), "k"); !errors.Is(err, ErrStopped) {
					t.Errorf("read: %v, want ErrStopped", err)
				}
				// It stops again at the same entry, and the state holds what came before and nothing of it.
				g.close(r)
				state, err := openState(g.dirs[testID(1)]+"/state-000001", r.config)
				if err != nil {
					t.Fatal(err)
				}
				rd := state.read()
				if got := scanAll(t, rd, "", ""); got != "k=1" {
					t.Errorf("state is %q, want k=1", got)
				}
				rd.discard()
				state.release()
			})
		})
	}
}

func TestBatchesAreSplitBetweenCommandsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		r := g.start(1)[0]
		// 12 commands of 1,000 keys each do not fit one transaction of the small profile.
		errs := make(chan error)
		for i := range 12 {
			go func() {
				_, err := r.Submit(g.context(20*time.Second), fmt.Appendf(nil, "spread %02d %s", i, strings.Repeat("x", 200)), Bulk)
				errs <- err
			}()
		}
		for range 12 {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
		if n := strings.Count(dump(t, r), "\n"); n != 12_000 {
			t.Errorf("state has %d keys, want 12,000", n)
		}
	})
}

func TestCommandsAboveTheLimitAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		r := g.start(1)[0]
		if _, err := r.Submit(g.context(time.Second), make([]byte, MaxCommand+1), Bulk); !errors.Is(err, ErrTooLarge) {
			t.Errorf("got %v, want ErrTooLarge", err)
		}
		if _, err := r.Submit(g.context(time.Second), make([]byte, MaxCommand), Bulk); err != nil {
			t.Errorf("a command of the largest size: %v", err)
		}
	})
}

func TestAppliedIsToldInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		r := g.start(1)[0]
		for i := range 12 {
			g.set(r, "k", fmt.Sprint(i))
		}
		m := g.machines[testID(1)]
		m.mu.Lock()
		defer m.mu.Unlock()
		for i := 1; i < len(m.seen); i++ {
			if m.seen[i] <= m.seen[i-1] {
				t.Fatalf("Applied was told %v", m.seen)
			}
		}
	})
}

func TestBadConfigNamesAllThatIsWrong(t *testing.T) {
	_, err := Open(Config{Storage: Storage{MemTable: 1}})
	if !errors.Is(err, ErrConfig) {
		t.Fatalf("got %v", err)
	}
	for _, word := range []string{"ID", "Dir", "Network", "Machine", "Member", "MemTable"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error does not name %s: %v", word, err)
		}
	}
}

func TestFolderIsOpenedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		g.open(1)
		if _, err := Open(g.config(testID(1))); !errors.Is(err, ErrInUse) {
			t.Errorf("got %v, want ErrInUse", err)
		}
	})
}

func TestSecondBootstrapIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		r := g.start(1)[0]
		if err := r.Bootstrap(g.context(time.Second)); !errors.Is(err, ErrNotEmpty) {
			t.Errorf("got %v, want ErrNotEmpty", err)
		}
	})
}
