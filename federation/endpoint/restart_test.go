package endpoint

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/testutils/simnet"
)

// crash ends an endpoint without a word to its peers.
func (r *region) crash(e *Endpoint) {
	from := e.Addr().String()
	r.dropIf(func(p simnet.Packet) bool { return p.From.String() == from })
	_ = e.Close()
	time.Sleep(2 * latency)
	synctest.Wait()
	r.dropIf(nil)
}

func TestRestartedPeerIsRedialledWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		old := dial(t, a, LaneRaft, echo, b.ID())
		if err := say(old, "before the crash"); err != nil {
			t.Fatal(err)
		}
		r.crash(b)
		b = r.node(2)

		start := time.Now()
		// The header alone, on a new stream of the dead connection, must wake it.
		s := dial(t, a, LaneRaft, silent, b.ID())
		_, err := s.Read(make([]byte, 1))
		wantErr(t, err, ErrPeerRestarted)
		_, err = old.Read(make([]byte, 1))
		wantErr(t, err, ErrPeerRestarted)
		if err := say(dial(t, a, LaneRaft, echo, b.ID()), "after it"); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 200*time.Millisecond {
			t.Errorf("took %s", took)
		} else {
			t.Logf("lost, redialled and answered in %s at a round trip of %s", took, 2*latency)
		}
	})
}

func TestRedialAfterAFailedStreamGetsANewConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		old := dial(t, a, LaneRaft, echo, b.ID())
		// quic-go tells the stream first; the connection's context is still good.
		_ = old.sess.explain(&quic.StatelessResetError{})
		s := dial(t, a, LaneRaft, echo, b.ID())
		if s.sess == old.sess {
			t.Error("the failed connection was used again")
		}
		if err := say(s, "hello"); err != nil {
			t.Error(err)
		}
	})
}

func TestRestartedPeerReplacesItsOldConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		if err := say(dial(t, b, LaneRaft, echo, a.ID()), "before"); err != nil {
			t.Fatal(err)
		}
		r.crash(b)
		b = r.node(2)
		if n := len(a.Connections()); n != 1 {
			t.Fatalf("%d connections, want the one nobody knows to be dead", n)
		}
		if err := say(dial(t, b, LaneRaft, echo, a.ID()), "after"); err != nil {
			t.Fatal(err)
		}
		if n := len(a.Connections()); n != 1 {
			t.Errorf("%d connections, want the new one only", n)
		}
		held := 0
		a.incoming.Range(func(any, any) bool { held++; return true })
		if held != 1 {
			t.Errorf("%d connections held, the replaced one was not closed", held)
		}
	})
}

func TestDeadPeerIsNoticedAfterTheIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		s := dial(t, a, LaneRaft, silent, b.ID())
		time.Sleep(time.Minute) // kept alive
		if len(a.Connections()) != 1 {
			t.Fatal("idle connection was closed")
		}
		r.dropIf(dropAll)
		start := time.Now()
		_, err := s.Read(make([]byte, 1))
		wantErr(t, err, ErrUnreachable)
		if took := time.Since(start); took > 40*time.Second {
			t.Errorf("noticed after %s", took)
		}
		r.dropIf(nil)
		if err := say(dial(t, a, LaneRaft, echo, b.ID()), "healed"); err != nil {
			t.Error(err)
		}
	})
}

func TestPeerThatStopsSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		s := dial(t, a, LaneControl, silent, b.ID())
		time.Sleep(time.Second)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := s.Read(make([]byte, 1))
		wantErr(t, err, ErrPeerStopped)
	})
}

// b moves; the roster keeps its old place, where nobody is or somebody else.
//
//	a --> old place   nobody answers
//	a <-- b           from its other place
//	a --> b           where it called from
func TestPeerThatMovedIsCalledBackWhereItCallsFrom(t *testing.T) {
	for _, tt := range []struct {
		name  string
		place string // where the roster has b
	}{
		{"nobody is at its old place", "10.0.0.99:7400"},
		{"another is at its old place", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRegion(t)
				a, b, other := r.node(1), r.node(2), r.node(3)
				r.mu.Lock()
				if r.where[b.ID()] = tt.place; tt.place == "" {
					r.where[b.ID()] = other.Addr().String()
				}
				r.mu.Unlock()
				if _, err := a.Dial(within(t, time.Minute), LaneControl, echo, b.ID()); err == nil {
					t.Fatal("dialled where b is not")
				}
				dial(t, b, LaneControl, echo, a.ID())
				if err := say(dial(t, a, LaneControl, echo, b.ID()), "hello"); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestAnySignOfLifeOfARestartedPeerEndsItsOldConnections(t *testing.T) {
	// Neither what is said on an open stream, if it is short, nor a keep-alive is answered with a stateless reset.
	for _, tt := range []struct {
		name string
		meet func(t *testing.T, a, b *Endpoint)
	}{
		{"it calls on another lane", func(t *testing.T, a, b *Endpoint) { dial(t, b, LaneControl, silent, a.ID()) }},
		{"it is called on another lane", func(t *testing.T, a, b *Endpoint) { dial(t, a, LaneControl, silent, b.ID()) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRegion(t)
				a, b := r.node(1), r.node(2)
				old := dial(t, a, LaneRaft, echo, b.ID())
				if err := say(old, "before"); err != nil {
					t.Fatal(err)
				}
				r.crash(b)
				b = r.node(2)
				start := time.Now()
				tt.meet(t, a, b)
				_, err := old.Read(make([]byte, 1))
				wantErr(t, err, ErrPeerRestarted)
				if took := time.Since(start); took > time.Second {
					t.Errorf("took %s", took)
				}
				if err := say(dial(t, a, LaneRaft, echo, b.ID()), "after"); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestConnectionsOfOneLifeStayTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		old := dial(t, a, LaneRaft, echo, b.ID())
		dial(t, b, LaneControl, silent, a.ID())
		dial(t, a, LaneControl, silent, b.ID())
		dial(t, b, LaneRaft, silent, a.ID())
		if err := say(old, "still here"); err != nil {
			t.Error(err)
		}
	})
}
