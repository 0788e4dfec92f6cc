package node

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/gossip"
)

const (
	// silence is how long a custodian may bring nothing when gossip has it that none of its nodes is up.
	silence   = 5 * time.Second
	vigilLook = 250 * time.Millisecond
)

// errSilent is why a transfer ends whose custodian is gone.
var errSilent = errors.New("the custodian is down and brings nothing")

// vigil ends a transfer from a custodian that is gone, long before the limits of a lane would: these have to bear with slow
// links, and gossip knows better. A custodian that brings something is never given up, whatever gossip says.
type vigil struct {
	heard atomic.Int64 // milliseconds since begun
	begun time.Time
	stop  context.CancelCauseFunc
}

// watchCustodian begins a vigil. The transfer must run under the context that is returned, say when it has heard something, and stop
// the vigil at its end.
func (n *Node) watchCustodian(ctx context.Context, custodian federation.TrustID) (context.Context, *vigil) {
	ctx, stop := context.WithCancelCause(ctx)
	v := &vigil{begun: time.Now(), stop: stop}
	n.tasks.Go(func() {
		look := time.NewTicker(vigilLook)
		defer look.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-look.C:
			}
			quiet := time.Since(v.begun) - time.Duration(v.heard.Load())*time.Millisecond
			if quiet > silence && !n.up(custodian) {
				stop(errSilent)
			}
		}
	})
	return ctx, v
}

func (v *vigil) hear() { v.heard.Store(time.Since(v.begun).Milliseconds()) }

// up reports whether gossip has heard a node of a trust.
func (n *Node) up(trust federation.TrustID) bool {
	t, ok := n.ledger.Roster().Trust(trust)
	if !ok {
		return false
	}
	peers := n.gossip.Peers()
	for _, node := range t.Nodes {
		if peers[node.ID].State == gossip.Up {
			return true
		}
	}
	return false
}
