package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Network carries streams between nodes. Both ends of each stream are authenticated.
type Network interface {
	// Accept waits for the next incoming stream. It returns an error for good once the Network is closed.
	Accept() (net.Conn, error)
	// Dial opens a stream to a node. It gives up when ctx is done.
	Dial(ctx context.Context, to federation.NodeID) (net.Conn, error)
	// Peer returns the proven identity of the other end of a stream of this Network.
	Peer(net.Conn) (federation.NodeID, error)
	// Close ends Accept. Streams that are open may be cut.
	Close() error
}

// Datagrams is what a Network may have besides: packets that are lost rather than sent again. A Network without them
// gets packets in frames on a long-lived stream per peer and direction.
type Datagrams interface {
	// Send sends a packet of at most 1,150 bytes on best effort. It must not block, and does not keep b.
	Send(to federation.NodeID, b []byte) error
	// Receive waits for the next packet, from a proven sender; b is the caller's to keep. It returns an error when ctx is
	// done, and for good once the Network is closed.
	Receive(ctx context.Context) (from federation.NodeID, b []byte, err error)
}

// Config says how a node gossips. Self, Network and Roster must be set; a zero duration or number is its default.
type Config struct {
	Self    federation.NodeID
	Network Network                   // owned by the Gossip from New on; may be a Datagrams too
	Roster  func() *federation.Roster // the latest; never nil; must not block
	Version string                    // this program's version, at most 64 bytes, told to peers
	Logger  *slog.Logger              // nil: silent
	Metrics prometheus.Registerer     // nil: none

	ProbeInterval time.Duration // how often a member is probed and a head sent; 1 s
	ProbeTimeout  time.Duration // how long an answer may take; 500 ms
	SuspicionMult int           // probe intervals, times log10 of the nodes, from suspicion to death; 3
	Rejoin        time.Duration // how often nodes that are missing are called; 30 s
	Window        time.Duration // how long a word from a peer keeps it up; 5 probe intervals
}

const (
	maxVersion   = 64
	dialTimeout  = 3 * time.Second  // to open a stream for packets
	writeTimeout = 2 * time.Second  // to hand one packet to the lane
	stateTimeout = 5 * time.Second  // for an exchange of membership
	leaveTimeout = time.Second      // to tell the others that this node leaves
	readIdle     = 60 * time.Second // a packet stream that is silent for so long is closed
	lineIdle     = 2 * time.Minute  // a queue that is unused for so long is given up
)

func (c Config) withDefaults() (Config, error) {
	var faults []error
	if c.Self.IsZero() {
		faults = append(faults, errors.New("no node id"))
	}
	if c.Network == nil {
		faults = append(faults, errors.New("no network"))
	}
	if c.Roster == nil {
		faults = append(faults, errors.New("no roster"))
	}
	if len(c.Version) > maxVersion {
		faults = append(faults, fmt.Errorf("version of %d bytes, at most %d", len(c.Version), maxVersion))
	}
	for _, d := range []time.Duration{c.ProbeInterval, c.ProbeTimeout, c.Rejoin, c.Window} {
		if d < 0 {
			faults = append(faults, fmt.Errorf("negative duration %s", d))
		}
	}
	if c.SuspicionMult < 0 {
		faults = append(faults, fmt.Errorf("suspicion multiplier %d", c.SuspicionMult))
	}
	setDefault(&c.ProbeInterval, time.Second)
	setDefault(&c.ProbeTimeout, 500*time.Millisecond)
	setDefault(&c.SuspicionMult, 3)
	setDefault(&c.Rejoin, 30*time.Second)
	setDefault(&c.Window, 5*c.ProbeInterval)
	setDefault(&c.Logger, slog.New(slog.DiscardHandler))
	if c.ProbeTimeout > c.ProbeInterval {
		faults = append(faults, fmt.Errorf("probe timeout %s is longer than the interval %s", c.ProbeTimeout, c.ProbeInterval))
	}
	if len(faults) > 0 {
		return c, fmt.Errorf("%w: %w", ErrConfig, errors.Join(faults...))
	}
	return c, nil
}

// setDefault replaces the zero value.
func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
