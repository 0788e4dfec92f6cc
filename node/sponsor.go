package node

import (
	"bytes"
	"context"
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
		return nil, admin.Errorf(admin.CodeBadInput, "--valid of %d seconds is not within one second and one year", s)
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
	trust, err := federation.ParseTrustID(q.GetTrust())
	if err != nil {
		return nil, admin.Errorf(admin.CodeBadInput, "%v", err)
	}
	if _, ok := n.ledger.Roster().Trust(trust); !ok {
		return nil, admin.Errorf(admin.CodeBadInput, "%s is not in the region: 'ridgeway status' lists who is", trust)
	}
	return n.govern(ctx, federation.Suspend{Trust: trust, Lift: q.GetLift(), Reason: q.GetReason()}, "suspend "+string(trust))
}

// Approve approves a proposal.
func (n *Node) Approve(ctx context.Context, q *admin.ApproveRequest) (*admin.ProposalReply, error) {
	d, err := federation.ParseDigest(q.GetProposal())
	if err != nil {
		return nil, admin.Errorf(admin.CodeBadInput, "%v: 'ridgeway status' lists the proposals", err)
	}
	return n.govern(ctx, federation.Approve{Proposal: d}, "approve "+d.String())
}

// govern says a body and tells what became of the proposal.
func (n *Node) govern(ctx context.Context, body federation.Body, what string) (*admin.ProposalReply, error) {
	if err := n.note(ctx, audit.Entry{Time: time.Now().UTC(), Kind: audit.Admin, Trust: n.Trust(), Node: n.ID(), Detail: what}); err != nil {
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
