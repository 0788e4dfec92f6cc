package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// Object records that a patient objects to sharing, or withdraws that. An objection counts here once it is on this node's
// disk, and at every other custodian once the region has agreed; a withdrawal counts only then.
func (n *Node) Object(ctx context.Context, q *admin.ObjectRequest) (*admin.ObjectReply, error) {
	number, err := n.patient(q.GetPatient())
	if err != nil {
		return nil, err
	}
	if err := errors.Join(lineProblem("--by", q.GetBy(), 128), lineProblem("--evidence", q.GetEvidence(), 1024)); err != nil {
		return nil, admin.Errorf(admin.CodeBadInput, "%v", err)
	}
	subject := n.records.Subject(number)
	if q.GetBy() == "" {
		q = &admin.ObjectRequest{Patient: q.GetPatient(), Withdraw: q.GetWithdraw(), By: "operator", Evidence: q.GetEvidence()}
	}
	if q.GetWithdraw() {
		reply, err := n.withdrawObjections(ctx, subject, q)
		return reply, undone(err, "the objection was not withdrawn")
	}
	reply, err := n.objectAgain(ctx, subject, q)
	if reply == nil && err == nil {
		reply, err = n.Direct(ctx, q.GetPatient(), federation.Directive{Effect: federation.Object, By: q.GetBy(), Evidence: q.GetEvidence()})
	}
	return reply, undone(err, "the objection was not recorded")
}

// Direct records a directive of a patient: an objection or a consent, with whatever scope, or the withdrawal of one. It names
// the directive and its subject itself. An objection counts here once it is on this node's disk; a consent and a withdrawal
// count once the region has agreed.
func (n *Node) Direct(ctx context.Context, patient string, d federation.Directive) (*admin.ObjectReply, error) {
	number, err := n.patient(patient)
	if err != nil {
		return nil, err
	}
	d.Subject = n.records.Subject(number)
	if err := errors.Join(lineProblem("who records it", d.By, 128), lineProblem("the evidence", d.Evidence, 1024)); err != nil {
		return nil, admin.Errorf(admin.CodeBadInput, "%v", err)
	}
	if _, err := rand.Read(d.ID[:]); err != nil {
		return nil, fmt.Errorf("name the directive: %w", err)
	}
	body := federation.Statement{Trust: n.Trust(), Kind: federation.KindDirective, Body: federation.EncodeBody(d)}
	if _, err := federation.DecodeBody(body); err != nil {
		return nil, admin.Errorf(admin.CodeBadInput, "%v", err)
	}
	switch d.Effect {
	case federation.Object:
		return n.refuse(ctx, number, d, "objection", "objected")
	case federation.Withdrew:
		return n.withdrawDirective(ctx, number, d)
	default:
		return n.propose(ctx, d, "consent", "consented")
	}
}

// withdrawDirective ends one directive of a patient, here when the region has refused it and with the region otherwise. What
// a consent permitted ends here at once.
func (n *Node) withdrawDirective(ctx context.Context, number record.NHSNumber, d federation.Directive) (*admin.ObjectReply, error) {
	entry, refused, err := n.refusedDirective(ctx, d.Target)
	if err != nil {
		return nil, err
	}
	if !refused {
		all, err := n.allSaid(ctx, d.Subject)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(s said) bool { return s.ID == d.Target && s.Effect == federation.Consent }) {
			return n.refuse(ctx, number, d, "withdrawal of a consent", "withdrawn")
		}
		return n.propose(ctx, d, "withdrawal of a directive", "withdrawn")
	}
	old := federation.Directive{ID: d.Target, Subject: d.Subject}
	if err := n.withdrawHere(ctx, old, entry, &admin.ObjectRequest{By: d.By, Evidence: d.Evidence}); err != nil {
		return nil, err
	}
	return &admin.ObjectReply{Directives: []string{hex.EncodeToString(d.Target[:])}, State: "withdrawn", Committed: true}, nil
}

// whole reports whether d objects to all sharing. What has a scope was said on its own terms, and is withdrawn by its own id.
func whole(d federation.Directive) bool {
	return d.Effect == federation.Object && d.Scope.IsZero() && len(d.Except) == 0
}

// propose records a directive that counts once the region has agreed; until then the reply says that nothing has changed.
func (n *Node) propose(ctx context.Context, d federation.Directive, what, state string) (*admin.ObjectReply, error) {
	if err := n.noteDirective(ctx, d, what); err != nil {
		return nil, err
	}
	id, err := n.records.Enqueue(ctx, d)
	if err != nil {
		return nil, n.storeProblem(err)
	}
	reply := &admin.ObjectReply{Directives: []string{hex.EncodeToString(d.ID[:])}, State: "unchanged"}
	if err := n.commitDirective(ctx, id, reply); err != nil {
		return nil, err
	}
	if reply.GetCommitted() {
		reply.State = state
	}
	return reply, nil
}

// commitDirective waits for the region. That it cannot be reached is no error: the directive is kept, and the reply says so.
func (n *Node) commitDirective(ctx context.Context, id record.EntryID, reply *admin.ObjectReply) error {
	o, err := n.speaker.wait(ctx, id)
	switch {
	case admin.CodeOf(err) == admin.CodeNoQuorum:
		return nil
	case err != nil:
		return err
	case o.refused != "":
		return admin.Errorf(admin.CodeBadInput, "the region refused the directive: %s. An objection stays in force at this node", o.refused)
	}
	reply.Committed, reply.Index = true, o.index
	return nil
}

func (n *Node) withdrawObjections(ctx context.Context, subject federation.Subject, q *admin.ObjectRequest) (*admin.ObjectReply, error) {
	reply := &admin.ObjectReply{State: "shared", Committed: true}
	untold, err := n.settleObjections(ctx, subject, q, reply)
	if err != nil {
		return nil, err
	}
	var active []index.Directive
	err = n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) (err error) {
		active, err = index.Directives(r, subject)
		return err
	})
	if err != nil {
		return nil, err
	}
	// What the region has not heard yet goes out before its withdrawal does: the outbox keeps the order.
	for _, old := range active {
		heard := slices.ContainsFunc(untold, func(d federation.Directive) bool { return d.ID == old.ID }) // meanwhile
		if whole(old.Directive) && !heard {
			untold = append(untold, old.Directive)
		}
	}
	for _, old := range untold {
		committed := reply.Committed
		if err := n.withdrawObjection(ctx, old, q, reply); err != nil {
			return nil, err
		}
		reply.Committed = reply.Committed && committed
	}
	if !reply.Committed {
		reply.State = "objected"
	}
	all, err := n.allSaid(ctx, subject)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if state := s.state(time.Now()); s.Effect == federation.Object && !whole(s.Directive.Directive) && (state == "in_force" || state == "here") {
			reply.Scoped++
		}
	}
	return reply, nil
}

// withdrawObjection has the region withdraw an objection, once.
func (n *Node) withdrawObjection(ctx context.Context, old federation.Directive, q *admin.ObjectRequest, reply *admin.ObjectReply) error {
	waits, err := n.speaker.waits(ctx, func(k federation.Kind, b []byte) bool {
		body, err := federation.DecodeBody(federation.Statement{Trust: n.Trust(), Kind: k, Body: b})
		d, ok := body.(federation.Directive)
		return err == nil && ok && d.Effect == federation.Withdrew && d.Target == old.ID
	})
	if err != nil {
		return err
	}
	if waits { // an earlier call has said it
		reply.Directives, reply.Committed = append(reply.Directives, hex.EncodeToString(old.ID[:])), false
		return nil
	}
	d := federation.Directive{Subject: old.Subject, Effect: federation.Withdrew, Target: old.ID, By: q.GetBy(), Evidence: q.GetEvidence()}
	if _, err := rand.Read(d.ID[:]); err != nil {
		return fmt.Errorf("name the directive: %w", err)
	}
	if err := n.noteDirective(ctx, d, "withdrawal of an objection"); err != nil {
		return err
	}
	id, err := n.records.Enqueue(ctx, d)
	if err != nil {
		return n.storeProblem(err)
	}
	reply.Directives, reply.Committed = append(reply.Directives, hex.EncodeToString(d.ID[:])), false
	return n.commitDirective(ctx, id, reply)
}

// settleObjections waits until what was objected to here is agreed on, and returns what is not in time: the withdrawal comes
// after it. An objection that the region has refused will never be: it counts here only, and so it is withdrawn here.
func (n *Node) settleObjections(ctx context.Context, subject federation.Subject, q *admin.ObjectRequest, reply *admin.ObjectReply) (untold []federation.Directive, err error) {
	subjects, err := n.linked(ctx, subject)
	if err != nil {
		return nil, err
	}
	for _, s := range subjects {
		var waiting []federation.Directive
		err := n.speaker.told(ctx, func() (bool, error) {
			waiting, err = n.waitingObjections(ctx, s, q, reply)
			return len(waiting) == 0, err
		})
		if err != nil && admin.CodeOf(err) != admin.CodeNoQuorum {
			return nil, err
		}
		untold = append(untold, waiting...)
	}
	return untold, nil
}

// waitingObjections returns the objections to all sharing that count here and that the region has not heard of, and withdraws
// those that it has refused.
func (n *Node) waitingObjections(ctx context.Context, s federation.Subject, q *admin.ObjectRequest, reply *admin.ObjectReply) ([]federation.Directive, error) {
	kept, err := n.records.Refusals(ctx, s)
	if err != nil {
		return nil, n.storeProblem(err)
	}
	var waiting []federation.Directive
	for _, k := range kept {
		if !whole(k.Directive) {
			continue
		}
		entry, refused, err := n.refusedDirective(ctx, k.Directive.ID)
		switch {
		case err != nil:
			return nil, err
		case !refused:
			waiting = append(waiting, k.Directive)
			continue
		}
		if err := n.withdrawHere(ctx, k.Directive, entry, q); err != nil {
			return nil, err
		}
		reply.Directives = append(reply.Directives, hex.EncodeToString(k.Directive.ID[:]))
	}
	return waiting, nil
}

// withdrawHere ends an objection that counts at this node only.
func (n *Node) withdrawHere(ctx context.Context, d federation.Directive, entry record.EntryID, q *admin.ObjectRequest) error {
	note := federation.Directive{ID: d.ID, Subject: d.Subject, By: q.GetBy(), Evidence: q.GetEvidence()}
	if err := n.noteDirective(ctx, note, "withdrawal of an objection that the region had refused"); err != nil {
		return err
	}
	if err := n.records.ClearRefusal(ctx, d.Subject, d.ID); err != nil {
		return n.storeProblem(err)
	}
	if err := n.records.Dismiss(ctx, entry); err != nil && !isAbsent(err) {
		return n.storeProblem(err)
	}
	return nil
}

// refusedDirective returns the entry of a directive that the region has refused.
func (n *Node) refusedDirective(ctx context.Context, id federation.DirectiveID) (record.EntryID, bool, error) {
	rejected, err := n.records.Rejected(ctx, keptOutcomes)
	if err != nil {
		return 0, false, n.storeProblem(err)
	}
	for _, r := range rejected {
		if r.Entry.Kind != federation.KindDirective {
			continue
		}
		body, err := federation.DecodeBody(federation.Statement{Trust: n.Trust(), Kind: federation.KindDirective, Body: r.Entry.Body})
		if d, ok := body.(federation.Directive); err == nil && ok && d.ID == id {
			return r.Entry.ID, true, nil
		}
	}
	return 0, false, nil
}

// linked returns the subjects that are the same patient, the one asked for first.
func (n *Node) linked(ctx context.Context, subject federation.Subject) (out []federation.Subject, err error) {
	err = n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		out, err = index.Linked(r, subject)
		return err
	})
	return out, err
}

func (n *Node) noteDirective(ctx context.Context, d federation.Directive, what string) error {
	err := n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Directive, Trust: n.Trust(), Node: n.ID(), User: d.By, Subject: d.Subject,
		Detail: clipText(what+" "+hex.EncodeToString(d.ID[:])+"; "+d.Evidence, audit.MaxDetail),
	})
	return err
}
