package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// Withdraw takes one of this trust's documents out of the region.
func (n *Node) Withdraw(ctx context.Context, q *admin.WithdrawRequest) (*admin.WithdrawReply, error) {
	id, err := federation.ParseDocumentID(q.GetDocument())
	if err != nil {
		return nil, admin.Errorf(admin.CodeBadInput, "%v: 'ridgeway locate' lists the ids", err)
	}
	if id.Custodian() != n.Trust() {
		return nil, admin.Errorf(admin.CodeBadInput, "%s is held by %s, and only they can withdraw it", id, id.Custodian())
	}
	if err := n.governs(ctx, q.GetBy(), "withdraws documents", inquirerRoles); err != nil {
		return nil, err
	}
	kind, detail, change := audit.Withdrawal, q.GetReason(), func() error { return n.records.Withdraw(ctx, id, q.GetReason()) }
	if q.GetUndo() {
		kind, detail, change = audit.Admin, "shared again after it had been withdrawn: "+q.GetReason(), func() error { return n.records.Readmit(ctx, id) }
	}
	if err := n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: kind, Trust: n.Trust(), Node: n.ID(), User: q.GetBy().GetUser(), Role: q.GetBy().GetRole(), Document: id,
		Detail: clipText(detail, audit.MaxDetail),
	}); err != nil {
		return nil, err
	}
	if err := change(); err != nil {
		if isAbsent(err) || errors.Is(err, record.ErrErased) {
			return nil, admin.Errorf(admin.CodeNotFound, "this trust holds no document %s", id)
		}
		return nil, n.storeProblem(err)
	}
	n.custodian.Load().DocumentChanged(id)
	doc, err := n.records.Document(ctx, id)
	if err != nil {
		return nil, n.storeProblem(err)
	}
	reply := &admin.WithdrawReply{Committed: true}
	if doc.State.Pending() {
		err := n.speaker.told(ctx, func() (_ bool, err error) {
			doc, err = n.records.Document(ctx, id)
			return err == nil && !doc.State.Pending(), err
		})
		reply.Committed = err == nil
		if err != nil && admin.CodeOf(err) != admin.CodeNoQuorum {
			return nil, err
		}
	}
	if q.GetUndo() && doc.State.Phase == record.Refused {
		return nil, admin.Errorf(admin.CodeBadInput, "the region refused to list %s again: %s. See 'ridgeway rejected list'", id, doc.State.Reason)
	}
	return reply, nil
}

// withdrawnNote tells whoever takes in a document that is held already when it has been withdrawn: it stays so.
func withdrawnNote(added record.Added) string {
	if !added.Held || added.State.Phase != record.Withdrawn {
		return ""
	}
	why := ""
	if added.State.Reason != "" {
		why = fmt.Sprintf(", for the reason %q", added.State.Reason)
	}
	return fmt.Sprintf("it was withdrawn on %s%s, and stays so: nobody finds it. 'ridgeway withdraw --undo %s' shares it again", added.State.At.Format("2 January 2006"), why, added.ID)
}
