package node

import (
	"context"

	"github.com/ridgeway-exchange/ridgeway/consensus"
)

// Agreed runs fn on this node's copy of the agreed state, at the consistency asked for. It is for simulations and
// measurements, which compare the copies of several nodes; nothing in it is filtered by policy, so no answer to a user may
// come from here.
func (n *Node) Agreed(ctx context.Context, c consensus.Consistency, fn func(consensus.Reader) error) error {
	return n.replica.View(ctx, c, fn)
}

// Consensus returns what this node's replica knows of the consensus group.
func (n *Node) Consensus() consensus.Status { return n.replica.Status() }
