package exchange

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"sync/atomic"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// release is one request, from its decision to its last audit entry.
type release struct {
	custodian *Custodian
	assertion Assertion
	signed    []byte // as it came; nil for own staff at this node
	key       federation.PublicKey
	event     Event // what every audit entry of the release has in common
	local     bool  // for own staff at this node

	glass    bool      // the glass is broken, until then
	until    time.Time // set with glass
	broken   Instant   // when the glass was broken
	link     *policy.Relationship
	barred   atomic.Pointer[Refusal] // why the glass may not be broken, or opens nothing more, where the user is told
	prepared bool                    // the first decision is made: the glass is not broken in the middle, where no intent says so

	guard    *guard
	encoded  []byte // manifest
	manifest federation.Manifest
	plan     *plan
	intent   uint64 // audit entry of the intent, or of the refusal
	noted    bool   // there is one
}

// own reports whether the user belongs to this node's trust.
func (r *release) own() bool { return r.assertion.Trust == r.custodian.cfg.Trust }

// begin decides on the release, and writes the audit entry of its refusal. When it returns nil, intend is next. end must be
// called in either case.
func (r *release) begin(ctx context.Context) *Refusal {
	c := r.custodian
	r.guard = newGuard(r)
	c.mu.Lock()
	c.guards[r.guard] = struct{}{}
	c.mu.Unlock()
	r.event.describe(r.assertion)
	refusal := r.prepare(ctx)
	if r.prepared = true; refusal == nil {
		refusal = r.admit(ctx)
	}
	r.event.Chain, r.event.Glass, r.event.Outcome = r.guard.decision.Chain, r.guard.decision.Glass, policy.Permit
	if r.guard.hold != (Hold{}) {
		r.event.State, r.event.Age = r.guard.hold.Index(), r.guard.age
	}
	if refusal != nil {
		return r.refused(ctx, refusal)
	}
	return nil
}

// intend writes the audit entry of the intent. When it returns nil a byte may leave as long as the guard says so.
func (r *release) intend(ctx context.Context) *Refusal {
	c := r.custodian
	entry := r.event
	entry.Kind, entry.At, entry.Assertion, entry.Bytes = Intent, c.now(), r.signed, r.plan.bytes(r.assertion.Start)
	entry.Chunks = r.plan.total - r.assertion.Start
	index, err := c.cfg.Audit.Append(ctx, entry)
	if err != nil {
		// It cannot be audited either; the log and the answer are all there is.
		return refuse(policy.Unavailable, fmt.Errorf("intent: %w: %w", ErrAudit, err))
	}
	r.intent, r.noted = index, true
	return nil
}

// prepare decides, and readies what is to be sent.
func (r *release) prepare(ctx context.Context) *Refusal {
	c, a := r.custodian, r.assertion
	if !r.own() {
		renew, cancel := context.WithTimeout(ctx, c.limits.RenewTimeout)
		c.cfg.Lease.Fresh(renew)
		cancel()
	}
	if refusal := r.guard.decide(ctx); refusal != nil {
		return refusal
	}
	var err error
	if r.encoded, err = c.cfg.Records.Manifest(ctx, a.Document); err != nil {
		return trouble("manifest", err)
	}
	// The decision has compared the agreed digest with a.Manifest.
	if federation.Sum(r.encoded) != a.Manifest {
		return refuse(policy.Integrity, errors.New("the manifest that is held is not the one that was agreed on"))
	}
	if r.manifest, err = federation.DecodeManifest(r.encoded); err != nil {
		return refuse(policy.Integrity, err)
	}
	if r.manifest.Document != a.Document || r.manifest.Subject != a.Subject {
		return refuse(policy.Integrity, errors.New("the manifest is of another document"))
	}
	if r.plan, err = planOf(&r.manifest, a.Selection); err != nil {
		return absent(err)
	}
	if a.Start > r.plan.total {
		return absent(notThere("There is no chunk %d to go on from: what was asked for has %d.", a.Start, r.plan.total))
	}
	return nil
}

// admit asks whether it is not too much.
func (r *release) admit(ctx context.Context) *Refusal {
	ask := r.custodian.cfg.Admit
	if ask == nil {
		return nil
	}
	err := ask(ctx, r.assertion, r.guard.decision.Glass)
	if err == nil {
		return nil
	}
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return refusal
	}
	return trouble("admission", err)
}

// breakGlass asks to break the glass for what the ordinary rules refuse, where the agreement lets it be broken, and reports
// whether it is broken now.
func (r *release) breakGlass(ctx context.Context, request policy.Request, facts policy.Facts) bool {
	ask := r.custodian.cfg.Emergency
	if r.prepared || r.glass || r.barred.Load() != nil || ask == nil || r.assertion.Emergency == "" {
		return false
	}
	request.BreakGlass = true
	if !policy.Decide(request, facts).Permitted() {
		return false
	}
	until, err := ask(ctx, r.assertion)
	if err != nil {
		r.event.Detail = "the glass was not broken: " + err.Error()
		r.bar(err)
		return false
	}
	r.glass, r.until, r.broken = true, until, r.custodian.cfg.Clock.Now()
	return r.open()
}

// bar has the user told why the glass opens nothing, if err says so.
func (r *release) bar(err error) {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		r.barred.Store(refusal)
	}
}

// rejudge asks again about the emergency that has broken the glass: it may have been judged since.
func (r *release) rejudge(ctx context.Context) {
	if ask := r.custodian.cfg.Judged; ask != nil && r.open() {
		r.bar(ask(ctx, r.assertion))
	}
}

// open reports whether the glass is broken, the time for it has not run out, and nobody has judged against it.
func (r *release) open() bool { return r.glass && r.left() > 0 && r.barred.Load() == nil }

// over reports whether the glass was broken and opens nothing more.
func (r *release) over() bool { return r.glass && !r.open() }

// left is how long the glass stays broken; for ever when it is not, as nothing ends then.
func (r *release) left() time.Duration {
	if !r.glass {
		return math.MaxInt64
	}
	passed, _ := r.custodian.cfg.Clock.Now().since(r.broken) // by the clock that says most: the wall clock can be set back
	return r.until.Sub(r.broken.Wall.Round(0)) - passed
}

// absent is the refusal of what the document does not have. Who gets it was permitted, and is told what that is.
func absent(err error) *Refusal {
	refusal := refuse(policy.NotFound, err)
	if words, ok := errors.AsType[selectionError](err); ok {
		refusal.Text = words.Error()
	}
	return refusal
}

// decide decides by the facts of the moment. hold must have been current before. A peer is refused nothing on a copy of the state
// that is not known to be whole: every request is answered alike, but for an emergency that the rules there are let pass.
func (r *release) decide(ctx context.Context, hold Hold) (policy.Decision, *Refusal) {
	whole := r.own() || hold.Proven()
	if !whole && r.assertion.Emergency == "" {
		return policy.Decision{}, undecided(nil)
	}
	decision, refusal := r.rule(ctx, hold)
	if refusal != nil && !whole && r.barred.Load() == nil {
		return policy.Decision{}, undecided(refusal)
	}
	return decision, refusal
}

// rule reads the facts of the moment and decides by them.
func (r *release) rule(ctx context.Context, hold Hold) (policy.Decision, *Refusal) {
	c, a := r.custodian, r.assertion
	pointer, found, err := r.pointer(ctx, a.Document)
	switch {
	case err != nil:
		return policy.Decision{}, trouble("pointer", err)
	case !found:
		return policy.Decision{}, refuse(policy.NotFound, errors.New("there is no such document, or it was withdrawn"))
	case pointer.Custodian() != c.cfg.Trust:
		return policy.Decision{}, refuse(policy.NotFound, fmt.Errorf("the document is held by %s", pointer.Custodian()))
	case pointer.Subject != a.Subject:
		return policy.Decision{}, refuse(policy.NotFound, errors.New("the document is of another patient than was asserted"))
	}
	doc, missing := c.cfg.Records.Document(ctx, a.Document)
	if missing != nil {
		doc = policy.DocumentOf(pointer)
		doc.MoreVersions = true // which it replaced cannot be told
	}
	doc.ID, doc.Custodian, doc.Subject = a.Document, c.cfg.Trust, pointer.Subject
	doc.Confidentiality = max(doc.Confidentiality, pointer.Confidentiality) // raised here, not agreed on yet: counts
	link, err := r.relationship(ctx)
	if err != nil {
		return policy.Decision{}, refuse(policy.Denied, err)
	}
	r.rejudge(ctx)
	action := policy.Open
	if a.Export {
		action = policy.Export
	}
	request := policy.Request{
		User: policy.User{Trust: a.Trust, ID: a.User, Role: a.Role}, Action: action, Purpose: a.Purpose,
		Relationship: a.Relationship, Link: link, Document: doc, BreakGlass: r.open(), Now: c.now(),
	}
	facts, err := c.cfg.Ledger.Facts(ctx, request)
	if err != nil {
		return policy.Decision{}, trouble("facts", err)
	}
	facts.LeaseAge, facts.LeaseLimit = c.cfg.Lease.Age(hold), c.cfg.Lease.Limit()
	decision := policy.Decide(request, facts)
	if !decision.Permitted() && r.breakGlass(ctx, request, facts) {
		request.BreakGlass = true
		decision = policy.Decide(request, facts)
	}
	switch {
	case !decision.Permitted() && r.barred.Load() != nil:
		return decision, r.barred.Load() // the agreement permits it in an emergency, so that there is nothing to hide
	case !decision.Permitted() && r.over():
		return decision, glassOver() // it was being read: there is nothing to hide either
	case !decision.Permitted():
		return decision, &Refusal{Outcome: decision.Outward(), Text: decision.Safe()}
	case missing != nil:
		// Only who would have been permitted learns that it is missing.
		return decision, trouble("record", missing)
	case pointer.Manifest != a.Manifest:
		return decision, refuse(policy.Unavailable, errors.New("the requester's copy of the index has another version of the document"))
	}
	return decision, nil
}

// relationship returns what the user states, and who has found the evidence: their trust, whose signature says so, or this node.
// It is looked for once. Where it cannot be looked for it is not found.
func (r *release) relationship(ctx context.Context) (policy.Relationship, error) {
	if r.link != nil {
		return *r.link, nil
	}
	link, err := policy.ParseRelationship(r.assertion.Relationship)
	if err != nil {
		return link, err
	}
	if !r.assertion.Vouch.IsZero() {
		link.Verified, link.By, link.At = true, r.assertion.Trust, r.assertion.Vouch.At
	} else if records, ok := r.custodian.cfg.Records.(Evidenced); ok && link.Evidence != "" {
		a := r.assertion
		found, err := records.Evidenced(ctx, policy.Request{
			User: policy.User{Trust: a.Trust, ID: a.User, Role: a.Role}, Purpose: a.Purpose, Relationship: a.Relationship, Link: link,
			Document: policy.Document{Subject: a.Subject}, Now: r.custodian.now(),
		})
		if found && err == nil {
			link.Verified, link.By, link.At = true, r.custodian.cfg.Trust, r.custodian.now()
		}
	}
	r.link = &link
	return link, nil
}

// refused writes the audit entry of a refusal and returns it.
func (r *release) refused(ctx context.Context, refusal *Refusal) *Refusal {
	c := r.custodian
	entry := r.event
	entry.Kind, entry.At, entry.Outcome, entry.Assertion = Refused, c.now(), refusal.Outcome, r.signed
	if entry.Detail == "" && refusal.Cause != nil {
		entry.Detail = refusal.Cause.Error()
	}
	ctx, cancel := settle(ctx)
	defer cancel()
	index, err := c.cfg.Audit.Append(ctx, entry)
	if err != nil {
		return refuse(policy.Unavailable, fmt.Errorf("refusal: %w: %w", ErrAudit, err))
	}
	r.intent, r.noted = index, true
	c.metrics.refused(refusal.Outcome)
	return refusal
}

// end takes the release off the list of those under way.
func (r *release) end() {
	c := r.custodian
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.guards, r.guard)
}

// close writes the last audit entry.
func (r *release) close(ctx context.Context, e Event) error {
	e.At, e.Intent = r.custodian.now(), r.intent
	ctx, cancel := settle(ctx)
	defer cancel()
	if _, err := r.custodian.cfg.Audit.Append(ctx, e); err != nil {
		return fmt.Errorf("%s: %w: %w", e.Kind, ErrAudit, err)
	}
	return nil
}

// settle returns a context for what must be written down although the request is over.
func settle(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed)
}
