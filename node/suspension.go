package node

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// suspensions keeps how the trusts of a roster came to be suspended: it takes reading what the region has agreed on.
type suspensions struct {
	mu     sync.Mutex
	roster *federation.Roster
	found  map[federation.TrustID]*admin.Suspension
	told   *admin.Suspension // of this trust itself, by the word of another
}

// suspension returns how a trust came to be suspended; nil when it is not, as far as this node's copy of the state goes.
func (n *Node) suspension(ctx context.Context, t federation.TrustID) (*admin.Suspension, error) {
	roster := n.ledger.Roster()
	if known, ok := roster.Trust(t); !ok || known.Standing != federation.Suspended {
		return nil, nil
	}
	n.suspended.mu.Lock()
	defer n.suspended.mu.Unlock()
	if n.suspended.roster != roster {
		found := make(map[federation.TrustID]*admin.Suspension)
		err := n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
			return index.Statements(r, 0, func(_ uint64, signed federation.Signed) (bool, error) {
				s, err := signed.Statement()
				if err != nil || s.Kind != federation.KindSuspend {
					return ctx.Err() == nil, ctx.Err()
				}
				body, err := federation.DecodeBody(s)
				if b, ok := body.(federation.Suspend); err == nil && ok && !b.Lift && b.Node.IsZero() {
					// The last one is that in force: what had been said before it was lifted.
					found[b.Trust] = &admin.Suspension{Trust: string(b.Trust), By: string(s.Trust), Reason: strings.Clone(b.Reason), Since: s.At.UnixMicro()}
				}
				return true, nil
			})
		})
		if err != nil {
			return nil, fmt.Errorf("read who suspended %s: %w", t, err)
		}
		n.suspended.roster, n.suspended.found = roster, found
	}
	if s := n.suspended.found[t]; s != nil {
		return s, nil
	}
	return &admin.Suspension{Trust: string(t)}, nil
}

// ownSuspension returns how this trust came to be suspended, by its own copy of the state or by the word of another: a trust
// that was cut off does not get the entry that says so.
func (n *Node) ownSuspension(ctx context.Context) (*admin.Suspension, error) {
	s, err := n.suspension(ctx, n.Trust())
	if s != nil || err != nil {
		return s, err
	}
	n.suspended.mu.Lock()
	defer n.suspended.mu.Unlock()
	return n.suspended.told, nil
}

// heardSuspended notes what another has told of this trust; nil is that it takes part.
func (n *Node) heardSuspended(s *admin.Suspension) {
	n.suspended.mu.Lock()
	before := n.suspended.told
	n.suspended.told = s
	n.suspended.mu.Unlock()
	switch {
	case s != nil && before == nil:
		n.logger.Error("this trust is suspended from the region: run 'ridgeway status'", slog.String("what", suspensionText(s)))
	case s == nil && before != nil:
		n.logger.Info("this trust takes part in the region again")
	}
}

// suspensionText says who suspended a trust, when and why.
func suspensionText(s *admin.Suspension) string {
	out := s.GetTrust() + " is suspended from the region"
	if s.GetSince() != 0 {
		out += " since " + time.UnixMicro(s.GetSince()).UTC().Format("2 January 2006 15:04 MST")
	}
	if s.GetBy() != "" {
		out += ", proposed by " + s.GetBy()
	}
	if s.GetReason() != "" {
		out += fmt.Sprintf(", for the reason %q", s.GetReason())
	}
	if s.GetToldBy() != "" {
		out += " (so says " + s.GetToldBy() + ")"
	}
	return out
}

// suspendedHere is what people are told at the suspended trust itself.
func suspendedHere(s *admin.Suspension) string {
	return fmt.Sprintf("THIS TRUST IS SUSPENDED: %s. Nothing is released to it or by it, and nothing that it says is agreed on, until that is lifted. "+
		"Ask %s what has to be done; another trust lifts it with 'ridgeway suspend %s --lift'", suspensionText(s), orText(s.GetBy(), "the other trusts"), s.GetTrust())
}

// suspends reads what waits to be said, when it is that a trust is suspended or that this is lifted.
func (n *Node) suspends(k federation.Kind, body []byte, trust federation.TrustID) (federation.Suspend, bool) {
	if k != federation.KindSuspend {
		return federation.Suspend{}, false
	}
	said, err := federation.DecodeBody(federation.Statement{Trust: n.Trust(), Kind: k, Body: body})
	s, ok := said.(federation.Suspend)
	return s, err == nil && ok && s.Trust == trust && s.Node.IsZero()
}

// takeBack unsays the opposite of what is to be said of a trust, when that waits for the region and none of it has been sent:
// then nothing need be said at all.
func (n *Node) takeBack(ctx context.Context, by *admin.Asker, body federation.Suspend, what string) (bool, error) {
	pending, err := n.records.Pending(ctx, federation.MaxPointers)
	if err != nil {
		return false, n.storeProblem(err)
	}
	for _, e := range pending {
		s, ok := n.suspends(e.Kind, e.Body, body.Trust)
		if !ok || s.Lift == body.Lift {
			continue
		}
		if err := n.note(ctx, audit.Entry{Time: time.Now().UTC(), Kind: audit.Admin, Trust: n.Trust(), Node: n.ID(), User: by.GetUser(), Role: by.GetRole(), Detail: what + ": take back the opposite, which waits"}); err != nil {
			return false, err
		}
		if gone, err := n.records.Unsay(ctx, e.ID); err != nil || gone {
			return gone, err
		}
	}
	return false, nil
}

// suspendsLater is what is told of a suspension, or the lifting of one, that waits for the region.
func (n *Node) suspendsLater(ctx context.Context, body federation.Suspend, what string) error {
	opposite := fmt.Sprintf("ridgeway suspend %s --lift", body.Trust)
	if body.Lift {
		opposite = fmt.Sprintf("ridgeway suspend %s --reason TEXT", body.Trust)
	}
	after, err := n.speaker.waits(ctx, func(k federation.Kind, b []byte) bool {
		s, ok := n.suspends(k, b, body.Trust)
		return ok && s.Lift != body.Lift
	})
	if err != nil {
		return err
	}
	if after {
		return admin.Errorf(admin.CodeNoQuorum, "the region cannot agree now: too few of its voters can be reached. The opposite is on its way already and cannot be taken back; that you %s is kept behind it, and follows it at once", what)
	}
	return admin.Errorf(admin.CodeNoQuorum, "the region cannot agree now: too few of its voters can be reached ('ridgeway status' shows who is missing). "+
		"That you %s is kept here, and takes effect by itself as soon as they can: do not say it again. '%s' takes it back", what, opposite)
}

// maySpeak fails while this trust is suspended: what it says would wait in vain.
func (n *Node) maySpeak(ctx context.Context) error {
	s, err := n.ownSuspension(ctx)
	if err == nil && s != nil {
		err = admin.Errorf(admin.CodeDenied, "%s", suspendedHere(s))
	}
	return err
}

// mayFetch fails when this trust or a document's custodian is suspended, and when no evidence of it could be kept here.
func (n *Node) mayFetch(ctx context.Context, id federation.DocumentID) error {
	if err := n.maySpeak(ctx); err != nil {
		return err
	}
	if err := n.space.Allow(storage.Essential, 0); err != nil {
		return n.diskFull(err)
	}
	s, err := n.suspension(ctx, id.Custodian())
	if err == nil && s != nil {
		err = admin.Errorf(admin.CodeDenied, "%s cannot be fetched: %s. Nothing of it is released until that is lifted; ask %s for it another way", id, suspensionText(s), id.Custodian())
	}
	return err
}

// askStanding asks another node, over the lane that is open to all, whether this trust is suspended.
func (n *Node) askStanding(ctx context.Context, id federation.NodeID) (*admin.Suspension, error) {
	addr, err := n.admission.resolve(endpoint.PeerID(id))
	if err != nil {
		return nil, err
	}
	stream, err := n.door.DialJoin(ctx, addr, endpoint.PeerID(id))
	if err != nil {
		return nil, err
	}
	conn, err := dialRPC(func(context.Context) (net.Conn, error) { return stream, nil })
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	reply, err := wire.NewJoinClient(conn).Standing(ctx, &wire.StandingRequest{})
	if err != nil || !reply.GetSuspended() {
		return nil, err
	}
	by := ""
	if _, t, ok := n.ledger.Roster().Node(id); ok {
		by = string(t.ID)
	}
	return &admin.Suspension{Trust: string(n.Trust()), By: oneLine(reply.GetBy(), 16), Reason: oneLine(reply.GetReason(), 1024), Since: reply.GetSince(), ToldBy: by}, nil
}

// Standing tells a caller how its own trust stands. Of others it learns nothing.
func (s joinServer) Standing(ctx context.Context, _ *wire.StandingRequest) (*wire.StandingReply, error) {
	id, _, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	_, t, known := s.n.ledger.Roster().Node(id)
	if !known {
		return nil, status.Error(codes.PermissionDenied, "not a node of the region")
	}
	found, err := s.n.suspension(ctx, t.ID)
	if err != nil {
		return nil, status.Error(codes.Unavailable, "the agreed state cannot be read")
	}
	if found == nil {
		return &wire.StandingReply{}, nil
	}
	return &wire.StandingReply{Suspended: true, By: found.GetBy(), Reason: found.GetReason(), Since: found.GetSince()}, nil
}
