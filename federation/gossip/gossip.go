package gossip

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Gossip is this node's part in the region's gossip. Its methods are safe for concurrent use.
type Gossip struct {
	cfg     Config
	lines   *lines
	guard   *guard
	table   *table
	met     *metrics
	members *memberlist.Memberlist
	changed chan struct{} // the roster changed, or a node is back: rejoin at once

	cancel  context.CancelFunc
	loops   sync.WaitGroup
	closing atomic.Bool
	once    sync.Once
	err     error
}

// New starts to gossip. Canceling ctx stops it from sending; Close must be called all the same. It fails with ErrConfig.
func New(ctx context.Context, cfg Config) (*Gossip, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	met, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	g := &Gossip{cfg: cfg, met: met, table: newTable(cfg.Logger, cfg.Window), changed: make(chan struct{}, 1)}
	active := func(id federation.NodeID) bool { return id != cfg.Self && cfg.Roster().Active(id) }
	g.guard = newGuard(cfg.Self, active)
	g.lines = newLines(cfg.Network, met)
	g.lines.active = active
	ctx, g.cancel = context.WithCancel(ctx)
	t := g.transport(ctx)
	g.wire(ctx, t)
	if g.members, err = memberlist.Create(g.memberConfig(ctx, t)); err != nil {
		g.cancel()
		met.close()
		return nil, fmt.Errorf("start memberlist: %w", err)
	}
	g.loops.Go(func() { g.lines.accept(ctx) })
	g.loops.Go(func() { g.lines.receive(ctx) })
	g.loops.Go(func() { g.beat(ctx) })
	g.loops.Go(func() { g.rejoin(ctx) })
	return g, nil
}

// Observe tells what this node's state root was when it had applied an index. Indices must rise; one that does not is
// ignored. Replicas find forks by marks at the same index, so roots are best observed after each applied batch.
func (g *Gossip) Observe(index uint64, root federation.Digest) {
	g.table.observe(Mark{Index: index, Root: root}, time.Now())
}

// Peers returns what is known of every other active node of the roster. It is a hint: it is late, and what a peer says
// of itself may be a lie. No decision on permission, identity or membership may rest on it.
func (g *Gossip) Peers() map[federation.NodeID]Peer {
	now, out := time.Now(), make(map[federation.NodeID]Peer)
	for _, n := range g.cfg.Roster().ActiveNodes() {
		if n.ID != g.cfg.Self {
			out[n.ID] = g.table.peer(n.ID, now)
		}
	}
	return out
}

// Reachable reports whether the node itself was heard within the window, or is this node. It is a hint, as Peers is: a
// dial may fail when it says true, and succeed when it says false.
func (g *Gossip) Reachable(id federation.NodeID) bool {
	if id == g.cfg.Self {
		return true
	}
	return g.cfg.Roster().Active(id) && g.table.peer(id, time.Now()).State == Up
}

// Forks returns the active nodes whose state root differs from ours at the same index, in the order of their ids.
func (g *Gossip) Forks() []Fork { return g.table.forks(g.cfg.Roster()) }

// Close tells the others that this node leaves, stops, and waits for the goroutines of this package. Those of memberlist
// end by themselves within a few probe intervals. It closes the network.
func (g *Gossip) Close() error {
	g.once.Do(func() {
		g.closing.Store(true)
		g.tell(true)
		if err := g.members.Leave(leaveTimeout); err != nil {
			g.cfg.Logger.Debug("nobody took the leave", slog.String("error", err.Error()))
		}
		g.err = g.members.Shutdown()
		g.cancel()
		if err := g.lines.close(); g.err == nil {
			g.err = err
		}
		g.loops.Wait()
		g.lines.wg.Wait()
		g.met.close()
	})
	return g.err
}

// wire says where the lines' packets and streams go.
func (g *Gossip) wire(ctx context.Context, t *transport) {
	g.lines.start = func(to federation.NodeID, queue chan []byte) {
		g.lines.wg.Go(func() { g.lines.write(ctx, to, queue) })
	}
	g.lines.packet = g.packet(t)
	g.lines.state = g.state(ctx, t)
}

func (g *Gossip) transport(ctx context.Context) *transport {
	return &transport{
		self:    g.cfg.Self,
		packets: make(chan *memberlist.Packet, packetBacklog),
		streams: make(chan net.Conn),
		write: func(to federation.NodeID, b []byte) error {
			if !g.lines.active(to) {
				return nil // suspended since memberlist heard of it; it will be given up
			}
			return g.lines.send(to, packetGossip, b)
		},
		dial: func(to federation.NodeID, timeout time.Duration) (net.Conn, error) {
			conn, err := g.lines.dial(ctx, to, streamState, timeout)
			if err != nil {
				return nil, err
			}
			return &stateConn{Conn: conn, peer: to, guard: g.guard, closed: func() { g.lines.forget(conn) }}, nil
		},
	}
}

func (g *Gossip) memberConfig(ctx context.Context, t *transport) *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	d := &delegate{guard: g.guard, table: g.table}
	c.Name, c.Transport = g.cfg.Self.String(), t
	c.BindAddr, c.BindPort = addressOf(g.cfg.Self).String(), gossipPort
	c.Alive, c.Merge, c.Events = d, d, d
	c.Logger = slog.NewLogLogger(levels{g.cfg.Logger.Handler(), func() bool { return g.closing.Load() || ctx.Err() != nil }}, slog.LevelInfo)
	c.ProbeInterval, c.ProbeTimeout, c.SuspicionMult = g.cfg.ProbeInterval, g.cfg.ProbeTimeout, g.cfg.SuspicionMult
	c.TCPTimeout = stateTimeout
	c.DisableTcpPings = true // packets and streams share one connection: a stream would prove no more
	c.EnableCompression = false
	c.RequireNodeNames = true
	c.UDPBufferSize = 1100
	return c
}

// packet returns what takes in a peer's packets.
func (g *Gossip) packet(t *transport) func(federation.NodeID, byte, []byte) {
	return func(from federation.NodeID, kind byte, b []byte) {
		now := time.Now()
		if g.table.heard(from, now) {
			g.callSoon()
		}
		switch kind {
		case packetHead:
			h, err := decodeHead(b)
			if err != nil {
				g.met.drop(dropRefused)
				return
			}
			g.table.head(from, h, now)
		case packetGossip:
			if err := g.guard.packet(from, b, now); err != nil {
				g.met.drop(dropRefused)
				return
			}
			select {
			case t.packets <- &memberlist.Packet{Buf: b, From: nodeAddr(from), Timestamp: now}:
			default:
				g.met.drop(dropBusy)
			}
		default:
			g.met.drop(dropRefused)
		}
	}
}

// state returns what hands a peer's exchange to memberlist, and holds the peer's place until it is over.
func (g *Gossip) state(ctx context.Context, t *transport) func(federation.NodeID, net.Conn) {
	return func(from federation.NodeID, conn net.Conn) {
		over := make(chan struct{})
		ended := sync.OnceFunc(func() {
			g.lines.forget(conn)
			close(over)
		})
		late := time.NewTimer(2 * stateTimeout)
		defer late.Stop()
		select {
		case t.streams <- &stateConn{Conn: conn, peer: from, guard: g.guard, closed: ended}:
		case <-late.C:
			g.met.drop(dropBusy)
			ended()
		case <-ctx.Done():
			ended()
		}
		select {
		case <-over:
		case <-late.C:
			ended()
		case <-ctx.Done():
			ended()
		}
	}
}
