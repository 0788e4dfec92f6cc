package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/quic-go/quic-go"
)

// Dial opens a stream for a service on a member lane. It uses the open connection of that lane, or
// makes one; callers that want the same connection at the same time share one handshake. It returns
// after the peer has acknowledged the connection; whether the service exists there shows only when
// the stream is read. It waits no longer than ctx, nor than the limits on handshake, hello and
// opening a stream.
//
// The error is, or wraps: ErrNotAdmitted (one end refuses the other), ErrWrongPeer, ErrVersion,
// ErrLane, ErrUnreachable, ErrBusy, ErrInvalid, ErrEvicted, ErrClosed, or that of ctx.
//
// A peer that does not answer at the address that Resolve gives, or whose place another has taken, is called at the address
// from which it is connected to this node, if it is.
//
// A connection whose peer has died or restarted since looks open until something was sent on it:
// such a stream fails later with ErrPeerRestarted or ErrUnreachable, and the next Dial makes a new
// connection.
func (e *Endpoint) Dial(ctx context.Context, lane Lane, service Service, to PeerID) (net.Conn, error) {
	return e.dial(ctx, slot{lane: lane}, service, to, false)
}

// DialStriped opens a stream on the stripe-th connection of the document lane. Each stripe is a
// connection with a congestion window of its own; stripe 0 is the connection that Dial uses. Other
// stripes close when they have been idle for the idle timeout. The peer hears of the stream with the first Write or Read,
// so that a request and the stream's header travel in one packet.
func (e *Endpoint) DialStriped(ctx context.Context, service Service, to PeerID, stripe int) (net.Conn, error) {
	if stripe < 0 || stripe >= e.limits.Stripes {
		return nil, fmt.Errorf("dial stripe %d of %d: %w", stripe, e.limits.Stripes, ErrInvalid)
	}
	return e.dial(ctx, slot{lane: LaneDocument, stripe: uint8(stripe)}, service, to, true)
}

func (e *Endpoint) dial(ctx context.Context, at slot, service Service, to PeerID, together bool) (net.Conn, error) {
	if !at.lane.valid() || at.lane == LaneJoin || service == 0 || service == serviceWarm {
		return nil, fmt.Errorf("dial %s, service %d: %w", at.lane, service, ErrInvalid)
	}
	for first := true; ; first = false {
		s, err := e.acquire(ctx, at, to)
		if err != nil {
			return nil, fmt.Errorf("dial %s, lane %s: %w", to.Short(), at.lane, err)
		}
		stream, err := e.openStream(ctx, s, service, together)
		if err == nil {
			e.metrics.streams.WithLabelValues(at.lane.String(), "out").Inc()
			return stream, nil
		}
		if !first || s.alive() || ctx.Err() != nil {
			return nil, fmt.Errorf("open stream to %s, lane %s: %w", to.Short(), at.lane, err)
		}
		// The connection died between acquire and here; nothing of the caller's was sent on it.
	}
}

// openStream waits for a place among the peer's streams, for OpenTimeout at most.
func (e *Endpoint) openStream(ctx context.Context, s *session, service Service, together bool) (*Stream, error) {
	bounded, cancel := context.WithTimeout(ctx, e.limits.OpenTimeout)
	defer cancel()
	stream, err := s.start(bounded, service, together)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("%w: no stream became free in %s", ErrBusy, e.limits.OpenTimeout)
	}
	return stream, err
}

// call is a dial in progress that several callers may wait for.
type call struct {
	done   chan struct{} // closed when sess and err are set
	cancel context.CancelCauseFunc
	sess   *session
	err    error
}

// acquire returns the open outgoing connection of a slot, or waits for one to be made.
func (e *Endpoint) acquire(ctx context.Context, at slot, to PeerID) (*session, error) {
	if err := e.admit(to); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, ErrClosed
	}
	p := e.peer(to)
	if s := p.out[at]; s != nil && s.alive() {
		e.mu.Unlock()
		return s, nil
	}
	c := p.calls[at]
	if c == nil {
		// The handshake serves everybody who asks while it runs, so it does not end with the first.
		shared, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		c = &call{done: make(chan struct{}), cancel: cancel}
		p.calls[at] = c
		e.running.Go(func() { e.run(shared, c, at, to) })
	}
	e.mu.Unlock()
	select {
	case <-c.done:
		return c.sess, c.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// run makes the connection of a call and wakes those who wait.
func (e *Endpoint) run(ctx context.Context, c *call, at slot, to PeerID) {
	defer c.cancel(nil)
	addr, err := e.cfg.Resolve(to)
	if err != nil {
		err = fmt.Errorf("%w: resolve: %w", ErrUnreachable, err)
	} else {
		c.sess, err = e.connect(ctx, at, addr, to)
		if seen := e.seen(to); seen != nil && (errors.Is(err, ErrUnreachable) || errors.Is(err, ErrWrongPeer)) && ctx.Err() == nil {
			// It has moved, and cannot say so as long as nobody calls it back.
			c.sess, err = e.handshake(ctx, at, seen, to)
		}
	}
	c.err = err
	e.mu.Lock()
	if p := e.peers[to]; p != nil && p.calls[at] == c {
		delete(p.calls, at)
		e.tidy(to)
	}
	e.mu.Unlock()
	e.metrics.dialled(at.lane, err)
	if err != nil {
		e.log.Debug("dial failed", slog.String("peer", to.Short()), slog.String("lane", at.lane.String()), slog.Any("reason", err))
	}
	close(c.done)
}

// seen returns the address from which a peer has connections open with this node, nil when it has none. A node's one socket
// both calls and is called, and TLS has proven who is there.
func (e *Endpoint) seen(to PeerID) *net.UDPAddr {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.peers[to]
	if p == nil {
		return nil
	}
	for _, s := range p.in {
		if addr, ok := s.conn.RemoteAddr().(*net.UDPAddr); ok && s.alive() {
			return addr
		}
	}
	return nil
}

// connect makes a connection to the first address of addr that answers.
func (e *Endpoint) connect(ctx context.Context, at slot, addr string, to PeerID) (*session, error) {
	targets, err := resolve(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	var errs []error
	for _, target := range targets {
		s, err := e.handshake(ctx, at, target, to)
		if err == nil {
			e.log.Debug("connection dialled", s.attrs()...)
			return s, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil || !errors.Is(err, ErrUnreachable) {
			break // somebody answered: another address is another door to the same no
		}
	}
	return nil, errors.Join(errs...)
}

// mostAddresses bounds how many addresses of a name are tried, each for the handshake timeout.
const mostAddresses = 3

// resolve turns "host:port" into addresses. IPv4 comes in the 16-byte form of net.ParseIP, which
// simulated networks compare byte by byte.
func resolve(ctx context.Context, addr string) ([]*net.UDPAddr, error) {
	if ap, err := netip.ParseAddrPort(addr); err == nil {
		return []*net.UDPAddr{udpAddr(ap.Addr(), int(ap.Port()))}, nil
	}
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port of %q: %w", addr, err)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var targets []*net.UDPAddr
	for _, ip := range ips[:min(len(ips), mostAddresses)] {
		targets = append(targets, udpAddr(ip, int(port)))
	}
	return targets, nil
}

func udpAddr(ip netip.Addr, port int) *net.UDPAddr {
	b := ip.As16()
	return &net.UDPAddr{IP: b[:], Port: port, Zone: ip.Zone()}
}

// handshake makes a connection to one address: TLS, hello, acknowledgement.
func (e *Endpoint) handshake(ctx context.Context, at slot, addr *net.UDPAddr, to PeerID) (*session, error) {
	var verdict error
	grown := &grant{from: e.windows}
	bounded, cancel := context.WithTimeout(ctx, 2*e.limits.HandshakeTimeout)
	defer cancel()
	conn, err := e.transport.Dial(bounded, addr, e.clientTLS(at.lane, to, &verdict), e.clientQUIC(at, grown))
	if err != nil {
		grown.release()
		return nil, dialError(ctx, bounded, err, verdict)
	}
	s := &session{ep: e, conn: conn, peer: to, proven: true, at: at, outgoing: true, since: time.Now(), grown: grown}
	if err := e.greet(ctx, s); err != nil {
		_ = conn.CloseWithError(quic.ApplicationErrorCode(codeFor(err)), "") // always nil
		grown.release()
		return nil, err
	}
	if at.lane != LaneJoin {
		// After track, for the same reason as in welcome.
		if err := e.admit(to); err != nil {
			s.close(closeEvicted, "")
			return nil, err
		}
	}
	return s, nil
}

// dialError says why a handshake failed: the check of this end, the caller, silence, or the peer.
func dialError(caller, bounded context.Context, err, verdict error) error {
	switch {
	case verdict != nil:
		return verdict
	case caller.Err() != nil:
		return context.Cause(caller)
	case bounded.Err() != nil:
		return fmt.Errorf("%w: handshake timed out", ErrUnreachable)
	default:
		err = translate(err)
		if errors.Is(err, ErrConnection) {
			return fmt.Errorf("%w: %w", ErrUnreachable, err) // such as a socket that cannot send there
		}
		return err
	}
}

// greet says hello, waits for the acknowledgement, and puts the session in its slot.
func (e *Endpoint) greet(ctx context.Context, s *session) error {
	stop := context.AfterFunc(ctx, func() { s.close(closeDone, "") })
	defer stop()
	str, err := s.conn.OpenStream()
	if err != nil {
		return translate(err)
	}
	if err := str.SetDeadline(soon(e.limits.HelloTimeout)); err != nil {
		return err
	}
	b := hello{lane: s.at.lane, versions: e.speaks, stripe: s.at.stripe, life: e.life}.encode()
	if _, err := str.Write(b[:]); err != nil {
		return hailError(ctx, err)
	}
	// Fails if the other end has answered already and needs no more; what it answered counts.
	_ = str.Close()
	var ack [ackSize]byte
	if _, err := io.ReadFull(str, ack[:]); err != nil {
		return hailError(ctx, err)
	}
	str.CancelRead(quic.StreamErrorCode(ResetClosed))
	if _, s.life, err = parseAck(ack[:], e.speaks); err != nil {
		return err
	}
	replaced, err := e.track(s)
	if err != nil {
		return err
	}
	if replaced != nil {
		replaced.close(closeDone, "") // a dead one that nobody has removed yet
	}
	e.bury(s)
	return nil
}

// hailError says why no acknowledgement came.
func hailError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err = translate(err)
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return fmt.Errorf("%w: no acknowledgement", ErrUnreachable)
	}
	return err
}

// DialJoin opens the one stream of a connection of the join lane, to the node at addr whose key
// digest must be expect. No roster is asked at either end: a node that joins has none yet. Closing
// the stream closes the connection. The errors are those of Dial.
func (e *Endpoint) DialJoin(ctx context.Context, addr string, expect PeerID) (net.Conn, error) {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, ErrClosed
	}
	e.running.Add(1)
	e.mu.Unlock()
	defer e.running.Done()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quit := make(chan struct{})
	defer close(quit)
	e.running.Go(func() {
		select {
		case <-e.done:
			cancel(ErrClosed)
		case <-quit:
		}
	})
	s, err := e.connect(ctx, slot{lane: LaneJoin}, addr, expect)
	e.metrics.dialled(LaneJoin, err)
	if err != nil {
		return nil, fmt.Errorf("dial %s at %s to join: %w", expect.Short(), addr, err)
	}
	stream, err := e.openStream(ctx, s, ServiceJoin, false)
	if err != nil {
		s.close(closeDone, "")
		return nil, fmt.Errorf("open stream to %s to join: %w", expect.Short(), err)
	}
	stream.alone = true
	return stream, nil
}
