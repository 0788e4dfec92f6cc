package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
)

const (
	introducePause   = 5 * time.Second
	introduceTimeout = 3 * time.Second
)

// errNotMember is returned for a node that takes no part in the region.
var errNotMember = errors.New("not an active node of the region")

// admission says who may talk to this node: the active nodes of the roster. A node whose copy of the roster is old, or that
// has none yet, also lets in those that a member has introduced; otherwise it could never hear of a leader that joined while
// it was away. The roster overrules an introduction as soon as it knows the node.
type admission struct {
	self   federation.NodeID
	roster func() *federation.Roster

	mu         sync.Mutex
	introduced map[federation.NodeID]string // addresses
}

func newAdmission(self federation.NodeID, roster func() *federation.Roster, seeds []seedPeer) *admission {
	a := &admission{self: self, roster: roster, introduced: make(map[federation.NodeID]string)}
	for _, s := range seeds {
		if id, err := federation.ParseNodeID(s.Node); err == nil {
			a.introduced[id] = s.Address
		}
	}
	return a
}

// member reports whether a node may take part in consensus and open connections.
func (a *admission) member(id federation.NodeID) bool {
	roster := a.roster()
	if _, _, known := roster.Node(id); known {
		return roster.Active(id)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.introduced[id]
	return ok
}

// admit is member as the endpoint asks it.
func (a *admission) admit(p endpoint.PeerID) error {
	if !a.member(federation.NodeID(p)) {
		return errNotMember
	}
	return nil
}

// resolve returns the address of a node.
func (a *admission) resolve(p endpoint.PeerID) (string, error) {
	id := federation.NodeID(p)
	if n, _, ok := a.roster().Node(id); ok {
		return n.Address, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if addr, ok := a.introduced[id]; ok {
		return addr, nil
	}
	return "", fmt.Errorf("node %s: %w", id.Short(), errNotMember)
}

// introduce takes note of nodes that a member vouches for, and forgets those that the roster knows by now.
func (a *admission) introduce(peers map[federation.NodeID]string) {
	roster := a.roster()
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.Copy(a.introduced, peers)
	for id := range a.introduced {
		if _, _, known := roster.Node(id); known || id == a.self {
			delete(a.introduced, id)
		}
	}
}

// known returns the nodes that can be asked: of the roster, or introduced.
func (a *admission) known() []federation.NodeID {
	seen := make(map[federation.NodeID]bool)
	for _, n := range a.roster().ActiveNodes() {
		seen[n.ID] = true
	}
	a.mu.Lock()
	for id := range a.introduced {
		seen[id] = true
	}
	a.mu.Unlock()
	delete(seen, a.self)
	out := make([]federation.NodeID, 0, len(seen))
	for id := range seen {
		if a.member(id) {
			out = append(out, id)
		}
	}
	return out
}

// greeter asks members for introductions while this node has no leader.
func (n *Node) greeter(ctx context.Context) {
	tick := time.NewTicker(introducePause)
	defer tick.Stop()
	for {
		if st := n.replica.Status(); st.Leader == "" {
			for _, id := range n.admission.known() {
				if err := n.greet(ctx, id); err != nil && ctx.Err() == nil {
					n.logger.Debug("no introduction", slog.String("node", id.Short()), slog.Any("error", err))
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (n *Node) greet(ctx context.Context, id federation.NodeID) error {
	ctx, cancel := context.WithTimeout(ctx, introduceTimeout)
	defer cancel()
	reply, err := n.askStatus(ctx, id)
	if err != nil {
		return err
	}
	peers := make(map[federation.NodeID]string, len(reply.GetPeers()))
	for _, p := range reply.GetPeers() {
		if len(p.GetNode()) == len(federation.NodeID{}) && checkAddress(p.GetAddress()) == nil {
			peers[federation.NodeID(p.GetNode())] = p.GetAddress()
		}
	}
	n.admission.introduce(peers)
	return nil
}

// askStatus calls Region.Status at another node.
func (n *Node) askStatus(ctx context.Context, id federation.NodeID) (*wire.StatusReply, error) {
	conn, err := dialRPC(func(ctx context.Context) (net.Conn, error) {
		return n.door.Dial(ctx, endpoint.LaneControl, serviceRegion, endpoint.PeerID(id))
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return wire.NewRegionClient(conn).Status(ctx, &wire.StatusRequest{})
}
