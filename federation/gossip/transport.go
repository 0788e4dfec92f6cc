package gossip

import (
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// packetBacklog is how many packets wait for memberlist.
const packetBacklog = 256

// transport is what memberlist sends and receives through (memberlist.NodeAwareTransport). Nodes are found by their
// names, which are ids; addresses only stand for them.
type transport struct {
	self    federation.NodeID
	write   func(to federation.NodeID, b []byte) error
	dial    func(to federation.NodeID, timeout time.Duration) (net.Conn, error)
	packets chan *memberlist.Packet // never closed: memberlist would take a closed channel for a packet
	streams chan net.Conn
}

// FinalAdvertiseAddr returns the address that stands for this node.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return addressOf(t.self), gossipPort, nil
}

// WriteTo fails: a node is found by its name only.
func (t *transport) WriteTo(_ []byte, addr string) (time.Time, error) {
	return time.Time{}, fmt.Errorf("packet to %s, which has no name: %w", addr, ErrRefused)
}

// WriteToAddress queues a packet for a node. It never blocks.
func (t *transport) WriteToAddress(b []byte, addr memberlist.Address) (time.Time, error) {
	id, err := federation.ParseNodeID(addr.Name)
	if err != nil {
		return time.Time{}, err
	}
	return time.Now(), t.write(id, b)
}

// PacketCh gives the packets that came in.
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// DialTimeout fails: a node is found by its name only.
func (t *transport) DialTimeout(addr string, _ time.Duration) (net.Conn, error) {
	return nil, fmt.Errorf("dial %s, which has no name: %w", addr, ErrRefused)
}

// DialAddressTimeout opens a stream to a node for an exchange of membership.
func (t *transport) DialAddressTimeout(addr memberlist.Address, timeout time.Duration) (net.Conn, error) {
	id, err := federation.ParseNodeID(addr.Name)
	if err != nil {
		return nil, err
	}
	return t.dial(id, timeout)
}

// StreamCh gives the exchanges that came in.
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// Shutdown does nothing: the Gossip closes the lines when memberlist has stopped.
func (t *transport) Shutdown() error { return nil }

// nodeAddr stands for a peer in memberlist's log lines.
type nodeAddr federation.NodeID

// Network returns "node".
func (nodeAddr) Network() string { return "node" }

// String returns the node's id.
func (a nodeAddr) String() string { return federation.NodeID(a).String() }

// delegate judges and takes in memberlist's view (memberlist.AliveDelegate, MergeDelegate and EventDelegate). The guard
// has judged all of it before; this is the second lock on the same door, for whatever way past the guard there is.
type delegate struct {
	guard *guard
	table *table
}

// NotifyAlive refuses a node that is not active in the roster or not what its name says.
func (d *delegate) NotifyAlive(n *memberlist.Node) error {
	if err := d.guard.shape(n.Name, n.Addr, n.Port, n.Meta); err != nil {
		return err
	}
	return versions([]uint8{n.PMin, n.PMax, n.PCur, n.DMin, n.DMax, n.DCur})
}

// NotifyMerge refuses an exchange that names such a node.
func (d *delegate) NotifyMerge(nodes []*memberlist.Node) error {
	for _, n := range nodes {
		if err := d.NotifyAlive(n); err != nil {
			return err
		}
	}
	return nil
}

// NotifyJoin notes that the members hold a node for alive.
func (d *delegate) NotifyJoin(n *memberlist.Node) { d.note(n, true) }

// NotifyLeave notes that the members have given a node up.
func (d *delegate) NotifyLeave(n *memberlist.Node) { d.note(n, false) }

// NotifyUpdate does nothing: nodes have no metadata in gossip.
func (d *delegate) NotifyUpdate(*memberlist.Node) {}

func (d *delegate) note(n *memberlist.Node, alive bool) {
	if id, err := federation.ParseNodeID(n.Name); err == nil && id != d.guard.self {
		d.table.said(id, alive)
	}
}
