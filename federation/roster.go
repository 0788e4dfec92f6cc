package federation

import (
	"cmp"
	"slices"
)

// Standing is whether a trust or node takes part. Zero is invalid. Do not reorder.
type Standing uint8

// The standings.
const (
	Proposed Standing = iota + 1 // waits for approvals
	Active
	Suspended
)

// String returns the standing in words.
func (s Standing) String() string {
	switch s {
	case Proposed:
		return "proposed"
	case Active:
		return "active"
	case Suspended:
		return "suspended"
	default:
		return "unknown"
	}
}

// Trust is a member of the region as the roster has it.
type Trust struct {
	ID           TrustID
	Name         string
	Governing    bool
	Standing     Standing
	StatementKey PublicKey
	AuditKey     PublicKey
	Nodes        []RosterNode
}

// RosterNode is a node as the roster has it.
type RosterNode struct {
	ID       NodeID
	Key      PublicKey
	Address  string // host:port
	Standing Standing
}

// Roster is who is in the region, at one point of the agreed history. It is immutable; the methods are safe for
// concurrent use.
type Roster struct {
	Region    string // name
	RegionID  Digest // digest of the charter's statement; zero before there is one
	Approvals int
	Voters    int
	trusts    map[TrustID]Trust
	nodes     map[NodeID]TrustID
}

// NewRoster returns the roster of a region with these trusts. It keeps the slices; the caller must not change them.
func NewRoster(charter Charter, region Digest, trusts []Trust) *Roster {
	r := &Roster{
		Region: charter.Region, RegionID: region, Approvals: charter.Approvals, Voters: charter.Voters,
		trusts: make(map[TrustID]Trust, len(trusts)), nodes: make(map[NodeID]TrustID, len(trusts)),
	}
	for _, t := range trusts {
		r.trusts[t.ID] = t
		for _, n := range t.Nodes {
			r.nodes[n.ID] = t.ID
		}
	}
	return r
}

// Trust returns the trust with this code.
func (r *Roster) Trust(id TrustID) (Trust, bool) {
	t, ok := r.trusts[id]
	return t, ok
}

// Trusts returns all trusts in the order of their codes.
func (r *Roster) Trusts() []Trust {
	out := make([]Trust, 0, len(r.trusts))
	for _, t := range r.trusts {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b Trust) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Node returns a node and the trust that runs it.
func (r *Roster) Node(id NodeID) (RosterNode, Trust, bool) {
	t, ok := r.trusts[r.nodes[id]]
	if !ok {
		return RosterNode{}, Trust{}, false
	}
	for _, n := range t.Nodes {
		if n.ID == id {
			return n, t, true
		}
	}
	return RosterNode{}, Trust{}, false
}

// Active reports whether the node and its trust both take part.
func (r *Roster) Active(id NodeID) bool {
	n, t, ok := r.Node(id)
	return ok && n.Standing == Active && t.Standing == Active
}

// ActiveNodes returns the nodes that take part, in the order of their ids.
func (r *Roster) ActiveNodes() []RosterNode {
	var out []RosterNode
	for _, t := range r.trusts {
		for _, n := range t.Nodes {
			if t.Standing == Active && n.Standing == Active {
				out = append(out, n)
			}
		}
	}
	slices.SortFunc(out, func(a, b RosterNode) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return out
}
