package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// agreed is the region's state, with what is known here only, as exchange asks for it.
type agreed struct{ n *Node }

// Roster returns the latest roster.
func (a agreed) Roster() *federation.Roster { return a.n.ledger.Roster() }

// Pointer returns the agreed pointer of a document.
func (a agreed) Pointer(ctx context.Context, id federation.DocumentID) (federation.Pointer, bool, error) {
	if id.Custodian() == a.n.Trust() {
		doc, err := a.n.records.Document(ctx, id)
		if err == nil && (doc.State.Phase == record.Withdrawn || doc.Legal != "") || errors.Is(err, record.ErrErased) {
			return federation.Pointer{}, false, nil
		}
	}
	var p federation.Pointer
	var ok bool
	err := a.n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		pointer, withdrawn, found, err := index.Pointer(r, id)
		p, ok = pointer, found && !withdrawn
		return err
	})
	return p, ok, err
}

// Facts returns what a decision rests on.
func (a agreed) Facts(ctx context.Context, q policy.Request) (policy.Facts, error) {
	local := a.n.refusalsBefore(ctx, q.Document.Subject)
	var f policy.Facts
	err := a.n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		if q.User.Trust != a.n.Trust() {
			if err := a.n.mayRelease(ctx, r); err != nil {
				return err
			}
		}
		f = a.n.rules.facts(r, a.n.ledger.Roster(), local, factsQuery{
			requester: q.User.Trust, custodian: q.Document.Custodian, subject: q.Document.Subject, now: q.Now,
		})
		return nil
	})
	return f, err
}

// refusalsBefore returns the objections that count here before the region has agreed on them, read now and once more when
// they are asked for. It must be called before the agreed state is read: an objection that is agreed on in between has left
// the record store and is not in the older view of the agreed state, and would be in neither.
func (n *Node) refusalsBefore(ctx context.Context, subject federation.Subject) refusals {
	if !n.records.AnyRefusals() { // so that links need not be looked for
		return func(s federation.Subject) ([]policy.Directive, error) { return n.localRefusals(ctx, s) }
	}
	before := make(map[federation.Subject][]policy.Directive)
	subjects, failed := n.linked(ctx, subject)
	for _, s := range subjects {
		kept, err := n.localRefusals(ctx, s)
		before[s], failed = kept, errors.Join(failed, err)
	}
	return func(s federation.Subject) ([]policy.Directive, error) {
		kept, err := n.localRefusals(ctx, s)
		return append(kept, before[s]...), errors.Join(failed, err)
	}
}

// localRefusals returns the objections that count here before the region has agreed on them.
func (n *Node) localRefusals(ctx context.Context, subject federation.Subject) ([]policy.Directive, error) {
	kept, err := n.records.Refusals(ctx, subject)
	if err != nil {
		return nil, err
	}
	out := make([]policy.Directive, 0, len(kept))
	for _, k := range kept {
		out = append(out, wish(k.Directive, n.Trust(), 0))
	}
	return out, nil
}

// held is what this node holds, as exchange asks for it.
type held struct{ n *Node }

// Document returns what the custodian knows of a document.
func (h held) Document(ctx context.Context, id federation.DocumentID) (policy.Document, error) {
	doc, err := h.n.records.Document(ctx, id)
	if err != nil {
		return policy.Document{}, err
	}
	if doc.Supersedes == "" && doc.State.SupersededBy == "" {
		return descriptionOf(&doc), nil
	}
	return h.n.withVersions(ctx, descriptionOf(&doc))
}

// descriptionOf is a document as decisions look at it.
func descriptionOf(d *record.Document) policy.Document {
	return policy.Document{
		ID: d.ID, Custodian: d.ID.Custodian(), Subject: d.Subject, Type: d.Type, Category: d.Category, Specialty: d.Specialty,
		Author: d.Author, Confidentiality: d.Confidentiality, Date: d.Date, Sensitivity: d.Labels, LegalClass: d.Legal,
	}
}

// Manifest returns the manifest as it was published.
func (h held) Manifest(ctx context.Context, id federation.DocumentID) ([]byte, error) {
	return h.n.records.Manifest(ctx, id)
}

// Unpublished returns the pointer of a document that the region does not know of, because it cannot be reached or has
// refused it: own staff read what their trust holds all the same.
func (h held) Unpublished(ctx context.Context, id federation.DocumentID) (federation.Pointer, bool, error) {
	doc, err := h.n.records.Document(ctx, id)
	switch {
	case isGone(err):
		return federation.Pointer{}, false, nil
	case err != nil:
		return federation.Pointer{}, false, err
	}
	return doc.Pointer(), doc.State.Phase == record.Queued || doc.State.Phase == record.Refused, nil
}

// evidence is the audit log as exchange writes to it.
type evidence struct{ log *audit.Log }

// Append keeps an event.
func (v evidence) Append(ctx context.Context, e exchange.Event) (uint64, error) {
	at, err := v.log.Append(ctx, entryOf(e))
	if err != nil && !errors.Is(err, context.Canceled) {
		return 0, fmt.Errorf("audit: %w", err)
	}
	return at, err
}

func entryOf(e exchange.Event) audit.Entry {
	out := audit.Entry{
		Time: e.At, Kind: kindOf(e.Kind), Trust: e.Trust, Node: e.Peer, User: e.User, Role: e.Role, Purpose: e.Purpose, Relationship: e.Relationship,
		BreakGlass: e.Glass, Subject: e.Subject, Document: e.Document, Custodian: e.Document.Custodian(), Outcome: e.Outcome.String(),
		Rules: clipText(chainText(e.Chain), audit.MaxRules), Bytes: e.Bytes, Ranges: e.Selection.Ranges, Detail: clipText(detailText(e), audit.MaxDetail),
	}
	out.Transfer, out.StateIndex, out.LeaseAge = e.Transfer, e.State, e.Age
	if len(e.Assertion) > 0 {
		out.Request = federation.Sum(e.Assertion)
	}
	if e.Kind == exchange.Released || e.Kind == exchange.Interrupted {
		out.Of = audit.RefTo(e.Intent)
	}
	if len(e.Receipt) > 0 {
		out.Proof = e.Receipt
	}
	return out
}

func kindOf(k exchange.EventKind) audit.Kind {
	switch k {
	case exchange.Intent, exchange.Asked:
		return audit.Intent
	case exchange.Refused:
		return audit.Refusal
	case exchange.Released, exchange.Interrupted:
		return audit.Completion
	case exchange.Received, exchange.Failed:
		return audit.Receipt
	default:
		return audit.Security
	}
}

func chainText(chain []policy.Reason) string {
	lines := make([]string, 0, len(chain))
	for _, r := range chain {
		lines = append(lines, r.String())
	}
	return strings.Join(lines, "\n")
}

// exportWords mark, in the detail of an entry, a copy that was to be kept in another system.
const exportWords = "export, to be kept"

func detailText(e exchange.Event) string {
	parts := []string{e.Kind.String(), "transfer " + fmt.Sprintf("%x", e.Transfer[:])}
	if len(e.Receipt) > 0 && (e.Kind == exchange.Received || e.Kind == exchange.Failed) {
		parts = append(parts, fmt.Sprintf("rules, state and age as signed by %s, whose entry is %d", e.PeerTrust, e.Intent))
	}
	if e.Local {
		parts = append(parts, "own staff")
	}
	if e.Export {
		parts = append(parts, exportWords)
	}
	switch {
	case e.Vouched:
		parts = append(parts, "the evidence of the relationship was found in the records of "+string(e.Trust))
	case e.Relationship != "":
		parts = append(parts, "the relationship is stated; "+string(e.Trust)+" vouches for no evidence")
	}
	if len(e.Selection.Pages) > 0 {
		parts = append(parts, fmt.Sprintf("part %d, %d pages from page %d", e.Selection.Part, len(e.Selection.Pages), e.Selection.Pages[0]))
	}
	if e.Emergency != "" {
		parts = append(parts, "emergency: "+e.Emergency)
	}
	if e.Detail != "" {
		parts = append(parts, e.Detail)
	}
	return strings.Join(parts, "; ")
}

// onRoster has the doors closed to those who take no part any more. Hooks must be quick: doorkeeper does it.
func (n *Node) onRoster(*federation.Roster) {
	signal(n.rosterChanged)
	signal(n.strangers)
	if c := n.custodian.Load(); c != nil {
		c.RulesChanged()
	}
}

func (n *Node) onDirective(s federation.Subject) {
	if c := n.custodian.Load(); c != nil {
		c.SubjectChanged(s)
	}
}

func (n *Node) onAgreement(t federation.TrustID) {
	n.rules.forget(t)
	if c := n.custodian.Load(); c != nil && t == n.Trust() {
		c.RulesChanged()
	}
}

func (n *Node) onRestore(federation.Digest) {
	n.rules.forgetAll()
	signal(n.emergencies)
	if c := n.custodian.Load(); c != nil {
		c.RulesChanged()
	}
}

// leaseLimit is how recent the agreed state must be.
func (n *Node) leaseLimit() time.Duration {
	if d := time.Duration(n.options.Settings.Lease); d > 0 {
		return d
	}
	return exchange.DefaultLease
}

// isAbsent reports whether err says that something is not there, rather than that it could not be read.
func isAbsent(err error) bool { return errors.Is(err, storage.ErrNotFound) }

// isGone is isAbsent, or says that it was erased.
func isGone(err error) bool { return isAbsent(err) || errors.Is(err, record.ErrErased) }
