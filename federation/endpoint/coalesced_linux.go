package endpoint

import (
	"encoding/binary"
	"net"
	"runtime"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

const (
	// runBatch is how many runs of datagrams one system call reads.
	runBatch = 8
	// maxRun is the most bytes that the kernel joins to one run.
	maxRun = 64 << 10
	// runControl is room for the control messages of a run: its segment size, the ECN bits, and the address that it came to.
	runControl = 128
)

// coalesced is a UDP socket from which datagrams of one sender that came in a row are read with one system call, and pass
// through the kernel as one (UDP_GRO, udp(7)). quic-go reads through ReadBatch what it would read itself otherwise, one
// datagram at a time.
//
//	run       | datagram | datagram | ... | datagram, perhaps shorter |
//	          |<-------------- N bytes, cut every size ------------->|
type coalesced struct {
	udpSocket
	reader *ipv4.PacketConn
	runs   []ipv4.Message
	read   int // runs[:read] were read
	at     int // runs[at] is being cut
	offset int // of the next datagram in it
	size   int // of its datagrams; 0 before it is known
}

// coalesce makes conn, which quic-go is to see as shown, read runs of datagrams where the kernel joins them (since Linux 5.0).
func coalesce(conn *net.UDPConn, shown udpSocket) udpSocket {
	raw, err := conn.SyscallConn()
	if err != nil {
		return shown
	}
	var refused error
	if err := raw.Control(func(fd uintptr) {
		refused = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 1)
	}); err != nil || refused != nil {
		return shown
	}
	c := &coalesced{udpSocket: shown, reader: ipv4.NewPacketConn(conn), runs: make([]ipv4.Message, runBatch)}
	for i := range c.runs {
		c.runs[i].Buffers, c.runs[i].OOB = [][]byte{make([]byte, maxRun)}, make([]byte, runControl)
	}
	return c
}

// ReadBatch fills ms with datagrams, as many as are there without waiting for more. A datagram that is longer than its
// buffer is cut off. It is called by one goroutine.
func (c *coalesced) ReadBatch(ms []ipv4.Message, flags int) (int, error) {
	if c.at == c.read {
		// The connections get a turn to take what was handed to them: beyond 256 datagrams quic-go drops what comes, and the
		// sender takes that for a path that loses packets.
		runtime.Gosched()
		n, err := c.reader.ReadBatch(c.runs, flags)
		if err != nil {
			return 0, err
		}
		c.read, c.at, c.offset, c.size = n, 0, 0, 0
	}
	n := 0
	for n < len(ms) && c.at < c.read {
		c.cut(&ms[n])
		n++
	}
	return n, nil
}

// cut copies the next datagram into m.
func (c *coalesced) cut(m *ipv4.Message) {
	run := &c.runs[c.at]
	if c.size == 0 {
		c.size = run.N
		if size := segmentSize(run.OOB[:run.NN]); size > 0 {
			c.size = size
		}
	}
	end := min(c.offset+c.size, run.N)
	m.N = copy(m.Buffers[0], run.Buffers[0][c.offset:end])
	m.NN = copy(m.OOB, run.OOB[:run.NN])
	m.Addr, m.Flags = run.Addr, run.Flags
	if c.offset = end; c.offset == run.N {
		c.at, c.offset, c.size = c.at+1, 0, 0
	}
}

// segmentSize returns how long the datagrams of a run are, by its control messages; 0 when it is a single one.
func segmentSize(control []byte) int {
	for len(control) >= unix.CmsgLen(0) {
		header, body, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			return 0
		}
		if header.Level == unix.IPPROTO_UDP && header.Type == unix.UDP_GRO && len(body) >= 4 {
			return int(binary.NativeEndian.Uint32(body))
		}
		control = rest
	}
	return 0
}
