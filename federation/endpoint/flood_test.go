package endpoint

import (
	"context"
	"errors"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/testutils/simnet"
)

// openings returns the first packets of n handshakes that nobody goes on with.
func (r *region) openings(n int, to *Endpoint) [][]simnet.Packet {
	r.t.Helper()
	cert, err := issue(testKey(99))
	if err != nil {
		r.t.Fatal(err)
	}
	config := baseTLS(cert)
	config.NextProtos = []string{LaneRaft.alpn()}
	tr := &quic.Transport{Conn: r.socket(99), ConnectionIDLength: 8}
	defer tr.Close()
	var mu sync.Mutex
	var all [][]simnet.Packet
	var one []simnet.Packet
	r.dropIf(func(p simnet.Packet) bool {
		mu.Lock()
		defer mu.Unlock()
		one = append(one, simnet.Packet{To: p.To, Data: slices.Clone(p.Data)})
		return true
	})
	defer r.dropIf(nil)
	for range n {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		_, err := tr.Dial(ctx, to.Addr(), config, nil)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			r.t.Fatal(err)
		}
		mu.Lock()
		all = append(all, one[:min(2, len(one))])
		one = nil
		mu.Unlock()
	}
	return all
}

// inject delivers packets as if each handshake came from an address of its own.
func (r *region) inject(openings [][]simnet.Packet, to *Endpoint) {
	r.mu.Lock()
	receiver := r.nodes[to.Addr().String()]
	r.mu.Unlock()
	for i, packets := range openings {
		from := &net.UDPAddr{IP: net.IPv4(192, 168, byte(i>>8), byte(i)), Port: 1024 + i}
		for _, p := range packets {
			p.From = from
			receiver.RecvPacket(p)
		}
	}
}

func TestFloodOfHandshakesIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		e, peer := r.node(1), r.node(2)
		flood := r.openings(400, e)
		synctest.Wait()
		before := runtime.NumGoroutine()
		r.inject(flood, e)
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if more := runtime.NumGoroutine() - before; more > 150 {
			t.Errorf("%d half-open handshakes cost %d goroutines", len(flood), more)
		}
		if n := e.gate.inProgress(); n == 0 || n > 21 {
			t.Errorf("%d handshakes in progress, want the 20 that need not prove their address", n)
		}
		start := time.Now()
		if err := say(dial(t, peer, LaneControl, echo, e.ID()), "in the middle of it"); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("an honest peer took %s to get in", took)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := e.gate.inProgress(); n != 0 {
			t.Errorf("%d handshakes still in progress", n)
		}
	})
}

func TestFloodFromProvenAddressesIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		e := r.node(1, func(c *Config) {
			c.Limits.HandshakeRate = 1 << 20 // as if all had answered a Retry
			c.Limits.Handshakes = 30
		})
		flood := r.openings(100, e)
		r.inject(flood, e)
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if n := e.gate.inProgress(); n != 30 {
			t.Errorf("%d handshakes in progress, want 30", n)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := e.gate.inProgress(); n != 0 {
			t.Errorf("%d handshakes still in progress", n)
		}
	})
}

func TestGateBoundsEachAddressAndTheTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(Limits{Connections: 4, Handshakes: 3, HandshakesPerAddress: 2})
		enter := func(host byte) (*ticket, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			ctx, err := g.enter(ctx, &quic.ClientInfo{RemoteAddr: &net.UDPAddr{IP: net.IPv4(10, 0, 0, host), Port: 1}})
			if err != nil {
				cancel()
				return nil, nil
			}
			return ctx.Value(ticketKey{}).(*ticket), cancel
		}
		a1, endA1 := enter(1)
		a2, endA2 := enter(1)
		if a3, _ := enter(1); a3 != nil {
			t.Error("third handshake of an address got in")
		}
		b1, endB1 := enter(2)
		if c1, _ := enter(3); c1 != nil {
			t.Error("fourth handshake got in")
		}
		a1.shaken()
		a1.shaken()
		c1, endC1 := enter(3)
		if c1 == nil {
			t.Fatal("no place after a handshake was done")
		}
		b1.shaken()
		if d1, _ := enter(4); d1 != nil {
			t.Error("fifth connection got in")
		}
		for _, end := range []context.CancelFunc{endA1, endA2, endB1, endC1} {
			end()
		}
		synctest.Wait()
		_ = a2
		if g.connections != 0 || g.handshakes != 0 || len(g.addresses) != 0 {
			t.Errorf("left: %d connections, %d handshakes, %d addresses", g.connections, g.handshakes, len(g.addresses))
		}
	})
}

func TestConnectionsBeyondTheTotalAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		e := r.node(1, func(c *Config) { c.Limits.Connections = 2 })
		a, b := r.node(2), r.node(3)
		first := dial(t, a, LaneRaft, echo, e.ID())
		dial(t, a, LaneControl, echo, e.ID())
		_, err := b.Dial(within(t, time.Minute), LaneRaft, echo, e.ID())
		wantErr(t, err, ErrBusy)
		if err := say(first, "still here"); err != nil {
			t.Error(err)
		}
		_ = a.Close()
		time.Sleep(time.Second)
		if err := say(dial(t, b, LaneRaft, echo, e.ID()), "a place became free"); err != nil {
			t.Error(err)
		}
	})
}

func TestJoiningConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		e := r.node(1, func(c *Config) { c.Limits.JoinConnections = 2 })
		listen(t, e, LaneJoin, ServiceJoin, func(c net.Conn) { <-c.(*Stream).Done() })
		for i := range byte(2) {
			c, err := r.stranger(10+i).DialJoin(within(t, time.Minute), e.Addr().String(), e.ID())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		_, err := r.stranger(20).DialJoin(within(t, time.Minute), e.Addr().String(), e.ID())
		wantErr(t, err, ErrBusy)
		time.Sleep(2*time.Minute + time.Second)
		synctest.Wait()
		if n := len(e.Connections()); n != 0 {
			t.Errorf("%d joining connections after their lifetime", n)
		}
	})
}

func TestReceiveWindowsStayWithinTheBudget(t *testing.T) {
	b := &budget{}
	b.left.Store(100)
	g, h := &grant{from: b}, &grant{from: b}
	if !g.take(60) || h.take(50) || !h.take(40) || g.take(1) {
		t.Errorf("taken %d and %d of 100", g.taken.Load(), h.taken.Load())
	}
	g.release()
	g.release()
	if !h.take(60) || h.take(1) {
		t.Errorf("after a release: taken %d", h.taken.Load())
	}
}

func TestWindowsOfRequestsDoNotGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		for _, tc := range []struct {
			lane  Lane
			grows bool
		}{{LaneDocument, false}, {LaneRaft, true}} {
			s := dial(t, a, tc.lane, echo, b.ID())
			go func() { _, _ = s.Write(make([]byte, 2<<20)) }()
			buf := make([]byte, 64<<10)
			for got := 0; got < 2<<20; {
				n, err := s.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				got += n
			}
			b.incoming.Range(func(_, v any) bool {
				in := v.(*session)
				if in.at.lane == tc.lane && (in.grown.taken.Load() > 0) != tc.grows {
					t.Errorf("%s: window grew by %d", tc.lane, in.grown.taken.Load())
				}
				return true
			})
		}
		_ = a.Close()
		time.Sleep(time.Second)
		synctest.Wait()
		if left := b.windows.left.Load(); left != 256<<20 {
			t.Errorf("%d bytes of the budget were not given back", 256<<20-left)
		}
	})
}

func TestMetricsOfARestartedEndpointRegisterAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		registry := prometheus.NewRegistry()
		with := func(c *Config) { c.Metrics = registry }
		for range 2 {
			e := r.node(1, with)
			if _, err := New(r.config(2, []func(*Config){with})); err == nil {
				t.Error("two endpoints share a registry")
			}
			found, err := registry.Gather()
			if err != nil || len(found) == 0 {
				t.Errorf("%d metrics, %v", len(found), err)
			}
			_ = e.Close()
		}
	})
}

func TestConfigSaysAllThatIsWrongWithIt(t *testing.T) {
	_, err := New(Config{Limits: Limits{Stripes: 1000, Backlog: -1, IdleTimeout: -1}})
	if err == nil {
		t.Fatal("empty config was accepted")
	}
	joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err)
	if !ok || len(joined.Unwrap()) < 6 {
		t.Errorf("error says too little: %v", err)
	}
}
