package node

import (
	"context"
	"log/slog"
	"math"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// Why a document is withdrawn by its node, as every trust reads it: it says nothing of what the patient wants.
const (
	copyReason = "a copy of another document"
	heldReason = "cannot be checked at present"
)

// crossing is what a look at documents has found that are told to the region for the first time.
type crossing struct {
	withdrawn bool                    // some were copies of what their patient has refused by name
	unclear   []federation.DocumentID // may be such copies: what it takes to tell is damaged
}

// crossed withdraws those of the documents that are told to the region for the first time and are copies of what their patient has
// refused by name, in a wish that the region agreed on before the place in its log. Taking in looks at the wishes that are here
// (covered), and one that was recorded at another trust, or waited for the region, was not: the two have crossed. Whoever named the
// one document could not see the other. It is asked before a statement is signed, when this node has all that was agreed on until
// then, and when it has been agreed on, which is before its outcome is noted: a crash has it asked again. What is damaged keeps
// back the documents of its patient that it may be about, and nothing else.
func (n *Node) crossed(ctx context.Context, told []federation.Pointer, before uint64) (crossing, error) {
	return n.crossedBy(ctx, told, before, n.isCopy)
}

func (n *Node) crossedBy(ctx context.Context, told []federation.Pointer, before uint64, isCopy func(_ context.Context, id, of federation.DocumentID) (bool, error)) (out crossing, err error) {
	named := make(map[federation.Subject][]federation.DocumentID)
	unread := make(map[federation.Subject]error)
	for _, p := range told {
		refused, known := named[p.Subject]
		if !known {
			refused, unread[p.Subject] = n.refusedBefore(ctx, p.Subject, before)
			named[p.Subject] = refused
		}
		fault := unread[p.Subject]
		for _, of := range refused {
			if fault != nil {
				break
			}
			var is bool
			if is, fault = isCopy(ctx, p.Document, of); is && fault == nil {
				if err := n.withdrawSelf(ctx, p.Document, "the patient had refused to share "+string(of)+", which has the same content, before the region knew of this one", copyReason); err != nil {
					return out, err
				}
				out.withdrawn = true
				break
			}
		}
		switch {
		case fault == nil:
		case ctx.Err() != nil || admin.CodeOf(fault) != admin.CodeIntegrity && admin.CodeOf(fault) != admin.CodeUnavailable:
			return out, fault
		case before == math.MaxUint64:
			out.unclear = append(out.unclear, p.Document)
		default: // the region lists it already
			err := n.withdrawSelf(ctx, p.Document, "whether it has the content of what the patient refuses to share cannot be told, because something is damaged", heldReason)
			if err != nil && admin.CodeOf(err) != admin.CodeIntegrity { // what cannot be read is not released
				return out, err
			}
			out.withdrawn = true
		}
	}
	return out, nil
}

// refusedBefore returns the documents of this trust that a patient had refused by name at a place in the region's log.
func (n *Node) refusedBefore(ctx context.Context, subject federation.Subject, before uint64) ([]federation.DocumentID, error) {
	all, err := n.wishesOf(ctx, subject)
	if err != nil {
		return nil, err
	}
	agreed := all[:0]
	for _, d := range all {
		if d.Version > 0 && d.Version < before {
			agreed = append(agreed, d)
		}
	}
	return n.refusedHere(agreed), nil
}

// isCopy reports whether a document that the region has not known so far is a copy of another one.
func (n *Node) isCopy(ctx context.Context, id, of federation.DocumentID) (bool, error) {
	doc, err := n.records.Document(ctx, id)
	if isGone(err) || err == nil && doc.State.Phase != record.Queued {
		return false, nil
	} else if err != nil {
		return false, n.storeProblem(err)
	}
	like, err := n.copies(ctx, id, doc.Parts, of)
	return like.copy, err
}

// withdrawSelf withdraws a document by this node's own doing: why is for the audit log, reason for the region.
func (n *Node) withdrawSelf(ctx context.Context, id federation.DocumentID, why, reason string) error {
	doc, err := n.records.Document(ctx, id)
	if err != nil {
		return n.storeProblem(err)
	}
	err = n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Withdrawal, Trust: n.Trust(), Node: n.ID(), Subject: doc.Subject, Document: id, Detail: "withdrawn by this node: " + why,
	})
	if err != nil {
		return err
	}
	if err := n.records.Withdraw(ctx, id, reason); err != nil {
		return n.storeProblem(err)
	}
	n.custodian.Load().DocumentChanged(id)
	n.logger.Warn("a document was withdrawn by this node", slog.String("document", string(id)), slog.String("why", why))
	return nil
}
