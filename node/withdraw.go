package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// Withdraw takes one of this trust's documents out of the region.
func (n *Node) Withdraw(ctx context.Context, q *admin.WithdrawRequest) (*admin.WithdrawReply, error) {
	id, err := n.ownDocument(q.GetDocument(), "withdraw")
	if err != nil {
		return nil, err
	}
	reply, err := n.withdraw(ctx, id, q)
	if q.GetUndo() {
		return reply, undone(err, "%s was not shared again", id)
	}
	return reply, undone(err, "%s was not withdrawn", id)
}

func (n *Node) withdraw(ctx context.Context, id federation.DocumentID, q *admin.WithdrawRequest) (*admin.WithdrawReply, error) {
	if err := n.governs(ctx, q.GetBy(), "withdraws documents", inquirerRoles); err != nil {
		return nil, err
	}
	if !q.GetUndo() && strings.EqualFold(strings.Trim(q.GetReason(), " ."), wrongPlace) {
		return nil, admin.Errorf(admin.CodeBadInput, "that is what is said of a document that was moved to another patient: to give it to the right one, move it in the portal (Our documents); to withdraw it only, give another reason")
	}
	kind, detail, change := audit.Withdrawal, q.GetReason(), func() error { return n.records.Withdraw(ctx, id, q.GetReason()) }
	if q.GetUndo() {
		kind, detail, change = audit.Admin, "to be shared again after it had been withdrawn: "+q.GetReason(), func() error { return n.readmit(ctx, id) }
	}
	if q.GetUndo() {
		if err := n.mayBeShared(ctx, id); err != nil {
			return nil, err
		}
	}
	var whose federation.Subject // nobody, where that cannot be read: the document is withdrawn all the same
	if held, err := n.records.Document(ctx, id); err == nil {
		whose = held.Subject
	}
	if err := n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: kind, Trust: n.Trust(), Node: n.ID(), User: q.GetBy().GetUser(), Role: q.GetBy().GetRole(), Subject: whose, Document: id,
		Detail: clipText(detail, audit.MaxDetail),
	}); err != nil {
		return nil, err
	}
	if err := change(); err != nil {
		if isGone(err) {
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

// wasMoved says whether a document is withdrawn because it belongs to another patient.
func wasMoved(d *record.Document) bool {
	return d.State.Phase == record.Withdrawn && d.State.Reason == wrongPlace
}

// mayBeShared refuses to share a withdrawn document again that was moved to another patient, or whose content the patient has refused
// under another id.
func (n *Node) mayBeShared(ctx context.Context, id federation.DocumentID) error {
	doc, err := n.records.Document(ctx, id)
	if isGone(err) || err == nil && doc.State.Phase != record.Withdrawn {
		return nil // nothing comes of it, which is said then
	} else if err != nil {
		return n.storeProblem(err)
	}
	if wasMoved(&doc) {
		return admin.Errorf(admin.CodeBadInput, "the document was moved to another patient, and both would have it: if that was wrong, move it back from there")
	}
	number, err := n.records.NHSNumber(doc.Subject)
	if err != nil {
		return n.storeProblem(err)
	}
	_, err = n.covered(ctx, record.Item{Patient: number, Document: doc}, true)
	return err
}

// readmit shares a withdrawn document again, unless its patient has refused that.
func (n *Node) readmit(ctx context.Context, id federation.DocumentID) error {
	n.wishing.RLock()
	defer n.wishing.RUnlock()
	if err := n.mayBeShared(ctx, id); err != nil {
		return err
	}
	return n.records.Readmit(ctx, id)
}

// ownDocument reads the id of a document that only this trust may change.
func (n *Node) ownDocument(text, what string) (federation.DocumentID, error) {
	id, err := federation.ParseDocumentID(text)
	if err != nil {
		return "", admin.Errorf(admin.CodeBadInput, "%v: 'ridgeway locate' lists the ids", err)
	}
	if id.Custodian() != n.Trust() {
		return "", admin.Errorf(admin.CodeBadInput, "%s is held by %s, and only they can %s it", id, id.Custodian(), what)
	}
	return id, nil
}

// Erase destroys the description and the content of a document that has been withdrawn, and of whose withdrawal the region
// knows. That it was there, who saw it and who erased it stays in the audit log, where it is written first.
func (n *Node) Erase(ctx context.Context, q *admin.EraseRequest) (*admin.EraseReply, error) {
	id, err := n.ownDocument(q.GetDocument(), "erase")
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(q.GetReason()) == "" {
		return nil, admin.Errorf(admin.CodeBadInput, "why is %s to be erased? Give --reason: it stays in the audit log when the document is gone", id)
	}
	if err := n.governs(ctx, q.GetBy(), "erases documents", approverRoles); err != nil {
		return nil, err
	}
	doc, err := n.records.Document(ctx, id)
	switch {
	case errors.Is(err, record.ErrErased):
		return nil, admin.Errorf(admin.CodeNotFound, "%s has been erased already", id)
	case isAbsent(err):
		return nil, admin.Errorf(admin.CodeNotFound, "this trust holds no document %s", id)
	case err != nil:
		return nil, n.storeProblem(err)
	case doc.State.Phase != record.Withdrawn:
		return nil, admin.Errorf(admin.CodeBadInput, "%s is shared with the region: withdraw it first with 'ridgeway withdraw %s'. Nothing was changed", id, id)
	case doc.State.Pending():
		return nil, admin.Errorf(admin.CodeNoQuorum, "%s is withdrawn here, and the region has not been told yet: erase it once 'ridgeway status' says that nothing waits. Nothing was changed", id)
	}
	if err := n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Withdrawal, Trust: n.Trust(), Node: n.ID(), User: q.GetBy().GetUser(), Role: q.GetBy().GetRole(), Subject: doc.Subject, Document: id,
		Detail: clipText("erased: "+q.GetReason(), audit.MaxDetail),
	}); err != nil {
		return nil, undone(err, "%s was not erased", id)
	}
	if err := n.records.Erase(ctx, id); err != nil {
		return nil, undone(n.storeProblem(err), "%s was not erased", id)
	}
	n.custodian.Load().DocumentChanged(id)
	return &admin.EraseReply{}, nil
}

// withdrawnNote tells whoever takes in a document that is held already when it has been withdrawn: it stays so.
func withdrawnNote(added record.Added) string {
	if added.Held && added.State.Phase == record.Erased {
		return fmt.Sprintf("it was erased on %s, and is not taken in again", added.State.At.Format("2 January 2006"))
	}
	if !added.Held || added.State.Phase != record.Withdrawn {
		return ""
	}
	why := ""
	if added.State.Reason != "" {
		why = fmt.Sprintf(", for the reason %q", added.State.Reason)
	}
	return fmt.Sprintf("it was withdrawn on %s%s, and stays so: nobody finds it. 'ridgeway withdraw --undo %s' shares it again", added.State.At.Format("2 January 2006"), why, added.ID)
}
