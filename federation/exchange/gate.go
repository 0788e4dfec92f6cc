package exchange

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// gate limits how much one node, and all together, may ask at once.
type gate struct {
	limits CustodianLimits
	clock  Clock
	start  Instant

	mu    sync.Mutex
	all   int
	peers map[federation.NodeID]*visitor
}

type visitor struct {
	streams  int
	refusals *rate.Limiter
}

func newGate(limits CustodianLimits, clock Clock) *gate {
	return &gate{limits: limits, clock: clock, start: clock.Now(), peers: map[federation.NodeID]*visitor{}}
}

// enter takes a place for a release to peer; leave gives it back. It fails with ErrUnavailable.
func (g *gate) enter(peer federation.NodeID) (leave func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v := g.visitor(peer)
	if g.all >= g.limits.Streams || v.streams >= g.limits.PeerStreams {
		return nil, fmt.Errorf("%d releases under way, %d of them to this node: %w", g.all, v.streams, ErrUnavailable)
	}
	if v.refusals.TokensAt(g.now()) < 1 {
		return nil, fmt.Errorf("too many refusals to this node: %w", ErrUnavailable)
	}
	g.all++
	v.streams++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.all--
		v.streams--
	}, nil
}

// refused counts a refusal against peer.
func (g *gate) refused(peer federation.NodeID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.visitor(peer).refusals.AllowN(g.now(), 1)
}

// visitor returns what is known of peer. Peers are nodes of the roster, so that the map cannot grow without bound.
func (g *gate) visitor(peer federation.NodeID) *visitor {
	v := g.peers[peer]
	if v == nil {
		v = &visitor{refusals: rate.NewLimiter(rate.Limit(g.limits.RefusalRate), g.limits.RefusalBurst)}
		g.peers[peer] = v
	}
	return v
}

// now is a time that no setting of the wall clock moves.
func (g *gate) now() time.Time {
	return g.start.Wall.Round(0).Add(g.clock.Now().Monotonic - g.start.Monotonic)
}

// maxNonces is the most nonces that one generation of replays keeps: about 64 MiB.
const maxNonces = 1 << 20

// replays remembers the nonces of believed assertions for as long as they would be believed again. What is bound to one
// connection is refused on any other, so it need not outlive the process.
type replays struct {
	mu       sync.Mutex
	turned   time.Duration // monotonic
	old, new map[nonceKey]struct{}
}

type nonceKey struct {
	binding [BindingSize]byte
	nonce   [16]byte
}

func newReplays() *replays { return &replays{new: map[nonceKey]struct{}{}} }

// first reports whether the assertion's nonce has not been seen on its connection. It fails with ErrUnavailable when
// there is no room to remember it.
func (r *replays) first(a Assertion, now Instant) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// An assertion is believed for 2 * maxSkew at most; a nonce is kept for between once and twice that.
	if age := now.Monotonic - r.turned; age > 2*maxSkew+time.Second {
		if r.old = r.new; age > 2*(2*maxSkew+time.Second) {
			r.old = nil
		}
		r.new, r.turned = map[nonceKey]struct{}{}, now.Monotonic
	}
	key := nonceKey{a.Binding, a.Nonce}
	if _, seen := r.new[key]; seen {
		return false, nil
	}
	if _, seen := r.old[key]; seen {
		return false, nil
	}
	if len(r.new) >= maxNonces {
		return false, fmt.Errorf("%d assertions within a minute: %w", len(r.new), ErrUnavailable)
	}
	r.new[key] = struct{}{}
	return true, nil
}
