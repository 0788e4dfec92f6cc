package exchange

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// reader takes a document at its pace, in the virtual time of a bubble.
type reader struct {
	after             time.Duration // when it begins
	pace              time.Duration // for a chunk
	pause             time.Duration // after the second
	first, last, done time.Duration // since the start
	chunks            int
	transfer          Transfer
	err               error
}

// readAll has readers fetch a document of n chunks all at once.
func (w *world) readAll(n int, readers []*reader, each func()) {
	q := requestFor(w.big(n))
	q.Bulk = true
	start := time.Now()
	var wg sync.WaitGroup
	for _, r := range readers {
		wg.Go(func() {
			<-time.After(r.after)
			var res Result
			res, r.err = w.client.Fetch(context.Background(), q, func(Segment) error {
				if r.last = time.Since(start); r.chunks == 0 {
					r.first = r.last
				}
				r.chunks++
				each()
				if <-time.After(r.pace); r.chunks == 2 {
					<-time.After(r.pause)
				}
				return nil
			})
			r.done, r.transfer = time.Since(start), res.Transfer
		})
	}
	wg.Wait()
}

func TestSlowReadersBeyondThePlacesHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const places, chunks = 4, 12
		w := newWorld(t, func(_ *world, _ *CustodianConfig, c *ClientConfig) {
			c.Limits.BulkStreams, c.Limits.Budget = places, 1
		})
		var readers []*reader
		for i := range 16 {
			r := &reader{pace: 20 * time.Second}
			if i%4 == 3 {
				r.pace = time.Millisecond
			}
			readers = append(readers, r)
		}
		var mu sync.Mutex
		most := 0
		w.readAll(chunks, readers, func() {
			mu.Lock()
			defer mu.Unlock()
			most = max(most, w.custodian.Active())
		})
		w.wg.Wait()
		for i, r := range readers {
			fast := r.pace < time.Second
			if r.err != nil || r.chunks != chunks {
				t.Errorf("reader %d: %d chunks, %v", i, r.chunks, r.err)
			}
			if r.first > 15*time.Second {
				t.Errorf("reader %d had its first bytes after %s", i, r.first)
			}
			if limit := chunks*r.pace + 30*time.Second; r.done > limit {
				t.Errorf("reader %d, fast %v, was done after %s, want at most %s", i, fast, r.done, limit)
			}
		}
		if most > 2*places { // who has given one back may still be written down
			t.Errorf("%d releases were under way at once", most)
		}
		if held := w.client.mostBuffered.Load() / federation.ChunkSize; held > int64(len(readers))*(leastWindow+1) {
			t.Errorf("%d chunks were buffered", held)
		}
		for _, e := range w.audit.events {
			if e.Kind != Intent && e.Kind != Released {
				t.Errorf("a turn that ended in good order is %s: %s", e.Kind, e.Detail)
			}
		}
		if n := len(w.asked.events); n != 2*len(readers) {
			t.Errorf("%d entries at the requester for %d downloads", n, len(readers))
		}
	})
}

func TestRevocationCutsReadersThatHaveNoStream(t *testing.T) {
	for _, tt := range []struct {
		name   string
		places int
		paces  []time.Duration
		within time.Duration
	}{
		{"all hold one, with nothing under way", 8, []time.Duration{6 * time.Second, 7 * time.Second}, time.Second / 2},
		{"they take turns", 1, []time.Duration{time.Second, time.Second, 2 * time.Second}, staleAfter},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(_ *world, _ *CustodianConfig, c *ClientConfig) { c.Limits.BulkStreams = tt.places })
				var readers []*reader
				for _, pace := range tt.paces {
					readers = append(readers, &reader{pace: pace})
				}
				const at = 20 * time.Second
				revoke := time.AfterFunc(at, func() {
					w.ledger.change(func(l *ledger) { l.facts.LocalRefusals = []policy.Directive{{Effect: federation.Object}} })
					w.custodian.SubjectChanged(patient)
				})
				defer revoke.Stop()
				w.readAll(400, readers, func() {})
				for i, r := range readers {
					if !errors.Is(r.err, ErrDenied) || r.last > at+tt.within {
						t.Errorf("reader %d got its last bytes %s after the revocation, then %v", i, r.last-at, r.err)
					}
				}
			})
		})
	}
}

// What was fetched before a stream was given back is not handed on when the custodian cannot be asked again.
func TestNothingIsHandedOnLongAfterTheCustodianWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		const lost = 20 * time.Second
		w := newWorld(t, func(w *world, _ *CustodianConfig, c *ClientConfig) {
			c.Limits.BulkStreams, c.Limits.Attempts, c.Limits.Backoff = 1, 10, time.Second
			w.dial = func(int) error {
				if time.Since(start) >= lost {
					return endpoint.ErrUnreachable
				}
				return nil
			}
		})
		readers := []*reader{{pace: time.Second}, {pace: time.Second}}
		w.readAll(400, readers, func() {})
		for i, r := range readers {
			if !errors.Is(r.err, ErrUnavailable) || r.last > lost+turnTime+staleAfter {
				t.Errorf("reader %d got its last bytes %s after the custodian was lost, then %v", i, r.last-lost, r.err)
			}
		}
	})
}

// A reader that has taken nothing for long goes on where it was, also when the custodian has ended the idle stream.
func TestReaderThatPausesGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := &reader{}
		w.readAll(300, []*reader{r}, func() {
			if r.chunks == 2 || r.chunks == 100 {
				<-time.After(5 * time.Minute)
			}
		})
		if r.err != nil || r.chunks != 300 {
			t.Errorf("%d chunks, %v", r.chunks, r.err)
		}
	})
}

// A reader that pauses loses its stream to the custodian's patience. It does not keep its place meanwhile.
func TestReaderThatPausesKeepsNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, _ *CustodianConfig, c *ClientConfig) { c.Limits.BulkStreams = 1 })
		const pause = 10 * time.Minute
		slow, later := &reader{pause: pause}, &reader{after: pause / 2}
		w.readAll(300, []*reader{slow, later}, func() {})
		if later.err != nil || later.chunks != 300 || later.done > later.after+2*turnTime {
			t.Errorf("who came later had %d chunks after %s, %v", later.chunks, later.done, later.err)
		}
		if slow.err != nil || slow.chunks != 300 {
			t.Errorf("who paused had %d chunks, %v", slow.chunks, slow.err)
		}
	})
}

// A stream that is still being opened does not stand for one that is given back: it may never come.
func TestFetchKeepsTheOneStreamThatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *CustodianConfig, c *ClientConfig) {
			c.Limits.BulkStreams, c.Limits.Stripes, c.Limits.Attempts = 2, 2, 1
			w.dial = func(n int) error {
				if n != 2 {
					return nil
				}
				<-time.After(20 * time.Second)
				return endpoint.ErrUnreachable
			}
		})
		w.path = Path{Sent: 100000, Lost: 500, RTT: 10_000_000}
		readers := []*reader{{pace: 100 * time.Millisecond}, {pace: 100 * time.Millisecond, after: time.Second}}
		w.readAll(300, readers, func() {})
		for i, r := range readers {
			if r.err != nil || r.chunks != 300 {
				t.Errorf("reader %d: %d chunks, %v", i, r.chunks, r.err)
			}
			if r.done-r.last > time.Second {
				t.Errorf("reader %d had its last bytes %s before it was done", i, r.done-r.last)
			}
		}
	})
}

func TestPlaceGoesToWhoHasWaitedLongest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := federation.NodeID{1}
		p := newPlaces(ClientLimits{BulkStreams: 20, Stripes: 4})
		held := make([]*place, 20)
		for i := range held {
			held[i], _ = p.take(context.Background(), node)
			if want := i / mostBeside; held[i].stripe != want {
				t.Errorf("place %d is on connection %d, want %d", i, held[i].stripe, want)
			}
		}
		if p.more(node) != nil {
			t.Error("a further place beyond all there are")
		}
		ctx, cancel := context.WithCancel(context.Background())
		var order []int
		for i := range 3 {
			go func() {
				ctx := ctx
				if i > 0 {
					ctx = context.Background()
				}
				if x, err := p.take(ctx, node); err == nil {
					order = append(order, i)
					x.leave()
				}
			}()
			synctest.Wait()
		}
		if !held[0].wanted() || held[0].over() {
			t.Error("three wait, and the turn is young")
		}
		if <-time.After(turnTime); !held[0].over() {
			t.Error("the turn is not over")
		}
		cancel()
		synctest.Wait()
		held[0].leave()
		held[0].leave()
		synctest.Wait()
		if len(order) != 2 || order[0] != 1 || order[1] != 2 {
			t.Errorf("served in the order %v", order)
		}
		if x := p.more(node); x == nil || x.stripe != 2 {
			t.Errorf("a further stream of one fetch is on %+v", x)
		}
	})
}
