package gossip

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/memberlist"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

const (
	maxState      = 1 << 20 // bytes of one side of an exchange
	maxStateNodes = 4096
)

// The parts of an exchange of membership, as memberlist encodes them.
type (
	stateHeader struct {
		Nodes        int
		UserStateLen int
		Join         bool
	}
	stateNode struct {
		Name        string
		Addr        []byte
		Port        uint16
		Meta        []byte
		Incarnation uint32
		State       memberlist.NodeStateType
		Vsn         []uint8
	}
)

// stateConn is the stream of one exchange. The peer's side is read whole at the first Read, within limits, and written
// anew without the nodes that are not believed; memberlist reads what was written anew.
type stateConn struct {
	net.Conn
	peer   federation.NodeID
	guard  *guard
	closed func() // ends the stream and its accounting

	clean io.Reader // nil until the first Read
}

// Read gives the peer's side, cleaned. It fails with ErrRefused.
func (c *stateConn) Read(b []byte) (int, error) {
	if c.clean == nil {
		clean, err := c.guard.state(io.LimitReader(c.Conn, maxState), time.Now())
		if err != nil {
			return 0, fmt.Errorf("exchange with %s: %w", c.peer.Short(), err)
		}
		c.clean = bytes.NewReader(clean)
	}
	return c.clean.Read(b)
}

// Close closes the stream.
func (c *stateConn) Close() error {
	c.closed()
	return nil
}

// state reads one side of an exchange and returns it without the nodes that are not active or not well-formed: a peer
// may be ahead of us in the roster, or behind, so that is no reason to refuse the rest.
func (g *guard) state(r io.Reader, now time.Time) ([]byte, error) {
	var kind [1]byte
	if _, err := io.ReadFull(r, kind[:]); err != nil {
		return nil, err
	}
	if kind[0] != msgPushPull {
		return nil, fmt.Errorf("message type %d: %w", kind[0], ErrRefused)
	}
	dec := codec.NewDecoder(r, &g.handle)
	var h stateHeader
	if err := dec.Decode(&h); err != nil {
		return nil, fmt.Errorf("header: %w: %w", ErrRefused, err)
	}
	if h.Nodes < 0 || h.Nodes > maxStateNodes || h.UserStateLen != 0 {
		return nil, fmt.Errorf("%d nodes, %d bytes of state: %w", h.Nodes, h.UserStateLen, ErrRefused)
	}
	var nodes []stateNode
	for i := range h.Nodes {
		var n stateNode
		if err := dec.Decode(&n); err != nil {
			return nil, fmt.Errorf("node %d: %w: %w", i, ErrRefused, err)
		}
		if g.node(n, now) == nil {
			nodes = append(nodes, n)
		}
	}
	h.Nodes = len(nodes)
	out := bytes.NewBuffer([]byte{msgPushPull})
	enc := codec.NewEncoder(out, &g.handle)
	if err := enc.Encode(&h); err != nil {
		return nil, err
	}
	for _, n := range nodes {
		if err := enc.Encode(&n); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

func (g *guard) node(n stateNode, now time.Time) error {
	if n.State < memberlist.StateAlive || n.State > memberlist.StateLeft {
		return fmt.Errorf("state %d: %w", n.State, ErrRefused)
	}
	if err := g.shape(n.Name, n.Addr, n.Port, n.Meta); err != nil {
		return err
	}
	if err := versions(n.Vsn); err != nil {
		return err
	}
	return g.about(n.Name, n.Incarnation, now)
}
