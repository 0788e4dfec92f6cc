package node

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// Invite makes an invitation for a trust. It is good once, until it expires.
func (n *Node) Invite(ctx context.Context, q *admin.InviteRequest) (*admin.InviteReply, error) {
	trust, err := federation.ParseTrustID(q.GetTrust())
	if err != nil {
		return nil, admin.Errorf(admin.CodeBadInput, "--trust %v", err)
	}
	name := strings.TrimSpace(q.GetName())
	if name == "" || len(name) > 128 {
		return nil, admin.Errorf(admin.CodeBadInput, "--name: give the name of %s, at most 128 bytes", trust)
	}
	roster := n.ledger.Roster()
	if roster.RegionID.IsZero() {
		return nil, admin.Errorf(admin.CodeNoQuorum, "the region is not founded yet: wait until 'ridgeway status' shows a leader")
	}
	// A trust that is suspended may come back with other keys, such as after it lost them.
	if t, ok := roster.Trust(trust); ok && t.Standing != federation.Suspended {
		return nil, admin.Errorf(admin.CodeBadInput, "%s (%s) is in the region already (%s)", trust, t.Name, t.Standing)
	}
	// From here on there can be others: a founder that lost its copy of the state must know that there is a region.
	if err := n.remember(ctx, &knownRegion{}); err != nil {
		return nil, n.storeProblem(err)
	}
	const year = 365 * 24 * time.Hour
	life := invitationLife
	if s := q.GetValidSeconds(); s < 0 || s > int64(year/time.Second) {
		return nil, admin.Errorf(admin.CodeBadInput, "--valid of %d seconds is not between one second and one year", s)
	} else if s > 0 {
		life = time.Duration(s) * time.Second
	}
	now := time.Now().UTC()
	inv := invitation{Trust: trust, Sponsor: n.ID(), Address: n.address(), Region: roster.Region, Name: name, Expires: now.Add(life).Truncate(time.Microsecond)}
	if err := inv.draw(); err != nil {
		return nil, err
	}
	if err := n.note(ctx, audit.Entry{Time: now, Kind: audit.Admin, Trust: n.Trust(), Node: n.ID(), Detail: "invited " + string(trust)}); err != nil {
		return nil, err
	}
	if err := n.records.AddInvitation(ctx, record.Invitation{Token: inv.token(), Trust: trust, Name: name, Created: now, Expires: inv.Expires}); err != nil {
		return nil, n.storeProblem(err)
	}
	return &admin.InviteReply{Invitation: inv.String(), CheckWords: inv.checkWords(), Expires: inv.Expires.UnixMicro()}, nil
}

// RevokeInvitation revokes all open invitations of a trust.
func (n *Node) RevokeInvitation(ctx context.Context, q *admin.RevokeInvitationRequest) (*admin.RevokeInvitationReply, error) {
	trust, err := federation.ParseTrustID(q.GetTrust())
	if err != nil {
		return nil, admin.Errorf(admin.CodeBadInput, "--trust %v", err)
	}
	all, err := n.records.Invitations(ctx)
	if err != nil {
		return nil, n.storeProblem(err)
	}
	reply := &admin.RevokeInvitationReply{}
	for _, inv := range all {
		if inv.Trust != trust || !inv.UsedBy.IsZero() {
			continue
		}
		if err := n.records.DeleteInvitation(ctx, inv.Token); err != nil {
			return nil, n.storeProblem(err)
		}
		reply.Revoked++
	}
	return reply, nil
}

// Suspend proposes to suspend a trust, or to lift that.
func (n *Node) Suspend(ctx context.Context, q *admin.SuspendRequest) (*admin.ProposalReply, error) {
	if err := n.mayDecide(ctx, q.GetBy()); err != nil {
		return nil, err
	}
	trust, err := federation.ParseTrustID(q.GetTrust())
	if err != nil {
		return nil, admin.Errorf(admin.CodeBadInput, "%v", err)
	}
	if _, ok := n.ledger.Roster().Trust(trust); !ok {
		return nil, admin.Errorf(admin.CodeBadInput, "%s is not in the region: 'ridgeway status' lists who is", trust)
	}
	reason := strings.TrimSpace(q.GetReason())
	if err := n.suspendable(ctx, trust, reason, q); err != nil {
		return nil, err
	}
	body := federation.Suspend{Trust: trust, Lift: q.GetLift(), Reason: reason}
	what := map[bool]string{false: "suspend ", true: "lift the suspension of "}[q.GetLift()] + string(trust)
	if reply, err := n.joinProposal(ctx, q.GetBy(), body, what); reply != nil || err != nil {
		return reply, err
	}
	back, err := n.takeBack(ctx, q.GetBy(), body, what)
	if err != nil || back {
		return &admin.ProposalReply{TakenBack: back}, err
	}
	waits, err := n.speaker.waits(ctx, func(k federation.Kind, b []byte) bool {
		s, ok := n.suspends(k, b, trust)
		return ok && s.Lift == body.Lift
	})
	switch {
	case err != nil:
		return nil, err
	case waits:
		err = admin.Errorf(admin.CodeNoQuorum, "")
	default:
		var reply *admin.ProposalReply
		if reply, err = n.govern(ctx, q.GetBy(), body, what); err == nil {
			return reply, nil
		}
	}
	if admin.CodeOf(err) == admin.CodeNoQuorum {
		return nil, n.suspendsLater(ctx, body, what)
	}
	return nil, err
}

// suspendable says why the standing of a trust cannot be changed so, or not without a word more; nil where it can.
func (n *Node) suspendable(ctx context.Context, trust federation.TrustID, reason string, q *admin.SuspendRequest) error {
	old, err := n.suspension(ctx, trust)
	recent := n.replica.Status().Leader != "" && n.recent() // an old copy of the roster is no reason to refuse
	switch {
	case err != nil:
		return err
	case recent && old != nil && !q.GetLift():
		return admin.Errorf(admin.CodeBadInput, "%s already: there is nothing to do", suspensionText(old))
	case recent && old == nil && q.GetLift():
		return admin.Errorf(admin.CodeBadInput, "%s is not suspended: there is nothing to lift. 'ridgeway status' shows how every trust stands", trust)
	case reason == "" && !q.GetLift():
		return admin.Errorf(admin.CodeBadInput, "say with --reason why %s is suspended: every trust can read it, and %s is told", trust, trust)
	case trust == n.Trust() && !q.GetLift() && !q.GetYes():
		return admin.Errorf(admin.CodeBadInput, "%s is this trust itself: it would be cut off at once, and only another trust can lift that. If that is meant, add --yes", trust)
	default:
		return nil
	}
}

// joinProposal approves what another trust has proposed already; a second proposal of the same would only split the approvals.
func (n *Node) joinProposal(ctx context.Context, by *admin.Asker, body federation.Suspend, what string) (*admin.ProposalReply, error) {
	var same *index.Proposal
	err := n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		open, err := index.Proposals(r)
		for _, p := range open {
			if s, ok := p.Body.(federation.Suspend); ok && s.Trust == body.Trust && s.Lift == body.Lift && s.Node.IsZero() && same == nil {
				same = &p
			}
		}
		return err
	})
	switch {
	case err != nil || same == nil:
		return nil, err
	case slices.Contains(same.Approvals, n.Trust()):
		return &admin.ProposalReply{Proposal: same.Digest.String(), Approvals: uint32(same.Counted), Needed: uint32(same.Needed)}, nil
	}
	return n.govern(ctx, by, federation.Approve{Proposal: same.Digest}, what+": approve "+same.Digest.String())
}

// proposal finds an open proposal by its id, or by as much of it as tells it from the others.
func (n *Node) proposal(ctx context.Context, id string) (*index.Proposal, error) {
	var found []index.Proposal
	err := n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		open, err := index.Proposals(r)
		for _, p := range open {
			if id != "" && strings.HasPrefix(p.Digest.String(), strings.ToLower(id)) {
				found = append(found, p)
			}
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, admin.Errorf(admin.CodeNotFound, "no open proposal has the id %q: it may be in force already. 'ridgeway status' lists those that wait", id)
	case len(found) > 1:
		return nil, admin.Errorf(admin.CodeBadInput, "%d proposals begin with %q: give more of the id that 'ridgeway status' shows", len(found), id)
	}
	return &found[0], nil
}

// Approve approves a proposal.
func (n *Node) Approve(ctx context.Context, q *admin.ApproveRequest) (*admin.ProposalReply, error) {
	if err := n.mayDecide(ctx, q.GetBy()); err != nil {
		return nil, err
	}
	p, err := n.proposal(ctx, q.GetProposal())
	switch {
	case err != nil:
		return nil, err
	case slices.Contains(p.Approvals, n.Trust()) && p.Counted < p.Needed:
		return nil, admin.Errorf(admin.CodeBadInput, "%s has approved it already, and %d of %d trusts have: the others run 'ridgeway approve --data FOLDER %s'", n.Trust(), p.Counted, p.Needed, p.Digest)
	}
	reply, err := n.govern(ctx, q.GetBy(), federation.Approve{Proposal: p.Digest}, "approve "+p.Digest.String())
	if err == nil && reply.GetInForce() {
		reply.Proposal, reply.Approvals, reply.Needed = p.Digest.String(), uint32(p.Needed), uint32(p.Needed)
	}
	return reply, err
}

// mayDecide refuses a person whose office it is not to decide about the region's trusts, and anybody while this trust is
// suspended. An operator of the machine is not named.
func (n *Node) mayDecide(ctx context.Context, by *admin.Asker) error {
	if by != nil {
		if err := n.governs(ctx, by, "suspends trusts", decisionRoles); err != nil {
			return err
		}
	}
	return n.maySpeak(ctx)
}

// govern says a body and tells what became of the proposal.
func (n *Node) govern(ctx context.Context, by *admin.Asker, body federation.Body, what string) (*admin.ProposalReply, error) {
	if err := n.note(ctx, audit.Entry{Time: time.Now().UTC(), Kind: audit.Admin, Trust: n.Trust(), Node: n.ID(), User: by.GetUser(), Role: by.GetRole(), Detail: what}); err != nil {
		return nil, err
	}
	if err := n.speaker.say(ctx, body); err != nil {
		return nil, err
	}
	reply := &admin.ProposalReply{InForce: true}
	err := n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		open, err := index.Proposals(r)
		if err != nil {
			return err
		}
		for _, p := range open {
			approve, isApproval := body.(federation.Approve)
			if isApproval && p.Digest == approve.Proposal || !isApproval && p.By == n.Trust() && bytes.Equal(federation.EncodeBody(p.Body), federation.EncodeBody(body)) {
				reply.InForce, reply.Proposal, reply.Approvals, reply.Needed = false, p.Digest.String(), uint32(p.Counted), uint32(p.Needed)
			}
		}
		return nil
	})
	return reply, err
}
