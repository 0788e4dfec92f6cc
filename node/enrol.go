package node

import (
	"bytes"
	"context"
	"crypto/hmac"
	"errors"
	"log/slog"
	"net"
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

// joinServer enrols those who hold an invitation. Anybody can reach it: a refusal says no more than it must.
type joinServer struct {
	wire.UnimplementedJoinServer
	n *Node
}

// Enrol redeems an invitation. What the region keeps from strangers, the key of its pseudonyms and who is in it where, is
// handed out once the enrolment is in force and not before: one trust alone must not be able to give it away when the
// charter asks for several. Until then the caller is told how far the approval has come, and asks again.
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
	reply, err := n.redeemed(ctx, q, id, binding)
	if err != nil && status.Code(err) != codes.Unavailable && n.badJoins.first(time.Now()) {
		n.logger.Warn("an invitation was refused", slog.String("node", id.Short()), slog.Any("error", err))
	}
	return reply, err
}

func (n *Node) redeemed(ctx context.Context, q *wire.EnrolRequest, id federation.NodeID, binding []byte) (*wire.EnrolReply, error) {
	inv, err := n.invited(ctx, q, binding)
	if err != nil {
		return nil, err
	}
	member, err := checkMember(q.GetMember(), inv, id)
	if err != nil {
		return nil, err
	}
	if holder := n.addressOf(member); holder != "" {
		return nil, status.Errorf(codes.InvalidArgument, "%s is reached at %s already, and two nodes cannot share an address: give another with --listen, or with --advertise", holder, member.Address)
	}
	again := inv.UsedBy == id
	if !again {
		if _, err := n.records.UseInvitation(ctx, inv.Token, id); err != nil {
			if errors.Is(err, record.ErrInvitation) || isAbsent(err) {
				return nil, status.Errorf(codes.PermissionDenied, "%s: ask for another invitation", strings.TrimSuffix(err.Error(), ": "+record.ErrInvitation.Error()))
			}
			return nil, status.Error(codes.Internal, "the sponsor cannot note that the invitation was used")
		}
	}
	pending, err := n.enrol(ctx, member, inv, again)
	if err != nil {
		return nil, err
	}
	roster := n.ledger.Roster()
	reply := &wire.EnrolReply{Region: roster.RegionID[:], Name: roster.Region}
	if pending != nil {
		reply.Pending, reply.Approvals, reply.Needed = true, uint32(pending.Counted), uint32(pending.Needed)
		return reply, nil
	}
	reply.SubjectKey, reply.Peers = n.membership.SubjectKey, n.peers(roster)
	return reply, nil
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

// addressOf returns the trust, other than the member's, whose node the region reaches at the member's address; empty for none.
// Port 0 stands for one that the system is yet to choose.
func (n *Node) addressOf(m federation.Member) federation.TrustID {
	if _, port, err := net.SplitHostPort(m.Address); err != nil || port == "0" {
		return ""
	}
	roster := n.ledger.Roster()
	for _, other := range roster.ActiveNodes() {
		if _, t, ok := roster.Node(other.ID); ok && t.ID != m.Trust && other.Address == m.Address {
			return t.ID
		}
	}
	return ""
}

// enrol proposes the member, unless it is in the roster already because an earlier answer got lost. It returns the proposal
// while that waits for approvals, and nil once the member is in force. again says that the invitation was redeemed before by
// this very node: then it may have expired meanwhile, and it must not bring back a trust that has been suspended since.
func (n *Node) enrol(ctx context.Context, m federation.Member, inv record.Invitation, again bool) (*index.Proposal, error) {
	if n.ledger.Roster().Active(m.Node()) {
		return nil, nil
	}
	if open, err := n.proposed(ctx, m); err != nil || open != nil {
		return open, err
	}
	if again {
		if _, _, known := n.ledger.Roster().Node(m.Node()); known {
			return nil, status.Errorf(codes.PermissionDenied, "%s has been suspended since it used this invitation: ask for another", m.Trust)
		}
		if !time.Now().Before(inv.Expires) {
			return nil, status.Errorf(codes.PermissionDenied, "it expired at %s: ask for another invitation", inv.Expires.Format(time.RFC3339))
		}
	}
	if err := n.note(ctx, audit.Entry{Time: time.Now().UTC(), Kind: audit.Admin, Trust: n.Trust(), Node: n.ID(), Detail: "proposed to enrol " + string(m.Trust) + " with node " + m.Node().String()}); err != nil {
		return nil, status.Error(codes.Unavailable, "the sponsor's audit log cannot be written")
	}
	if err := n.speaker.say(ctx, federation.Enrol{Member: m}); err != nil {
		if admin.CodeOf(err) == admin.CodeNoQuorum {
			return nil, status.Error(codes.Unavailable, "the region cannot agree now: try again when its voters can be reached")
		}
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	if n.ledger.Roster().Active(m.Node()) {
		return nil, nil
	}
	open, err := n.proposed(ctx, m)
	if err == nil && open == nil && !n.ledger.Roster().Active(m.Node()) {
		err = status.Error(codes.Unavailable, "the proposal is not open any more: try again")
	}
	return open, err
}

// proposed returns the proposal of a member that waits for approvals already, because the member asks again; nil when there
// is none. While a proposal is on its way to the region the member has to ask again later: each repetition would be another
// statement.
func (n *Node) proposed(ctx context.Context, m federation.Member) (*index.Proposal, error) {
	said := federation.EncodeBody(federation.Enrol{Member: m})
	queued, err := n.speaker.waits(ctx, func(k federation.Kind, body []byte) bool { return k == federation.KindEnrol && bytes.Equal(body, said) })
	if err != nil || queued {
		return nil, status.Error(codes.Unavailable, "the region cannot agree now: what was asked before is still on its way to it; try again when its voters can be reached")
	}
	var found *index.Proposal
	err = n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		open, err := index.Proposals(r)
		for _, p := range open {
			if enrol, ok := p.Body.(federation.Enrol); ok && enrol.Member == m {
				found = &p
			}
		}
		return err
	})
	if err != nil {
		return nil, status.Error(codes.Internal, "the region's proposals cannot be read")
	}
	return found, nil
}
