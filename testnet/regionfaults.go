package testnet

import (
	"errors"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// ErrRealNetwork is returned for a fault that only a simulated network can have.
var ErrRealNetwork = errors.New("the region runs on a real network")

// simulated runs fn on the network of a region that has a simulated one.
func (r *Region) simulated(fn func(*Network)) error {
	if r.opts.Network == nil {
		return ErrRealNetwork
	}
	fn(r.opts.Network)
	return nil
}

// Cut cuts the two trusts' nodes off from each other. This and the following faults fail with ErrRealNetwork on UDP.
func (r *Region) Cut(a, b federation.TrustID) error {
	return r.simulated(func(n *Network) { n.Cut(string(a), string(b)) })
}

// Isolate cuts a trust's node off from all others.
func (r *Region) Isolate(t federation.TrustID) error {
	return r.simulated(func(n *Network) { n.CutOff(string(t)) })
}

// Partition cuts every link between trusts of different groups.
func (r *Region) Partition(groups ...[]federation.TrustID) error {
	hosts := make([][]string, len(groups))
	for i, g := range groups {
		for _, t := range g {
			hosts[i] = append(hosts[i], string(t))
		}
	}
	return r.simulated(func(n *Network) { n.Partition(hosts...) })
}

// Heal ends all cuts.
func (r *Region) Heal() error { return r.simulated(func(n *Network) { n.Heal() }) }

// SetLink sets latency, loss and rate between two trusts, both ways.
func (r *Region) SetLink(a, b federation.TrustID, o LinkOptions) error {
	return r.simulated(func(n *Network) { n.SetLink(string(a), string(b), o) })
}

// Note adds a line to the network's trace, for whoever has to find out why a run failed.
func (r *Region) Note(what, where, detail string) {
	_ = r.simulated(func(n *Network) { n.Note(what, where, detail) }) // without a simulated network there is no trace
}
