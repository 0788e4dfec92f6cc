package exchange

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// Two mechanisms keep a stream from outliving its lease: a look before each slice, which decides anew when the proof has aged,
// and the deadline of the write of that slice. Each of these tests needs one of them only.

// guarded returns the guard of a release that was decided on just now.
func guarded(t *testing.T, w *world, change func(*Assertion)) *guard {
	t.Helper()
	id := w.publish(noise(1000, 1))
	a := Assertion{
		Trust: asker, User: "u1", Role: "doctor", Purpose: "TREAT", Subject: patient, Document: id, Manifest: w.ledger.pointers[id].Manifest,
	}
	if change != nil {
		change(&a)
	}
	if _, err := w.lease.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := &release{custodian: w.custodian, assertion: a}
	r.guard = newGuard(r)
	if refusal := r.guard.decide(t.Context()); refusal != nil {
		t.Fatalf("refused at first: %v", refusal)
	}
	r.prepared = true
	return r.guard
}

// object has the patient object, and loses the signal.
func object(w *world) {
	w.ledger.change(func(l *ledger) {
		l.facts.Directives = []policy.Directive{{ID: federation.DirectiveID{1}, Effect: federation.Object, Version: 9, Scope: federation.Scope{Trust: asker}}, {ID: federation.DirectiveID{2}, Effect: federation.Object, Version: 10, Scope: federation.Scope{Trust: holder}}}
	})
}

func TestGuardDecidesAnewAsItsProofAges(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration
		renew bool
		want  error
	}{
		{"young proof", 4 * time.Second, true, nil},
		{"half the lease, and there is a newer proof", 6 * time.Second, true, ErrDenied},
		{"half the lease, and there is none", 6 * time.Second, false, nil},
		{"lapsed, and there is a newer proof", 11 * time.Second, true, ErrDenied},
		{"lapsed, and there is none", 11 * time.Second, false, ErrStalePolicy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			g := guarded(t, w, nil)
			w.clock.pass(tt.after)
			if tt.renew {
				if _, err := w.lease.Renew(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			object(w)
			if errors.Is(tt.want, ErrStalePolicy) {
				// The objection would refuse too: this is about the lease alone.
				w.ledger.change(func(l *ledger) { l.facts.Directives = nil })
			}
			left, refusal := g.check(t.Context())
			if tt.want == nil {
				if refusal != nil || left != DefaultLease-tt.after {
					t.Errorf("left %s, refusal %v", left, refusal)
				}
				return
			}
			if refusal == nil || !errors.Is(refusal, tt.want) {
				t.Errorf("got %v, want %v", refusal, tt.want)
			}
		})
	}
}

// What needs no lease, reading at home and broken glass, is decided anew by the time that has passed.
func TestGuardWithoutALeaseDecidesAnewAfterHalfOfOne(t *testing.T) {
	for name, pause := range map[string]func(*testClock){
		"time passes":    func(c *testClock) { c.pass(6 * time.Second) },
		"machine sleeps": func(c *testClock) { c.jump(0, 6*time.Second, 6*time.Second) },
		"wall back":      func(c *testClock) { c.jump(0, 0, -time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			g := guarded(t, w, func(a *Assertion) { a.Trust = holder })
			object(w)
			if _, refusal := g.check(t.Context()); refusal != nil {
				t.Fatalf("decided anew at once, and nothing had been signalled: %v", refusal)
			}
			pause(w.clock)
			if _, refusal := g.check(t.Context()); refusal == nil || !errors.Is(refusal, ErrDenied) {
				t.Errorf("got %v", refusal)
			}
		})
	}
}

// TestWriteThatBeganInTimeDoesNotLeaveAfterTheLease has the requester stop reading while the lease has half its time left, and go on when it
// has lapsed: the slice whose write began in time must not leave then.
func TestWriteThatBeganInTimeDoesNotLeaveAfterTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *CustodianConfig, c *ClientConfig) {
			w.clock.ticking = true
			c.Limits.Attempts = 1
		})
		id := w.publish(noise(3*mib, 1))
		if _, err := w.lease.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		w.fresh.fail(ErrUnavailable) // no newer proof
		var lapsed int64
		n := 0
		_, err := w.client.Fetch(context.Background(), requestFor(id), func(Segment) error {
			if n++; n == 1 {
				<-time.After(5 * time.Second) // more than half of it is behind the next write when the lease lapses
			}
			if n == 2 {
				<-time.After(DefaultLease + time.Second - time.Since(began))
				lapsed = w.left.Load()
			}
			return nil
		})
		if !errors.Is(err, ErrStalePolicy) {
			t.Errorf("got %v", err)
		}
		w.wg.Wait()
		if more := w.left.Load() - lapsed; lapsed == 0 || more > 0 {
			t.Errorf("%d bytes left after the lease had lapsed, %d before", more, lapsed)
		}
	})
}

// broken is a connection that takes a little, and then no more.
type broken struct{ net.Conn }

func (broken) SetWriteDeadline(time.Time) error { return nil }
func (broken) Write([]byte) (int, error)        { return 10, net.ErrClosed }

// What was taken of a piece that was cut counts: it may have reached the requester.
func TestWhatWasTakenOfACutPieceCounts(t *testing.T) {
	w := newWorld(t)
	s := &stream{release: guarded(t, w, nil).release, conn: broken{}}
	taken := 0
	if err := s.write(t.Context(), make([]byte, 1000), func(n int) { taken += n }); !errors.Is(err, net.ErrClosed) || taken != 10 {
		t.Errorf("%d bytes were taken, %v", taken, err)
	}
}

// hurried is a clock on which a minute passes before the n-th reading.
type hurried struct {
	*testClock
	n *int
}

func (c hurried) Now() Instant {
	if *c.n--; *c.n == 0 {
		c.pass(time.Minute)
	}
	return c.testClock.Now()
}

func TestProofThatLapsesDuringTheLookIsStale(t *testing.T) {
	w := newWorld(t)
	g := guarded(t, w, nil)
	readings := 2 // the first finds the proof young, the second says how long that holds
	w.lease.clock = hurried{w.clock, &readings}
	if left, refusal := g.check(t.Context()); refusal == nil || !errors.Is(refusal, ErrStalePolicy) {
		t.Errorf("left %s, refusal %v", left, refusal)
	}
}
