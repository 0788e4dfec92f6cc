package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

const (
	accessLimit   = 500 // entries of one answer: they fit a message
	provenLimit   = 300 // the same with what the other trust has signed
	accessTimeout = 15 * time.Second
	accessPause   = 700 * time.Millisecond // after a site has said that it was asked too often
	accessTries   = 20
	mostAccesses  = 200_000 // of one site, so that nobody can fill this node's memory
	// hearPatience is how long an answer is waited for, and hearPage how much longer for each page that brings it far: hearFull accesses,
	// or, where a log is read for what was exchanged with this trust, provenLimit entries further on. All answers of a trust have
	// hearMost: whoever answers without an end, or drop by drop, holds no report up for longer.
	hearPatience = 2 * time.Minute
	hearPage     = 2 * time.Second
	hearFull     = 100
	hearMost     = 10 * time.Minute
)

// accessKinds are the entries that tell of an access to a patient's record.
func accessKinds() []audit.Kind {
	return []audit.Kind{audit.Intent, audit.Completion, audit.Receipt, audit.Refusal, audit.Search, audit.View, audit.BreakGlass, audit.Review}
}

// exchangeKinds are the entries that both ends of a release write.
func exchangeKinds() []audit.Kind {
	return []audit.Kind{audit.Intent, audit.Completion, audit.Receipt, audit.Refusal}
}

// Accesses answers another trust: what this log has of a patient, or of what the two trusts have exchanged. Who asks and why is
// in this log before anything is read, also when it is refused.
func (s regionServer) Accesses(ctx context.Context, q *wire.AccessesRequest) (*wire.AccessesReply, error) {
	id, _, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return s.n.answerAccesses(ctx, id, q)
}

func (n *Node) answerAccesses(ctx context.Context, id federation.NodeID, q *wire.AccessesRequest) (*wire.AccessesReply, error) {
	_, trust, known := n.ledger.Roster().Node(id)
	if !known || !n.ledger.Roster().Active(id) {
		return nil, status.Error(codes.PermissionDenied, "not an active node of the region")
	}
	e := audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Review, Trust: trust.ID, Node: id, User: clipText(q.GetUser(), audit.MaxName), Role: clipText(q.GetRole(), audit.MaxName),
		Purpose: clipText(q.GetPurpose(), audit.MaxName), Outcome: policy.Permit.String(), Detail: fmt.Sprintf("told %s what this log has of exchanges between the two trusts", trust.ID),
	}
	switch len(q.GetSubject()) {
	case 0:
	case len(e.Subject):
		copy(e.Subject[:], q.GetSubject())
		e.Detail = fmt.Sprintf("told %s who has seen this patient's documents", trust.ID)
	default:
		return nil, status.Error(codes.InvalidArgument, "a subject has 16 bytes")
	}
	may := mayReadEvidence(q.GetRole(), q.GetPurpose()) && q.GetUser() != ""
	if !may {
		e.Outcome = policy.Denied.String()
	}
	if _, err := n.audit.Append(ctx, e); err != nil {
		if errors.Is(err, audit.ErrEntry) {
			return nil, status.Error(codes.InvalidArgument, "who asks cannot be written down")
		}
		return nil, status.Error(codes.Unavailable, "the audit log cannot be written, and nothing is shown without evidence")
	}
	if !may {
		return nil, status.Error(codes.PermissionDenied, "who has seen what is not shown to this role for this purpose")
	}
	n.readsEvidence(ctx, &e)
	other := trust.ID
	if !e.Subject.IsZero() {
		other = ""
	}
	reply, err := n.accesses(ctx, e.Subject, other, q)
	if err != nil {
		return nil, status.Error(codes.Unavailable, "the audit log cannot be read")
	}
	return reply, nil
}

// accesses reads one page of this node's log: of a patient, or of what was exchanged with another trust.
func (n *Node) accesses(ctx context.Context, subject federation.Subject, other federation.TrustID, q *wire.AccessesRequest) (*wire.AccessesReply, error) {
	limit := int(min(q.GetLimit(), accessLimit))
	if limit == 0 {
		limit = accessLimit
	}
	f := audit.Filter{Subject: subject, Kinds: accessKinds()}
	if subject.IsZero() {
		f.Kinds, limit = exchangeKinds(), min(limit, provenLimit)
	}
	if q.GetSince() > 0 {
		f.Since = time.UnixMicro(q.GetSince()).UTC()
	}
	page, err := n.audit.Search(ctx, f, audit.Ref(q.GetFrom()), limit)
	if err != nil {
		return nil, err
	}
	reply := &wire.AccessesReply{Next: uint64(page.Next), Damaged: uint64(len(page.Damaged))}
	if q.GetFrom() == 0 && !subject.IsZero() {
		reply.Emergencies = n.emergenciesOf(subject)
	}
	for _, r := range page.Records {
		switch {
		case subject.IsZero() && !between(&r.Entry, n.Trust(), other):
		case r.Kind == audit.Review && r.Trust != n.Trust(): // the other end tells of it
		default:
			a := accessOf(r)
			if l := (logged{n.Trust(), a}); !l.ofAnEnd() || subject.IsZero() && !l.with(other) {
				continue // another trust has asked here for what neither of the two holds: nothing was released
			}
			if subject.IsZero() && len(r.Proof) <= exchange.MaxProof {
				a.Proof = r.Proof
			}
			reply.Accesses = append(reply.Accesses, a)
		}
	}
	return reply, nil
}

// between reports whether an entry is of a release from one of two trusts to the other; an empty other is any.
func between(e *audit.Entry, own, other federation.TrustID) bool {
	if other == "" {
		return (e.Trust == own) != (e.Custodian == own)
	}
	return e.Trust == own && e.Custodian == other || e.Trust == other && e.Custodian == own
}

// accessOf is an entry as other trusts may know it: without the rules, which are the custodian's own business.
func accessOf(r audit.Record) *wire.Access {
	t := transferOf(&r.Entry)
	out := &wire.Access{
		Index: r.Index, At: r.Time.UnixMicro(), Kind: r.Kind.String(), Trust: string(r.Trust), User: r.User, Role: r.Role, Purpose: r.Purpose,
		Relationship: r.Relationship, Document: string(r.Document), Outcome: r.Outcome, BreakGlass: r.BreakGlass, Bytes: uint64(r.Bytes),
		Leaf: r.Leaf[:], Of: uint64(r.Of), Choice: choiceOf(&r.Entry),
	}
	if !r.Request.IsZero() {
		out.Request = r.Request[:]
	}
	if !r.Subject.IsZero() {
		out.Subject = r.Subject[:]
	}
	if t != [16]byte{} {
		out.Transfer = t[:]
	}
	return out
}

// logged is what one trust's log says.
type logged struct {
	log federation.TrustID
	*wire.Access
}

// testimony is what a trust has answered.
type testimony struct {
	site        *admin.ReportSite
	accesses    []logged
	emergencies []*wire.Emergency
	foreign     int       // accesses that are not its own to tell of
	last        time.Time // until when it is listened to
}

// hear asks every trust of the region but this one, side by side.
func (n *Node) hear(ctx context.Context, ask func() []*wire.AccessesRequest) []testimony {
	var out []testimony
	done := make(chan testimony)
	roster := n.ledger.Roster()
	asked := 0
	for _, t := range roster.Trusts() {
		if t.ID == n.Trust() || t.Standing == federation.Proposed {
			continue
		}
		asked++
		go func() { done <- n.hearOne(ctx, t, ask()) }()
	}
	for range asked {
		out = append(out, <-done)
	}
	slices.SortFunc(out, func(a, b testimony) int {
		if a.site.GetTrust() < b.site.GetTrust() {
			return -1
		}
		return 1
	})
	return out
}

// hearOne asks all nodes of a trust. A trust has answered when all of its nodes have told all that they know.
func (n *Node) hearOne(ctx context.Context, t federation.Trust, ask []*wire.AccessesRequest) testimony {
	out := testimony{site: &admin.ReportSite{Trust: string(t.ID), Name: t.Name}}
	nodes := 0
	for _, node := range t.Nodes {
		if !n.ledger.Roster().Active(node.ID) {
			continue
		}
		nodes++
		for _, q := range ask {
			if err := n.hearNode(ctx, t.ID, node.ID, q, &out); err != nil {
				out.site.Problem = hearProblem(err)
				return out
			}
		}
	}
	switch {
	case nodes == 0:
		out.site.Problem = "it is " + t.Standing.String() + ", and takes no calls"
	case out.site.GetDamaged() > 0:
		out.site.Problem = fmt.Sprintf("%d entries of its log cannot be read", out.site.GetDamaged())
	case out.foreign > 0:
		out.site.Problem = fmt.Sprintf("%d of the accesses that it tells of are not its own, and are left out: ask its privacy officer", out.foreign)
	default:
		out.site.Answered = true
	}
	out.site.Entries = uint64(len(out.accesses))
	return out
}

func hearProblem(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "it did not tell all in the time that there is for it"
	}
	switch status.Code(err) {
	case codes.PermissionDenied:
		return "it refuses to tell"
	case codes.ResourceExhausted:
		return "it was asked too often: try again in a minute"
	case codes.Unimplemented:
		return "its version of the program cannot tell"
	default:
		return "it cannot be reached"
	}
}

// hearNode asks one node for all pages of an answer.
func (n *Node) hearNode(ctx context.Context, trust federation.TrustID, id federation.NodeID, q *wire.AccessesRequest, out *testimony) error {
	conn, err := dialRegion(n.door, id)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // nothing is left to be said on it
	return out.hearPages(ctx, n.Trust(), trust, q, func(ctx context.Context, q *wire.AccessesRequest) (*wire.AccessesReply, error) {
		return askAccesses(ctx, conn, q)
	})
}

// hearPages asks for page after page, until there is none or the time for it has passed.
func (t *testimony) hearPages(ctx context.Context, own, log federation.TrustID, q *wire.AccessesRequest, ask func(context.Context, *wire.AccessesRequest) (*wire.AccessesReply, error)) error {
	q = &wire.AccessesRequest{Subject: q.GetSubject(), Since: q.GetSince(), From: q.GetFrom(), Limit: accessLimit, User: q.GetUser(), Role: q.GetRole(), Purpose: q.GetPurpose()}
	if t.last.IsZero() {
		t.last = time.Now().Add(hearMost)
	}
	for end := time.Now().Add(hearPatience); ; {
		if end.After(t.last) {
			end = t.last
		}
		asking, cancel := context.WithDeadline(ctx, end)
		reply, err := ask(asking, q)
		cancel()
		if late := ctx.Err() == nil && !time.Now().Before(end); late && (err != nil || reply.GetNext() != 0) {
			return context.DeadlineExceeded
		}
		if err != nil {
			return err
		}
		if len(reply.GetAccesses()) >= hearFull || len(q.GetSubject()) == 0 && reply.GetNext() >= q.GetFrom()+provenLimit {
			end = end.Add(hearPage)
		}
		t.take(own, log, q, reply)
		t.site.Damaged += reply.GetDamaged()
		switch next := reply.GetNext(); {
		case next == 0:
			return nil
		case next <= q.GetFrom() || len(t.accesses)+t.foreign > mostAccesses:
			return status.Error(codes.Internal, "an answer without an end")
		default:
			q.From = next
		}
	}
}

// take keeps of a page what its trust can know, in a form that is fit to be shown.
func (t *testimony) take(own, log federation.TrustID, q *wire.AccessesRequest, reply *wire.AccessesReply) {
	var subject federation.Subject
	copy(subject[:], q.GetSubject())
	cleanTestimony(reply, subject)
	for _, a := range reply.GetAccesses() {
		of := logged{log, a}
		if !of.ofAnEnd() || subject.IsZero() && !of.with(own) {
			t.foreign++
			continue
		}
		t.accesses = append(t.accesses, of)
	}
	if q.GetFrom() == 0 { // they come with the first page
		t.emergencies = append(t.emergencies, reply.GetEmergencies()...)
	}
}

// ofAnEnd reports whether the log is that of one of the two trusts that an entry is about: a third one knows nothing of it, and what
// it says could change what the two have said.
func (l logged) ofAnEnd() bool {
	return l.log == federation.TrustID(l.GetTrust()) || l.log == l.custodian()
}

// with reports whether the entry is of a release between the trust whose log it is and another one.
func (l logged) with(other federation.TrustID) bool {
	return between(&audit.Entry{Trust: federation.TrustID(l.GetTrust()), Custodian: l.custodian()}, l.log, other)
}

func (l logged) custodian() federation.TrustID {
	if l.GetDocument() == "" {
		return ""
	}
	return federation.DocumentID(l.GetDocument()).Custodian()
}

// askAccesses asks for one page, again after a pause when the other end has had enough for the moment.
func askAccesses(ctx context.Context, conn *grpc.ClientConn, q *wire.AccessesRequest) (*wire.AccessesReply, error) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for try := 0; ; try++ {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-pause.C:
		}
		call, cancel := context.WithTimeout(ctx, accessTimeout)
		reply, err := wire.NewRegionClient(conn).Accesses(call, q)
		cancel()
		if status.Code(err) != codes.ResourceExhausted || try == accessTries {
			return reply, err
		}
		pause.Reset(accessPause)
	}
}

// hearSelf is what this node's own log has.
func (n *Node) hearSelf(ctx context.Context, subjects []federation.Subject, other federation.TrustID, since int64) (testimony, error) {
	out := testimony{site: &admin.ReportSite{Trust: string(n.Trust()), Name: n.trustName(n.Trust())}}
	for _, s := range subjects {
		q := &wire.AccessesRequest{Since: since, Limit: accessLimit}
		for {
			reply, err := n.accesses(ctx, s, other, q)
			if err != nil {
				return out, fmt.Errorf("read the audit log: %w", err)
			}
			for _, a := range reply.GetAccesses() {
				out.accesses = append(out.accesses, logged{n.Trust(), a})
			}
			out.emergencies = append(out.emergencies, reply.GetEmergencies()...)
			out.site.Damaged += reply.GetDamaged()
			if q.From = reply.GetNext(); q.From == 0 {
				break
			}
		}
	}
	out.site.Entries, out.site.Answered = uint64(len(out.accesses)), out.site.GetDamaged() == 0
	if !out.site.GetAnswered() {
		out.site.Problem = fmt.Sprintf("%d entries of its log cannot be read", out.site.GetDamaged())
	}
	return out, nil
}

// trustName returns what a trust calls itself, or its code.
func (n *Node) trustName(t federation.TrustID) string {
	if trust, ok := n.ledger.Roster().Trust(t); ok && trust.Name != "" {
		return trust.Name
	}
	return string(t)
}
