package endpoint

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/quic-go/quic-go"
)

// wantBuffer is the socket buffer, in bytes, below which bursts get lost at a gigabit.
const wantBuffer = 7 << 20

// quietly prepares a socket for quic-go, which sizes the buffers itself and tells the standard log,
// once a process, where it cannot. Here the node's own logger says so, and quic-go gets a socket
// that has nothing to complain about.
func quietly(conn net.PacketConn, hold func() bool, log *slog.Logger) net.PacketConn {
	if hold == nil {
		hold = func() bool { return false }
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		if b, ok := conn.(bufferedConn); ok {
			return &heldConn{b, hold} // one that has buffers, such as a simulated one
		}
		return &heldConn{unbuffered{conn}, hold}
	}
	read, write := growBuffers(udp)
	if read >= wantBuffer && write >= wantBuffer {
		return coalesce(udp, &heldUDP{udpSocket: udp, hold: hold})
	}
	log.Warn("socket buffers are small: transfers over fast lines will lose packets",
		slog.Int("read_bytes", read), slog.Int("write_bytes", write), slog.Int("want_bytes", wantBuffer),
		slog.String("remedy", "raise sysctl net.core.rmem_max and net.core.wmem_max"))
	return coalesce(udp, &heldUDP{udpSocket: &sizedUDP{UDPConn: udp}, hold: hold})
}

// udpSocket is a UDP socket as quic-go wants it.
type udpSocket interface {
	quic.OOBCapablePacketConn
	SetWriteBuffer(int) error
}

// heldUDP is a UDP socket that drops what is sent while hold says so. Connections take turns before they ask, and not in the
// socket behind it: what waits for its turn when the process is stopped is looked at once it goes on, so that all that can leave
// unseen is what one call writes.
type heldUDP struct {
	udpSocket
	hold func() bool
	turn sync.Mutex
}

// WriteMsgUDP sends b, which may be several datagrams for the kernel to cut.
func (s *heldUDP) WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.hold() {
		return len(b), len(oob), nil
	}
	return s.udpSocket.WriteMsgUDP(b, oob, addr)
}

// WriteTo sends one datagram.
func (s *heldUDP) WriteTo(b []byte, addr net.Addr) (int, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.hold() {
		return len(b), nil
	}
	return s.udpSocket.WriteTo(b, addr)
}

// heldConn is heldUDP for any other PacketConn.
type heldConn struct {
	bufferedConn
	hold func() bool
}

// WriteTo sends one datagram.
func (c *heldConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	if c.hold() {
		return len(b), nil
	}
	return c.bufferedConn.WriteTo(b, addr)
}

// bufferedConn is what quic-go asks of a PacketConn.
type bufferedConn interface {
	net.PacketConn
	SetReadBuffer(int) error
	SetWriteBuffer(int) error
}

// unbuffered is a PacketConn without buffers to set.
type unbuffered struct{ net.PacketConn }

// SetReadBuffer does nothing.
func (unbuffered) SetReadBuffer(int) error { return nil }

// SetWriteBuffer does nothing.
func (unbuffered) SetWriteBuffer(int) error { return nil }

// sizedUDP is a UDP socket whose buffers have been set as large as they go. quic-go sets a buffer
// without looking at the result when it cannot get at the descriptor, so the descriptor is withheld
// until both buffers have been set.
type sizedUDP struct {
	*net.UDPConn
	read, write atomic.Bool
}

var errNotYet = errors.New("descriptor is withheld while buffers are set")

// SetReadBuffer notes the call.
func (s *sizedUDP) SetReadBuffer(int) error {
	s.read.Store(true)
	return nil
}

// SetWriteBuffer notes the call.
func (s *sizedUDP) SetWriteBuffer(int) error {
	s.write.Store(true)
	return nil
}

// SyscallConn gives access to the descriptor.
func (s *sizedUDP) SyscallConn() (syscall.RawConn, error) {
	if !s.read.Load() || !s.write.Load() {
		return nil, errNotYet
	}
	return s.UDPConn.SyscallConn()
}
