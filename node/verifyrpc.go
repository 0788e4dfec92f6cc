package node

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// witnessPatience is how long a node is waited for that is asked what it has of an audit log.
const witnessPatience = 5 * time.Second

// Witnessed tells what this node's copy of the agreed state has of a node's audit log. Every member has it, so that it gives
// nothing away.
func (s regionServer) Witnessed(ctx context.Context, q *wire.WitnessedRequest) (*wire.WitnessedReply, error) {
	var id federation.NodeID
	if len(q.GetNode()) != len(id) {
		return nil, status.Error(codes.InvalidArgument, "a node's id has 32 bytes")
	}
	copy(id[:], q.GetNode())
	c, err := s.n.checkpointOf(ctx, id)
	if err != nil {
		return nil, status.Error(codes.Unavailable, "the agreed state cannot be read")
	}
	if c.Size == 0 {
		return &wire.WitnessedReply{}, nil
	}
	return &wire.WitnessedReply{Size: c.Size, Root: c.Root[:], Index: c.Index}, nil
}

// askWitness asks a trust's nodes for what they have of this node's audit log; the first that answers is believed.
func (n *Node) askWitness(ctx context.Context, t federation.Trust) (witness, error) {
	err := status.Error(codes.Unavailable, "no active node")
	for _, node := range t.Nodes {
		if node.Standing != federation.Active {
			continue
		}
		var w witness
		if w, err = n.askWitnessAt(ctx, node.ID); err == nil {
			return w, nil
		}
	}
	return witness{}, err
}

func (n *Node) askWitnessAt(ctx context.Context, id federation.NodeID) (witness, error) {
	ctx, cancel := context.WithTimeout(ctx, witnessPatience)
	defer cancel()
	conn, err := dialRegion(n.door, id)
	if err != nil {
		return witness{}, err
	}
	defer func() { _ = conn.Close() }() // nothing is left to be said on it
	self := n.ID()
	reply, err := wire.NewRegionClient(conn).Witnessed(ctx, &wire.WitnessedRequest{Node: self[:]})
	if err != nil {
		return witness{}, err
	}
	w := witness{Size: reply.GetSize()}
	if w.Size > 0 && copy(w.Root[:], reply.GetRoot()) != len(w.Root) {
		return witness{}, status.Error(codes.Internal, "a root has 32 bytes")
	}
	return w, nil
}

// AuditRoots returns the checkpoints of audit logs that the region has committed, as this node's copy has them: the newest of
// each node, or the one of a size, where the region's log is said to have it.
func (n *Node) AuditRoots(ctx context.Context, q *admin.AuditRootsRequest) (*admin.AuditRootsReply, error) {
	only, err := rootsOf(q)
	if err != nil {
		return nil, err
	}
	roster := n.ledger.Roster()
	reply := &admin.AuditRootsReply{}
	known := false
	err = n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		for _, t := range roster.Trusts() {
			for _, node := range t.Nodes {
				if q.GetTrust() != "" && string(t.ID) != q.GetTrust() || !only.IsZero() && node.ID != only {
					continue
				}
				known = true
				c, err := rootOf(r, node.ID, q)
				if err != nil {
					return err
				}
				if c.Size > 0 {
					reply.Roots = append(reply.Roots, &admin.AuditRoot{Trust: string(t.ID), Node: node.ID.String(), Size: c.Size, Root: c.Root.String(), Committed: c.Index, At: c.At.UnixMicro()})
				}
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case !known:
		return nil, admin.Errorf(admin.CodeNotFound, "the region has no such trust or node: 'ridgeway status' lists its trusts")
	}
	return reply, nil
}

func rootsOf(q *admin.AuditRootsRequest) (federation.NodeID, error) {
	if t := q.GetTrust(); t != "" && !federation.TrustID(t).Valid() {
		return federation.NodeID{}, admin.Errorf(admin.CodeBadInput, "%q is no ODS code", t)
	}
	if q.GetNode() == "" {
		return federation.NodeID{}, nil
	}
	id, err := federation.ParseNodeID(q.GetNode())
	if err != nil {
		return id, admin.Errorf(admin.CodeBadInput, "%v", err)
	}
	return id, nil
}

// rootOf returns the checkpoint that is asked for; zero when the region has not committed it.
func rootOf(r consensus.Reader, id federation.NodeID, q *admin.AuditRootsRequest) (index.Checkpoint, error) {
	c, _, err := index.CheckpointOf(r, id)
	if err != nil || q.GetSize() == 0 || c.Size == q.GetSize() {
		return c, err
	}
	c, found, err := index.CheckpointAt(r, id, q.GetCommitted())
	if err != nil || !found || c.Size != q.GetSize() {
		return index.Checkpoint{}, err
	}
	return c, nil
}
