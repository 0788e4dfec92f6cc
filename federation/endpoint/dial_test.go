package endpoint

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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
