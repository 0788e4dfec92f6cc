package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

// gate bounds incoming connections before anything is known about them.
type gate struct {
	limits Limits

	mu          sync.Mutex
	connections int
	handshakes  int
	addresses   map[netip.Addr]int // handshakes in progress
}

func newGate(l Limits) *gate { return &gate{limits: l, addresses: make(map[netip.Addr]int)} }

// ticket is a connection's place in the gate's counts.
type ticket struct {
	gate  *gate
	addr  netip.Addr
	shook sync.Once
}

type ticketKey struct{}

// enter is quic.Transport.ConnContext: it decides whether a first packet may start a handshake.
func (g *gate) enter(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
	addr := hostOf(info.RemoteAddr)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.connections >= g.limits.Connections || g.handshakes >= g.limits.Handshakes ||
		g.addresses[addr] >= g.limits.HandshakesPerAddress {
		return nil, ErrBusy
	}
	g.connections++
	g.handshakes++
	g.addresses[addr]++
	t := &ticket{gate: g, addr: addr}
	context.AfterFunc(ctx, t.leave)
	return context.WithValue(ctx, ticketKey{}, t), nil
}

// shaken says that the handshake is over, whatever became of it.
func (t *ticket) shaken() {
	t.shook.Do(func() {
		t.gate.mu.Lock()
		defer t.gate.mu.Unlock()
		t.gate.handshakes--
		if t.gate.addresses[t.addr]--; t.gate.addresses[t.addr] <= 0 {
			delete(t.gate.addresses, t.addr)
		}
	})
}

func (t *ticket) leave() {
	t.shaken()
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	t.gate.connections--
}

// hostOf returns the IP address of a network address, or the zero value.
func hostOf(a net.Addr) netip.Addr {
	if u, ok := a.(*net.UDPAddr); ok {
		ip, _ := netip.AddrFromSlice(u.IP)
		return ip.Unmap()
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// accept takes connections whose TLS handshake is done until the listener closes.
func (e *Endpoint) accept(ctx context.Context) {
	for {
		conn, err := e.accepting.Accept(ctx)
		if err != nil {
			if ctx.Err() == nil { // not closed by Close, so quic-go has given up the socket
				e.log.Error("socket failed: the node can reach nobody", slog.Any("reason", err))
				close(e.lost)
			}
			return
		}
		e.running.Go(func() { e.serve(ctx, conn) })
	}
}

// serve looks after an incoming connection from its hello to its end.
func (e *Endpoint) serve(ctx context.Context, conn *quic.Conn) {
	stop := context.AfterFunc(ctx, func() {
		_ = conn.CloseWithError(quic.ApplicationErrorCode(closeShutdown), "node is stopping") // always nil
	})
	defer stop()
	s, err := e.welcome(conn)
	if t, ok := conn.Context().Value(ticketKey{}).(*ticket); ok {
		t.shaken()
	}
	if err != nil {
		code := codeFor(err)
		text := code.reason().Error()
		if code == closeVersion {
			text = err.Error() // says which versions; the other reasons are nobody's business
		}
		_ = conn.CloseWithError(quic.ApplicationErrorCode(code), text) // always nil
		return
	}
	e.log.Debug("connection accepted", s.attrs()...)
	if s.at.lane == LaneJoin {
		bound := time.AfterFunc(e.limits.JoinLifetime, func() { s.close(closeDone, "joining took too long") })
		defer bound.Stop()
	}
	if s.at.lane == LaneControl {
		e.running.Go(func() { e.receivePackets(s) })
	}
	e.acceptStreams(s)
}

// welcome reads the hello, decides, and acknowledges. The session is tracked before the roster is
// asked, so that an Evict that runs at the same time either finds the session, or has changed what
// Admit answers.
func (e *Endpoint) welcome(conn *quic.Conn) (*session, error) {
	ctx, cancel := context.WithTimeout(conn.Context(), e.limits.HelloTimeout)
	defer cancel()
	str, err := conn.AcceptStream(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: no hello: %w", ErrProtocol, err)
	}
	if err := str.SetDeadline(soon(e.limits.HelloTimeout)); err != nil {
		return nil, err
	}
	var b [helloSize]byte
	if _, err := io.ReadFull(str, b[:]); err != nil {
		return nil, fmt.Errorf("%w: no hello: %w", ErrProtocol, translate(err))
	}
	h, err := parseHello(b[:])
	if err != nil {
		return nil, err
	}
	s, err := e.introduce(conn, h)
	if err != nil {
		return nil, err
	}
	version, err := e.speaks.common(h.versions)
	if err != nil {
		e.refused(s.at.lane, s.peer, err)
		return nil, err
	}
	replaced, err := e.track(s)
	if err != nil {
		e.refused(s.at.lane, s.peer, err)
		return nil, err
	}
	if replaced != nil {
		replaced.close(closeReplaced, "")
	}
	if s.at.lane != LaneJoin {
		if err := e.admit(s.peer); err != nil {
			e.refused(s.at.lane, s.peer, err)
			return nil, err
		}
	}
	e.bury(s)
	ack := encodeAck(version, e.life)
	if _, err := str.Write(ack[:]); err != nil {
		return nil, translate(err)
	}
	// The peer may be done with the stream already, and then there is nothing left to close.
	_ = str.Close()
	// Without this the hello would keep one of the peer's stream places for good.
	str.CancelRead(quic.StreamErrorCode(ResetClosed))
	return s, nil
}

// introduce makes the session that a hello asks for, of the identity that TLS has proved.
func (e *Endpoint) introduce(conn *quic.Conn, h hello) (*session, error) {
	state := conn.ConnectionState().TLS
	lane, ok := laneOf(state.NegotiatedProtocol)
	if !ok || lane != h.lane {
		return nil, fmt.Errorf("%w: hello for lane %s on %q", ErrProtocol, h.lane, state.NegotiatedProtocol)
	}
	if int(h.stripe) >= e.limits.Stripes {
		return nil, fmt.Errorf("%w: stripe %d of %d", ErrBusy, h.stripe, e.limits.Stripes)
	}
	id, err := provenPeer(state)
	proven := err == nil
	if !proven && (lane != LaneJoin || !errors.Is(err, errNoCertificate)) {
		return nil, err
	}
	return &session{
		ep: e, conn: conn, peer: id, proven: proven,
		at: slot{lane, h.stripe}, life: h.life, since: time.Now(), grown: &grant{from: e.windows},
	}, nil
}

// acceptStreams hands the streams of a session to their services until the connection ends.
func (e *Endpoint) acceptStreams(s *session) {
	ctx := s.conn.Context()
	for {
		str, err := s.conn.AcceptStream(ctx)
		if err != nil {
			return // the connection is closed: AcceptStream has no other errors
		}
		if s.at.lane != LaneJoin && e.admit(s.peer) != nil {
			s.close(closeEvicted, "this node is no longer admitted")
			return
		}
		if e.openStreams(s) >= e.limits.PeerStreams {
			e.metrics.resets.WithLabelValues(s.at.lane.String(), "busy").Inc()
			abort(str, ResetBusy)
			continue
		}
		s.open.Add(1)
		e.running.Go(func() { e.route(s, str) })
	}
}

// openStreams counts the incoming streams of a session's peer on all its connections.
func (e *Endpoint) openStreams(s *session) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := int(s.open.Load())
	if p := e.peers[s.peer]; p != nil && s.at.lane != LaneJoin {
		for _, other := range p.in {
			if other != s {
				n += int(other.open.Load())
			}
		}
	}
	return n
}

// route reads a stream's header and gives the stream to the listener of its service.
func (e *Endpoint) route(s *session, str *quic.Stream) {
	stream := &Stream{str: str, sess: s}
	refuse := func(code ResetCode, reason string) {
		e.metrics.resets.WithLabelValues(s.at.lane.String(), reason).Inc()
		stream.Reset(code)
	}
	var header [headerSize]byte
	if err := str.SetReadDeadline(soon(e.limits.HeaderTimeout)); err != nil {
		refuse(ResetLateHeader, "header")
		return
	}
	if _, err := io.ReadFull(str, header[:]); err != nil {
		refuse(ResetLateHeader, "header")
		return
	}
	if err := str.SetReadDeadline(time.Time{}); err != nil {
		refuse(ResetLateHeader, "header")
		return
	}
	stream.service = Service(header[0])
	if s.at.lane == LaneDocument && stream.service == serviceWarm {
		e.warm(s, str)
		_ = stream.Close() // always nil
		return
	}
	l := e.lookup(door{s.at.lane, stream.service})
	if l == nil {
		refuse(ResetUnknownService, "unknown")
		return
	}
	if code, ok := l.deliver(stream); !ok {
		refuse(code, "backlog")
		return
	}
	e.metrics.streams.WithLabelValues(s.at.lane.String(), "in").Inc()
}

// refused notes that an incoming connection is turned away.
func (e *Endpoint) refused(lane Lane, id PeerID, err error) {
	e.metrics.refusals.WithLabelValues(lane.String()).Inc()
	if e.complain.AllowN(time.Now(), 1) {
		e.log.Warn("connection refused", slog.String("peer", id.Short()), slog.String("lane", lane.String()), slog.Any("reason", err))
	}
}
