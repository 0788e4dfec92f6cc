package node

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const (
	proposalPrefix = "agreement proposal "
	// keptProposals is how many decided proposals are kept. What was agreed on is in the region's log for ever.
	keptProposals = 50
)

// The states of a proposal. Approved is kept; committed, or refused by the region, follows from the region's state.
const (
	stateProposed = "proposed"
	stateApproved = "approved"
	stateRejected = "rejected"
	stateRefused  = "refused"
)

// desk is where proposals lie that wait for a second person.
type desk struct {
	mu      sync.Mutex    // one decision at a time
	changed chan struct{} // capacity 1: this trust's rules have changed
}

func newDesk() *desk { return &desk{changed: make(chan struct{}, 1)} }

// motion is an agreement that somebody has proposed, as it is kept in the record store. Texts are bytes: JSON would make
// six of one.
type motion struct {
	ID        string    `json:"id"`
	State     string    `json:"state"`
	By        string    `json:"by"`
	Role      string    `json:"role"`
	At        time.Time `json:"at"`
	Effective time.Time `json:"effective"` // zero: as soon as it is approved
	Expires   time.Time `json:"expires"`   // zero: until it is superseded
	Note      string    `json:"note"`
	Cedar     []byte    `json:"cedar"`
	Form      []byte    `json:"form,omitempty"` // empty: it was proposed as Cedar
	Base      uint64    `json:"base"`           // version in force when it was proposed; 0: none
	Last      uint64    `json:"last"`           // the last version that there was
	Rollback  uint64    `json:"rollback,omitempty"`

	DecidedBy   string    `json:"decided_by,omitempty"`
	DecidedAt   time.Time `json:"decided_at"`
	DecidedNote string    `json:"decided_note,omitempty"`
	Version     uint64    `json:"version,omitempty"` // once approved
	committed   bool
	findings    []*admin.Finding
}

func (p motion) message() *admin.AgreementProposal {
	return &admin.AgreementProposal{
		Id: p.ID, State: p.State, By: p.By, At: micros(p.At), Effective: micros(p.Effective), Expires: micros(p.Expires), Note: p.Note, Cedar: string(p.Cedar),
		DecidedBy: p.DecidedBy, Version: p.Version, Committed: p.committed, Findings: p.findings, Base: p.Base, Rollback: p.Rollback,
		DecidedAt: micros(p.DecidedAt), DecidedNote: p.DecidedNote, Form: string(p.Form),
	}
}

// micros is a time as the socket carries it.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// moment is a time that the socket carried.
func moment(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

func (n *Node) keepProposal(ctx context.Context, p motion) error {
	b, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("keep proposal %s: %w", p.ID, err)
	}
	if err := n.records.SetSetting(ctx, proposalPrefix+p.ID, b); err != nil {
		return n.storeProblem(err)
	}
	return nil
}

// agreementProposals returns what is kept, the newest first, with what has become of it.
func (n *Node) agreementProposals(ctx context.Context) ([]motion, error) {
	names, err := n.records.Settings(ctx, proposalPrefix)
	if err != nil {
		return nil, n.storeProblem(err)
	}
	// What waits is read before what is agreed on: what leaves the outbox in between has been applied here before.
	waiting, err := n.waitingAgreement(ctx)
	if err != nil {
		return nil, err
	}
	history, err := n.agreementsOf(ctx, n.Trust())
	if err != nil {
		return nil, err
	}
	var out []motion
	for _, name := range names {
		b, found, err := n.records.Setting(ctx, name)
		if err != nil {
			return nil, n.storeProblem(err)
		}
		var p motion
		if !found {
			continue
		}
		if err := json.Unmarshal(b, &p); err != nil {
			return nil, admin.Errorf(admin.CodeIntegrity, "%s is not readable: %v: propose the agreement again", name, err)
		}
		p.follow(waiting, history)
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b motion) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

// follow says what has become of the proposal. A node that was killed between telling the region and noting that here has
// kept it as proposed.
func (p *motion) follow(waiting *federation.Agreement, history []index.Agreement) {
	if p.State == stateRejected {
		return
	}
	if waiting != nil && p.is(*waiting) {
		p.State, p.DecidedBy, p.Version = stateApproved, waiting.Approver, waiting.Version
		return
	}
	for _, a := range history {
		if p.is(a.Agreement) {
			p.State, p.DecidedBy, p.Version, p.committed = stateApproved, a.Approver, a.Version, true
			return
		}
	}
	if p.State == stateApproved {
		p.State = stateRefused
	}
}

// is reports whether a was made of p.
func (p *motion) is(a federation.Agreement) bool {
	if p.State == stateApproved {
		return a.Version == p.Version && a.Cedar == string(p.Cedar)
	}
	return a.Version > p.Last && a.Proposer == p.By && a.Note == p.Note && a.Expires.Equal(p.Expires) && a.Cedar == string(p.Cedar)
}

// waitingAgreement returns the agreement that is approved and that the region has not agreed on yet; nil when there is none.
func (n *Node) waitingAgreement(ctx context.Context) (*federation.Agreement, error) {
	var out *federation.Agreement
	_, err := n.speaker.waits(ctx, func(k federation.Kind, b []byte) bool {
		if k != federation.KindAgreement {
			return false
		}
		body, err := federation.DecodeBody(federation.Statement{Trust: n.Trust(), Kind: k, Body: b})
		a, ok := body.(federation.Agreement)
		if err == nil && ok {
			out = &a
		}
		return err == nil && ok
	})
	return out, err
}

// forgetProposals drops the oldest of those that are decided.
func (n *Node) forgetProposals(ctx context.Context, all []motion) error {
	decided := 0
	for _, p := range all {
		if p.State == stateProposed {
			continue
		}
		if decided++; decided <= keptProposals {
			continue
		}
		if err := n.records.DeleteSetting(ctx, proposalPrefix+p.ID); err != nil {
			return n.storeProblem(err)
		}
	}
	return nil
}
