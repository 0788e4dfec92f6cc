package node

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// receiptPatience is how long a node is waited for that is asked whether it has applied a directive.
const receiptPatience = 2 * time.Second

// Applied tells whether this node has applied a directive. Every member has all directives, so it gives nothing away.
func (s regionServer) Applied(ctx context.Context, q *wire.AppliedRequest) (*wire.AppliedReply, error) {
	if len(q.GetSubject()) != len(federation.Subject{}) || len(q.GetDirective()) != len(federation.DirectiveID{}) {
		return nil, status.Error(codes.InvalidArgument, "a subject and a directive have 16 bytes each")
	}
	reply, err := s.n.appliedHere(ctx, federation.Subject(q.GetSubject()), federation.DirectiveID(q.GetDirective()))
	if err != nil {
		return nil, status.Error(codes.Unavailable, "the agreed state cannot be read")
	}
	return reply, nil
}

// appliedHere looks a directive up in this node's own copy of the agreed state.
func (n *Node) appliedHere(ctx context.Context, subject federation.Subject, id federation.DirectiveID) (*wire.AppliedReply, error) {
	var all []index.Directive
	err := n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) (err error) {
		all, err = index.DirectiveHistory(r, subject)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read what the patient has said: %w", err)
	}
	i := slices.IndexFunc(all, func(d index.Directive) bool { return d.ID == id })
	if i < 0 {
		return &wire.AppliedReply{}, nil
	}
	reply := &wire.AppliedReply{Applied: true, Index: all[i].Index}
	if at, known := n.applications.of(id); known {
		reply.At = at.UnixMicro()
	}
	return reply, nil
}

// Receipt says how far a directive has come: recorded, agreed on, and applied at each trust of the region. Every trust is
// asked and named, whether it holds documents of the patient or not: who does is told to governance roles only, because a
// clinic's name can say what a patient was treated for.
func (n *Node) Receipt(ctx context.Context, q *admin.ReceiptRequest) (*admin.ReceiptReply, error) {
	file, err := n.openFile(ctx, q, detailReceipt)
	if err != nil {
		return nil, err
	}
	return n.receiptFrom(ctx, q, file)
}

// receiptFrom does it for somebody who may.
func (n *Node) receiptFrom(ctx context.Context, q *admin.ReceiptRequest, file patientFile) (*admin.ReceiptReply, error) {
	i := slices.IndexFunc(file.all, func(s said) bool { return s.ID == file.id })
	if i < 0 {
		return nil, admin.Errorf(admin.CodeNotFound, "the patient has said nothing with the number %x: 'ridgeway consent list' lists what there is", file.id)
	}
	s := file.all[i]
	reply := &admin.ReceiptReply{
		Directive: q.GetDirective(), Text: policy.ReadBack(s.Directive.Directive, n.called), Recorded: s.At.UnixMicro(), Agreed: s.Index > 0, Index: s.Index,
	}
	if at, known := n.applications.of(file.id); known && reply.GetAgreed() {
		reply.Committed = at.UnixMicro()
	}
	holders, err := n.holders(ctx, file.who, file.subject)
	if err != nil {
		return nil, err
	}
	reply.Sites = n.askApplied(ctx, s, holders)
	reply.Complete = reply.GetAgreed() && !slices.ContainsFunc(reply.GetSites(), func(s *admin.ReceiptSite) bool { return !s.GetApplied() })
	return reply, nil
}

// askApplied asks every trust at the same time. A trust has applied a directive when all of its active nodes have.
func (n *Node) askApplied(ctx context.Context, s said, holders map[federation.TrustID]bool) []*admin.ReceiptSite {
	var sites []*admin.ReceiptSite
	var wg sync.WaitGroup
	for _, t := range n.ledger.Roster().Trusts() {
		if t.Standing != federation.Active {
			continue // nothing is released to it or by it
		}
		site := &admin.ReceiptSite{Trust: string(t.ID), Holds: holders[t.ID]}
		sites = append(sites, site)
		wg.Go(func() { n.askTrust(ctx, t, s, site) })
	}
	wg.Wait()
	return sites
}

func (n *Node) askTrust(ctx context.Context, t federation.Trust, s said, site *admin.ReceiptSite) {
	asked := 0
	for _, node := range t.Nodes {
		if node.Standing != federation.Active {
			continue
		}
		asked++
		reply, err := n.askNode(ctx, node.ID, s)
		switch {
		case err != nil:
			site.Applied, site.At, site.Problem = false, 0, "did not answer: it cannot be said whether it has applied this"
			return
		case !reply.GetApplied():
			site.Applied, site.At = false, 0
			return
		}
		site.Applied, site.At = true, max(site.At, reply.GetAt())
	}
	if asked == 0 {
		site.Problem = "has no active node: nothing is released by it"
	}
}

func (n *Node) askNode(ctx context.Context, id federation.NodeID, s said) (*wire.AppliedReply, error) {
	if id == n.ID() {
		if s.here && s.Index == 0 {
			return &wire.AppliedReply{Applied: true, At: s.At.UnixMicro()}, nil
		}
		return n.appliedHere(ctx, s.Subject, s.ID)
	}
	ctx, cancel := context.WithTimeout(ctx, receiptPatience)
	defer cancel()
	conn, err := dialRegion(n.door, id)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return wire.NewRegionClient(conn).Applied(ctx, &wire.AppliedRequest{Subject: s.Subject[:], Directive: s.ID[:]})
}

// holders returns the trusts that hold documents of a patient, for those whose office it is to know, and none for others.
func (n *Node) holders(ctx context.Context, who *admin.Asker, subject federation.Subject) (map[federation.TrustID]bool, error) {
	out := make(map[federation.TrustID]bool)
	if who.GetRole() != "governance-lead" && who.GetRole() != "privacy-officer" {
		return out, nil
	}
	err := n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		for cursor := index.Cursor(""); ; {
			page, err := index.Locate(r, index.Query{Subject: subject, Cursor: cursor, Limit: index.MaxPage})
			if err != nil {
				return err
			}
			for _, p := range page.Pointers {
				out[p.Custodian()] = true
			}
			if cursor = page.Next; cursor == "" {
				return ctx.Err()
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read who holds documents of the patient: %w", err)
	}
	return out, nil
}
