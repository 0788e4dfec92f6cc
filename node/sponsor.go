package node

import (
	"bytes"
	"context"
	"crypto/hmac"
	"errors"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
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

// joinServer enrols those who hold an invitation. Anybody can reach it: a refusal says no more than it must.
type joinServer struct {
	wire.UnimplementedJoinServer
	n *Node
}

// Enrol redeems an invitation.
func (s joinServer) Enrol(ctx context.Context, q *wire.EnrolRequest) (*wire.EnrolReply, error) {
	n := s.n
	id, stream, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	binding, err := endpoint.Binding(stream)
	if err != nil {
		return nil, status.Error(codes.Internal, "no channel binding")
	}
	inv, err := n.invited(ctx, q, binding)
	if err != nil {
		n.logger.Warn("an invitation was refused", slog.String("node", id.Short()), slog.Any("error", err))
		return nil, err
	}
	member, err := checkMember(q.GetMember(), inv, id)
	if err != nil {
		return nil, err
	}
	if _, err := n.records.UseInvitation(ctx, inv.Token, id); err != nil {
		if errors.Is(err, record.ErrInvitation) || isAbsent(err) {
			return nil, status.Errorf(codes.PermissionDenied, "%s: ask for another invitation", strings.TrimSuffix(err.Error(), ": "+record.ErrInvitation.Error()))
		}
		return nil, status.Error(codes.Internal, "the sponsor cannot note that the invitation was used")
	}
	pending, err := n.enrol(ctx, member)
	if err != nil {
		return nil, err
	}
	roster := n.ledger.Roster()
	peers := peersOf(roster)
	return &wire.EnrolReply{Region: roster.RegionID[:], Name: roster.Region, SubjectKey: n.membership.SubjectKey, Peers: peers, Pending: pending}, nil
}

// invited finds the invitation and checks that the caller knows its secret.
func (n *Node) invited(ctx context.Context, q *wire.EnrolRequest, binding []byte) (record.Invitation, error) {
	all, err := n.records.Invitations(ctx)
	if err != nil {
		return record.Invitation{}, status.Error(codes.Internal, "the sponsor's invitations cannot be read")
	}
	for _, inv := range all {
		id := invitationID(inv.Token)
		if !bytes.Equal(id[:], q.GetInvitation()) {
			continue
		}
		if !hmac.Equal(joinProof(inv.Token, binding, q.GetMember()), q.GetProof()) {
			break
		}
		return inv, nil
	}
	return record.Invitation{}, status.Error(codes.PermissionDenied, "the invitation is not known here: it was revoked, or was made by another trust: ask for another")
}

// checkMember compares what the caller proposes with what it was invited as and with who it has proven to be.
func checkMember(encoded []byte, inv record.Invitation, caller federation.NodeID) (federation.Member, error) {
	body, err := federation.DecodeBody(federation.Statement{Trust: inv.Trust, Kind: federation.KindEnrol, Body: encoded})
	enrol, ok := body.(federation.Enrol)
	if err != nil || !ok {
		return federation.Member{}, status.Error(codes.InvalidArgument, "the enrolment cannot be read: both ends may run versions that do not fit")
	}
	m := enrol.Member
	switch {
	case m.Trust != inv.Trust:
		return m, status.Errorf(codes.PermissionDenied, "the invitation is for %s, not for %s", inv.Trust, m.Trust)
	case m.Name != inv.Name:
		return m, status.Errorf(codes.PermissionDenied, "the invitation is for a trust of another name, %q", inv.Name)
	case checkAddress(m.Address) != nil:
		return m, status.Errorf(codes.InvalidArgument, "others cannot reach %q: give an address with a host and a port with --advertise", m.Address)
	case m.Node() != caller:
		return m, status.Error(codes.PermissionDenied, "the proposed node is not the one that asks")
	case m.Check() != nil:
		return m, status.Errorf(codes.PermissionDenied, "the enrolment does not hold: %v", m.Check())
	}
	return m, nil
}

// enrol proposes the member, unless it is in the roster already because an earlier answer got lost.
func (n *Node) enrol(ctx context.Context, m federation.Member) (pending bool, err error) {
	if n.ledger.Roster().Active(m.Node()) {
		return false, nil
	}
	if waits, err := n.proposed(ctx, m); err != nil || waits {
		return waits, err
	}
	if err := n.note(ctx, audit.Entry{Time: time.Now().UTC(), Kind: audit.Admin, Trust: n.Trust(), Node: n.ID(), Detail: "proposed to enrol " + string(m.Trust) + " with node " + m.Node().String()}); err != nil {
		return false, status.Error(codes.Unavailable, "the sponsor's audit log cannot be written")
	}
	if err := n.speaker.say(ctx, federation.Enrol{Member: m}); err != nil {
		if admin.CodeOf(err) == admin.CodeNoQuorum {
			return false, status.Error(codes.Unavailable, "the region cannot agree now: try again when its voters can be reached")
		}
		return false, status.Error(codes.FailedPrecondition, err.Error())
	}
	return !n.ledger.Roster().Active(m.Node()), nil
}

// proposed reports whether a member waits for approvals already, because it asks again. While its proposal is on its way to
// the region it has to ask again later: each repetition would be another statement.
func (n *Node) proposed(ctx context.Context, m federation.Member) (bool, error) {
	said := federation.EncodeBody(federation.Enrol{Member: m})
	queued, err := n.speaker.waits(ctx, func(k federation.Kind, body []byte) bool { return k == federation.KindEnrol && bytes.Equal(body, said) })
	if err != nil || queued {
		return false, status.Error(codes.Unavailable, "the region cannot agree now: what was asked before is still on its way to it; try again when its voters can be reached")
	}
	waits := false
	err = n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		open, err := index.Proposals(r)
		for _, p := range open {
			enrol, ok := p.Body.(federation.Enrol)
			waits = waits || ok && enrol.Member == m
		}
		return err
	})
	if err != nil {
		return false, status.Error(codes.Internal, "the region's proposals cannot be read")
	}
	return waits, nil
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
