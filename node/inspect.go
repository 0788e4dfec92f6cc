package node

import (
	"context"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// Agreed runs fn on this node's copy of the agreed state, at the consistency asked for. It is for simulations and
// measurements, which compare the copies of several nodes; nothing in it is filtered by policy, so no answer to a user may
// come from here.
func (n *Node) Agreed(ctx context.Context, c consensus.Consistency, fn func(consensus.Reader) error) error {
	return n.replica.View(ctx, c, fn)
}

// Filtered answers as Locate does, and neither watches over who asks nor writes the search down. It is for measuring what the decisions
// cost: no answer to a user may come from here either.
func (n *Node) Filtered(ctx context.Context, q *admin.LocateRequest) (*admin.LocateReply, error) {
	number, err := n.patient(q.GetPatient())
	if err != nil {
		return nil, err
	}
	return n.listing(ctx, search{who: asker(q.GetAsker()), subject: n.records.Subject(number), cursor: q.GetCursor(), limit: locateLimit})
}

// Consensus returns what this node's replica knows of the consensus group.
func (n *Node) Consensus() consensus.Status { return n.replica.Status() }

// Audited returns the newest entries of this node's audit log that match, at most 10,000, and leaves no trace of it there. It is
// for simulations, as Agreed is.
func (n *Node) Audited(ctx context.Context, f audit.Filter) ([]audit.Entry, error) {
	f.Newest = true
	page, err := n.audit.Search(ctx, f, 0, replayPage)
	if err != nil {
		return nil, err
	}
	out := make([]audit.Entry, 0, len(page.Records))
	for _, r := range page.Records {
		out = append(out, r.Entry)
	}
	return out, nil
}
