package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

const (
	maxStaffID    = 128
	maxNote       = 1024
	agreementsMax = 1000 // versions shown
)

// Who may decide on a trust's rules, who may propose them, who may decide that a
// trust is suspended, and who may ask why somebody sees something.
var (
	approverRoles = []string{"governance-lead", "privacy-officer"}
	proposerRoles = []string{"governance-lead", "privacy-officer", "records-staff", "admin"}
	decisionRoles = []string{"governance-lead", "privacy-officer", "admin"}
	inquirerRoles = []string{"governance-lead", "privacy-officer", "records-staff"}
)

// governor checks that somebody is named, and says that they have one of these roles. A staff id is in plain characters: two
// that look alike are one.
func governor(a *admin.Asker, what string, roles []string) error {
	id := a.GetUser()
	switch {
	case id == "":
		return admin.Errorf(admin.CodeBadInput, "who %s? Give the staff id with --user", what)
	case !plainStaffID(id):
		return notStaffID(id)
	case !slices.Contains(roles, a.GetRole()):
		return admin.Errorf(admin.CodeDenied, "%s in the role %q may not do that: whoever %s is %s (--role)", id, a.GetRole(), what, strings.Join(roles, " or "))
	default:
		return nil
	}
}

// plainStaffID reports whether a staff id is in plain characters: of two that look alike neither is then another person's.
func plainStaffID(id string) bool {
	return len(id) <= maxStaffID && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' })
}

func notStaffID(id string) error {
	return admin.Errorf(admin.CodeBadInput, "%q is not a staff id: it has at most %d letters, digits and signs, and no space", id, maxStaffID)
}

// samePerson takes ids that differ in case for one.
func samePerson(a, b string) bool { return strings.EqualFold(a, b) }

// ProposeAgreement keeps a draft until a second person decides on it. It is refused when the check finds an error in it.
func (n *Node) ProposeAgreement(ctx context.Context, q *admin.ProposeAgreementRequest) (*admin.AgreementProposal, error) {
	if err := n.governs(ctx, q.GetAsker(), "proposes", proposerRoles); err != nil {
		return nil, err
	}
	if len(q.GetNote()) > maxNote {
		return nil, admin.Errorf(admin.CodeBadInput, "the note has at most %d bytes", maxNote)
	}
	n.desk.mu.Lock()
	defer n.desk.mu.Unlock()
	kept, err := n.agreementProposals(ctx)
	if err != nil {
		return nil, err
	}
	if err := n.vacant(ctx, kept); err != nil {
		return nil, err
	}
	p, err := n.drawUp(ctx, q)
	if err != nil {
		return nil, err
	}
	if err := n.noteAgreement(ctx, q.GetAsker(), policy.Permit, fmt.Sprintf("proposed %s, digest %s, in place of version %d; %s", p.ID, federation.Sum(p.Cedar).String(), p.Base, p.Note)); err != nil {
		return nil, err
	}
	if err := n.keepProposal(ctx, p); err != nil {
		return nil, err
	}
	return p.message(), n.forgetProposals(ctx, kept)
}

// vacant refuses a second proposal beside one that waits: whoever approves the one would not have simulated it against the other.
func (n *Node) vacant(ctx context.Context, kept []motion) error {
	for _, p := range kept {
		if p.State == stateProposed {
			return admin.Errorf(admin.CodeInUse, "another proposal waits, %s, which %s made on %s: a governance lead or privacy officer other than %s approves or rejects it first, or %s takes it back. 'ridgeway agreement show' shows it, 'ridgeway agreement approve %s' decides, and with --reject takes it back",
				p.ID, p.By, p.At.Format("2 January 2006 at 15:04 MST"), p.By, p.By, p.ID)
		}
	}
	waiting, err := n.waitingAgreement(ctx)
	if err != nil || waiting == nil {
		return err
	}
	return admin.Errorf(admin.CodeNoQuorum, "version %d of the agreement was approved and the region has not agreed on it yet: wait until the region can be reached", waiting.Version)
}

// drawUp makes a proposal of what was asked for.
func (n *Node) drawUp(ctx context.Context, q *admin.ProposeAgreementRequest) (motion, error) {
	now := time.Now().UTC()
	history, err := n.agreementsOf(ctx, n.Trust())
	if err != nil {
		return motion{}, err
	}
	p := motion{
		State: stateProposed, By: q.GetAsker().GetUser(), Role: q.GetAsker().GetRole(), At: now, Effective: moment(q.GetEffective()), Expires: moment(q.GetExpires()),
		Note: q.GetNote(), Rollback: q.GetRollback(), Base: inForce(history, now), Last: lastOf(history),
	}
	text := q.GetText()
	if p.Rollback != 0 {
		if text, err = rollback(&p, text, history); err != nil {
			return p, err
		}
	}
	d, err := readDraft(text, n.checker())
	if err != nil {
		return p, err
	}
	if err := d.wrong(); err != nil {
		return p, err
	}
	if p.Effective.IsZero() && d.form.Effective.After(now) {
		p.Effective = d.form.Effective
	}
	if p.Expires.IsZero() {
		p.Expires = d.form.Expires
	}
	if err := timely(p.Effective, p.Expires, now); err != nil {
		return p, err
	}
	id := make([]byte, 6)
	if _, err := rand.Read(id); err != nil {
		return p, fmt.Errorf("name the proposal: %w", err)
	}
	p.ID, p.Cedar, p.Form, p.findings = hex.EncodeToString(id), []byte(d.cedar), []byte(text.GetForm()), d.messages()
	return p, nil
}

// rollback returns the text of an earlier version.
func rollback(p *motion, text *admin.AgreementText, history []index.Agreement) (*admin.AgreementText, error) {
	if text.GetCedar() != "" || text.GetForm() != "" {
		return nil, admin.Errorf(admin.CodeBadInput, "a rollback proposes the text of an earlier version: it takes no other")
	}
	if p.Rollback == p.Base {
		return nil, admin.Errorf(admin.CodeBadInput, "version %d is in force already", p.Rollback)
	}
	i := slices.IndexFunc(history, func(a index.Agreement) bool { return a.Version == p.Rollback })
	if i < 0 {
		return nil, admin.Errorf(admin.CodeNotFound, "there is no version %d: 'ridgeway agreement history' lists them", p.Rollback)
	}
	if p.Expires.IsZero() { // what was agreed on for a time does not come back for ever
		if p.Expires = history[i].Expires; !p.Expires.IsZero() && !p.Expires.After(p.At) {
			return nil, admin.Errorf(admin.CodeBadInput, "version %d was agreed on until %s, which has passed: say until when it is to be in force again (--expires), or propose its text as a new agreement",
				p.Rollback, p.Expires.Format("2 January 2006 15:04 MST"))
		}
	}
	if p.Note == "" {
		p.Note = fmt.Sprintf("rolls back to version %d", p.Rollback)
	}
	return &admin.AgreementText{Cedar: history[i].Cedar}, nil
}

// timely refuses times that cannot be meant.
func timely(effective, expires, now time.Time) error {
	switch {
	case !effective.IsZero() && effective.Before(now.Add(-time.Minute)):
		return admin.Errorf(admin.CodeBadInput, "--effective %s lies in the past: leave it out for as soon as the agreement is approved", effective.Format(time.RFC3339))
	case expires.IsZero():
		return nil
	case !expires.After(now):
		return admin.Errorf(admin.CodeBadInput, "--expires %s lies in the past: it would close the trust's records to all", expires.Format(time.RFC3339))
	case !effective.IsZero() && !expires.After(effective):
		return admin.Errorf(admin.CodeBadInput, "--expires %s is not after --effective %s: the agreement would never be in force", expires.Format(time.RFC3339), effective.Format(time.RFC3339))
	default:
		return nil
	}
}

// ApproveAgreement decides on a proposal, as a second person. What is approved is told to the region, and counts from its time
// on once the region has agreed; where it cannot be reached the agreement is kept, and the reply says so.
func (n *Node) ApproveAgreement(ctx context.Context, q *admin.ApproveAgreementRequest) (*admin.AgreementProposal, error) {
	what, roles := "approves", approverRoles
	if q.GetReject() {
		what, roles = "takes their own proposal back", proposerRoles // rejectProposal looks whose it is
	}
	if err := n.governs(ctx, q.GetAsker(), what, roles); err != nil {
		return nil, err
	}
	if len(q.GetNote()) > maxNote {
		return nil, admin.Errorf(admin.CodeBadInput, "the note has at most %d bytes", maxNote)
	}
	p, err := n.decideProposal(ctx, q)
	if err != nil || p.State != stateApproved {
		return p.message(), err
	}
	err = n.speaker.told(ctx, func() (bool, error) {
		waiting, err := n.waitingAgreement(ctx)
		return err == nil && waiting == nil, err
	})
	if err != nil && admin.CodeOf(err) != admin.CodeNoQuorum {
		return nil, err
	}
	kept, err := n.agreementProposals(ctx)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(kept, func(k motion) bool { return k.ID == p.ID }); i >= 0 {
		p = kept[i]
	}
	if p.State == stateRefused {
		return nil, admin.Errorf(admin.CodeBadInput, "the region refused version %d: 'ridgeway rejected list' says why", p.Version)
	}
	return p.message(), nil
}

// decideProposal writes the decision down, and queues what was approved.
func (n *Node) decideProposal(ctx context.Context, q *admin.ApproveAgreementRequest) (motion, error) {
	n.desk.mu.Lock()
	defer n.desk.mu.Unlock()
	kept, err := n.agreementProposals(ctx)
	if err != nil {
		return motion{}, err
	}
	i := slices.IndexFunc(kept, func(p motion) bool { return strings.EqualFold(p.ID, strings.TrimSpace(q.GetProposal())) })
	if i < 0 {
		return motion{}, admin.Errorf(admin.CodeNotFound, "there is no proposal %q: 'ridgeway agreement show' lists those that wait", q.GetProposal())
	}
	p := kept[i]
	who := q.GetAsker()
	switch {
	case p.State != stateProposed:
		return p, admin.Errorf(admin.CodeBadInput, "proposal %s was %s by %s", p.ID, p.State, p.DecidedBy)
	case q.GetReject():
		return n.rejectProposal(ctx, p, q)
	case samePerson(who.GetUser(), p.By):
		if err := n.noteAgreement(ctx, who, policy.Denied, "tried to approve their own proposal "+p.ID); err != nil {
			return p, err
		}
		return p, admin.Errorf(admin.CodeDenied, "%s has proposed it and may not approve it too: a second person must", p.By)
	}
	a, err := n.drawn(ctx, p)
	if err != nil {
		return p, err
	}
	a.Approver = who.GetUser()
	detail := fmt.Sprintf("approved %s of %s as version %d from %s; %s", p.ID, p.By, a.Version, a.Effective.Format(time.RFC3339), q.GetNote())
	if err := n.noteAgreement(ctx, who, policy.Permit, detail); err != nil {
		return p, err
	}
	if _, err := n.records.Enqueue(ctx, a); err != nil {
		return p, n.storeProblem(err)
	}
	p.State, p.DecidedBy, p.DecidedAt, p.DecidedNote = stateApproved, a.Approver, time.Now().UTC(), q.GetNote()
	p.Version, p.Effective = a.Version, a.Effective
	return p, n.keepProposal(ctx, p)
}

func (n *Node) rejectProposal(ctx context.Context, p motion, q *admin.ApproveAgreementRequest) (motion, error) {
	if !samePerson(q.GetAsker().GetUser(), p.By) {
		if err := governor(q.GetAsker(), "rejects another's proposal", approverRoles); err != nil {
			return p, n.deniedNoted(ctx, audit.Agreement, q.GetAsker(), fmt.Errorf("proposal %s of %s: %w", p.ID, p.By, err))
		}
	}
	if err := n.noteAgreement(ctx, q.GetAsker(), policy.Permit, fmt.Sprintf("rejected %s of %s; %s", p.ID, p.By, q.GetNote())); err != nil {
		return p, err
	}
	p.State, p.DecidedBy, p.DecidedAt, p.DecidedNote = stateRejected, q.GetAsker().GetUser(), time.Now().UTC(), q.GetNote()
	return p, n.keepProposal(ctx, p)
}

// drawn returns what the region is told of a proposal, unless what it rests on has changed since it was made.
func (n *Node) drawn(ctx context.Context, p motion) (federation.Agreement, error) {
	if err := n.vacant(ctx, nil); err != nil {
		return federation.Agreement{}, err
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	history, err := n.agreementsNow(ctx)
	if err != nil {
		return federation.Agreement{}, err
	}
	if base, last := inForce(history, now), lastOf(history); base != p.Base || last != p.Last {
		return federation.Agreement{}, admin.Errorf(admin.CodeBadInput,
			"proposal %s is stale: it was made when %s was in force and %d the last version, and now it is %s and %d. Reject it, simulate the text again, and propose it again",
			p.ID, versionText(p.Base), p.Last, versionText(base), last)
	}
	if d := readCedar(string(p.Cedar), n.checker()); d.wrong() != nil {
		return federation.Agreement{}, d.wrong()
	}
	effective := p.Effective
	if effective.Before(now) {
		effective = now
	}
	if !p.Expires.IsZero() && !p.Expires.After(effective) {
		return federation.Agreement{}, admin.Errorf(admin.CodeBadInput, "proposal %s has expired before it was approved, on %s: reject it, and propose it again with another --expires", p.ID, p.Expires.Format(time.RFC3339))
	}
	return federation.Agreement{Version: p.Last + 1, Effective: effective, Expires: p.Expires, Cedar: string(p.Cedar), Proposer: p.By, Note: p.Note}, nil
}

func versionText(v uint64) string {
	if v == 0 {
		return "no agreement"
	}
	return fmt.Sprintf("version %d", v)
}

func (n *Node) noteAgreement(ctx context.Context, who *admin.Asker, outcome policy.Outcome, detail string) error {
	return n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Agreement, Trust: n.Trust(), Node: n.ID(), User: who.GetUser(), Role: who.GetRole(),
		Outcome: outcome.String(), Detail: clipText(detail, audit.MaxDetail),
	})
}

// agreementsNow is agreementsOf this trust as the region has it now; where it cannot be asked in time, as this node has it.
func (n *Node) agreementsNow(ctx context.Context) ([]index.Agreement, error) {
	asking, cancel := context.WithTimeout(ctx, sayTimeout/2)
	defer cancel()
	var out []index.Agreement
	err := n.replica.View(asking, consensus.Linearizable(), func(r consensus.Reader) (err error) {
		out, err = index.Agreements(r, n.Trust(), agreementsMax)
		return err
	})
	if err != nil && ctx.Err() == nil {
		return n.agreementsOf(ctx, n.Trust())
	}
	return out, err
}

// agreementsOf returns the versions of a trust's agreement that this node's copy has, the last first.
func (n *Node) agreementsOf(ctx context.Context, t federation.TrustID) (out []index.Agreement, err error) {
	err = n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		out, err = index.Agreements(r, t, agreementsMax)
		return err
	})
	return out, err
}
