package gossip

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// region is an in-memory network of nodes with links that can be cut.
type region struct {
	mu     sync.Mutex
	ports  map[federation.NodeID]*port
	cut    map[[2]federation.NodeID]bool // both directions
	open   map[*wire]struct{}
	roster *federation.Roster
	grams  bool // the ports have datagrams
}

// port is one node's Network.
type port struct {
	region *region
	id     federation.NodeID
	in     chan net.Conn
	grams  chan gram
	done   chan struct{}
	once   sync.Once
}

// gram is a datagram.
type gram struct {
	from federation.NodeID
	b    []byte
}

// gramPort is a port with datagrams.
type gramPort struct{ *port }

// wire is one end of a stream.
type wire struct {
	net.Conn
	local, remote federation.NodeID
}

func nodeID(n byte) federation.NodeID {
	return federation.NodeID(federation.Sum([]byte{'n', n}))
}

// newRegion makes a roster of n active nodes, numbered from 1, and a network between them.
func newRegion(n int) *region {
	r := &region{ports: make(map[federation.NodeID]*port), cut: make(map[[2]federation.NodeID]bool), open: make(map[*wire]struct{})}
	r.roster = rosterOf(n, federation.Active)
	return r
}

func rosterOf(n int, last federation.Standing) *federation.Roster {
	var trusts []federation.Trust
	for i := range n {
		standing := federation.Active
		if i == n-1 {
			standing = last
		}
		trusts = append(trusts, federation.Trust{
			ID: federation.TrustID(fmt.Sprintf("T%02d", i+1)), Standing: federation.Active,
			StatementKey: federation.PublicOf(ed25519.NewKeyFromSeed(make([]byte, 32))),
			Nodes:        []federation.RosterNode{{ID: nodeID(byte(i + 1)), Address: "node:1", Standing: standing}},
		})
	}
	return federation.NewRoster(federation.Charter{Region: "test"}, federation.Digest{1}, trusts)
}

func (r *region) port(id federation.NodeID) *port {
	p := &port{region: r, id: id, in: make(chan net.Conn), grams: make(chan gram, 64), done: make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ports[id] = p
	return p
}

// setCut cuts or heals the links between each of as and each of bs.
func (r *region) setCut(cut bool, as, bs []federation.NodeID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range as {
		for _, b := range bs {
			r.cut[[2]federation.NodeID{a, b}], r.cut[[2]federation.NodeID{b, a}] = cut, cut
		}
	}
	for w := range r.open {
		if r.cut[[2]federation.NodeID{w.local, w.remote}] {
			_ = w.Close()
			delete(r.open, w)
		}
	}
}

func (p *port) Accept() (net.Conn, error) {
	select {
	case c := <-p.in:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *port) Dial(ctx context.Context, to federation.NodeID) (net.Conn, error) {
	p.region.mu.Lock()
	target, cut := p.region.ports[to], p.region.cut[[2]federation.NodeID{p.id, to}]
	p.region.mu.Unlock()
	if target == nil || cut {
		<-ctx.Done() // nobody answers
		return nil, ctx.Err()
	}
	a, b := net.Pipe()
	near, far := &wire{a, p.id, to}, &wire{b, to, p.id}
	select {
	case target.in <- far:
	case <-target.done:
		<-ctx.Done()
		return nil, ctx.Err()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.region.mu.Lock()
	p.region.open[near], p.region.open[far] = struct{}{}, struct{}{}
	p.region.mu.Unlock()
	return near, nil
}

func (p *port) Peer(c net.Conn) (federation.NodeID, error) {
	if w, ok := c.(*wire); ok {
		return w.remote, nil
	}
	return federation.NodeID{}, errors.New("not a stream of this network")
}

func (p gramPort) Send(to federation.NodeID, b []byte) error {
	p.region.mu.Lock()
	target, cut := p.region.ports[to], p.region.cut[[2]federation.NodeID{p.id, to}]
	p.region.mu.Unlock()
	if target == nil || cut {
		return nil // lost on the way
	}
	select {
	case target.grams <- gram{p.id, slices.Clone(b)}:
		return nil
	default:
		return errors.New("queue full")
	}
}

func (p gramPort) Receive(ctx context.Context) (federation.NodeID, []byte, error) {
	select {
	case g := <-p.grams:
		return g.from, g.b, nil
	case <-p.done:
		return federation.NodeID{}, nil, net.ErrClosed
	case <-ctx.Done():
		return federation.NodeID{}, nil, ctx.Err()
	}
}

func (p *port) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// start runs node number n.
func (r *region) start(t *testing.T, n byte) *Gossip {
	t.Helper()
	var network Network = r.port(nodeID(n))
	if p, ok := network.(*port); ok && r.grams {
		network = gramPort{p}
	}
	g, err := New(t.Context(), Config{
		Self: nodeID(n), Network: network, Version: fmt.Sprintf("0.%d", n),
		Roster: func() *federation.Roster {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.roster
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// eachWay runs a test in virtual time, with packets on streams and with datagrams.
func eachWay(t *testing.T, nodes int, test func(t *testing.T, r *region)) {
	t.Helper()
	for name, grams := range map[string]bool{"streams": false, "datagrams": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRegion(nodes)
				r.grams = grams
				test(t, r)
			})
		})
	}
}

// startAll runs nodes 1 to n.
func (r *region) startAll(t *testing.T, n int) []*Gossip {
	t.Helper()
	var out []*Gossip
	for i := range n {
		out = append(out, r.start(t, byte(i+1)))
	}
	return out
}

// kill takes a node off the network without a word, then stops it.
func (r *region) kill(t *testing.T, g *Gossip) {
	t.Helper()
	var others []federation.NodeID
	for _, n := range r.roster.ActiveNodes() {
		others = append(others, n.ID)
	}
	r.setCut(true, []federation.NodeID{g.cfg.Self}, others)
	r.mu.Lock()
	delete(r.ports, g.cfg.Self)
	r.mu.Unlock()
	if err := g.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func closeAll(t *testing.T, gs ...*Gossip) {
	t.Helper()
	var wg sync.WaitGroup
	for _, g := range gs {
		wg.Go(func() {
			if err := g.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	wg.Wait()
	<-time.After(15 * time.Second) // memberlist's last probes end by their timers
}

// sees reports whether g holds exactly these nodes for members, by memberlist's own count, and up.
func sees(g *Gossip, ids ...federation.NodeID) bool {
	if g.members.NumMembers() != len(ids)+1 {
		return false
	}
	for id, p := range g.Peers() {
		if slices.Contains(ids, id) != (p.State == Up) {
			return false
		}
	}
	return true
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
