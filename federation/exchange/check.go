package exchange

import (
	"errors"
	"fmt"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// maxSkew is how far the clocks of two nodes may be apart.
const maxSkew = 30 * time.Second

// caller is who is at the other end of a stream, as TLS proved it.
type caller struct {
	node    federation.NodeID
	binding [BindingSize]byte
}

// believe checks everything about a signed assertion that does not depend on the document. What fails is refused alike,
// so that a stranger learns nothing from it; the cause says why, for the audit.
func (c *Custodian) believe(from caller, signed []byte) (Assertion, *Refusal) {
	denied := func(format string, args ...any) *Refusal {
		return refuse(policy.Denied, fmt.Errorf(format, args...))
	}
	// The copy of the roster may be one that is on its way: whom it does not know it does not refuse, and believes no more.
	unknown := denied
	if !c.cfg.Lease.Current().Proven() {
		unknown = func(format string, args ...any) *Refusal {
			return undecided(fmt.Errorf(format, args...))
		}
	}
	if len(signed) <= len(federation.Signature{}) {
		return Assertion{}, denied("request of %d bytes: %w", len(signed), federation.ErrMalformed)
	}
	node, trust, ok := c.cfg.Ledger.Roster().Node(from.node)
	if !ok || node.Standing != federation.Active || trust.Standing != federation.Active {
		return Assertion{}, unknown("node %s is not active in the roster", from.node.Short())
	}
	raw, err := open(assertionContext, signed, trust.StatementKey)
	if err != nil {
		return Assertion{}, unknown("assertion under the key of %s: %w", trust.ID, err)
	}
	a, err := DecodeAssertion(raw)
	if err != nil {
		return Assertion{}, denied("%w", err)
	}
	now := c.cfg.Clock.Now()
	skew := a.At.Sub(now.Wall.Round(0))
	switch {
	case a.Trust != trust.ID:
		return Assertion{}, denied("node %s of %s asserts for %s", from.node.Short(), trust.ID, a.Trust)
	case a.Node != from.node:
		return Assertion{}, denied("assertion of node %s came from node %s", a.Node.Short(), from.node.Short())
	case a.Custodian != c.cfg.Node:
		return Assertion{}, denied("assertion is for node %s", a.Custodian.Short())
	case a.Binding != from.binding:
		return Assertion{}, denied("assertion is bound to another connection")
	case !a.Vouch.IsZero() && !a.Vouch.covers(a):
		return Assertion{}, denied("vouches for another relationship, or at another time")
	case skew > maxSkew || skew < -maxSkew:
		return a, apart(skew) // all else about it was believed: who asks is told, and stands in the log
	}
	first, err := c.replays.first(a, now)
	if err != nil {
		return a, refuse(policy.Unavailable, err)
	}
	if !first {
		return a, denied("assertion was used before on this connection")
	}
	return a, nil
}

// apart is the refusal of what was asserted by a clock that is skew ahead of this node's. It says nothing of the document, which was
// not looked for; without it users would be told of rules, and nobody would look at the clocks.
func apart(skew time.Duration) *Refusal {
	way := "ahead of"
	if skew < 0 {
		way = "behind"
	}
	refusal := refuse(policy.Denied, fmt.Errorf("assertion is %s off this node's clock", skew.Round(time.Second)))
	refusal.Text = fmt.Sprintf("The clock of the trust that asks is %s %s the clock of the trust that holds the document, and nothing is believed over more than %s. "+
		"No rule has refused. Have IT of both trusts put the clocks of these two machines right, then ask again.", skew.Abs().Round(time.Second), way, maxSkew)
	return refusal
}

// undecided is the answer of a node whose copy of the agreed state was not proven to be whole since it was opened: what is not in
// it may not have come yet, so that it says neither that there is no such document nor that the rules refuse it.
func undecided(err error) *Refusal {
	cause := errUnproven
	if err != nil {
		cause = fmt.Errorf("%w: %s", errUnproven, err.Error()) // not wrapped: it is no answer
	}
	return refuse(policy.StalePolicy, cause)
}

// maxVouch is how long before an assertion its trust may have looked for the evidence: as long as a fetch may take.
const maxVouch = 24 * time.Hour

// covers reports whether v is about what the assertion states, and not from another time.
func (v Vouch) covers(a Assertion) bool {
	age := a.At.Sub(v.At)
	return v.Relationship == RelationshipDigest(a.Subject, a.Relationship) && age >= -maxSkew && age <= maxVouch
}

// trouble is the refusal for a part of this node that failed: out of reach, or damaged.
func trouble(what string, err error) *Refusal {
	o := policy.Integrity
	if unavailable(err) {
		o = policy.Unavailable
	}
	r := refuse(o, fmt.Errorf("%s: %w", what, err))
	if errors.Is(err, ErrStopped) {
		r.Text = Stopped
	}
	return r
}

func unavailable(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrClosed) || isContext(err)
}
