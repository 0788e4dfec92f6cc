package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

const (
	searchLimit = 1000
	searchBytes = 3 << 20 // of one answer: what a message to the command line holds, less some room
)

// evidenceRoles may read what the audit log has, here and at other trusts, for one of evidencePurposes.
func evidenceRoles() []string { return []string{"governance-lead", "privacy-officer", "records-staff"} }

// evidencePurposes are what the audit log may be read for: the patient asks, the trust checks itself, or the law wants it.
func evidencePurposes() []string { return []string{"PATRQT", "HOPERAT", "HLEGAL"} }

// mayReadEvidence reports whether a role may read evidence for a purpose. Both ends ask it. A patient may, of their own record: that
// it is theirs, the trust at whose portal they have signed on vouches for. No member of staff can be one.
func mayReadEvidence(role, purpose string) bool {
	return slices.Contains(evidenceRoles(), role) && slices.Contains(evidencePurposes(), purpose) || role == patientRole && purpose == patientPurpose
}

// evidenceReader is who reads the log, with the defaults of an operator who looks after it.
func evidenceReader(a *admin.Asker) *admin.Asker {
	out := asker(a)
	if a.GetRole() == "" {
		out.Role = "governance-lead"
	}
	if a.GetPurpose() == "" {
		out.Purpose = "HOPERAT"
	}
	return out
}

// evidenceRelationship is what the rules of misuse are told instead of a relationship: evidence is read without one.
const evidenceRelationship = "evidence"

// readsEvidence has the rules of misuse look at somebody who reads who has seen a patient's record: what is there tells where
// the patient was treated, and a sweep over many patients is to be noticed.
func (n *Node) readsEvidence(ctx context.Context, e *audit.Entry) {
	// Patients who read about themselves go by one name at their trust: they are not one person who sweeps.
	if !e.Subject.IsZero() && (e.Role != patientRole || e.Purpose != patientPurpose) {
		n.misuse.look(ctx, person{e.Trust, e.User}, e.Subject, evidenceRelationship)
	}
}

// admitReader writes down that somebody reads evidence, and refuses who may not. Nothing is read before it is on the disk.
func (n *Node) admitReader(ctx context.Context, who *admin.Asker, subject federation.Subject, id federation.DocumentID, what string) error {
	if err := n.admit(ctx, who); err != nil {
		return err
	}
	e := audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Review, Trust: n.Trust(), Node: n.ID(), User: who.GetUser(), Role: who.GetRole(), Purpose: who.GetPurpose(),
		Relationship: who.GetRelationship(), Subject: subject, Document: id, Outcome: policy.Permit.String(), Detail: clipText(what, audit.MaxDetail),
	}
	if mayReadEvidence(who.GetRole(), who.GetPurpose()) {
		if err := n.note(ctx, e); err != nil {
			return err
		}
		n.readsEvidence(ctx, &e)
		return nil
	}
	e.Outcome = policy.Denied.String()
	if err := n.note(ctx, e); err != nil {
		return err
	}
	return admin.Errorf(admin.CodeDenied, "who has seen what is shown to the roles %s for the purposes %s, not to %s for %s. That it was asked for is in the audit log", strings.Join(evidenceRoles(), ", "), strings.Join(evidencePurposes(), ", "), who.GetRole(), who.GetPurpose())
}

// SearchAudit returns entries of this node's log, newest first. That it was searched is an entry itself.
func (n *Node) SearchAudit(ctx context.Context, q *admin.SearchAuditRequest) (*admin.SearchAuditReply, error) {
	who := evidenceReader(q.GetAsker())
	f, err := n.auditFilter(q.GetFilter())
	if err != nil {
		return nil, err
	}
	if q.GetFilter().GetSingle() {
		r, err := n.oneEntry(ctx, who, q.GetFilter().GetEntry())
		if err != nil {
			return nil, err
		}
		return &admin.SearchAuditReply{Entries: []*admin.AuditEntry{shownEntry(r)}}, nil
	}
	f.Newest = true
	from, limit, err := searchPage(q.GetFilter())
	if err != nil {
		return nil, err
	}
	if err := n.admitReader(ctx, who, f.Subject, f.Document, "searched the audit log"+filterText(f)); err != nil {
		return nil, err
	}
	reply := &admin.SearchAuditReply{}
	size := 0
	for {
		page, err := n.audit.Search(ctx, f, from, limit-len(reply.Entries))
		if err != nil {
			return nil, fmt.Errorf("search the audit log: %w", err)
		}
		reply.Damaged = append(reply.Damaged, page.Damaged...)
		for _, r := range page.Records {
			entry := shownEntry(r)
			if size += len(r.Rules) + len(r.Detail) + 1024; size > searchBytes {
				reply.Next = strconv.FormatUint(uint64(audit.RefTo(r.Index)), 10)
				return reply, nil
			}
			reply.Entries = append(reply.Entries, entry)
		}
		if from = page.Next; from == 0 {
			return reply, nil
		}
		if len(reply.Entries) >= limit {
			reply.Next = strconv.FormatUint(uint64(from), 10)
			return reply, nil
		}
	}
}

// oneEntry reads the entry with a number.
func (n *Node) oneEntry(ctx context.Context, who *admin.Asker, index uint64) (audit.Record, error) {
	if err := n.admitReader(ctx, who, federation.Subject{}, "", fmt.Sprintf("read entry %d of the audit log", index)); err != nil {
		return audit.Record{}, err
	}
	list, err := n.audit.Read(ctx, index, 1)
	switch {
	case errors.Is(err, storage.ErrIntegrity):
		return audit.Record{}, admin.Errorf(admin.CodeIntegrity, "entry %d of the audit log cannot be read: 'ridgeway audit verify --data %s' says more", index, admin.Arg(n.options.Data))
	case err != nil:
		return audit.Record{}, fmt.Errorf("read the audit log: %w", err)
	case len(list) == 0:
		return audit.Record{}, admin.Errorf(admin.CodeNotFound, "the audit log has no entry %d", index)
	}
	return list[0], nil
}

// auditFilter reads what is searched for.
func (n *Node) auditFilter(q *admin.AuditFilter) (audit.Filter, error) {
	f := audit.Filter{User: q.GetUser(), BreakGlass: q.GetBreakGlass(), Outcome: strings.ToUpper(q.GetOutcome())}
	if q.GetPatient() != "" {
		number, err := n.patient(q.GetPatient())
		if err != nil {
			return f, err
		}
		f.Subject = n.records.Subject(number)
	}
	if q.GetDocument() != "" {
		id, err := federation.ParseDocumentID(q.GetDocument())
		if err != nil {
			return f, admin.Errorf(admin.CodeBadInput, "%v: 'ridgeway locate' lists the ids", err)
		}
		f.Document = id
	}
	if f.Trust = federation.TrustID(strings.ToUpper(q.GetTrust())); f.Trust != "" && !f.Trust.Valid() {
		return f, admin.Errorf(admin.CodeBadInput, "%q is no ODS code", q.GetTrust())
	}
	if q.GetKind() != "" {
		for name := range strings.SplitSeq(q.GetKind(), ",") {
			k, ok := kindNamed(strings.TrimSpace(name))
			if !ok {
				return f, admin.Errorf(admin.CodeBadInput, "there is no kind of entry %q: it is one of %s", name, strings.Join(kindNames(), ", "))
			}
			f.Kinds = append(f.Kinds, k)
		}
	}
	if q.GetSince() != 0 {
		f.Since = time.UnixMicro(q.GetSince()).UTC()
	}
	if q.GetUntil() != 0 {
		f.Until = time.UnixMicro(q.GetUntil()).UTC()
	}
	return f, nil
}

func searchPage(q *admin.AuditFilter) (audit.Ref, int, error) {
	limit := int(q.GetLimit())
	if limit == 0 {
		limit = searchLimit
	}
	if limit > searchLimit {
		return 0, 0, admin.Errorf(admin.CodeBadInput, "a limit of %d: at most %d at a time, and 'next' for more", limit, searchLimit)
	}
	if q.GetCursor() == "" {
		return 0, limit, nil
	}
	from, err := strconv.ParseUint(q.GetCursor(), 10, 62)
	if err != nil {
		return 0, 0, admin.Errorf(admin.CodeBadInput, "%q does not come from an earlier answer's 'next'", q.GetCursor())
	}
	return audit.Ref(from), limit, nil
}

func kindNames() []string {
	var out []string
	for k := audit.Intent; k.Valid(); k++ {
		out = append(out, k.String())
	}
	return out
}

func kindNamed(name string) (audit.Kind, bool) {
	i := slices.Index(kindNames(), name)
	return audit.Intent + audit.Kind(max(i, 0)), i >= 0
}

// filterText says what was searched for, in the entry of the search; patient and document have fields of their own.
func filterText(f audit.Filter) string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+" "+value)
		}
	}
	add("user", f.User)
	add("trust", string(f.Trust))
	add("outcome", f.Outcome)
	for _, k := range f.Kinds {
		add("kind", k.String())
	}
	if !f.Since.IsZero() {
		add("since", f.Since.Format(time.RFC3339))
	}
	if !f.Until.IsZero() {
		add("until", f.Until.Format(time.RFC3339))
	}
	if f.BreakGlass {
		parts = append(parts, "emergencies only")
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// shownEntry is an entry as the command line shows it.
func shownEntry(r audit.Record) *admin.AuditEntry {
	out := &admin.AuditEntry{
		Index: r.Index, At: r.Time.UnixMicro(), Kind: r.Kind.String(), Trust: string(r.Trust), User: r.User, Role: r.Role, Purpose: r.Purpose,
		Relationship: r.Relationship, Document: string(r.Document), Custodian: string(r.Custodian), Outcome: r.Outcome, Bytes: uint64(r.Bytes),
		BreakGlass: r.BreakGlass, Detail: r.Detail, Leaf: r.Leaf.String(), Of: -1, State: r.StateIndex, LeaseAge: r.LeaseAge.Microseconds(),
	}
	if r.Rules != "" {
		out.Chain = strings.Split(r.Rules, "\n")
	}
	if !r.Subject.IsZero() {
		out.Patient = hex.EncodeToString(r.Subject[:])
	}
	if of, ok := r.Of.Index(); ok {
		out.Of = int64(of)
	}
	if !r.Request.IsZero() {
		out.Request = r.Request.String()
	}
	out.Signed = len(r.Proof) > 0
	if t := transferOf(&r.Entry); t != [16]byte{} {
		out.Transfer = hex.EncodeToString(t[:])
	}
	return out
}

// transferOf returns what joins the entries of a release. Entries of version 1 have it in their detail only.
func transferOf(e *audit.Entry) [16]byte {
	t := e.Transfer
	if t != [16]byte{} {
		return t
	}
	_, rest, found := strings.Cut(e.Detail, "; transfer ")
	if text, _, _ := strings.Cut(rest, ";"); found && len(text) == 2*len(t) {
		if _, err := hex.Decode(t[:], []byte(text)); err != nil {
			return [16]byte{}
		}
	}
	return t
}
