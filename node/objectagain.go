package node

import (
	"context"
	"encoding/hex"
	"slices"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// objectAgain answers for an objection that stands already: a second one beside it would have to be withdrawn twice. The reply is nil
// when there is none, or when that cannot be known for certain: one directive too many closes nothing that should be open.
func (n *Node) objectAgain(ctx context.Context, subject federation.Subject, q *admin.ObjectRequest) (*admin.ObjectReply, error) {
	stands, found, err := n.standingObjection(ctx, subject)
	if err != nil || !found {
		return nil, err
	}
	if stands.Index > 0 {
		// It counts here, so there is time to ask whether another trust has withdrawn it meanwhile.
		if !n.caughtUpNow(ctx) {
			return nil, nil
		}
		if stands, found, err = n.standingObjection(ctx, subject); err != nil || !found {
			return nil, err
		}
	}
	// On what evidence it was said again is kept, whatever the first was said on.
	again := federation.Directive{ID: stands.ID, Subject: subject, By: q.GetBy(), Evidence: q.GetEvidence()}
	if err := n.noteDirective(ctx, again, "objection said again, which stands as"); err != nil {
		return nil, err
	}
	reply := &admin.ObjectReply{
		Directives: []string{hex.EncodeToString(stands.ID[:])}, State: "objected", Committed: stands.Index > 0, Index: stands.Index,
		Already: n.directiveInfo(stands, time.Now()),
	}
	return reply, nil
}

// caughtUpNow waits until this node has all that the region agreed on so far, and reports whether it has.
func (n *Node) caughtUpNow(ctx context.Context) bool {
	return n.recent() && n.replica.View(ctx, consensus.Linearizable(), func(consensus.Reader) error { return nil }) == nil
}

// standingObjection returns the newest objection to all sharing that is in force, if a new one would change nothing.
func (n *Node) standingObjection(ctx context.Context, subject federation.Subject) (said, bool, error) {
	all, err := n.allSaid(ctx, subject)
	if err != nil {
		return said{}, false, err
	}
	s, found := standingOf(all, time.Now())
	return s, found, nil
}

// standingOf looks for it in all that a patient has said, oldest first. What was permitted later may go before it, what is about to be
// withdrawn or replaced stands no longer, what ends on a day ends, and what the region has refused counts here only.
func standingOf(all []said, now time.Time) (said, bool) {
	for _, s := range slices.Backward(all) {
		state := s.state(now)
		switch {
		case state != "in_force" && state != "here" && state != "waiting" && state != "withdrawn_here":
			continue
		case s.Effect == federation.Consent:
			return said{}, false
		case !whole(s.Directive.Directive) || !s.Until.IsZero() || state == "waiting" || s.refused:
			continue
		}
		ends := slices.ContainsFunc(all, func(o said) bool { return o.Index == 0 && (o.Target == s.ID || o.Supersedes == s.ID) })
		if !ends {
			return s, true
		}
	}
	return said{}, false
}
