package endpoint

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says what an endpoint is made of. Conn, Key, Admit, Resolve and Logger are required.
type Config struct {
	// Conn is the node's one socket, owned by the endpoint once New has returned without an error.
	// A *net.UDPConn gets segmentation offload, batched reads and path MTU discovery; any other
	// PacketConn works without them. Its read deadline must work: Close depends on it.
	Conn net.PacketConn
	// Key is the node's TLS key. The certificate is issued by the key itself and the stateless
	// reset key is derived from it, so that a restarted node is the same node.
	Key ed25519.PrivateKey
	// Admit reports whether a peer is an active node: nil, or the reason why not. It is asked during
	// each handshake at both ends, again when the connection says hello, for each stream that is
	// opened or accepted, and for each packet. It must not block and must be safe for concurrent use.
	// The reason is logged here and never sent to the peer.
	Admit func(PeerID) error
	// Resolve returns the current "host:port" of a peer. It must not block.
	Resolve func(PeerID) (string, error)
	// Hold, if not nil, reports whether nothing may leave at this moment. Datagrams are then dropped, as a network would. It is
	// asked for each write to the socket, must not block and must be safe for concurrent use.
	Hold func() bool
	// Logger receives what an operator should know.
	Logger *slog.Logger
	// Metrics, if not nil, gets the endpoint's collectors; Close takes them away again.
	Metrics prometheus.Registerer
	// Limits bounds what peers can make the endpoint spend; its zero value is the defaults.
	Limits Limits
}

func (c Config) validate() error {
	var errs []error
	if c.Conn == nil {
		errs = append(errs, errors.New("no Conn"))
	}
	if len(c.Key) != ed25519.PrivateKeySize {
		errs = append(errs, fmt.Errorf("key of %d bytes, want %d", len(c.Key), ed25519.PrivateKeySize))
	}
	if c.Admit == nil {
		errs = append(errs, errors.New("no Admit"))
	}
	if c.Resolve == nil {
		errs = append(errs, errors.New("no Resolve"))
	}
	if c.Logger == nil {
		errs = append(errs, errors.New("no Logger"))
	}
	errs = append(errs, c.Limits.withDefaults().validate())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("endpoint config: %w", err)
	}
	return nil
}

// Limits bounds what peers, and strangers before they prove to be peers, can make an endpoint
// spend. A zero field takes the default named in its comment.
type Limits struct {
	// Connections is the most incoming connections at once, handshakes included: 1,024.
	Connections int
	// Handshakes is the most incoming handshakes at once, up to the acknowledged hello: 256.
	Handshakes int
	// HandshakesPerAddress is the same for one IP address: 64.
	HandshakesPerAddress int
	// HandshakeRate is the number of handshakes a second above which a client first has to prove
	// its address with a Retry (RFC 9000 §8.1.2), at the price of a round trip: 20.
	HandshakeRate int
	// JoinConnections is the most connections of the join lane at once: 16.
	JoinConnections int
	// JoinLifetime is how long a connection of the join lane may last: 2 minutes.
	JoinLifetime time.Duration

	// Stripes is the most connections of the document lane with one peer, in each direction: 16.
	Stripes int
	// Streams is the most streams at once that a peer may open on a connection: 32. A peer at the
	// limit waits, it is not refused.
	Streams int
	// PeerStreams is the most streams at once of one peer on all its connections: 256. Streams
	// beyond it are reset.
	PeerStreams int
	// Backlog is the most accepted streams that wait for a service to take them: 64. Streams
	// beyond it are reset.
	Backlog int

	// HandshakeTimeout is how long a handshake may be silent, at most twice as long in all: 3 s.
	HandshakeTimeout time.Duration
	// HelloTimeout is how long the hello, and its acknowledgement, may take: 5 s.
	HelloTimeout time.Duration
	// HeaderTimeout is how long a new stream may take to name its service: 5 s.
	HeaderTimeout time.Duration
	// OpenTimeout is how long Dial waits for a free stream at most, whatever its context: 10 s.
	OpenTimeout time.Duration
	// IdleTimeout is the silence after which a connection counts as dead: 30 s.
	IdleTimeout time.Duration
	// KeepAlive is how often an idle connection shows that it is alive: 10 s.
	KeepAlive time.Duration

	// RequestWindow is what a peer may send unread on a connection of the document or join lane
	// that it opened, in bytes: 256 KiB. Only requests travel in that direction.
	RequestWindow int
	// LaneWindow is what a connection of the raft or control lane may have unread, in bytes, when
	// it has proved to be fast: 16 MiB.
	LaneWindow int
	// DocumentWindow is the same for documents that are received: 24 MiB.
	DocumentWindow int
	// WindowBudget is what all connections together may have beyond their first windows: 256 MiB.
	WindowBudget int
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		field    *int
		fallback int
	}{
		{&l.Connections, 1024},
		{&l.Handshakes, 256},
		{&l.HandshakesPerAddress, 64},
		{&l.HandshakeRate, 20},
		{&l.JoinConnections, 16},
		{&l.Stripes, 16},
		{&l.Streams, 32},
		{&l.PeerStreams, 256},
		{&l.Backlog, 64},
		{&l.RequestWindow, 256 << 10},
		{&l.LaneWindow, 16 << 20},
		{&l.DocumentWindow, 24 << 20},
		{&l.WindowBudget, 256 << 20},
	} {
		if *d.field == 0 {
			*d.field = d.fallback
		}
	}
	for _, d := range []struct {
		field    *time.Duration
		fallback time.Duration
	}{
		{&l.JoinLifetime, 2 * time.Minute},
		{&l.HandshakeTimeout, 3 * time.Second},
		{&l.HelloTimeout, 5 * time.Second},
		{&l.HeaderTimeout, 5 * time.Second},
		{&l.OpenTimeout, 10 * time.Second},
		{&l.IdleTimeout, 30 * time.Second},
		{&l.KeepAlive, 10 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.fallback
		}
	}
	return l
}

// maxStripes is the most stripes that the one byte of the hello can tell apart.
const maxStripes = 256

func (l Limits) validate() error {
	var errs []error
	if l.Stripes > maxStripes {
		errs = append(errs, fmt.Errorf("%d stripes, at most %d", l.Stripes, maxStripes))
	}
	for _, n := range []int{
		l.Connections, l.Handshakes, l.HandshakesPerAddress, l.HandshakeRate, l.JoinConnections, l.Stripes,
		l.Streams, l.PeerStreams, l.Backlog, l.RequestWindow, l.LaneWindow, l.DocumentWindow, l.WindowBudget,
	} {
		if n < 0 {
			errs = append(errs, fmt.Errorf("negative limit %d", n))
		}
	}
	for _, d := range []time.Duration{
		l.JoinLifetime, l.HandshakeTimeout, l.HelloTimeout, l.HeaderTimeout, l.OpenTimeout, l.IdleTimeout, l.KeepAlive,
	} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("negative limit %s", d))
		}
	}
	return errors.Join(errs...)
}
