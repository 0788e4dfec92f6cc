package node

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// doorkeeper closes the connections of those who are members no more, as soon as the roster says so.
func (n *Node) doorkeeper(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.strangers:
			n.evictStrangers()
		}
	}
}

// watch ends the node when a part that it cannot do without has stopped itself: going on could lose what is acknowledged, or
// make replicas differ.
func (n *Node) watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	told := make(map[federation.NodeID]uint64) // forks, by the index at which they were seen
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.door.Lost():
			n.fail(admin.Errorf(admin.CodeUnavailable, "the UDP socket %s failed, so the node can reach nobody: start it again", n.options.Settings.Listen))
			return
		case <-tick.C:
		}
		if more := n.badJoins.due(time.Now()); more > 0 {
			n.logger.Warn("more invitations were refused", slog.Int("count", more))
		}
		if err := n.stopped(); err != nil {
			n.fail(err)
			return
		}
		for _, f := range n.gossip.Forks() {
			if at, known := told[f.Peer]; known && at == f.Index {
				continue
			}
			told[f.Peer] = f.Index
			n.logger.Error("another node's state differs from ours at the same point: one of them is damaged or lies", slog.Any("fork", f))
		}
	}
}

// stopped returns why the node cannot go on, nil while it can.
func (n *Node) stopped() error {
	if st := n.replica.Status(); st.State == consensus.Stopped {
		return n.stateProblem(st.Cause)
	}
	for _, store := range []struct {
		what string
		err  error
	}{{"audit log", n.audit.Err()}, {"document store", n.blobs.Err()}, {"record store", n.records.Err()}} {
		switch {
		case store.err == nil:
		case errors.Is(store.err, storage.ErrDiskFull):
			return n.diskFull(store.err)
		default:
			return admin.Errorf(admin.CodeInternal, "a write to the %s of %s failed, so the node stops rather than go on with what it cannot be sure of: %v", store.what, n.options.Data, store.err)
		}
	}
	return nil
}
