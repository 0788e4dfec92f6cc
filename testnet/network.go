package testnet

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

var (
	// ErrInUse is returned when a host has a socket already.
	ErrInUse = errors.New("host is in use")
	// ErrNoHost is returned when a host is not known to the network.
	ErrNoHost = errors.New("no such host")
)

const (
	defaultMTU   = 1500
	defaultTrace = 4096
	defaultQueue = 1 << 20  // bytes that wait for a link with a rate
	inboxBytes   = 16 << 20 // bytes under way to a socket, and unread
	firstPort    = 4433
)

// Options say how a Network is. The zero value is a perfect network.
type Options struct {
	Seed  uint64
	Link  LinkOptions // of every link that SetLink has not set
	MTU   int         // largest datagram in bytes; 0: 1,500
	Trace int         // events kept; 0: 4,096
}

// LinkOptions say how one direction between two hosts is.
type LinkOptions struct {
	Latency time.Duration // one way
	Jitter  time.Duration // up to so much is added to Latency, evenly; more than the gap between packets reorders them
	Loss    float64       // share of packets lost at random, 0 to 1
	Rate    int64         // bytes a second; 0: unlimited
	Buffer  int           // bytes that may wait when Rate is set, the rest is lost; 0: 1 MiB
}

// Network is a simulated network of datagrams. Its methods are safe for concurrent use.
type Network struct {
	opts    Options
	started time.Time
	buffers sync.Pool // of *[]byte, each of MTU bytes
	trace   trace

	mu    sync.Mutex
	hosts map[string]netip.AddrPort // every name ever used keeps its address
	names map[netip.AddrPort]string
	socks map[netip.AddrPort]*Socket // those that are open
	links map[pair]*link
}

// pair is a direction.
type pair struct{ from, to netip.AddrPort }

// NewNetwork returns a network without hosts. In virtual time it must be made inside the bubble.
func NewNetwork(opts Options) *Network {
	if opts.MTU == 0 {
		opts.MTU = defaultMTU
	}
	if opts.Trace == 0 {
		opts.Trace = defaultTrace
	}
	n := &Network{
		opts: opts, started: time.Now(), hosts: make(map[string]netip.AddrPort), names: make(map[netip.AddrPort]string),
		socks: make(map[netip.AddrPort]*Socket), links: make(map[pair]*link),
	}
	n.trace.limit = opts.Trace
	n.buffers.New = func() any {
		b := make([]byte, opts.MTU)
		return &b
	}
	return n
}

// Listen opens the socket of a host. A host that is an address and port ("192.0.2.1:4433") has that address; any other
// name is given one, which it keeps. It fails with ErrInUse while the host's socket is open and not killed.
func (n *Network) Listen(host string) (*Socket, error) {
	addr := n.Addr(host)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.socks[addr] != nil {
		return nil, fmt.Errorf("listen on %s: %w", host, ErrInUse)
	}
	s := newSocket(n, addr)
	n.socks[addr] = s
	n.trace.add(n.since(), "listen", host, addr.String())
	return s, nil
}

// Addr returns the address of a host, which need not have a socket yet.
func (n *Network) Addr(host string) netip.AddrPort {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.addr(host)
}

// addr is Addr with n.mu held.
func (n *Network) addr(host string) netip.AddrPort {
	if a, ok := n.hosts[host]; ok {
		return a
	}
	a, err := netip.ParseAddrPort(host)
	if err != nil {
		i := len(n.hosts) + 1
		a = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 77, byte(i >> 8), byte(i)}), firstPort)
	}
	n.hosts[host], n.names[a] = a, host
	return a
}

// Kill takes a host off the network, as a power cut would: what is under way to it is lost, and what its old socket
// still sends goes nowhere. Listen opens a new socket for it. It fails with ErrNoHost.
func (n *Network) Kill(host string) error {
	n.mu.Lock()
	addr, ok := n.hosts[host]
	s := n.socks[addr]
	delete(n.socks, addr)
	n.trace.add(n.since(), "kill", host, "")
	n.mu.Unlock()
	if !ok || s == nil {
		return fmt.Errorf("kill %s: %w", host, ErrNoHost)
	}
	s.kill()
	return nil
}

// release forgets a socket that was closed.
func (n *Network) release(s *Socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.socks[s.addr] == s {
		delete(n.socks, s.addr)
		n.trace.add(n.since(), "close", n.names[s.addr], "")
	}
}

// send carries one datagram, or loses it.
func (n *Network) send(from *Socket, to netip.AddrPort, b []byte) {
	now := time.Now()
	n.mu.Lock()
	l := n.link(pair{from.addr, to})
	target := n.socks[to]
	due, ok := l.pass(now, len(b), target != nil && n.socks[from.addr] == from && len(b) <= n.opts.MTU)
	n.mu.Unlock()
	if !ok {
		return
	}
	buf, _ := n.buffers.Get().(*[]byte)
	size := copy(*buf, b)
	if !target.put(packet{due: due, from: from.udp, buf: buf, size: size}, now) {
		n.buffers.Put(buf)
		n.mu.Lock()
		l.stats.Overflowed++
		n.mu.Unlock()
	}
}

// link returns the link of a direction, which it makes when there is none. n.mu must be held.
func (n *Network) link(p pair) *link {
	l := n.links[p]
	if l == nil {
		h := fnv.New64a()
		_, _ = fmt.Fprintf(h, "%s>%s", p.from, p.to) // a hash takes everything
		l = &link{opts: n.opts.Link, rand: rand.New(rand.NewPCG(n.opts.Seed, h.Sum64()))}
		n.links[p] = l
	}
	return l
}

// since returns how long the network has been there.
func (n *Network) since() time.Duration { return time.Since(n.started) }

// toAddrPort returns the address of a datagram's other end.
func toAddrPort(a net.Addr) (netip.AddrPort, error) {
	if u, ok := a.(*net.UDPAddr); ok {
		ap := u.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
	}
	return netip.ParseAddrPort(a.String())
}
