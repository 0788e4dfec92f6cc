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
}

// port is one node's Network.
type port struct {
	region *region
	id     federation.NodeID
	in     chan net.Conn
	done   chan struct{}
	once   sync.Once
}

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
	p := &port{region: r, id: id, in: make(chan net.Conn), done: make(chan struct{})}
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

func (p *port) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// start runs node number n.
func (r *region) start(t *testing.T, n byte) *Gossip {
	t.Helper()
	g, err := New(t.Context(), Config{Self: nodeID(n), Network: r.port(nodeID(n)), Version: fmt.Sprintf("0.%d", n),
		Roster: func() *federation.Roster {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.roster
		}})
	if err != nil {
		t.Fatal(err)
	}
	return g
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
