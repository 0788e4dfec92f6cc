package node

import (
	"context"
	"log/slog"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// copyReason is why a copy is withdrawn, as every trust reads it: it says nothing of what the patient wants.
const copyReason = "a copy of another document"

// crossed withdraws those of the documents that are told to the region for the first time and are copies of what their patient has
// refused by name, in a wish that the region agreed on before the place in its log. Taking in looks at the wishes that are here
// (covered), and one that was recorded at another trust, or waited for the region, was not: the two have crossed. Whoever named the
// one document could not see the other. It is asked before a statement is signed, when this node has all that was agreed on until
// then, and when it has been agreed on, which is before its outcome is noted: a crash has it asked again.
func (n *Node) crossed(ctx context.Context, told []federation.Pointer, before uint64) (found bool, err error) {
	named := make(map[federation.Subject][]federation.DocumentID)
	for _, p := range told {
		refused, known := named[p.Subject]
		if !known {
			all, err := n.wishesOf(ctx, p.Subject)
			if err != nil {
				return found, err
			}
			agreed := all[:0]
			for _, d := range all {
				if d.Version > 0 && d.Version < before {
					agreed = append(agreed, d)
				}
			}
			refused = n.refusedHere(agreed)
			named[p.Subject] = refused
		}
		for _, id := range refused {
			is, err := n.withdrawCopy(ctx, p.Document, id)
			if err != nil {
				return found, err
			}
			found = found || is
		}
	}
	return found, nil
}

// withdrawCopy withdraws a document that the region has not known so far if it is a copy of another one.
func (n *Node) withdrawCopy(ctx context.Context, id, of federation.DocumentID) (bool, error) {
	doc, err := n.records.Document(ctx, id)
	if isGone(err) || err == nil && doc.State.Phase != record.Queued {
		return false, nil
	} else if err != nil {
		return false, n.storeProblem(err)
	}
	if copied, err := n.copies(ctx, id, doc.Parts, of); err != nil || !copied {
		return false, err
	}
	err = n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Withdrawal, Trust: n.Trust(), Node: n.ID(), Subject: doc.Subject, Document: id,
		Detail: "withdrawn by this node: the patient had refused to share " + string(of) + ", which has the same content, before the region knew of this one",
	})
	if err != nil {
		return false, err
	}
	if err := n.records.Withdraw(ctx, id, copyReason); err != nil {
		return false, n.storeProblem(err)
	}
	n.custodian.Load().DocumentChanged(id)
	n.logger.Warn("a copy of what its patient had refused meanwhile was withdrawn", slog.String("document", string(id)), slog.String("of", string(of)))
	return true, nil
}
