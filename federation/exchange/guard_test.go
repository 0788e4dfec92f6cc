package exchange

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// TestLapsedLeaseStopsTheStream stops the process, as it were, at each place where a release waits.
func TestLapsedLeaseStopsTheStream(t *testing.T) {
	pauses := map[string]func(*testClock){
		"process":        func(c *testClock) { c.pass(30 * time.Second) },
		"machine sleeps": func(c *testClock) { c.jump(0, 30*time.Second, 30*time.Second) },
		"boot only":      func(c *testClock) { c.jump(0, 30*time.Second, 0) },
		"wall forward":   func(c *testClock) { c.jump(0, 0, 11*time.Second) },
		"wall back":      func(c *testClock) { c.jump(0, 0, -time.Second) },
		"monotonic":      func(c *testClock) { c.jump(11*time.Second, 0, 0) },
	}
	for name, pause := range pauses {
		for _, place := range []string{"chunk", "audit", "sink"} {
			t.Run(name+" at "+place, func(t *testing.T) {
				w := newWorld(t)
				id := w.publish(noise(2*mib, 1))
				var at int64 = -1
				stop := func() {
					if at < 0 {
						at = w.left.Load()
						pause(w.clock)
					}
				}
				switch place {
				case "chunk":
					w.store.onChunk = func(n int) error {
						if n == 4 {
							stop()
						}
						return nil
					}
				case "audit":
					w.audit.onAppend = func(Event) { stop() }
				}
				n := 0
				_, err := w.client.Fetch(context.Background(), requestFor(id), func(Segment) error {
					if n++; n == 3 && place == "sink" {
						stop()
					}
					return nil
				})
				if !errors.Is(err, ErrStalePolicy) {
					t.Fatalf("got %v", err)
				}
				w.wg.Wait()
				// One slice can be on its way through the pipe when the clock jumps, another is being read ahead of it.
				if more := w.left.Load() - at; more > federation.ChunkSize+sliceSize+1024 || place == "audit" && more > 0 {
					t.Errorf("%d bytes left after the lease had lapsed", more)
				}
				if e := w.audit.last(); e.Kind != Interrupted || e.Outcome != policy.StalePolicy {
					t.Errorf("entry %s %s", e.Kind, e.Outcome)
				}
			})
		}
	}
}

func TestPauseWhileFactsAreReadIsStale(t *testing.T) {
	w := newWorld(t)
	id := w.publish([]byte("x"))
	w.custodian.cfg.Ledger = slowLedger{w.ledger, w.clock}
	if _, err := w.client.Fetch(context.Background(), requestFor(id), noSink(t)); !errors.Is(err, ErrStalePolicy) {
		t.Errorf("got %v", err)
	}
}

type slowLedger struct {
	*ledger
	clock *testClock
}

func (l slowLedger) Facts(ctx context.Context, r policy.Request) (policy.Facts, error) {
	l.clock.pass(time.Minute)
	return l.ledger.Facts(ctx, r)
}

func TestStreamOutlivesALeaseThatIsRenewed(t *testing.T) {
	w := newWorld(t)
	id := w.publish(noise(5*mib, 1))
	_, err := w.client.Fetch(context.Background(), requestFor(id), func(Segment) error {
		w.clock.pass(3 * time.Second)
		_, err := w.lease.Renew(context.Background())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.ledger.reads < 5 {
		t.Errorf("facts were read %d times in a minute: a renewed lease needs facts that were read after it", w.ledger.reads)
	}
}

func TestRenewedLeaseDoesNotHideARevocationWhoseSignalWasLost(t *testing.T) {
	w := newWorld(t)
	id := w.publish(noise(8*mib, 1))
	n := 0
	var revoked time.Duration
	_, err := w.client.Fetch(context.Background(), requestFor(id), func(Segment) error {
		if n++; n == 2 {
			w.ledger.change(func(l *ledger) { l.facts.Directives = []policy.Directive{{Effect: federation.Object, Version: 9}} })
			revoked = w.clock.Now().Monotonic
		}
		w.clock.pass(time.Second)
		_, err := w.lease.Renew(context.Background())
		return err
	})
	if !errors.Is(err, ErrDenied) {
		t.Fatalf("got %v", err)
	}
	if took := w.clock.Now().Monotonic - revoked; took > DefaultLease {
		t.Errorf("it took %s", took)
	}
}

func TestRevocationCutsTheStreamAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name   string
		revoke func(*world, federation.DocumentID)
		want   error
	}{
		{"objection", func(w *world, _ federation.DocumentID) {
			w.ledger.change(func(l *ledger) { l.facts.LocalRefusals = []policy.Directive{{Effect: federation.Object}} })
			w.custodian.SubjectChanged(patient)
		}, ErrDenied},
		{"withdrawal", func(w *world, id federation.DocumentID) {
			w.ledger.change(func(l *ledger) { delete(l.pointers, id) })
			w.custodian.DocumentChanged(id)
		}, ErrNotFound},
		{"agreement", func(w *world, _ federation.DocumentID) {
			w.ledger.change(func(l *ledger) { l.facts.Agreement = nil })
			w.custodian.RulesChanged()
		}, ErrNotFound},
		{"facts out of reach", func(w *world, _ federation.DocumentID) {
			w.ledger.change(func(l *ledger) { l.err = ErrUnavailable })
			w.custodian.RulesChanged()
		}, ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(_ *world, _ *CustodianConfig, c *ClientConfig) { c.Limits.Attempts = 1 })
			id := w.publish(noise(3*mib, 1))
			var at int64
			n := 0
			_, err := w.client.Fetch(context.Background(), requestFor(id), func(Segment) error {
				if n++; n == 3 { // the custodian's write of the next slice is blocked by us
					tt.revoke(w, id)
					w.wg.Wait() // it ends without another byte being read
					at = w.left.Load()
				}
				return nil
			})
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if n != 3 || w.left.Load() != at {
				t.Errorf("%d segments, %d bytes after the revocation", n, w.left.Load()-at)
			}
			if e := w.audit.last(); e.Kind != Interrupted {
				t.Errorf("entry %s", e.Kind)
			}
		})
	}
}

func TestChangeThatDoesNotRefuseLeavesTheStreamAlone(t *testing.T) {
	w := newWorld(t)
	id := w.publish(noise(2*mib, 1))
	if _, err := w.client.Fetch(context.Background(), requestFor(id), func(Segment) error {
		w.custodian.SubjectChanged(patient)
		w.custodian.RulesChanged()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.wg.Wait()
	if w.audit.kinds() != "intent released" {
		t.Errorf("audit %q", w.audit.kinds())
	}
}
