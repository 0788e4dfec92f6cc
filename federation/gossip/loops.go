package gossip

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

const (
	rejoinParallel = 4                      // nodes called at the same time
	refuteDelay    = 300 * time.Millisecond // between two exchanges with a node that was given up
)

// beat sends a head to every other node each probe interval, and settles what is known.
func (g *Gossip) beat(ctx context.Context) {
	ticker := time.NewTicker(g.cfg.ProbeInterval)
	defer ticker.Stop()
	roster := g.cfg.Roster()
	for {
		g.tell(false)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if r := g.cfg.Roster(); r != roster {
			roster = r
			g.callSoon()
		}
		g.table.tick(roster, time.Now())
		states := make(map[State]int)
		for _, p := range g.Peers() {
			states[p.State]++
		}
		g.met.show(states, len(g.Forks()))
	}
}

// callSoon makes rejoin call the missing nodes without waiting for its turn.
func (g *Gossip) callSoon() {
	select {
	case g.changed <- struct{}{}:
	default: // it will already
	}
}

// tell sends a head to every other active node.
func (g *Gossip) tell(leaving bool) {
	b := head{Leaving: leaving, Version: g.cfg.Version, Marks: g.table.newest()}.encode()
	for _, n := range g.cfg.Roster().ActiveNodes() {
		if n.ID == g.cfg.Self {
			continue
		}
		if err := g.lines.send(n.ID, packetHead, b); err != nil {
			g.cfg.Logger.Debug("head not sent", slog.String("peer", n.ID.String()), slog.String("error", err.Error()))
		}
	}
}

// rejoin calls the nodes that the members do not hold for alive, again and again for as long as this node runs:
// memberlist alone never merges two halves that have given each other up.
func (g *Gossip) rejoin(ctx context.Context) {
	ticker := time.NewTicker(g.cfg.Rejoin)
	defer ticker.Stop()
	for round := 0; ; round++ {
		var missing []federation.NodeID
		for _, n := range g.cfg.Roster().ActiveNodes() {
			if n.ID != g.cfg.Self && !g.table.joined(n.ID) {
				missing = append(missing, n.ID)
			}
		}
		if n := len(missing); n > 0 {
			// From another node each time, so that a few that do not answer cannot keep the same ones waiting.
			missing = append(missing[round%n:], missing[:round%n]...)
		}
		var calls errgroup.Group
		calls.SetLimit(rejoinParallel)
		for _, id := range missing {
			calls.Go(func() error {
				g.join(ctx, id)
				return nil
			})
		}
		_ = calls.Wait() // no call returns an error
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-g.changed:
		}
	}
}

// join exchanges membership with a node. One that was given up learns of that in the first exchange and refutes it; the
// second brings the refutation.
func (g *Gossip) join(ctx context.Context, id federation.NodeID) {
	for range 2 {
		if g.table.joined(id) || ctx.Err() != nil {
			return
		}
		if _, err := g.members.Join([]string{joinTarget(id)}); err != nil {
			g.cfg.Logger.Debug("peer not joined", slog.String("peer", id.String()), slog.String("error", err.Error()))
			return
		}
		wait := time.NewTimer(refuteDelay)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return
		}
	}
}
