package node

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

const (
	stewardPause = time.Second
	// rosterPause is how old a roster is before the consensus group follows it. Replicas refuse a group with members that they
	// have not heard of, and an entry that they refuse holds up those behind it; by then they have applied the enrolment.
	rosterPause = 100 * time.Millisecond
	// promotionLag is how many entries an observer may be behind and still become a voter.
	promotionLag = 1000
)

// change is one step towards the consensus group that the roster asks for.
type change struct {
	do changeKind
	id federation.NodeID
}

type changeKind uint8

const (
	addObserver changeKind = iota + 1
	promote
	remove
	handOn // leadership, because this node itself must go
)

// group is the consensus group as it is.
type group struct {
	self      federation.NodeID
	voters    []federation.NodeID
	observers []federation.NodeID
}

// plan returns the next changes of the group so that it follows the roster. Newcomers become observers first: a voter that
// does not answer would count against the quorum. They are promoted once they are reachable and have caught up, and never
// to a group of exactly two voters while a third could come along: with two, the loss of either stops the region.
func plan(g group, roster *federation.Roster, ready func(federation.NodeID) bool) []change {
	var out []change
	for _, id := range append(slices.Clone(g.voters), g.observers...) {
		switch {
		case roster.Active(id):
		case id == g.self:
			return []change{{handOn, id}}
		default:
			out = append(out, change{remove, id})
		}
	}
	var candidates []federation.NodeID
	for _, n := range roster.ActiveNodes() {
		switch {
		case slices.Contains(g.voters, n.ID):
		case !slices.Contains(g.observers, n.ID):
			out = append(out, change{addObserver, n.ID})
		case ready(n.ID):
			candidates = append(candidates, n.ID)
		}
	}
	voters := 0
	for _, id := range g.voters {
		if roster.Active(id) {
			voters++
		}
	}
	if voters == 1 && len(candidates) == 1 {
		return out
	}
	for _, id := range candidates {
		if voters >= roster.Voters {
			break
		}
		out = append(out, change{promote, id})
		voters++
	}
	return out
}

// steward keeps the consensus group in line with the roster while this node leads. It looks when the roster or the leader
// changes, and every second because an observer catches up without telling.
func (n *Node) steward(ctx context.Context) {
	tick := time.NewTicker(stewardPause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-n.rosterChanged:
		}
		roster := n.ledger.Roster()
		select {
		case <-ctx.Done():
			return
		case <-time.After(rosterPause):
		}
		st := n.replica.Status()
		if st.State != consensus.Leader {
			continue
		}
		g := group{self: n.ID(), voters: nodeIDs(st.Voters), observers: nodeIDs(st.Observers)}
		for _, c := range plan(g, roster, func(id federation.NodeID) bool { return n.caughtUp(id, st.Applied) }) {
			if err := n.change(ctx, c); err != nil {
				if !errors.Is(err, consensus.ErrNotLeader) && ctx.Err() == nil {
					n.logger.Warn("group change failed; trying again", slog.String("node", c.id.Short()), slog.Any("error", err))
				}
				break
			}
			// At once, not with the next tick: who has a vote decides whether this node may recover a lost copy of the state.
			if err := n.remember(ctx, &knownRegion{}); err != nil && ctx.Err() == nil {
				n.logger.Warn("what is known of the region was not kept", slog.Any("error", err))
			}
		}
	}
}

func (n *Node) change(ctx context.Context, c change) error {
	id := replicaID(c.id)
	switch c.do {
	case addObserver:
		return n.replica.AddObserver(ctx, id)
	case promote:
		return n.replica.AddVoter(ctx, id)
	case remove:
		return n.replica.Remove(ctx, id)
	case handOn:
		return n.replica.Transfer(ctx)
	default:
		return nil
	}
}

func nodeIDs(ids []consensus.ID) []federation.NodeID {
	out := make([]federation.NodeID, 0, len(ids))
	for _, id := range ids {
		if n, err := federation.ParseNodeID(string(id)); err == nil {
			out = append(out, n)
		}
	}
	return out
}
