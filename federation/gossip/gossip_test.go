package gossip

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// within lets virtual time pass until ok holds, and returns how long that took.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > limit {
			t.Fatalf("not within %s: %s", limit, what)
		}
		<-time.After(50 * time.Millisecond)
		synctest.Wait()
	}
	return time.Since(start)
}

func ids(numbers ...byte) []federation.NodeID {
	var out []federation.NodeID
	for _, n := range numbers {
		out = append(out, nodeID(n))
	}
	return out
}

func TestFiveNodesConverge(t *testing.T) {
	eachWay(t, 5, func(t *testing.T, r *region) {
		gs := r.startAll(t, 5)
		took := within(t, 35*time.Second, "all see all", func() bool {
			for i, g := range gs {
				if !sees(g, append(ids(1, 2, 3, 4, 5)[:i:i], ids(1, 2, 3, 4, 5)[i+1:]...)...) {
					return false
				}
			}
			return true
		})
		t.Logf("converged after %s", took)
		if p := gs[0].Peers()[nodeID(3)]; p.Version != "0.3" || p.Heard.IsZero() {
			t.Errorf("peer 3: got %+v, want its version and when it was heard", p)
		}
		closeAll(t, gs...)
	})
}

func TestKilledNodeIsKnownToAll(t *testing.T) {
	eachWay(t, 5, func(t *testing.T, r *region) {
		gs := r.startAll(t, 5)
		within(t, 35*time.Second, "converged", func() bool { return sees(gs[0], ids(2, 3, 4, 5)...) && sees(gs[3], ids(1, 2, 3, 5)...) })
		<-time.After(10 * time.Second)
		go r.kill(t, gs[4])
		took := within(t, 6*time.Second, "unreachable everywhere", func() bool {
			return !gs[0].Reachable(nodeID(5)) && !gs[1].Reachable(nodeID(5)) && !gs[2].Reachable(nodeID(5)) && !gs[3].Reachable(nodeID(5))
		})
		given := within(t, 10*time.Second, "given up everywhere", func() bool {
			for _, g := range gs[:4] {
				if g.Peers()[nodeID(5)].State != Down {
					return false
				}
			}
			return true
		})
		t.Logf("unreachable after %s, given up by the members %s later", took, given)
		closeAll(t, gs[:4]...)
	})
}

func TestLeavingNodeIsKnownAtOnce(t *testing.T) {
	eachWay(t, 3, func(t *testing.T, r *region) {
		gs := r.startAll(t, 3)
		within(t, 35*time.Second, "converged", func() bool { return sees(gs[0], ids(2, 3)...) && sees(gs[1], ids(1, 3)...) })
		if err := gs[2].Close(); err != nil {
			t.Fatal(err)
		}
		within(t, time.Second, "left", func() bool { return !gs[0].Reachable(nodeID(3)) && !gs[1].Reachable(nodeID(3)) })
		closeAll(t, gs...)
	})
}

// 1, 2 | 3, 4 for ten minutes, long enough for each half to forget the other, then healed.
func TestHealedSplitMerges(t *testing.T) {
	for _, split := range []time.Duration{8 * time.Second, 40 * time.Second, 10 * time.Minute} {
		t.Run(split.String(), func(t *testing.T) {
			eachWay(t, 4, func(t *testing.T, r *region) {
				gs := r.startAll(t, 4)
				within(t, 35*time.Second, "converged", func() bool { return sees(gs[0], ids(2, 3, 4)...) && sees(gs[2], ids(1, 2, 4)...) })
				r.setCut(true, ids(1, 2), ids(3, 4))
				within(t, 10*time.Second, "split seen", func() bool { return !gs[0].Reachable(nodeID(3)) && !gs[3].Reachable(nodeID(2)) })
				<-time.After(split)
				r.setCut(false, ids(1, 2), ids(3, 4))
				took := within(t, 60*time.Second, "merged", func() bool {
					return sees(gs[0], ids(2, 3, 4)...) && sees(gs[1], ids(1, 3, 4)...) && sees(gs[2], ids(1, 2, 4)...) && sees(gs[3], ids(1, 2, 3)...)
				})
				t.Logf("merged %s after the heal", took)
				closeAll(t, gs...)
			})
		})
	}
}

func TestStrangerIsRefused(t *testing.T) {
	eachWay(t, 3, func(t *testing.T, r *region) {
		gs := r.startAll(t, 3)
		// The stranger has a roster of its own, in which it is active.
		own := rosterOf(9, federation.Active)
		stranger, err := New(t.Context(), Config{Self: nodeID(9), Network: r.port(nodeID(9)), Roster: func() *federation.Roster { return own }})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Minute)
		for _, g := range gs {
			if g.members.NumMembers() != 3 || g.Reachable(nodeID(9)) {
				t.Errorf("%d members, stranger reachable: %t; want 3, false", g.members.NumMembers(), g.Reachable(nodeID(9)))
			}
			if _, ok := g.Peers()[nodeID(9)]; ok {
				t.Error("the stranger is listed")
			}
		}
		closeAll(t, append(gs, stranger)...)
	})
}

func TestSuspendedNodeIsDropped(t *testing.T) {
	eachWay(t, 3, func(t *testing.T, r *region) {
		gs := r.startAll(t, 3)
		within(t, 35*time.Second, "converged", func() bool { return sees(gs[0], ids(2, 3)...) && sees(gs[1], ids(1, 3)...) })
		r.mu.Lock()
		r.roster = rosterOf(3, federation.Suspended)
		r.mu.Unlock()
		if gs[0].Reachable(nodeID(3)) {
			t.Error("reachable although suspended")
		}
		within(t, 30*time.Second, "given up", func() bool { return sees(gs[0], ids(2)...) && sees(gs[1], ids(1)...) })
		r.mu.Lock()
		r.roster = rosterOf(3, federation.Active)
		r.mu.Unlock()
		within(t, 60*time.Second, "taken back", func() bool { return sees(gs[0], ids(2, 3)...) && sees(gs[1], ids(1, 3)...) })
		closeAll(t, gs...)
	})
}

func TestForkIsFoundAndRebuildingEndsIt(t *testing.T) {
	eachWay(t, 3, func(t *testing.T, r *region) {
		gs := r.startAll(t, 3)
		root := func(s string) federation.Digest { return federation.Sum([]byte(s)) }
		for _, g := range gs {
			g.Observe(10, root("ten"))
		}
		<-time.After(5 * time.Second)
		for i, g := range gs {
			if f := g.Forks(); len(f) != 0 {
				t.Errorf("node %d: forks %v while all agree", i+1, f)
			}
		}
		gs[2].Observe(20, root("other twenty")) // ahead of the rest
		<-time.After(2 * time.Second)
		gs[0].Observe(20, root("twenty"))
		gs[1].Observe(20, root("twenty"))
		<-time.After(2 * time.Second)
		for i, g := range gs[:2] {
			f := g.Forks()
			if len(f) != 1 || f[0].Peer != nodeID(3) || f[0].Index != 20 || f[0].Ours != root("twenty") || f[0].Theirs != root("other twenty") {
				t.Errorf("node %d: got forks %v, want one with node 3 at 20", i+1, f)
			}
			if !g.Peers()[nodeID(3)].Forked {
				t.Errorf("node %d: the peer is not marked", i+1)
			}
		}
		if f := gs[2].Forks(); len(f) != 2 {
			t.Errorf("node 3: got forks %v, want both others", f)
		}
		for _, g := range gs {
			g.Observe(30, root("thirty"))
		}
		<-time.After(2 * time.Second)
		for i, g := range gs {
			if f := g.Forks(); len(f) != 0 {
				t.Errorf("node %d: forks %v after the roots agree again", i+1, f)
			}
		}
		closeAll(t, gs...)
	})
}

// A peer that accepts streams and never reads fills its own queue; the others do not notice.
func TestSlowPeerBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(4)
		slow := r.port(nodeID(4))
		go func() {
			var held []net.Conn
			for {
				c, err := slow.Accept()
				if err != nil {
					for _, c := range held {
						_ = c.Close()
					}
					return
				}
				held = append(held, c)
			}
		}()
		gs := r.startAll(t, 3)
		within(t, 35*time.Second, "converged", func() bool { return sees(gs[0], ids(2, 3)...) && sees(gs[1], ids(1, 3)...) })
		start := time.Now()
		for range 10_000 {
			if err := gs[0].lines.send(nodeID(4), packetHead, []byte{1}); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("10,000 packets to a slow peer took %s of virtual time, want none", took)
		}
		<-time.After(time.Minute)
		if !sees(gs[0], ids(2, 3)...) || !sees(gs[2], ids(1, 2)...) {
			t.Errorf("the others were lost: %v", gs[0].Peers())
		}
		_ = slow.Close()
		closeAll(t, gs...)
	})
}

func TestCloseIsIdempotentAndEndsSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(2).start(t, 1)
		closeAll(t, g, g)
		if err := g.lines.send(nodeID(2), packetHead, []byte{1}); !errors.Is(err, ErrClosed) {
			t.Errorf("send after close: got %v, want ErrClosed", err)
		}
	})
}

func TestConfigSaysAllThatIsWrong(t *testing.T) {
	ok := Config{Self: nodeID(1), Network: newRegion(1).port(nodeID(1)), Roster: func() *federation.Roster { return rosterOf(1, federation.Active) }}
	cases := map[string]func(*Config){
		"no self":          func(c *Config) { c.Self = federation.NodeID{} },
		"no network":       func(c *Config) { c.Network = nil },
		"no roster":        func(c *Config) { c.Roster = nil },
		"long version":     func(c *Config) { c.Version = string(make([]byte, 65)) },
		"negative window":  func(c *Config) { c.Window = -1 },
		"slow answer":      func(c *Config) { c.ProbeTimeout = 2 * time.Second },
		"negative suspect": func(c *Config) { c.SuspicionMult = -1 },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			c := ok
			spoil(&c)
			if _, err := New(t.Context(), c); !errors.Is(err, ErrConfig) {
				t.Errorf("got %v, want ErrConfig", err)
			}
		})
	}
}

func TestMetricsShowPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(2)
		reg := prometheus.NewRegistry()
		a, err := New(t.Context(), Config{Self: nodeID(1), Network: r.port(nodeID(1)), Metrics: reg, Logger: discard(), Roster: func() *federation.Roster { return r.roster }})
		if err != nil {
			t.Fatal(err)
		}
		b := r.start(t, 2)
		<-time.After(5 * time.Second)
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		up := -1.0
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "ridgeway_gossip_peers" && m.GetLabel()[0].GetValue() == "up" {
					up = m.GetGauge().GetValue()
				}
			}
		}
		if up != 1 {
			t.Errorf("ridgeway_gossip_peers{state=up}: got %v, want 1", up)
		}
		closeAll(t, a, b)
	})
}

func TestMetricsCanBeRegisteredAgainAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(2)
		reg := prometheus.NewRegistry()
		for range 2 {
			g, err := New(t.Context(), Config{Self: nodeID(1), Network: r.port(nodeID(1)), Metrics: reg, Logger: discard(), Roster: func() *federation.Roster { return r.roster }})
			if err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Second)
			if families, err := reg.Gather(); err != nil || len(families) == 0 {
				t.Fatalf("%d families, %v", len(families), err)
			}
			closeAll(t, g)
			if families, err := reg.Gather(); err != nil || len(families) != 0 {
				t.Errorf("%d families are left, %v", len(families), err)
			}
		}
	})
}
