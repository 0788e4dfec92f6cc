package gossip

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// A packet is one byte, its kind, and a message. It travels as a datagram, or in a frame where the network has none.
// A stream starts with one byte too. A packet stream is one way and goes on with frames:
//
//	offset  size  field
//	0       2     length of the packet, big-endian, 2 to 1,150
//	2       1     kind of packet: 1 = memberlist message, 2 = head
//	3       n-1   the message
//
// A state stream is one exchange of membership, both ways, in memberlist's own form.
const (
	streamPackets = 'p'
	streamState   = 's'

	packetGossip = 1
	packetHead   = 2

	maxPacket    = 1150 // fits a datagram on every path
	queueLength  = 64   // packets that wait for one peer
	packetRate   = 500
	packetBurst  = 1000
	maxStreams   = 8 // open incoming streams of one peer
	retryBackoff = 500 * time.Millisecond
)

// lines are the packet streams to and from all peers. A peer that is slow, or does not answer, fills its own queue and
// nothing else.
type lines struct {
	network Network
	grams   Datagrams // nil: packets go in frames on streams
	active  func(federation.NodeID) bool
	packet  func(from federation.NodeID, kind byte, b []byte) // takes b over; must not block
	state   func(from federation.NodeID, conn net.Conn)       // takes conn over; returns when it is closed
	start   func(to federation.NodeID, queue chan []byte)     // starts write in a goroutine of wg
	met     *metrics

	mu      sync.Mutex
	out     map[federation.NodeID]chan []byte
	streams map[federation.NodeID]int
	conns   map[net.Conn]struct{}
	limits  map[federation.NodeID]*rate.Limiter
	closed  bool
	wg      sync.WaitGroup
}

func newLines(network Network, met *metrics) *lines {
	grams, _ := network.(Datagrams)
	return &lines{
		network: network, grams: grams, met: met, out: make(map[federation.NodeID]chan []byte), streams: make(map[federation.NodeID]int),
		conns: make(map[net.Conn]struct{}), limits: make(map[federation.NodeID]*rate.Limiter),
	}
}

// send sends a packet to a peer, or queues it, or drops it. It never blocks.
func (l *lines) send(to federation.NodeID, kind byte, b []byte) error {
	if len(b) == 0 || len(b)+1 > maxPacket {
		return fmt.Errorf("packet of %d bytes: %w", len(b), ErrRefused)
	}
	frame := make([]byte, 0, 3+len(b))
	frame = binary.BigEndian.AppendUint16(frame, uint16(len(b)+1))
	frame = append(append(frame, kind), b...)
	l.mu.Lock()
	closed := l.closed
	l.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case l.grams == nil:
		l.enqueue(to, frame)
	case l.grams.Send(to, frame[2:]) != nil:
		l.met.drop(dropUnreachable) // best effort, and it will be said again
	}
	return nil
}

// enqueue queues a frame for a peer, or drops it.
func (l *lines) enqueue(to federation.NodeID, frame []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	queue := l.out[to]
	if queue == nil {
		queue = make(chan []byte, queueLength)
		l.out[to] = queue
		l.start(to, queue)
	}
	select {
	case queue <- frame:
	default:
		l.met.drop(dropQueue)
	}
}

// write sends what is queued for one peer, until ctx is done or the queue was unused for long.
func (l *lines) write(ctx context.Context, to federation.NodeID, queue chan []byte) {
	var conn net.Conn
	var notBefore time.Time
	defer func() { l.forget(conn) }()
	idle := time.NewTimer(lineIdle)
	defer idle.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-idle.C:
			if l.retire(to, queue) {
				return
			}
		case frame := <-queue:
			if time.Now().Before(notBefore) {
				l.met.drop(dropUnreachable)
				break
			}
			var err error
			if conn, err = l.put(ctx, conn, to, frame); err != nil {
				l.met.drop(dropUnreachable)
				notBefore = time.Now().Add(retryBackoff)
			}
		}
		idle.Reset(lineIdle)
	}
}

// put writes one frame, on a new stream if there is none, and returns the stream to use next: nil after an error.
func (l *lines) put(ctx context.Context, conn net.Conn, to federation.NodeID, frame []byte) (net.Conn, error) {
	if conn == nil {
		var err error
		if conn, err = l.dial(ctx, to, streamPackets, dialTimeout); err != nil {
			return nil, err
		}
	}
	if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		l.forget(conn)
		return nil, err
	}
	if _, err := conn.Write(frame); err != nil {
		l.forget(conn)
		return nil, err
	}
	return conn, nil
}

// dial opens a stream of one kind to an active node.
func (l *lines) dial(ctx context.Context, to federation.NodeID, kind byte, timeout time.Duration) (net.Conn, error) {
	if !l.active(to) {
		return nil, fmt.Errorf("dial %s, which is not active: %w", to.Short(), ErrRefused)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := l.network.Dial(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", to.Short(), err)
	}
	if !l.remember(conn) {
		return nil, ErrClosed
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		l.forget(conn)
		return nil, err
	}
	if _, err := conn.Write([]byte{kind}); err != nil {
		l.forget(conn)
		return nil, fmt.Errorf("dial %s: %w", to.Short(), err)
	}
	return conn, conn.SetDeadline(time.Time{})
}

// accept serves incoming streams until the network is closed.
func (l *lines) accept(ctx context.Context) {
	for {
		conn, err := l.network.Accept()
		if err != nil {
			return
		}
		peer, err := l.network.Peer(conn)
		if err != nil || !l.active(peer) || !l.admit(peer) {
			l.met.drop(dropStranger)
			_ = conn.Close() // nothing was said on it
			continue
		}
		if !l.remember(conn) {
			l.leave(peer)
			return
		}
		l.wg.Go(func() {
			defer l.leave(peer)
			l.serve(ctx, peer, conn)
		})
	}
}

func (l *lines) serve(ctx context.Context, peer federation.NodeID, conn net.Conn) {
	var kind [1]byte
	if err := conn.SetReadDeadline(time.Now().Add(stateTimeout)); err != nil {
		l.forget(conn)
		return
	}
	if _, err := io.ReadFull(conn, kind[:]); err != nil {
		l.forget(conn)
		return
	}
	switch kind[0] {
	case streamPackets:
		l.read(ctx, peer, conn)
		l.forget(conn)
	case streamState:
		l.state(peer, conn)
	default:
		l.met.drop(dropRefused)
		l.forget(conn)
	}
}

// receive takes in datagrams until the network is closed.
func (l *lines) receive(ctx context.Context) {
	for l.grams != nil {
		from, b, err := l.grams.Receive(ctx)
		if err != nil {
			return
		}
		if len(b) < 2 || len(b) > maxPacket {
			l.met.drop(dropRefused)
			continue
		}
		l.take(from, b)
	}
}

// read takes in one peer's packet stream.
func (l *lines) read(ctx context.Context, peer federation.NodeID, conn net.Conn) {
	in := bufio.NewReader(conn)
	for ctx.Err() == nil {
		if err := conn.SetReadDeadline(time.Now().Add(readIdle)); err != nil {
			return
		}
		var size [2]byte
		if _, err := io.ReadFull(in, size[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint16(size[:]))
		if n < 2 || n > maxPacket {
			l.met.drop(dropRefused)
			return
		}
		frame := make([]byte, n)
		if _, err := io.ReadFull(in, frame); err != nil {
			return
		}
		if !l.take(peer, frame) {
			return
		}
	}
}

// take hands a packet on, unless its sender is no longer active, which it reports, or is over its rate.
func (l *lines) take(peer federation.NodeID, b []byte) (active bool) {
	if !l.active(peer) {
		l.met.drop(dropStranger)
		return false
	}
	if !l.limiter(peer).Allow() {
		l.met.drop(dropRate)
		return true
	}
	l.packet(peer, b[0], b[1:])
	return true
}

// limiter returns the peer's rate limit, which outlives its streams: opening another does not renew it.
func (l *lines) limiter(peer federation.NodeID) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limits[peer] == nil {
		l.limits[peer] = rate.NewLimiter(packetRate, packetBurst)
	}
	return l.limits[peer]
}

func (l *lines) admit(peer federation.NodeID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.streams[peer] >= maxStreams {
		return false
	}
	l.streams[peer]++
	return true
}

func (l *lines) leave(peer federation.NodeID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.streams[peer]--; l.streams[peer] == 0 {
		delete(l.streams, peer)
	}
}

// remember keeps conn, so that close can close it. It closes conn and reports false when the lines are closed.
func (l *lines) remember(conn net.Conn) bool {
	l.mu.Lock()
	open := !l.closed
	if open {
		l.conns[conn] = struct{}{}
	}
	l.mu.Unlock()
	if !open {
		_ = conn.Close() // too late to be used
	}
	return open
}

func (l *lines) forget(conn net.Conn) {
	if conn == nil {
		return
	}
	l.mu.Lock()
	delete(l.conns, conn)
	l.mu.Unlock()
	_ = conn.Close() // whatever was to be said on it has been said or lost
}

// retire gives a queue up, unless a packet has come in.
func (l *lines) retire(to federation.NodeID, queue chan []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(queue) > 0 {
		return false
	}
	delete(l.out, to)
	return true
}

// close cuts all streams and ends accept. The caller cancels the context first, and waits on wg after.
func (l *lines) close() error {
	l.mu.Lock()
	l.closed = true
	conns := l.conns
	l.conns = make(map[net.Conn]struct{})
	l.mu.Unlock()
	err := l.network.Close()
	for conn := range conns {
		_ = conn.Close() // cut, not ended
	}
	return err
}
