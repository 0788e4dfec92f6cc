package consensus

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A write under way when its leader is lost is told so as soon as another leads, and not when its own time is up.
//
//	follower --- submit ---> leader (cut off)
//	    |                                        another leads: the outcome is not known
func TestWriteUnderWayAtALostLeaderEndsWhenAnotherLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		g.tune = func(c *Config) { c.CommandTimeout = time.Minute }
		all := g.start(3)
		other, leader := g.follower(all)
		g.set(other, "line", "open")
		g.net.Isolate(leader.config.ID, true)
		begin := time.Now()
		_, err := other.Submit(g.context(time.Minute), []byte("set k 1"), Bulk)
		if !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("got %v, want ErrOutcomeUnknown", err)
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("it took %s; elections last 150 ms", took)
		}
		g.set(other, "k", "2")
		g.want(other, Linearizable(), "k", "2")
	})
}

// A leader that is away takes no bytes once its windows are full. Whoever calls it waits no longer than it wants to.
func TestCallOfAPeerThatTakesNoBytesEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		all := g.start(3)
		other, leader := g.follower(all)
		g.set(other, "line", "open")
		g.net.Isolate(leader.config.ID, true)
		const calls = 8 // of 2 MiB: more than a link that is cut holds
		ended := make(chan time.Duration, calls)
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		for range calls {
			go func() {
				begin := time.Now()
				_, _, err := other.caller.do(ctx, leader.config.ID, call{kind: frameSubmit, priority: Bulk, command: make([]byte, 2<<20)}, nil)
				if err == nil {
					t.Error("an answer came from nowhere")
				}
				ended <- time.Since(begin)
			}()
		}
		for range calls {
			if took := <-ended; took > 150*time.Millisecond {
				t.Errorf("a call with 100 ms took %s", took)
			}
		}
	})
}

// What was not yet written to the lost leader goes to the next one.
func TestCallThatWasNotSentIsNotUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		all := g.start(3)
		other, leader := g.follower(all)
		g.set(other, "line", "open")
		moved := func() (bool, <-chan struct{}) { return true, nil }
		_, sent, err := other.caller.do(g.context(time.Second), leader.config.ID, call{kind: frameSubmit, priority: Bulk, command: []byte("set k 1")}, moved)
		if sent || !errors.Is(err, errMoved) {
			t.Errorf("sent %v, %v; want it not sent", sent, err)
		}
	})
}
