package testnet

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// socketRef remembers a node's UDP socket, so that Kill can take it away under the node.
type socketRef struct {
	mu   sync.Mutex
	conn *net.UDPConn
}

func (s *socketRef) set(c *net.UDPConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn = c
}

// close closes the socket: whatever the node still wants to say goes nowhere.
func (s *socketRef) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		_ = s.conn.Close() // it is being taken away
	}
}

// listener returns how a node opens its socket.
func (r *Region) listener(m *member, ref *socketRef) func(string) (net.PacketConn, error) {
	if r.opts.Network != nil {
		return func(string) (net.PacketConn, error) { return r.opts.Network.Listen(string(m.Trust)) }
	}
	return func(listen string) (net.PacketConn, error) {
		c, err := listenUDP(listen)
		if err != nil {
			return nil, err
		}
		ref.set(c)
		return c, nil
	}
}

func listenUDP(addr string) (*net.UDPConn, error) {
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, err
	}
	return net.ListenUDP("udp", a)
}

// address returns the address at which a trust's node will listen. It must be known before there is a node: the charter
// and the enrolments name it.
func (r *Region) address(t federation.TrustID) (string, error) {
	if r.opts.Network != nil {
		return r.opts.Network.Addr(string(t)).String(), nil
	}
	return r.ports.free()
}

// ports finds free UDP ports. A node opens its port some time after it was found free, so that until close the port above is kept
// open for it: whoever else looks for ports in this way, in this process or another, passes over the two.
type ports struct{ kept []io.Closer }

// The ports that are tried lie below those that operating systems hand out to whoever asks for any, so that nobody is given
// one of them between its being found free and its being opened.
const (
	firstFreePort = 20000
	lastFreePort  = 32000
	portTries     = 200
)

func (p *ports) free() (string, error) {
	for range portTries {
		n, err := rand.Int(rand.Reader, big.NewInt((lastFreePort-firstFreePort)/2))
		if err != nil {
			return "", fmt.Errorf("choose a port: %w", err)
		}
		port := firstFreePort + 2*int(n.Int64())
		above, err := listenUDP(loopback(port + 1))
		if err == nil {
			p.kept = append(p.kept, above)
			var c *net.UDPConn
			if c, err = listenUDP(loopback(port)); err == nil {
				return loopback(port), c.Close()
			}
		}
		if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EACCES) {
			return "", fmt.Errorf("look for a free UDP port: %w", err)
		}
	}
	return "", fmt.Errorf("none of %d UDP ports of 127.0.0.1 is free", portTries)
}

func (p *ports) close() {
	for _, c := range p.kept {
		_ = c.Close() // nothing was sent
	}
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// roomyLimit is how many bytes must really be free.
const roomyLimit = 512 << 20

// RoomyStatfs reports the volume as it is when less than 512 MiB are free, and as half empty otherwise. Nodes stop to take
// documents in at a tenth free, which is right for a server's volume and wrong for a large, well-filled disk of a desk: the
// few megabytes of a demonstration or a test must not be refused there while tens of gigabytes are free.
func RoomyStatfs(dir string) (total, available uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, fmt.Errorf("statfs %s: %w", dir, err)
	}
	total, available = s.Blocks*uint64(s.Bsize), s.Bavail*uint64(s.Bsize)
	if available >= roomyLimit {
		total = min(total, 2*available)
	}
	return total, available, nil
}
