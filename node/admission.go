package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
)

const (
	introducePause   = 5 * time.Second
	introduceTimeout = 3 * time.Second
	// mostIntroduced bounds how many nodes that the roster does not know are let in, whoever vouches for them: a region
	// grows by a few trusts while a node is away, and each one let in without the region's word is a risk.
	mostIntroduced = 256
)

// errNotMember is returned for a node that takes no part in the region.
var errNotMember = errors.New("not an active node of the region")

// admission says who may talk to this node: the active nodes of the roster. A node whose copy of the roster is old, or that
// has none yet, also lets in those that a member has introduced; otherwise it could never hear of a leader that joined while
// it was away. The roster overrules an introduction as soon as it knows the node, and all introductions end once this node's
// copy of the roster is known to be recent.
type admission struct {
	self   federation.NodeID
	roster func() *federation.Roster

	mu         sync.Mutex
	introduced map[federation.NodeID]string // addresses
}

// newAdmission returns an admission that knows the roster, and the nodes that the sponsor named when this one joined.
func newAdmission(self federation.NodeID, roster func() *federation.Roster, seeds []seedPeer) *admission {
	a := &admission{self: self, roster: roster, introduced: make(map[federation.NodeID]string)}
	for _, s := range seeds {
		if id, err := federation.ParseNodeID(s.Node); err == nil && dialable(s.Address) && len(a.introduced) < mostIntroduced {
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

// mayIntroduce reports whether a node's word about others counts: the roster's active nodes, and before there is a roster
// those that the sponsor named. Who was only introduced introduces nobody: a stranger would bring in all of their friends.
func (a *admission) mayIntroduce(id federation.NodeID) bool {
	roster := a.roster()
	if roster.RegionID.IsZero() {
		return a.member(id)
	}
	return roster.Active(id)
}

// introduce takes note of nodes that by vouches for, and forgets those that the roster knows by now. It returns how many
// there was no room for, or whose address is none.
func (a *admission) introduce(by federation.NodeID, peers map[federation.NodeID]string) (ignored int) {
	if !a.mayIntroduce(by) {
		return len(peers)
	}
	roster := a.roster()
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range a.introduced {
		if _, _, known := roster.Node(id); known {
			delete(a.introduced, id)
		}
	}
	for id, addr := range peers {
		_, _, known := roster.Node(id)
		_, again := a.introduced[id]
		switch {
		case known || id == a.self:
		case !dialable(addr), !again && len(a.introduced) >= mostIntroduced:
			ignored++
		default:
			a.introduced[id] = addr
		}
	}
	return ignored
}

// settle ends all introductions: the roster is known to be recent, so whoever it does not know is a stranger. It reports
// whether there were any.
func (a *admission) settle() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	some := len(a.introduced) > 0
	clear(a.introduced)
	return some
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
		if a.mayIntroduce(id) {
			out = append(out, id)
		}
	}
	return out
}

// dialable reports whether an address is one that a packet can be sent to: a host and a port from 1 to 65535.
func dialable(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	n, bad := strconv.ParseUint(port, 10, 16)
	return err == nil && bad == nil && n > 0 && host != "" && !unspecified(host) && len(addr) <= 256
}

// greeter asks members for introductions while this node has no leader, and ends them once it has a recent roster.
func (n *Node) greeter(ctx context.Context) {
	tick := time.NewTicker(introducePause)
	defer tick.Stop()
	for {
		switch {
		case n.replica.Status().Leader == "":
			for _, id := range n.admission.known() {
				err := n.greet(ctx, id)
				if err == nil || ctx.Err() != nil {
					continue
				}
				n.logger.Debug("no introduction", slog.String("node", id.Short()), slog.Any("error", err))
				n.standing(ctx, id)
			}
		case n.recent():
			n.heardSuspended(nil)
			if n.admission.settle() {
				n.evictStrangers()
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// standing asks a node that does not let this one in whether this trust has been suspended.
func (n *Node) standing(ctx context.Context, id federation.NodeID) {
	ctx, cancel := context.WithTimeout(ctx, introduceTimeout)
	defer cancel()
	s, err := n.askStanding(ctx, id)
	switch {
	case err != nil:
		n.logger.Debug("no answer about this trust's standing", slog.String("node", id.Short()), slog.Any("error", err))
	case s != nil:
		n.heardSuspended(s)
	}
}

// recent reports whether this node takes part and its copy of the agreed state was proven to be up to date just now.
func (n *Node) recent() bool {
	age := n.lease.Age(n.lease.Current())
	return age >= 0 && age <= n.lease.Limit() && n.ledger.Roster().Active(n.ID())
}

// evictStrangers closes the connections with those who are no members.
func (n *Node) evictStrangers() {
	for _, c := range n.door.Connections() {
		// Who is on the join lane is no member yet: another's enrolment must not throw them out of their own.
		if c.Lane != endpoint.LaneJoin && !n.admission.member(federation.NodeID(c.Peer)) {
			n.door.Evict(c.Peer)
		}
	}
}

func (n *Node) greet(ctx context.Context, id federation.NodeID) error {
	ctx, cancel := context.WithTimeout(ctx, introduceTimeout)
	defer cancel()
	reply, err := askStatus(ctx, n.door, id)
	if err != nil {
		return err
	}
	peers := make(map[federation.NodeID]string, len(reply.GetPeers()))
	for _, p := range reply.GetPeers() {
		if len(p.GetNode()) == len(federation.NodeID{}) {
			peers[federation.NodeID(p.GetNode())] = p.GetAddress()
		}
	}
	if ignored := n.admission.introduce(id, peers); ignored > 0 {
		n.logger.Warn("introductions ignored: too many, or without a usable address", slog.String("node", id.Short()), slog.Int("ignored", ignored))
	}
	return nil
}

// askStatus calls Region.Status at another node.
func askStatus(ctx context.Context, door *endpoint.Endpoint, id federation.NodeID) (*wire.StatusReply, error) {
	conn, err := dialRegion(door, id)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return wire.NewRegionClient(conn).Status(ctx, &wire.StatusRequest{})
}
