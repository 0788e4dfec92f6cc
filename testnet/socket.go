package testnet

import (
	"container/heap"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// Socket is a host's end of the network, a net.PacketConn. It is safe for concurrent use.
type Socket struct {
	network *Network
	addr    netip.AddrPort
	udp     *net.UDPAddr
	wake    chan struct{} // something changed that a reader waits for; holds one signal
	done    chan struct{} // closed by Close

	mu       sync.Mutex
	inbox    inbox
	bytes    int // in inbox
	seq      uint64
	closed   bool
	killed   bool
	deadline time.Time // of reading
}

// packet is a datagram under way, or arrived and not yet read.
type packet struct {
	due  time.Time
	seq  uint64 // keeps the order of those that are due at the same time
	from *net.UDPAddr
	buf  *[]byte
	size int
}

func newSocket(n *Network, addr netip.AddrPort) *Socket {
	return &Socket{network: n, addr: addr, udp: net.UDPAddrFromAddrPort(addr), wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// ReadFrom waits for the next datagram. What does not fit into b is lost, as with a UDP socket. It fails with
// net.ErrClosed and os.ErrDeadlineExceeded, in a *net.OpError.
func (s *Socket) ReadFrom(b []byte) (int, net.Addr, error) {
	var timer *time.Timer
	for {
		p, wait, err := s.take()
		switch {
		case err != nil:
			return 0, nil, &net.OpError{Op: "read", Net: "udp", Addr: s.udp, Err: err}
		case p.buf != nil:
			n := copy(b, (*p.buf)[:p.size])
			s.network.buffers.Put(p.buf)
			return n, p.from, nil
		}
		var due <-chan time.Time
		if wait > 0 {
			if timer == nil {
				timer = time.NewTimer(wait)
				defer timer.Stop()
			} else {
				timer.Reset(wait)
			}
			due = timer.C
		}
		select {
		case <-due:
		case <-s.wake:
		case <-s.done:
		}
	}
}

// take returns the packet that is due, if there is one, or else how long to wait for the next thing; zero: until woken.
func (s *Socket) take() (p packet, wait time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return p, 0, net.ErrClosed
	}
	now := time.Now()
	if !s.deadline.IsZero() {
		if wait = s.deadline.Sub(now); wait <= 0 {
			s.signal() // the deadline is every reader's
			return p, 0, os.ErrDeadlineExceeded
		}
	}
	if len(s.inbox) == 0 {
		return p, wait, nil
	}
	if in := s.inbox[0].due.Sub(now); in > 0 {
		if wait == 0 || in < wait {
			wait = in
		}
		return p, wait, nil
	}
	p, _ = heap.Pop(&s.inbox).(packet)
	s.bytes -= p.size
	if len(s.inbox) > 0 {
		s.signal() // another reader may be waiting for the one after
	}
	return p, 0, nil
}

// put adds a packet to the inbox. It reports false when the inbox is full or nobody will read it.
func (s *Socket) put(p packet, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.killed || s.bytes+p.size > inboxBytes {
		return false
	}
	if p.due.Before(now) {
		p.due = now
	}
	s.seq++
	p.seq = s.seq
	heap.Push(&s.inbox, p)
	s.bytes += p.size
	if s.inbox[0].seq == p.seq {
		s.signal() // it is the next to arrive
	}
	return true
}

func (s *Socket) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// WriteTo sends a datagram. It never blocks, and never says that the datagram was lost. It fails with net.ErrClosed.
func (s *Socket) WriteTo(b []byte, to net.Addr) (int, error) {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return 0, &net.OpError{Op: "write", Net: "udp", Addr: s.udp, Err: net.ErrClosed}
	}
	addr, err := toAddrPort(to)
	if err != nil {
		return 0, &net.OpError{Op: "write", Net: "udp", Addr: s.udp, Err: err}
	}
	s.network.send(s, addr, b)
	return len(b), nil
}

// Close closes the socket; the host can listen again.
func (s *Socket) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.inbox, s.bytes = nil, 0
	close(s.done)
	s.mu.Unlock()
	s.network.release(s)
	return nil
}

// kill makes the socket deaf; reads wait until it is closed.
func (s *Socket) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.killed = true
	s.inbox, s.bytes = nil, 0
}

// LocalAddr returns the host's address, a *net.UDPAddr.
func (s *Socket) LocalAddr() net.Addr { return s.udp }

// SetDeadline sets the deadline of reading; writing never waits.
func (s *Socket) SetDeadline(t time.Time) error { return s.SetReadDeadline(t) }

// SetReadDeadline sets until when reads wait; the zero time: for ever.
func (s *Socket) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	s.signal()
	return nil
}

// SetWriteDeadline does nothing: writing never waits.
func (s *Socket) SetWriteDeadline(time.Time) error { return nil }

// SetReadBuffer does nothing; quic-go asks for it. The inbox has its own limit.
func (s *Socket) SetReadBuffer(int) error { return nil }

// SetWriteBuffer does nothing; quic-go asks for it.
func (s *Socket) SetWriteBuffer(int) error { return nil }

// inbox is a heap of packets by time of arrival (container/heap).
type inbox []packet

// Len returns the number of packets.
func (h inbox) Len() int { return len(h) }

// Less orders by time of arrival, then by the order of sending.
func (h inbox) Less(i, j int) bool {
	return h[i].due.Before(h[j].due) || (h[i].due.Equal(h[j].due) && h[i].seq < h[j].seq)
}

// Swap exchanges two packets.
func (h inbox) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push adds a packet at the end.
func (h *inbox) Push(x any) {
	if p, ok := x.(packet); ok {
		*h = append(*h, p)
	}
}

// Pop takes the last packet.
func (h *inbox) Pop() any {
	old := *h
	p := old[len(old)-1]
	old[len(old)-1] = packet{}
	*h = old[:len(old)-1]
	return p
}
