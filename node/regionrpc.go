package node

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
)

// regionServer answers other nodes of the roster.
type regionServer struct {
	wire.UnimplementedRegionServer
	n *Node
}

// Status tells how far this node has come and whom it knows.
func (s regionServer) Status(ctx context.Context, _ *wire.StatusRequest) (*wire.StatusReply, error) {
	reply := &wire.StatusReply{Trust: string(s.n.Trust()), Version: s.n.version, Peers: s.n.peers(s.n.ledger.Roster())}
	err := s.n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		root, applied, err := index.Root(r)
		reply.Root, reply.Applied = root[:], applied
		return err
	})
	if err != nil {
		return nil, status.Error(codes.Unavailable, "the agreed state cannot be read")
	}
	return reply, nil
}

// Rejoin takes the vote of the caller away. Nobody can take another's.
func (s regionServer) Rejoin(ctx context.Context, _ *wire.RejoinRequest) (*wire.RejoinReply, error) {
	id, _, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.n.replica.Demote(ctx, replicaID(id)); err != nil {
		return nil, status.Errorf(codes.FailedPrecondition, "the vote cannot be taken away here: %v", err)
	}
	return &wire.RejoinReply{}, nil
}

// permitMember lets active members call the Region service and nothing else.
func (n *Node) permitMember(ctx context.Context, method string) error {
	id, _, err := caller(ctx)
	if err != nil {
		return err
	}
	return n.permit(id, method, time.Now())
}

// permit says whether a node may call a method now. A node that this one was only told of may ask how it stands, and change
// nothing: only the roster makes a member.
func (n *Node) permit(id federation.NodeID, method string, now time.Time) error {
	_, burst := limitOf(method)
	switch {
	case burst == 0:
		return status.Error(codes.PermissionDenied, "no such method")
	case !n.admission.member(id), method != wire.Region_Status_FullMethodName && !n.ledger.Roster().Active(id):
		return status.Error(codes.PermissionDenied, "not an active node of the region")
	case !n.allowance.take(method, id, now):
		return status.Error(codes.ResourceExhausted, "too many calls: ask again later")
	}
	return nil
}

// peers are the active nodes of a roster. Of itself a node knows better where it is: when it has just moved, the region may not know yet.
func (n *Node) peers(roster *federation.Roster) []*wire.Peer {
	var out []*wire.Peer
	for _, node := range roster.ActiveNodes() {
		_, trust, _ := roster.Node(node.ID)
		address := node.Address
		if node.ID == n.ID() {
			address = n.address()
		}
		out = append(out, &wire.Peer{Node: node.ID[:], Trust: string(trust.ID), Address: address})
	}
	return out
}

// permitJoin lets anybody call Join.Enrol and Join.Standing, and nothing else.
func permitJoin(_ context.Context, method string) error {
	if method != wire.Join_Enrol_FullMethodName && method != wire.Join_Standing_FullMethodName {
		return status.Error(codes.PermissionDenied, fmt.Sprintf("method %q is not served here", method))
	}
	return nil
}
