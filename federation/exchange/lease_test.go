package exchange

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func newTestLease(t *testing.T, source Freshness, clock Clock, limit time.Duration) *Lease {
	t.Helper()
	l, err := NewLease(LeaseConfig{Source: source, Clock: clock, Limit: limit, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLeaseAgeIsByTheClockThatSaysMost(t *testing.T) {
	for _, tt := range []struct {
		name             string
		mono, boot, wall time.Duration
		want             time.Duration
	}{
		{"all alike", 3, 3, 3, 3},
		{"monotonic", 5, 3, 3, 5},
		{"boot: the machine slept", 1, 60, 1, 60},
		{"wall: set forward", 1, 1, 99, 99},
		{"wall: set back", 2, 2, -1, math.MaxInt64},
		{"monotonic went back", -1, 2, 2, math.MaxInt64},
		{"boot went back", 2, -1, 2, math.MaxInt64},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock := newTestClock()
			l := newTestLease(t, &freshness{}, clock, 0)
			h, err := l.Renew(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			clock.jump(tt.mono, tt.boot, tt.wall)
			if got := l.Age(h); got != tt.want {
				t.Errorf("age %d, want %d", got, tt.want)
			}
			l.Close()
		})
	}
}

func TestNoProofIsAsOldAsCanBe(t *testing.T) {
	clock := newTestClock()
	source := &freshness{err: errBroken}
	l := newTestLease(t, source, clock, 0)
	if h := l.Fresh(t.Context()); l.Age(h) != math.MaxInt64 {
		t.Errorf("age %s", l.Age(h))
	}
	if _, err := l.Renew(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	l.Close()
	if _, err := l.Renew(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: got %v", err)
	}
}

func TestClocksAreReadBeforeTheRegionIsAsked(t *testing.T) {
	clock := newTestClock()
	l := newTestLease(t, asking(func() { clock.pass(4 * time.Second) }), clock, 0)
	h, err := l.Renew(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Age(h); got != 8*time.Second {
		t.Errorf("age %s, want the 4 s of asking and the 4 s of applying", got)
	}
	l.Close()
}

type asking func()

func (f asking) ReadIndex(context.Context) (uint64, error) { f(); return 7, nil }
func (f asking) WaitApplied(context.Context, uint64) error { f(); return nil }

func TestOneRenewalServesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &freshness{gate: make(chan struct{})}
		l := newTestLease(t, source, newTestClock(), 0)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := l.Renew(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
		synctest.Wait()
		for range 50 {
			wg.Go(func() {
				if h, err := l.Renew(t.Context()); err != nil || h.Index() != 1 {
					t.Errorf("got index %d, %v", h.Index(), err)
				}
			})
		}
		synctest.Wait()
		cancel() // whoever gives up, here the one who began it, does not take the renewal with it
		synctest.Wait()
		close(source.gate)
		wg.Wait()
		if n := source.count(); n != 1 {
			t.Errorf("the region was asked %d times", n)
		}
		l.Close()
	})
}

func TestBackgroundRenewalKeepsTheLeaseWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &freshness{}
		l := newTestLease(t, source, ProcessClock(), 10*time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { l.Run(ctx); close(done) }()
		wait := func(d time.Duration) { <-time.After(d); synctest.Wait() }
		wait(time.Minute + time.Second)
		if n := source.count(); n < 12 || n > 14 {
			t.Errorf("%d renewals in an idle minute, want one every 5 s", n)
		}
		if age := l.Age(l.Current()); age > 5*time.Second {
			t.Errorf("age %s when idle", age)
		}
		before := source.count()
		release := l.use()
		wait(time.Minute)
		if n := source.count() - before; n < 23 || n > 26 {
			t.Errorf("%d renewals in a busy minute, want one every 2.5 s", n)
		}
		release()
		source.fail(errBroken)
		wait(time.Minute)
		if age := l.Age(l.Current()); age < 50*time.Second {
			t.Errorf("age %s though nothing could be proven", age)
		}
		source.fail(nil)
		wait(time.Second)
		if age := l.Age(l.Current()); age > time.Second {
			t.Errorf("age %s after the region came back", age)
		}
		cancel()
		<-done
		l.Close()
	})
}

func TestCloseEndsARenewal(t *testing.T) {
	source := &freshness{gate: make(chan struct{})}
	l := newTestLease(t, source, newTestClock(), 0)
	r, err := l.begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	<-r.done
	if !errors.Is(r.err, context.Canceled) || l.Current().valid {
		t.Errorf("got %v", r.err)
	}
}

func TestLeaseLimits(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, cfg := range []LeaseConfig{{}, {Source: &freshness{}}, {Source: &freshness{}, Logger: log, Limit: time.Second}, {Source: &freshness{}, Logger: log, Limit: 61 * time.Second}} {
		if _, err := NewLease(cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}

func TestSystemClockGoesOn(t *testing.T) {
	c := SystemClock()
	before := c.Now()
	for {
		if passed, ok := c.Now().since(before); !ok {
			t.Fatal("a clock went back")
		} else if passed > time.Millisecond {
			return
		}
	}
}
