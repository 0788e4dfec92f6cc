package node

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const (
	// expiryNotice is how long before an agreement expires that is said.
	expiryNotice = 30 * 24 * time.Hour
	// expiryLogged is how often it is said in the log.
	expiryLogged = 24 * time.Hour
)

// The states of a version.
const (
	versionFuture     = "future"
	versionInForce    = "in_force"
	versionSuperseded = "superseded"
	versionExpired    = "expired"
	versionReplaced   = "replaced" // before it took effect
)

// stateOf says how the version at i of a history, the last first, is at a time. Of those that have taken effect the one with
// the largest version counts, and when that has expired none does.
func stateOf(history []index.Agreement, i int, now time.Time) string {
	a := history[i]
	superseded := time.Time{} // when a later version took, or takes, its place
	for _, later := range history[:i] {
		if superseded.IsZero() || later.Effective.Before(superseded) {
			superseded = later.Effective
		}
	}
	ended := !a.Expires.IsZero() && !now.Before(a.Expires)
	switch {
	case !superseded.IsZero() && !superseded.After(a.Effective):
		if now.Before(a.Effective) || superseded.Before(a.Effective) {
			return versionReplaced
		}
		return versionSuperseded
	case now.Before(a.Effective):
		return versionFuture
	case ended && (superseded.IsZero() || !a.Expires.After(superseded)):
		return versionExpired
	case !superseded.IsZero() && !now.Before(superseded):
		return versionSuperseded
	default:
		return versionInForce
	}
}

// inForce returns the version that is in force at a time; zero when none is.
func inForce(history []index.Agreement, now time.Time) uint64 {
	for i := range history {
		if stateOf(history, i, now) == versionInForce {
			return history[i].Version
		}
	}
	return 0
}

func lastOf(history []index.Agreement) uint64 {
	if len(history) == 0 {
		return 0
	}
	return history[0].Version
}

// Agreements returns a trust's rules: what is in force and what waits, or the whole history without the texts.
func (n *Node) Agreements(ctx context.Context, q *admin.AgreementsRequest) (*admin.AgreementsReply, error) {
	trust, err := n.memberTrust(q.GetTrust())
	if err != nil {
		return nil, err
	}
	history, err := n.agreementsOf(ctx, trust)
	if err != nil {
		return nil, err
	}
	reply := &admin.AgreementsReply{Trust: string(trust)}
	now := time.Now().UTC()
	for i, a := range history {
		state := stateOf(history, i, now)
		past := state == versionSuperseded || state == versionReplaced || state == versionExpired && i > 0
		if one := q.GetVersion(); one != 0 && a.Version != one || one == 0 && past && !q.GetHistory() {
			continue
		}
		v := &admin.AgreementVersion{
			Trust: string(trust), Version: a.Version, State: state, Effective: micros(a.Effective), Expires: micros(a.Expires), Proposer: a.Proposer, Approver: a.Approver,
			Note: a.Note, Signed: micros(a.At), Statement: a.Statement.String(), Index: a.Index,
		}
		if !q.GetHistory() || q.GetVersion() != 0 {
			v.Cedar = a.Cedar
		}
		reply.Versions = append(reply.Versions, v)
	}
	if trust != n.Trust() {
		return reply, nil
	}
	proposals, err := n.agreementProposals(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range proposals {
		p.tell(reply, q.GetHistory())
	}
	reply.Warnings = n.agreementWarnings(ctx)
	return reply, nil
}

// tell adds the form that a version was written as, and the proposal itself where it is open, or history is asked for.
func (p motion) tell(reply *admin.AgreementsReply, history bool) {
	for _, v := range reply.GetVersions() {
		if v.GetVersion() == p.Version && v.GetCedar() == string(p.Cedar) {
			v.Form = string(p.Form)
		}
	}
	open := p.State == stateProposed || p.State == stateApproved && !p.committed
	if !history && !open {
		return
	}
	m := p.message()
	if history {
		m.Cedar, m.Form = "", ""
	}
	reply.Proposals = append(reply.Proposals, m)
}

// memberTrust reads the code of a trust of the region; empty is this one.
func (n *Node) memberTrust(text string) (federation.TrustID, error) {
	if text == "" {
		return n.Trust(), nil
	}
	t, err := federation.ParseTrustID(text)
	if err != nil {
		return "", admin.Errorf(admin.CodeBadInput, "%v", err)
	}
	if _, ok := n.ledger.Roster().Trust(t); !ok {
		return "", admin.Errorf(admin.CodeNotFound, "%s is no trust of this region: 'ridgeway status' lists them", t)
	}
	return t, nil
}

// agreementWarnings says when this trust's rules end or have ended, with none to follow.
func (n *Node) agreementWarnings(ctx context.Context) []string {
	now := time.Now().UTC()
	var current, next index.Agreement
	var open, follows bool
	var last uint64
	err := n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) (err error) {
		if current, open, err = index.AgreementOf(r, n.Trust(), now); err != nil {
			return err
		}
		if open && !current.Expires.IsZero() {
			next, follows, err = index.AgreementOf(r, n.Trust(), current.Expires)
		}
		if err == nil {
			last, err = index.LastAgreementVersion(r, n.Trust())
		}
		return err
	})
	switch {
	case err != nil:
		return []string{fmt.Sprintf("this trust's agreement cannot be read: %v", err)}
	case last == 0:
		return nil // the first is on its way
	case !open:
		return []string{fmt.Sprintf("NO AGREEMENT OF %s IS IN FORCE: nothing that it holds is released, to its own staff neither. 'ridgeway agreement show --data %s' says why; propose one, or roll back", n.Trust(), admin.Arg(n.options.Data))}
	case current.Expires.IsZero() || current.Expires.Sub(now) > expiryNotice || follows && next.Version != current.Version:
		return nil
	default:
		return []string{fmt.Sprintf("version %d of the agreement expires on %s, and none follows: from then on nothing that %s holds is released, to its own staff neither. Propose the next one with 'ridgeway agreement propose'",
			current.Version, current.Expires.Format("2 January 2006 15:04 MST"), n.Trust())}
	}
}

// onRules is told that the region has agreed on a trust's rules.
func (n *Node) onRules(t federation.TrustID) {
	n.onAgreement(t)
	if t == n.Trust() {
		signal(n.desk.changed)
	}
}

// watchAgreement has what is under way decided anew when this trust's rules take effect or end, which they do by the clock
// and without a word of the region; and logs that they will.
func (n *Node) watchAgreement(ctx context.Context) {
	var said string
	var at time.Time
	for {
		n.rules.forget(n.Trust())
		if c := n.custodian.Load(); c != nil {
			c.RulesChanged()
		}
		now := time.Now()
		for _, text := range n.agreementWarnings(ctx) {
			if ctx.Err() == nil && (text != said || now.Sub(at) >= expiryLogged) {
				said, at = text, now
				n.logger.Warn("agreement", slog.String("warning", text))
			}
		}
		timer := time.NewTimer(n.untilRulesChange(ctx, now))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-n.desk.changed:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// untilRulesChange returns how long it is until this trust's rules take effect or end, or until that must be looked at again.
func (n *Node) untilRulesChange(ctx context.Context, now time.Time) time.Duration {
	wait := time.Hour
	err := n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		next, err := index.NextAgreementChange(r, n.Trust(), now)
		if err == nil && !next.IsZero() {
			wait = min(wait, next.Sub(now))
		}
		return err
	})
	if err != nil {
		return time.Second
	}
	return max(wait, time.Millisecond)
}
