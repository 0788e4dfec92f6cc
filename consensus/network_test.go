package consensus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// memNetwork connects replicas in one process. A cut link holds back what is sent and lets nobody dial, as a lossy network with
// a reliable transport does.
type memNetwork struct {
	mu    sync.Mutex
	nodes map[ID]*memNode
	cut   map[[2]ID]bool
	conns map[*memConn]struct{}
	dials atomic.Int64
}

func newMemNetwork() *memNetwork {
	return &memNetwork{nodes: map[ID]*memNode{}, cut: map[[2]ID]bool{}, conns: map[*memConn]struct{}{}}
}

// node attaches an id; a closed one may be attached again.
func (n *memNetwork) node(id ID) *memNode {
	n.mu.Lock()
	defer n.mu.Unlock()
	node := &memNode{net: n, id: id, accept: make(chan net.Conn, 256), closed: make(chan struct{})}
	n.nodes[id] = node
	return node
}

func pair(a, b ID) [2]ID {
	if a > b {
		a, b = b, a
	}
	return [2]ID{a, b}
}

// Cut stops traffic between two ids, Heal lets it go on.
func (n *memNetwork) Cut(a, b ID)  { n.set(a, b, true) }
func (n *memNetwork) Heal(a, b ID) { n.set(a, b, false) }

func (n *memNetwork) set(a, b ID, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[pair(a, b)] = cut
	for c := range n.conns {
		if pair(c.from, c.to) == pair(a, b) {
			c.in.hold(cut)
		}
	}
}

// Isolate cuts one id off from all others.
func (n *memNetwork) Isolate(id ID, cut bool) {
	n.mu.Lock()
	var others []ID
	for other := range n.nodes {
		if other != id {
			others = append(others, other)
		}
	}
	n.mu.Unlock()
	for _, other := range others {
		n.set(id, other, cut)
	}
}

type memNode struct {
	net    *memNetwork
	id     ID
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (m *memNode) Accept() (net.Conn, error) {
	select {
	case c := <-m.accept:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memNode) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

func (m *memNode) Peer(c net.Conn) (ID, error) {
	mc, ok := c.(*memConn)
	if !ok {
		return "", errors.New("not a connection of this network")
	}
	return mc.to, nil
}

func (m *memNode) Dial(ctx context.Context, to ID) (net.Conn, error) {
	m.net.dials.Add(1)
	m.net.mu.Lock()
	target, cut := m.net.nodes[to], m.net.cut[pair(m.id, to)]
	m.net.mu.Unlock()
	if cut {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if target == nil {
		return nil, fmt.Errorf("nobody is %s", to)
	}
	ab, ba := newHalf(), newHalf()
	a := &memConn{net: m.net, from: m.id, to: to, in: ba, out: ab}
	b := &memConn{net: m.net, from: to, to: m.id, in: ab, out: ba}
	m.net.mu.Lock()
	m.net.conns[a], m.net.conns[b] = struct{}{}, struct{}{}
	m.net.mu.Unlock()
	select {
	case <-target.closed:
		return nil, fmt.Errorf("%s is down", to)
	default:
	}
	select {
	case target.accept <- b:
		return a, nil
	case <-target.closed:
		return nil, fmt.Errorf("%s is down", to)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// half is one direction of a connection.
type half struct {
	mu       sync.Mutex
	cond     *sync.Cond
	buf      []byte
	held     bool
	ended    bool // no more will be written
	broken   bool // the reader is gone
	deadline time.Time
	wdead    time.Time
}

func newHalf() *half {
	h := &half{}
	h.cond = sync.NewCond(&h.mu)
	return h
}

func (h *half) hold(held bool) {
	h.mu.Lock()
	h.held = held
	h.mu.Unlock()
	h.cond.Broadcast()
}

func past(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

func (h *half) read(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.broken:
			return 0, net.ErrClosed
		case past(h.deadline):
			return 0, os.ErrDeadlineExceeded
		case !h.held && len(h.buf) > 0:
			n := copy(b, h.buf)
			h.buf = h.buf[n:]
			h.cond.Broadcast()
			return n, nil
		case !h.held && h.ended:
			return 0, io.EOF
		}
		h.cond.Wait()
	}
}

func (h *half) write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.buf) > 4<<20 {
		switch {
		case h.ended || h.broken:
			return 0, net.ErrClosed
		case past(h.wdead):
			return 0, os.ErrDeadlineExceeded
		}
		h.cond.Wait()
	}
	if h.ended || h.broken {
		return 0, net.ErrClosed
	}
	h.buf = append(h.buf, b...)
	h.cond.Broadcast()
	return len(b), nil
}

func (h *half) set(at *time.Time, t time.Time) {
	h.mu.Lock()
	*at = t
	h.mu.Unlock()
	h.cond.Broadcast()
	if d := time.Until(t); !t.IsZero() && d > 0 {
		time.AfterFunc(d, h.cond.Broadcast)
	}
}

type memConn struct {
	net      *memNetwork
	from, to ID
	in, out  *half
}

func (c *memConn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *memConn) Write(b []byte) (int, error) { return c.out.write(b) }

func (c *memConn) Close() error {
	c.net.mu.Lock()
	delete(c.net.conns, c)
	c.net.mu.Unlock()
	for _, h := range []*half{c.in, c.out} {
		h.mu.Lock()
		h.ended = true
		if h == c.in {
			h.broken = true
		}
		h.mu.Unlock()
		h.cond.Broadcast()
	}
	return nil
}

func (c *memConn) LocalAddr() net.Addr                { return nil }
func (c *memConn) RemoteAddr() net.Addr               { return nil }
func (c *memConn) SetReadDeadline(t time.Time) error  { c.in.set(&c.in.deadline, t); return nil }
func (c *memConn) SetWriteDeadline(t time.Time) error { c.out.set(&c.out.wdead, t); return nil }
func (c *memConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// testID makes an id of one repeated digit.
func testID(digit int) ID { return ID(strings.Repeat(fmt.Sprintf("%x", digit), 64)) }
