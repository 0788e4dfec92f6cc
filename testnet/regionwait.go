package testnet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// pollPause is how often conditions are looked at.
const pollPause = 20 * time.Millisecond

// errNotYet is a condition's answer when there is no more to say.
var errNotYet = errors.New("not yet")

// orNotYet returns err, or errNotYet when it is nil.
func orNotYet(err error) error {
	if err == nil {
		return errNotYet
	}
	return err
}

// WaitFor asks cond until it returns nil. When ctx ends first, the error says what was waited for and what cond said last.
// It works in virtual time.
func WaitFor(ctx context.Context, what string, cond func(context.Context) error) error {
	tick := time.NewTicker(pollPause)
	defer tick.Stop()
	for {
		why := cond(ctx)
		if why == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w: %w", what, why, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// Ready waits until every node that runs has every trust that runs active in its roster, with a vote or as an observer,
// reachable and with an agreement, and a leader that it follows and that has answered it since it started.
func (r *Region) Ready(ctx context.Context) error {
	return WaitFor(ctx, "the region to be complete", func(ctx context.Context) error {
		for _, t := range r.Up() {
			if err := r.complete(ctx, t); err != nil {
				return fmt.Errorf("%s: %w", t, err)
			}
		}
		return nil
	})
}

// complete returns what one node still lacks.
func (r *Region) complete(ctx context.Context, t federation.TrustID) error {
	n, err := r.live(t)
	if err != nil {
		return err
	}
	s, err := n.Status(ctx, &admin.StatusRequest{})
	if err != nil {
		return err
	}
	if s.GetLeader() == "" {
		return errors.New("it knows no leader")
	}
	if s.GetAsOf() == 0 { // a leader that restarted at once is one to the others until they miss it
		return errors.New("its copy was not proven to be recent since it started")
	}
	st := n.Consensus()
	if got, want := len(st.Voters), r.expectedVoters(); got != want || got+len(st.Observers) != len(r.order) {
		return fmt.Errorf("%d voters and %d observers", got, len(st.Observers))
	}
	up := make(map[string]bool)
	for _, other := range r.Up() {
		up[string(other)] = true
	}
	for _, site := range s.GetSites() {
		switch {
		case site.GetStanding() != federation.Active.String():
			return fmt.Errorf("%s is %s", site.GetTrust(), site.GetStanding())
		case up[site.GetTrust()] && !site.GetReachable():
			return fmt.Errorf("%s has not been heard", site.GetTrust())
		}
		delete(up, site.GetTrust())
	}
	for missing := range up {
		return fmt.Errorf("%s is not in its roster", missing)
	}
	return r.agreements(ctx, n)
}

// expectedVoters is how many voters the steward ends at: two are no better than one, so it stays at one until there are three.
func (r *Region) expectedVoters() int {
	if len(r.order) == 2 {
		return 1
	}
	return min(r.opts.Voters, len(r.order))
}

// agreements returns nil when a node has the agreements of all trusts.
func (r *Region) agreements(ctx context.Context, n *node.Node) error {
	return n.Agreed(ctx, consensus.Local(), func(reader consensus.Reader) error {
		for _, t := range r.order {
			_, found, err := index.AgreementOf(reader, t, time.Now().UTC())
			if err != nil {
				return err
			}
			if !found {
				return fmt.Errorf("no agreement of %s", t)
			}
		}
		return nil
	})
}

// Witnessed waits until the region has agreed on a checkpoint of the audit log of every node that runs. A node whose log is
// empty has none.
func (r *Region) Witnessed(ctx context.Context) error {
	return WaitFor(ctx, "checkpoints of all audit logs", func(ctx context.Context) error {
		for _, t := range r.Up() {
			if err := r.witnessed(ctx, t, 0); err != nil {
				return err
			}
		}
		return nil
	})
}

// WitnessedBeyond waits until the region has witnessed more of a trust's audit log than so many entries.
func (r *Region) WitnessedBeyond(ctx context.Context, t federation.TrustID, size uint64) error {
	return WaitFor(ctx, "the region to witness more of a log", func(ctx context.Context) error { return r.witnessed(ctx, t, size) })
}

func (r *Region) witnessed(ctx context.Context, t federation.TrustID, beyond uint64) error {
	n, err := r.live(t)
	if err != nil {
		return err
	}
	return n.Agreed(ctx, consensus.Local(), func(reader consensus.Reader) error {
		c, found, err := index.CheckpointOf(reader, n.ID())
		if err == nil && (!found || c.Size <= beyond) {
			err = fmt.Errorf("of %s no more than %d entries are", t, c.Size)
		}
		return err
	})
}
