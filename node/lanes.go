package node

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
)

// Services name what a stream of a lane is for: its first byte. They are part of the protocol: never reuse one.
const (
	serviceRaft    endpoint.Service = 1 // raft lane: consensus
	serviceRegion  endpoint.Service = 1 // control lane: gRPC between nodes
	serviceGossip  endpoint.Service = 2 // control lane: gossip's streams
	serviceRelease endpoint.Service = 1 // document lane: one release a stream
	serviceJoin    endpoint.Service = 1 // join lane: gRPC with newcomers
)

// errNoIdentity is returned for a stream whose other end has not proven who it is. The endpoint hands out none.
var errNoIdentity = errors.New("stream without a proven identity")

// raftLane is the raft lane as consensus wants it.
type raftLane struct {
	net.Listener
	door *endpoint.Endpoint
}

func newRaftLane(door *endpoint.Endpoint) (*raftLane, error) {
	l, err := door.Listen(endpoint.LaneRaft, serviceRaft)
	if err != nil {
		return nil, fmt.Errorf("listen on the raft lane: %w", err)
	}
	return &raftLane{Listener: l, door: door}, nil
}

// Dial opens a stream to a replica.
func (l *raftLane) Dial(ctx context.Context, to consensus.ID) (net.Conn, error) {
	id, err := federation.ParseNodeID(string(to))
	if err != nil {
		return nil, err
	}
	return l.door.Dial(ctx, endpoint.LaneRaft, serviceRaft, endpoint.PeerID(id))
}

// Peer returns the proven identity of the other end.
func (l *raftLane) Peer(c net.Conn) (consensus.ID, error) {
	id, ok := endpoint.Peer(c)
	if !ok {
		return "", errNoIdentity
	}
	return replicaID(federation.NodeID(id)), nil
}

// replicaID returns the name of a node in the consensus group.
func replicaID(id federation.NodeID) consensus.ID { return consensus.ID(id.String()) }

// gossipLane is gossip's part of the control lane.
type gossipLane struct {
	net.Listener
	door *endpoint.Endpoint
	send func(to federation.NodeID, b []byte) error
}

// newGossipLane listens for gossip; ctx bounds the sending of packets.
func newGossipLane(ctx context.Context, door *endpoint.Endpoint) (*gossipLane, error) {
	l, err := door.Listen(endpoint.LaneControl, serviceGossip)
	if err != nil {
		return nil, fmt.Errorf("listen for gossip on the control lane: %w", err)
	}
	return &gossipLane{Listener: l, door: door, send: func(to federation.NodeID, b []byte) error {
		return door.Send(ctx, endpoint.PeerID(to), b)
	}}, nil
}

// Dial opens a stream to a node.
func (l *gossipLane) Dial(ctx context.Context, to federation.NodeID) (net.Conn, error) {
	return l.door.Dial(ctx, endpoint.LaneControl, serviceGossip, endpoint.PeerID(to))
}

// Peer returns the proven identity of the other end.
func (l *gossipLane) Peer(c net.Conn) (federation.NodeID, error) {
	id, ok := endpoint.Peer(c)
	if !ok {
		return federation.NodeID{}, errNoIdentity
	}
	return federation.NodeID(id), nil
}

// Send hands a packet to the control lane; it may be lost.
func (l *gossipLane) Send(to federation.NodeID, b []byte) error { return l.send(to, b) }

// Receive waits for the next packet.
func (l *gossipLane) Receive(ctx context.Context) (federation.NodeID, []byte, error) {
	select {
	case p := <-l.door.Packets():
		return federation.NodeID(p.From), p.Data, nil
	case <-ctx.Done():
		return federation.NodeID{}, nil, ctx.Err()
	}
}
