package testnet

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
)

var (
	// ErrNoTrust is returned for a trust that the region does not have.
	ErrNoTrust = errors.New("no such trust in the region")
	// ErrDown is returned for a trust whose node does not run.
	ErrDown = errors.New("node does not run")
	// ErrUp is returned by Restart for a trust whose node runs.
	ErrUp = errors.New("node runs")
)

// Trusts returns the codes of all trusts, running or not, in the order in which they were named.
func (r *Region) Trusts() []federation.TrustID { return slices.Clone(r.order) }

// Up returns the codes of the trusts whose nodes run, in the same order.
func (r *Region) Up() []federation.TrustID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.order), func(t federation.TrustID) bool { return r.members[t].node == nil })
}

// Node returns a trust's node; nil while it is down, and for a trust that the region does not have.
func (r *Region) Node(t federation.TrustID) *node.Node {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.members[t]; m != nil {
		return m.node
	}
	return nil
}

// Data returns the data folder of a trust.
func (r *Region) Data(t federation.TrustID) string {
	if m, err := r.member(t); err == nil {
		return m.data
	}
	return ""
}

// Name returns the name of a trust.
func (r *Region) Name(t federation.TrustID) string {
	if m, err := r.member(t); err == nil {
		return m.Name
	}
	return ""
}

// live is Node for those who need it to run. It fails with ErrNoTrust and ErrDown.
func (r *Region) live(t federation.TrustID) (*node.Node, error) {
	if _, err := r.member(t); err != nil {
		return nil, err
	}
	n := r.Node(t)
	if n == nil {
		return nil, fmt.Errorf("%s: %w", t, ErrDown)
	}
	return n, nil
}

func (r *Region) member(t federation.TrustID) (*member, error) {
	if m := r.members[t]; m != nil { // the map itself never changes
		return m, nil
	}
	return nil, fmt.Errorf("%s: %w", t, ErrNoTrust)
}

// take takes a node out of the region, to stop it.
func (r *Region) take(t federation.TrustID) (*node.Node, *socketRef, error) {
	m, err := r.member(t)
	if err != nil {
		return nil, nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n, s := m.node, m.socket
	m.node, m.socket = nil, nil
	if n == nil {
		return nil, nil, fmt.Errorf("%s: %w", t, ErrDown)
	}
	return n, s, nil
}

// Stop stops a trust's node in order: it hands leadership on and says farewell.
func (r *Region) Stop(t federation.TrustID) error {
	n, _, err := r.take(t)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout) // an orderly stop outlives whoever asks for it
	defer cancel()
	if err := n.Close(ctx); err != nil {
		return fmt.Errorf("stop %s: %w", t, err)
	}
	return nil
}

// Kill takes a trust's node away as a power cut would, seen from the network: from that instant nothing of it gets out, so
// nobody is told and nothing is handed on. What it had not acknowledged may be lost. It returns when the node's folder is
// free for Restart.
func (r *Region) Kill(t federation.TrustID) error {
	n, socket, err := r.take(t)
	if err != nil {
		return err
	}
	if r.opts.Network != nil {
		if err := r.opts.Network.Kill(string(t)); err != nil {
			return err
		}
	} else {
		socket.close()
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel() // no time to hand anything on
	if err := n.Kill(gone); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("kill %s: %w", t, err)
	}
	return nil
}

// Restart starts a trust's node that was stopped or killed. It returns once the node can be asked, which may be before it
// has caught up: see Ready and Converged.
func (r *Region) Restart(ctx context.Context, t federation.TrustID) error {
	m, err := r.member(t)
	if err != nil {
		return err
	}
	r.mu.Lock()
	up := m.node != nil
	r.mu.Unlock()
	if up {
		return fmt.Errorf("%s: %w", t, ErrUp)
	}
	return r.start(ctx, t)
}

// Leader returns the trust whose node leads: a majority of the voters follows it. It waits until there is one.
func (r *Region) Leader(ctx context.Context) (federation.TrustID, error) {
	var leader federation.TrustID
	err := WaitFor(ctx, "a leader", func(context.Context) error {
		followers := make(map[consensus.ID]int)
		trusts := make(map[consensus.ID]federation.TrustID)
		voters := make(map[consensus.ID]int)
		for _, t := range r.Up() {
			n := r.Node(t)
			if n == nil {
				continue
			}
			s := n.Consensus()
			if s.State == consensus.Leader {
				trusts[s.ID], voters[s.ID] = t, len(s.Voters)
			}
			if slices.Contains(s.Voters, s.ID) {
				followers[s.Leader]++
			}
		}
		for id, t := range trusts {
			if followers[id] > voters[id]/2 {
				leader = t
				return nil
			}
		}
		return errNotYet
	})
	return leader, err
}
