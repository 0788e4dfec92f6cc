package endpoint

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/testutils/simnet"
)

func TestDialReusesTheOpenConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		var wg sync.WaitGroup
		for range 20 { // all at once: one handshake
			wg.Go(func() {
				c, err := a.Dial(within(t, time.Minute), LaneRaft, echo, b.ID())
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				if err := say(c, "hello"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		start := time.Now()
		s := dial(t, a, LaneRaft, echo, b.ID())
		if took := time.Since(start); took != 0 {
			t.Errorf("dialling on an open connection took %s", took)
		}
		if err := say(s, "hello"); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 3*latency {
			t.Errorf("a request on an open connection took %s, want one round trip", took)
		}
		if n := len(a.Connections()); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
	})
}

func TestSimultaneousDialsOfBothEndsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		var wg sync.WaitGroup
		for range 5 {
			for _, ends := range [][2]*Endpoint{{a, b}, {b, a}} {
				wg.Go(func() {
					c, err := ends[0].Dial(within(t, time.Minute), LaneRaft, echo, ends[1].ID())
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					if err := say(c, "hello"); err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		for _, e := range []*Endpoint{a, b} {
			if n := len(e.Connections()); n != 2 {
				t.Errorf("%d connections, want one in each direction", n)
			}
		}
	})
}

func TestDialOfASilentPeerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		r.dropIf(dropAll)

		start := time.Now()
		_, err := a.Dial(within(t, time.Second), LaneRaft, echo, b.ID())
		wantErr(t, err, context.DeadlineExceeded)
		if took := time.Since(start); took != time.Second {
			t.Errorf("dial with a context of 1 s took %s", took)
		}
		start = time.Now()
		_, err = a.Dial(within(t, time.Hour), LaneRaft, echo, b.ID())
		wantErr(t, err, ErrUnreachable)
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("dial of a silent peer took %s", took)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err = a.Dial(ctx, LaneRaft, echo, b.ID())
		wantErr(t, err, context.Canceled)

		r.dropIf(nil)
		if err := say(dial(t, a, LaneRaft, echo, b.ID()), "healed"); err != nil {
			t.Error(err)
		}
	})
}

func TestPeerThatNeverAcknowledgesIsUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		var mu sync.Mutex
		fromB := 0
		r.dropIf(func(p simnet.Packet) bool { // lets the TLS handshake pass, and nothing after it
			mu.Lock()
			defer mu.Unlock()
			if p.From.String() != b.Addr().String() {
				return false
			}
			fromB++
			return p.Data[0]&0x80 == 0
		})
		start := time.Now()
		_, err := a.Dial(within(t, time.Hour), LaneRaft, echo, b.ID())
		wantErr(t, err, ErrUnreachable)
		if took := time.Since(start); took > 12*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestPeerWithoutAnAddressIsUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a := r.node(1)
		for _, addr := range []string{"", "nonsense", "10.0.0.9:port"} {
			r.mu.Lock()
			r.active[testID(9)], r.where[testID(9)] = true, addr
			r.mu.Unlock()
			_, err := a.Dial(within(t, time.Minute), LaneRaft, echo, testID(9))
			wantErr(t, err, ErrUnreachable)
		}
	})
}

func TestInvalidDialsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		ctx := within(t, time.Minute)
		for _, f := range []func() (net.Conn, error){
			func() (net.Conn, error) { return a.Dial(ctx, 0, echo, b.ID()) },
			func() (net.Conn, error) { return a.Dial(ctx, LaneRaft, 0, b.ID()) },
			func() (net.Conn, error) { return a.Dial(ctx, LaneJoin, ServiceJoin, b.ID()) },
			func() (net.Conn, error) { return a.DialStriped(ctx, echo, b.ID(), -1) },
			func() (net.Conn, error) { return a.DialStriped(ctx, echo, b.ID(), 16) },
		} {
			_, err := f()
			wantErr(t, err, ErrInvalid)
		}
	})
}

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

// deaf is a socket that cannot send.
type deaf struct{ *simnet.SimConn }

func (deaf) WriteTo([]byte, net.Addr) (int, error) { return 0, errors.New("network is unreachable") }

func TestSocketThatCannotSendReachesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a := r.node(1, func(c *Config) { c.Conn = deaf{c.Conn.(*simnet.SimConn)} })
		b := r.node(2)
		_, err := a.Dial(within(t, time.Minute), LaneRaft, echo, b.ID())
		wantErr(t, err, ErrUnreachable)
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

func TestStripesAreConnectionsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		for stripe := range 4 {
			c, err := a.DialStriped(within(t, time.Minute), echo, b.ID(), stripe)
			if err != nil {
				t.Fatal(err)
			}
			if err := say(c, "hello"); err != nil {
				t.Error(err)
			}
			_ = c.Close()
		}
		stats, ok := a.Stats(b.ID(), LaneDocument)
		if !ok || stats.Connections != 4 {
			t.Errorf("%+v, want 4 connections", stats)
		}
		if rtt, ok := a.RTT(b.ID(), LaneDocument); !ok || rtt < 2*latency || rtt > 4*latency {
			t.Errorf("round trip %s, want about %s", rtt, 2*latency)
		}
		if _, ok := a.Stats(b.ID(), LaneRaft); ok {
			t.Error("statistics of a lane that is not open")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if stats, _ := a.Stats(b.ID(), LaneDocument); stats.Connections != 1 {
			t.Errorf("%d connections after two idle minutes, want stripe 0 only", stats.Connections)
		}
	})
}

func TestLossShowsAtTheSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		s := dial(t, a, LaneRaft, silent, b.ID())
		var mu sync.Mutex
		n := 0
		r.dropIf(func(p simnet.Packet) bool {
			mu.Lock()
			defer mu.Unlock()
			n++
			return len(p.Data) > 1000 && n%10 == 0
		})
		chunk := make([]byte, 100<<10)
		if _, err := s.Write(chunk); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if st := s.Stats(); st.PacketsLost == 0 || st.Loss() < 0.01 || st.Loss() > 0.3 {
			t.Errorf("loss %.3f of %d packets", st.Loss(), st.PacketsSent)
		}
	})
}

func TestClosedEndpointRefusesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		s := dial(t, a, LaneRaft, silent, b.ID())
		if err := a.Send(within(t, time.Minute), b.ID(), []byte("gossip")); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := a.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		_, err := s.Read(make([]byte, 1))
		wantErr(t, err, net.ErrClosed)
		ctx := within(t, time.Minute)
		_, err = a.Dial(ctx, LaneRaft, echo, b.ID())
		wantErr(t, err, ErrClosed)
		_, err = a.DialJoin(ctx, b.Addr().String(), b.ID())
		wantErr(t, err, ErrClosed)
		_, err = a.Listen(LaneRaft, 99)
		wantErr(t, err, ErrClosed)
		wantErr(t, a.Send(ctx, b.ID(), []byte("x")), ErrClosed)
		a.Evict(b.ID())
	})
}

func TestCloseGivesUpDialsInProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		r.dropIf(dropAll)
		results := make(chan error, 2)
		go func() {
			_, err := a.Dial(within(t, time.Hour), LaneRaft, echo, b.ID())
			results <- err
		}()
		go func() {
			_, err := a.DialJoin(within(t, time.Hour), b.Addr().String(), b.ID())
			results <- err
		}()
		synctest.Wait()
		start := time.Now()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-results; !errors.Is(err, ErrClosed) {
				t.Errorf("dial: %v", err)
			}
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("close took %s", took)
		}
	})
}

func TestLostSocketIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		s := dial(t, a, LaneRaft, silent, b.ID())
		select {
		case <-a.Lost():
			t.Fatal("lost from the start")
		default:
		}
		_ = a.cfg.Conn.Close()
		<-a.Lost()
		if _, err := s.Read(make([]byte, 1)); err == nil {
			t.Error("a stream goes on without a socket")
		}
		_, err := a.Dial(within(t, time.Minute), LaneControl, echo, b.ID())
		wantErr(t, err, ErrClosed)
		if err := a.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		select {
		case <-b.Lost():
			t.Error("the peer counts as lost, too")
		default:
		}
		_ = b.Close()
		select {
		case <-b.Lost():
			t.Error("closed counts as lost")
		default:
		}
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
