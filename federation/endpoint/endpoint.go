package endpoint

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/quic-go/quic-go"
	"golang.org/x/time/rate"
)

// Endpoint is a node's one socket: it dials and accepts connections with other nodes and carries
// streams and packets over them. All methods are safe for concurrent use.
type Endpoint struct {
	cfg       Config
	limits    Limits
	id        PeerID
	cert      tls.Certificate
	speaks    versions
	life      life
	log       *slog.Logger
	complain  *rate.Limiter // bounds the log lines that strangers can cause
	metrics   *metrics
	gate      *gate
	windows   *budget
	packets   chan Packet
	transport *quic.Transport
	accepting *quic.Listener
	stop      context.CancelFunc
	done      chan struct{} // closed when Close begins
	lost      chan struct{} // closed when the socket has failed
	running   sync.WaitGroup
	shut      sync.Once
	shutErr   error

	incoming sync.Map // *quic.Conn -> *session; for growIncoming, which must not take mu

	mu     sync.Mutex
	closed bool
	doors  map[door]*listener
	peers  map[PeerID]*peer
	joins  map[*session]struct{} // both directions
}

// peer is all that an endpoint has of one peer; Endpoint.mu guards it.
type peer struct {
	in, out map[slot]*session
	calls   map[slot]*call
	box     *mailbox
}

// New starts an endpoint on cfg.Conn. Peers are let in from then on; their streams are reset until
// somebody listens. If it fails, cfg.Conn stays the caller's.
func New(cfg Config) (*Endpoint, error) {
	return newEndpoint(cfg, versions{oldestVersion, newestVersion})
}

func newEndpoint(cfg Config, speaks versions) (*Endpoint, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	public, ok := cfg.Key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("endpoint config: not an Ed25519 key")
	}
	cert, err := issue(cfg.Key)
	if err != nil {
		return nil, err
	}
	reset, err := resetKey(cfg.Key)
	if err != nil {
		return nil, err
	}
	limits := cfg.Limits.withDefaults()
	e := &Endpoint{
		cfg:      cfg,
		limits:   limits,
		id:       KeyID(public),
		cert:     cert,
		speaks:   speaks,
		life:     newLife(),
		log:      cfg.Logger.With(slog.String("component", "endpoint")),
		complain: rate.NewLimiter(1, 10),
		gate:     newGate(limits),
		windows:  &budget{},
		packets:  make(chan Packet, packetBacklog),
		done:     make(chan struct{}),
		lost:     make(chan struct{}),
		doors:    make(map[door]*listener),
		peers:    make(map[PeerID]*peer),
		joins:    make(map[*session]struct{}),
	}
	e.windows.left.Store(int64(limits.WindowBudget))
	if e.metrics, err = newMetrics(cfg.Metrics, e); err != nil {
		return nil, err
	}
	if err := e.open(&reset); err != nil {
		e.metrics.remove()
		return nil, err
	}
	return e, nil
}

// open starts QUIC on the socket.
func (e *Endpoint) open(reset *quic.StatelessResetKey) error {
	unproven := rate.NewLimiter(rate.Limit(e.limits.HandshakeRate), e.limits.HandshakeRate)
	e.transport = &quic.Transport{
		Conn:                             quietly(e.cfg.Conn, e.cfg.Hold, e.log),
		ConnectionIDLength:               8,
		StatelessResetKey:                reset,
		DisableVersionNegotiationPackets: true,
		VerifySourceAddress: func(net.Addr) bool {
			retry := !unproven.Allow()
			if retry {
				e.metrics.retries.Inc()
			}
			return retry
		},
		ConnContext: e.gate.enter,
	}
	var err error
	if e.accepting, err = e.transport.Listen(e.serverTLS(), e.serverQUIC()); err != nil {
		return fmt.Errorf("listen on %s: %w", e.cfg.Conn.LocalAddr(), err)
	}
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // lives as long as the endpoint, not as any caller
	e.stop = cancel
	e.running.Go(func() { e.accept(ctx) })
	return nil
}

// ID returns the id of this node.
func (e *Endpoint) ID() PeerID { return e.id }

// Addr returns the address of the socket.
func (e *Endpoint) Addr() net.Addr { return e.cfg.Conn.LocalAddr() }

// Lost is closed when the socket has failed under the endpoint: nothing works from then on but
// Close. A node should stop, and be started again.
func (e *Endpoint) Lost() <-chan struct{} { return e.lost }

// peer returns the record of a peer, made if need be. The caller holds mu.
func (e *Endpoint) peer(id PeerID) *peer {
	p := e.peers[id]
	if p == nil {
		p = &peer{in: make(map[slot]*session), out: make(map[slot]*session), calls: make(map[slot]*call)}
		e.peers[id] = p
	}
	return p
}

// tidy forgets a peer that nothing is left of. The caller holds mu.
func (e *Endpoint) tidy(id PeerID) {
	p := e.peers[id]
	if p != nil && len(p.in)+len(p.out)+len(p.calls) == 0 && p.box == nil {
		delete(e.peers, id)
	}
}

// track counts a session in, until its connection ends. The session it replaces, if any, is
// returned: the caller closes it. The caller holds no lock.
func (e *Endpoint) track(s *session) (replaced *session, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	if s.at.lane == LaneJoin {
		if !s.outgoing && e.joining() >= e.limits.JoinConnections {
			return nil, fmt.Errorf("%w: %d nodes are joining", ErrBusy, e.limits.JoinConnections)
		}
		e.joins[s] = struct{}{}
	} else {
		p := e.peer(s.peer)
		side := p.in
		if s.outgoing {
			side = p.out
		}
		replaced = side[s.at]
		side[s.at] = s
	}
	if !s.outgoing {
		e.incoming.Store(s.conn, s)
	}
	e.metrics.opened(s)
	e.running.Add(1)
	context.AfterFunc(s.conn.Context(), func() {
		defer e.running.Done()
		e.untrack(s)
	})
	return replaced, nil
}

// joining counts incoming connections of the join lane. The caller holds mu.
func (e *Endpoint) joining() int {
	n := 0
	for s := range e.joins {
		if !s.outgoing {
			n++
		}
	}
	return n
}

func (e *Endpoint) untrack(s *session) {
	e.incoming.Delete(s.conn)
	s.grown.release()
	e.metrics.ended(s)
	e.log.Debug("connection closed", append(s.attrs(), slog.Any("reason", translate(context.Cause(s.conn.Context()))))...)
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.joins, s)
	if p := e.peers[s.peer]; p != nil {
		if p.in[s.at] == s {
			delete(p.in, s.at)
		}
		if p.out[s.at] == s {
			delete(p.out, s.at)
		}
		e.tidy(s.peer)
	}
}

func (s *session) attrs() []any {
	return []any{
		slog.String("peer", s.peer.Short()),
		slog.String("lane", s.at.lane.String()),
		slog.Int("stripe", int(s.at.stripe)),
		slog.Bool("outgoing", s.outgoing),
	}
}

// Evict closes all connections with a peer at once, and gives up dialling it. Its open streams fail
// with ErrEvicted at both ends. Admit must refuse the peer before Evict is called, or the peer will
// be back. It returns when the connections are closed here; a peer that cannot be reached learns of
// it when it next sends.
func (e *Endpoint) Evict(id PeerID) {
	e.mu.Lock()
	var victims []*session
	if p := e.peers[id]; p != nil {
		for _, side := range []map[slot]*session{p.in, p.out} {
			for _, s := range side {
				victims = append(victims, s)
			}
		}
		for _, c := range p.calls {
			c.cancel(ErrEvicted)
		}
		p.box = nil
		e.tidy(id)
	}
	for s := range e.joins {
		if s.proven && s.peer == id {
			victims = append(victims, s)
		}
	}
	e.mu.Unlock()
	closeAll(victims, closeEvicted, "this node is no longer admitted")
	if len(victims) > 0 {
		e.log.Info("peer evicted", slog.String("peer", id.Short()), slog.Int("connections", len(victims)))
	}
}

func closeAll(sessions []*session, code closeCode, text string) {
	var wg sync.WaitGroup
	for _, s := range sessions {
		wg.Go(func() { s.close(code, text) })
	}
	wg.Wait()
}

// Close closes all connections, telling the peers, then the socket, and waits for everything that
// the endpoint has started. Listeners and streams fail with net.ErrClosed. It is idempotent.
func (e *Endpoint) Close() error {
	e.shut.Do(func() { e.shutErr = e.close() })
	return e.shutErr
}

func (e *Endpoint) close() error {
	e.mu.Lock()
	e.closed = true
	close(e.done)
	var sessions []*session
	var doors []*listener
	for _, p := range e.peers {
		for _, s := range p.out {
			sessions = append(sessions, s)
		}
		for _, s := range p.in {
			sessions = append(sessions, s)
		}
		for _, c := range p.calls {
			c.cancel(ErrClosed)
		}
	}
	for s := range e.joins {
		sessions = append(sessions, s)
	}
	for _, l := range e.doors {
		doors = append(doors, l)
	}
	clear(e.doors)
	e.mu.Unlock()

	for _, l := range doors {
		l.shut()
	}
	closeAll(sessions, closeShutdown, "node is stopping")
	e.stop()
	err := e.accepting.Close()
	e.running.Wait()
	err = errors.Join(err, e.transport.Close())
	if cerr := e.cfg.Conn.Close(); !errors.Is(cerr, net.ErrClosed) {
		err = errors.Join(err, cerr)
	}
	e.metrics.remove()
	return err
}
