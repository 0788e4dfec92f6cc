package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// recorders are the roles, or groups of them, that may record and read what patients have said.
var recorders = []string{"clinician", "records-staff", "governance-lead", "privacy-officer"}

// mayRecord refuses whoever is not to record or read what patients have said, and leaves evidence of who asked either way.
func (n *Node) mayRecord(ctx context.Context, a *admin.Asker, subject federation.Subject, what string) (*admin.Asker, error) {
	who := asker(a)
	if err := n.admit(ctx, who); err != nil {
		return nil, err
	}
	outcome := policy.Denied
	for _, r := range policy.Roles() {
		if r.Code == who.GetRole() && (slices.Contains(recorders, r.Code) || slices.Contains(recorders, r.Group)) {
			outcome = policy.Permit
		}
	}
	err := n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Search, Trust: n.Trust(), Node: n.ID(), User: who.GetUser(), Role: who.GetRole(), Purpose: who.GetPurpose(),
		Relationship: who.GetRelationship(), Subject: subject, Outcome: outcome.String(), Detail: what,
	})
	if err != nil {
		return nil, err
	}
	if outcome != policy.Permit {
		return nil, admin.Errorf(admin.CodeDenied, "a %s may not record or read what patients have said: clinicians, records-staff, a governance-lead or a privacy-officer may", who.GetRole())
	}
	return who, nil
}

// RecordDirective reads a directive back in plain words, with what it contradicts, and records it when it is confirmed. What
// it refuses is refused here once it is on this node's disk; what it permits, once the region has agreed.
func (n *Node) RecordDirective(ctx context.Context, q *admin.RecordDirectiveRequest) (*admin.RecordDirectiveReply, error) {
	number, err := n.patient(q.GetPatient())
	if err != nil {
		return nil, err
	}
	subject := n.records.Subject(number)
	who, err := n.mayRecord(ctx, q.GetAsker(), subject, detailRecording)
	if err != nil {
		return nil, err
	}
	return n.recordDirective(ctx, q, who, subject)
}

// recordDirective does it for somebody who may.
func (n *Node) recordDirective(ctx context.Context, q *admin.RecordDirectiveRequest, who *admin.Asker, subject federation.Subject) (*admin.RecordDirectiveReply, error) {
	d, err := n.directiveOf(q, who)
	if err != nil {
		return nil, err
	}
	d.Subject = subject
	all, err := n.allSaid(ctx, subject)
	if err != nil {
		return nil, err
	}
	if d.Supersedes != (federation.DirectiveID{}) {
		if _, err := current(all, d.Supersedes, time.Now()); err != nil {
			return nil, err
		}
	}
	reply := &admin.RecordDirectiveReply{ReadBack: policy.ReadBack(d, n.called)}
	if reply.Conflicts, err = n.conflictsWith(all, d); err != nil {
		return reply, err
	}
	caution, err := n.unseen(ctx, who, d)
	if err != nil {
		return nil, err
	}
	if reply.ReadBack += caution; !q.GetConfirm() {
		return reply, nil
	}
	said, err := n.Direct(ctx, q.GetPatient(), d)
	if err != nil {
		return nil, err
	}
	reply.Directive, reply.Committed, reply.Index = said.GetDirectives()[0], said.GetCommitted(), said.GetIndex()
	reply.InForce = d.Effect == federation.Object || reply.Committed
	return reply, nil
}

// unseen warns of codes that no document can have, and of documents that who records a directive cannot see: either may be misspelt. A
// refusal of it would protect nothing. Of one that is hidden it says the same as of one that is not there. Who reads evidence is told of
// all; patients choose from a list. What cannot be read is as what is not there: a caution keeps nobody from refusing.
func (n *Node) unseen(ctx context.Context, who *admin.Asker, d federation.Directive) (string, error) {
	caution := ""
	if who.GetRole() == patientRole {
		return caution, nil
	}
	scopes := append([]federation.Scope{d.Scope}, d.Except...)
	for _, s := range scopes {
		for _, code := range []string{s.Type, s.Category} {
			if code != "" && ingest.CheckCode(code) != nil {
				caution += fmt.Sprintf(" Take care: no document is taken in with the code %q. If it is not as it should be, this is about nothing.", code)
			}
		}
	}
	local, evidence := n.refusalsBefore(ctx, d.Subject), slices.Contains(evidenceRoles(), who.GetRole())
	err := n.replica.View(ctx, consensus.Local(), func(view consensus.Reader) error {
		said := saidBy(view, local, d.Subject)
		may := n.sight(ctx, view, who, d.Subject, said)
		sees := func(p *federation.Pointer) bool {
			return slices.Contains(said.subjects, p.Subject) && (evidence || may(p))
		}
		for _, s := range scopes {
			if s.Document == "" {
				continue
			}
			if p, found, err := n.pointerOf(ctx, view, s.Document); err != nil || !found || !sees(&p) {
				caution += fmt.Sprintf(" Take care: you can see no document %s of this patient. If that is not its id, this is about nothing.", s.Document)
			}
		}
		return nil
	})
	return caution, err
}

// pointerOf is what there is to know of a document: of this trust's own also before the region has heard of it.
func (n *Node) pointerOf(ctx context.Context, view consensus.Reader, id federation.DocumentID) (federation.Pointer, bool, error) {
	if id.Custodian() == n.Trust() {
		doc, err := n.records.Document(ctx, id)
		if isGone(err) {
			return federation.Pointer{}, false, nil
		}
		if err != nil {
			return federation.Pointer{}, false, err
		}
		return doc.Pointer(), doc.Legal == "" && doc.State.Phase != record.Withdrawn, nil
	}
	p, withdrawn, found, err := index.Pointer(view, id)
	return p, found && !withdrawn, err
}

// directiveOf checks what was typed, and that the trusts it names exist here: a refusal aimed at a trust that is misspelt
// would protect nobody.
func (n *Node) directiveOf(q *admin.RecordDirectiveRequest, who *admin.Asker) (federation.Directive, error) {
	f := policy.DirectiveFields{
		Effect: "deny", Scope: scopeFields(q.GetScope()), Until: q.GetUntil(), Supersedes: q.GetSupersedes(), By: q.GetBy(), Evidence: q.GetEvidence(),
	}
	if q.GetPermit() {
		f.Effect = "permit"
	}
	if f.By == "" {
		f.By = who.GetUser()
	}
	for _, e := range q.GetExcept() {
		f.Except = append(f.Except, scopeFields(e))
	}
	d, err := policy.ParseDirective(f, time.Now())
	var faults *policy.DirectiveError
	if err != nil && !errors.As(err, &faults) {
		return d, admin.Errorf(admin.CodeBadInput, "%v", err)
	}
	if faults == nil {
		faults = &policy.DirectiveError{}
		n.unknownTrusts(faults, "", d.Scope)
		for i, e := range d.Except {
			n.unknownTrusts(faults, fmt.Sprintf("exception %d: ", i+1), e)
		}
	}
	if f.Evidence == "" {
		faults.Faults = append(faults.Faults, policy.FieldError{Field: "evidence", Text: "say on what evidence this is recorded, such as a letter or a conversation"})
	}
	if len(faults.Faults) > 0 {
		return d, admin.Errorf(admin.CodeBadInput, "%v", faults)
	}
	return d, nil
}

func (n *Node) unknownTrusts(out *policy.DirectiveError, prefix string, s federation.Scope) {
	roster := n.ledger.Roster()
	for _, at := range []struct {
		field string
		trust federation.TrustID
	}{{"trust", s.Trust}, {"custodian", s.Custodian}, {"document", s.Document.Custodian()}} {
		if at.trust == "" {
			continue
		}
		if _, ok := roster.Trust(at.trust); !ok {
			out.Faults = append(out.Faults, policy.FieldError{Field: prefix + at.field, Text: fmt.Sprintf("there is no trust %s in this region: 'ridgeway status' lists them", at.trust)})
		}
	}
}

func scopeFields(s *admin.DirectiveScope) policy.ScopeFields {
	return policy.ScopeFields{
		Trust: s.GetTrust(), Role: s.GetRole(), Person: s.GetPerson(), Custodian: s.GetCustodian(), Type: s.GetType(), Category: s.GetCategory(),
		Sensitivity: s.GetSensitivity(), Document: s.GetDocument(), From: s.GetFrom(), To: s.GetTo(), Purpose: s.GetPurpose(),
	}
}

// called returns what a trust is called, or nothing.
func (n *Node) called(id federation.TrustID) string {
	t, _ := n.ledger.Roster().Trust(id)
	return t.Name
}

// conflictsWith says what of all that a patient has said a new directive contradicts, and which of the two wins.
func (n *Node) conflictsWith(all []said, d federation.Directive) ([]string, error) {
	if _, err := rand.Read(d.ID[:]); err != nil {
		return nil, fmt.Errorf("name the directive: %w", err)
	}
	var out []string
	for _, c := range policy.Conflicts(append(wishes(all), wish(d, "", math.MaxUint64)), time.Now(), n.called) {
		if c.Winner == d.ID || c.Loser == d.ID {
			out = append(out, c.Text)
		}
	}
	return out, nil
}

// patientFile is what a patient has said, opened by somebody who may, at one directive that is named.
type patientFile struct {
	subject federation.Subject
	who     *admin.Asker
	id      federation.DirectiveID
	all     []said
}

// openFile reads what a patient has said for somebody who asks about one directive. What is read is audited.
func (n *Node) openFile(ctx context.Context, q interface {
	GetPatient() string
	GetAsker() *admin.Asker
	GetDirective() string
}, what string,
) (f patientFile, err error) {
	number, err := n.patient(q.GetPatient())
	if err != nil {
		return f, err
	}
	f.subject = n.records.Subject(number)
	if f.who, err = n.mayRecord(ctx, q.GetAsker(), f.subject, what); err != nil {
		return f, err
	}
	if f.id, err = parseDirectiveID(q.GetDirective()); err != nil {
		return f, err
	}
	if err := n.mayAnswer(); err != nil {
		return f, err
	}
	f.all, err = n.allSaid(ctx, f.subject)
	return f, err
}

// WithdrawDirective ends one directive of a patient. What a consent permitted ends here at once; what an objection refused
// goes on until the region has agreed on its withdrawal.
func (n *Node) WithdrawDirective(ctx context.Context, q *admin.WithdrawDirectiveRequest) (*admin.RecordDirectiveReply, error) {
	file, err := n.openFile(ctx, q, detailWithdrawal)
	if err != nil {
		return nil, err
	}
	return n.withdrawFrom(ctx, q, file)
}

// withdrawFrom does it for somebody who may.
func (n *Node) withdrawFrom(ctx context.Context, q *admin.WithdrawDirectiveRequest, file patientFile) (*admin.RecordDirectiveReply, error) {
	old, err := current(file.all, file.id, time.Now())
	if err != nil {
		return nil, err
	}
	d := federation.Directive{Effect: federation.Withdrew, Target: file.id, By: q.GetBy(), Evidence: q.GetEvidence()}
	if d.By == "" {
		d.By = file.who.GetUser()
	}
	said, err := n.Direct(ctx, q.GetPatient(), d)
	if err != nil {
		return nil, err
	}
	return &admin.RecordDirectiveReply{
		Directive: said.GetDirectives()[0], ReadBack: policy.ReadBack(federation.Directive{Effect: federation.Withdrew, Target: file.id}, n.called),
		Committed: said.GetCommitted(), Index: said.GetIndex(), InForce: old.Effect == federation.Consent || said.GetCommitted(),
	}, nil
}

func parseDirectiveID(text string) (id federation.DirectiveID, err error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(id) {
		return id, admin.Errorf(admin.CodeBadInput, "%q is not the id of a directive (32 hexadecimal digits): 'ridgeway consent list' lists them", text)
	}
	return federation.DirectiveID(raw), nil
}

// refuse makes what a patient refuses durable, which counts here from then on, and waits for the region. It is an objection,
// or the withdrawal of a consent.
func (n *Node) refuse(ctx context.Context, number record.NHSNumber, d federation.Directive, what, state string) (*admin.ObjectReply, error) {
	if err := n.noteDirective(ctx, d, what); err != nil {
		return nil, err
	}
	if err := n.addRefusal(ctx, number, d); err != nil {
		return nil, n.storeProblem(err)
	}
	if subjects, err := n.linked(ctx, d.Subject); err != nil {
		n.custodian.Load().RulesChanged() // who else is this patient cannot be told: every release decides anew
	} else {
		for _, s := range subjects {
			n.custodian.Load().SubjectChanged(s)
		}
	}
	reply := &admin.ObjectReply{Directives: []string{hex.EncodeToString(d.ID[:])}, State: state}
	kept, err := n.records.Refusals(ctx, d.Subject)
	if err != nil {
		return nil, n.storeProblem(err)
	}
	for _, k := range kept {
		if k.Directive.ID == d.ID {
			return reply, n.commitDirective(ctx, k.Entry, reply)
		}
	}
	// The speaker was faster: it is committed, and so no local refusal any more.
	reply.Committed = true
	return reply, nil
}

// addRefusal makes a refusal durable. Whatever was taken in without a look at it is here then, for the patient to name.
func (n *Node) addRefusal(ctx context.Context, number record.NHSNumber, d federation.Directive) error {
	n.wishing.Lock()
	defer n.wishing.Unlock()
	return n.records.AddRefusal(ctx, number, d)
}
