package web

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// fakeGoverning answers the questions of governance out of memory, by the node's own rules where a page depends on them.
type fakeGoverning struct {
	govern     sync.Mutex
	versions   []*admin.AgreementVersion
	proposals  []*admin.AgreementProposal
	findings   []*admin.Finding
	directives []*admin.DirectiveInfo
	conflicts  []string
	receipt    *admin.ReceiptReply
	cases      []*admin.Review
	opened     []*admin.Located
	entries    []*admin.AuditEntry
	witnessed  bool
	broken     bool // the log is not whole
	shut       map[string]string
	suspends   []*admin.SuspendRequest
	approvals  []*admin.ApproveRequest
	recorded   []*admin.RecordDirectiveRequest
	withdrawn  []*admin.WithdrawDirectiveRequest
	searched   []*admin.SearchAuditRequest
	exported   []*admin.ExportAuditRequest
	governed   []*admin.Asker
	whys       []*admin.WhyRequest
	marked     []*admin.ProtectedPerson
	protected  []*admin.ProtectRequest
	refusal    error
}

// asked notes who asked, and refuses everything while it is told to.
func (f *fakeGoverning) asked(a *admin.Asker) error {
	f.governed = append(f.governed, a)
	return f.refusal
}

func (f *fakeGoverning) Agreements(_ context.Context, q *admin.AgreementsRequest) (*admin.AgreementsReply, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	reply := &admin.AgreementsReply{Trust: "RAS", Proposals: f.proposals}
	if q.GetTrust() != "" {
		reply.Trust = q.GetTrust()
	}
	for _, v := range f.versions {
		if q.GetVersion() == 0 || v.GetVersion() == q.GetVersion() {
			reply.Versions = append(reply.Versions, v)
		}
	}
	return reply, f.refusal
}

func (f *fakeGoverning) CheckAgreement(context.Context, *admin.CheckAgreementRequest) (*admin.CheckAgreementReply, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	return &admin.CheckAgreementReply{Findings: f.findings, Cedar: "permit (principal, action, resource);"}, f.refusal
}

func (f *fakeGoverning) SimulateAgreement(_ context.Context, q *admin.SimulateAgreementRequest) (*admin.SimulateAgreementReply, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	x := &admin.Impact{
		Decided: 1200, Before: 40, After: 51, Gained: 12, Lost: 1,
		Counts:   []*admin.ImpactCount{{By: "role", Value: "pharmacist", Gained: 12}, {By: "trust", Value: "RYJ", Gained: 12, Lost: 1}, {By: "type", Value: "373942005", Gained: 12}},
		Examples: []*admin.ImpactExample{{Gained: true, Role: "pharmacist", Trust: "RYJ", Type: "373942005", Request: "pharmacist of RYJ opens <b>a document</b>", Count: 12, Before: []string{"default deny"}, After: []string{"rule p permits"}}},
	}
	return &admin.SimulateAgreementReply{Audited: x, Matrix: &admin.Impact{}}, f.asked(q.GetAsker())
}

func (f *fakeGoverning) ProposeAgreement(_ context.Context, q *admin.ProposeAgreementRequest) (*admin.AgreementProposal, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	if err := f.asked(q.GetAsker()); err != nil {
		return nil, err
	}
	m := &admin.AgreementProposal{Id: "abc123", State: "proposed", By: q.GetAsker().GetUser(), Note: q.GetNote(), Form: q.GetText().GetForm(), Cedar: "permit (principal, action, resource);", Effective: q.GetEffective(), Expires: q.GetExpires(), Base: 1, Rollback: q.GetRollback()}
	f.proposals = append(f.proposals, m)
	return m, nil
}

func (f *fakeGoverning) ApproveAgreement(_ context.Context, q *admin.ApproveAgreementRequest) (*admin.AgreementProposal, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	if err := f.asked(q.GetAsker()); err != nil {
		return nil, err
	}
	for _, m := range f.proposals {
		switch {
		case m.GetId() != q.GetProposal():
		case q.GetReject():
			m.State, m.DecidedBy, m.DecidedNote = "rejected", q.GetAsker().GetUser(), q.GetNote()
			return m, nil
		case m.GetBy() == q.GetAsker().GetUser():
			return nil, admin.Errorf(admin.CodeDenied, "%s has proposed it and may not approve it too: a second person must", m.GetBy())
		default:
			m.State, m.DecidedBy, m.Committed, m.Version = "approved", q.GetAsker().GetUser(), true, 2
			return m, nil
		}
	}
	return nil, admin.Errorf(admin.CodeNotFound, "there is no proposal %q: 'ridgeway agreement show' lists those that wait", q.GetProposal())
}

func (f *fakeGoverning) RecordDirective(_ context.Context, q *admin.RecordDirectiveRequest) (*admin.RecordDirectiveReply, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	if err := f.asked(q.GetAsker()); err != nil {
		return nil, err
	}
	reply := &admin.RecordDirectiveReply{ReadBack: "No nurse may see your records.\nThe risk of it.", Conflicts: f.conflicts}
	f.recorded = append(f.recorded, q)
	if q.GetConfirm() {
		reply.Directive = strings.Repeat("ab", 16)
	}
	return reply, nil
}

func (f *fakeGoverning) WithdrawDirective(_ context.Context, q *admin.WithdrawDirectiveRequest) (*admin.RecordDirectiveReply, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	f.withdrawn = append(f.withdrawn, q)
	return &admin.RecordDirectiveReply{Directive: strings.Repeat("cd", 16)}, f.asked(q.GetAsker())
}

func (f *fakeGoverning) Directives(_ context.Context, q *admin.DirectivesRequest) (*admin.DirectivesReply, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	return &admin.DirectivesReply{Directives: f.directives, Conflicts: f.conflicts}, f.asked(q.GetAsker())
}

func (f *fakeGoverning) Receipt(_ context.Context, q *admin.ReceiptRequest) (*admin.ReceiptReply, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	return f.receipt, f.asked(q.GetAsker())
}

func (f *fakeGoverning) Reviews(_ context.Context, q *admin.ReviewsRequest) (*admin.ReviewsReply, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	reply := &admin.ReviewsReply{}
	for _, r := range f.cases {
		if (r.GetOutcome() != "") == q.GetClosed() {
			reply.Reviews = append(reply.Reviews, r)
		}
	}
	return reply, f.asked(q.GetAsker())
}

func (f *fakeGoverning) CloseReview(_ context.Context, q *admin.CloseReviewRequest) (*admin.Review, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	for _, r := range f.cases {
		if r.GetId() == q.GetId() {
			if r.GetUser() == q.GetAsker().GetUser() {
				return nil, admin.Errorf(admin.CodeDenied, "review %s is about %s, who cannot judge it: another governance lead or privacy officer must", r.GetId(), r.GetUser())
			}
			r.Outcome, r.ClosedBy, r.Note = q.GetOutcome(), q.GetAsker().GetUser(), q.GetNote()
			return r, f.asked(q.GetAsker())
		}
	}
	return nil, admin.Errorf(admin.CodeNotFound, "there is no review")
}

func (f *fakeGoverning) Opened(_ context.Context, _ string, who *admin.Asker) ([]*admin.Located, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	return f.opened, f.asked(who)
}

func (f *fakeGoverning) SearchAudit(_ context.Context, q *admin.SearchAuditRequest) (*admin.SearchAuditReply, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	f.searched = append(f.searched, q)
	reply := &admin.SearchAuditReply{Entries: f.entries}
	if q.GetFilter().GetSingle() {
		reply.Entries = nil
		for _, e := range f.entries {
			if e.GetIndex() == q.GetFilter().GetEntry() {
				reply.Entries = []*admin.AuditEntry{e}
			}
		}
	}
	return reply, f.asked(q.GetAsker())
}

func (f *fakeGoverning) ExportAudit(_ context.Context, q *admin.ExportAuditRequest, send func(line []byte) error) error {
	f.govern.Lock()
	defer f.govern.Unlock()
	f.exported = append(f.exported, q)
	if err := f.asked(q.GetAsker()); err != nil {
		return err
	}
	if q.GetProofs() {
		if !f.witnessed {
			return admin.Errorf(admin.CodeUnavailable, "the region has not witnessed this log yet: try again once it can be reached, or export without --proofs")
		}
		if err := send([]byte(`{"format":"ridgeway audit export 1","size":9,"root":"r00t","committed":77}`)); err != nil {
			return err
		}
	}
	line, err := json.Marshal(map[string]any{"resourceType": "AuditEvent", "extension": []any{map[string]any{"url": "urn:x", "extension": []any{map[string]string{"url": "path", "valueString": "h4sh"}}}}})
	if err != nil {
		return err
	}
	if err := send(line); err != nil {
		return err
	}
	if f.broken {
		return admin.Errorf(admin.CodeIntegrity, "entry 2 cannot be read")
	}
	return nil
}

func (f *fakeGoverning) VerifyAudit(_ context.Context, q *admin.VerifyAuditRequest) (*admin.VerifyAuditReply, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	reply := &admin.VerifyAuditReply{Ok: !f.broken, Entries: 1234, Root: "r00t", Checkpoints: 1}
	if f.broken {
		reply.Findings = []string{"entry 7 was rewritten"}
	}
	if q.GetRegion() {
		reply.Sites = []*admin.ReportSite{{Trust: "RYJ", Answered: true, Entries: 1200}, {Trust: "R1K", Problem: "did not answer"}}
	}
	return reply, f.asked(q.GetAsker())
}

func (f *fakeGoverning) Reconcile(_ context.Context, q *admin.ReconcileRequest) (*admin.ReconcileReply, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	return &admin.ReconcileReply{Compared: 5, OneSided: []*admin.OneSided{{Here: "RAS", There: "RYJ", User: "a.okafor", Problem: "the other end has no entry"}}}, f.asked(q.GetAsker())
}

func (f *fakeGoverning) Suspend(_ context.Context, q *admin.SuspendRequest) (*admin.ProposalReply, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	f.suspends = append(f.suspends, q)
	return &admin.ProposalReply{Proposal: "p1", Approvals: 1, Needed: 2}, f.asked(q.GetBy())
}

func (f *fakeGoverning) Approve(_ context.Context, q *admin.ApproveRequest) (*admin.ProposalReply, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	f.approvals = append(f.approvals, q)
	return &admin.ProposalReply{InForce: true}, f.asked(q.GetBy())
}

func (f *fakeGoverning) SuspendUser(_ context.Context, q *admin.SuspendUserRequest) (*admin.SuspendUserReply, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	if err := f.asked(q.GetAsker()); err != nil {
		return nil, err
	}
	if f.shut == nil {
		f.shut = make(map[string]string)
	}
	switch {
	case q.GetUser() == "":
	case strings.EqualFold(q.GetUser(), q.GetAsker().GetUser()):
		return nil, admin.Errorf(admin.CodeDenied, "%s cannot suspend themselves", q.GetUser())
	case q.GetLift():
		delete(f.shut, q.GetUser())
	default:
		f.shut[q.GetUser()] = q.GetReason()
	}
	reply := &admin.SuspendUserReply{}
	for u, why := range f.shut {
		reply.Users = append(reply.Users, &admin.SuspendedUser{User: u, Reason: why, By: q.GetAsker().GetUser(), At: 1})
	}
	return reply, nil
}

func (f *fakeGoverning) Protect(_ context.Context, q *admin.ProtectRequest) (*admin.ProtectReply, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	if err := f.asked(q.GetAsker()); err != nil {
		return nil, err
	}
	if q.GetPatient() != "" {
		f.protected = append(f.protected, q)
		if q.GetLift() && len(f.marked) == 0 {
			return nil, admin.Errorf(admin.CodeNotFound, "that person bears no such mark: 'ridgeway protect --list' shows those there are")
		}
	}
	return &admin.ProtectReply{Persons: f.marked}, nil
}

func (f *fakeGoverning) ShutOut(user string) bool {
	f.govern.Lock()
	defer f.govern.Unlock()
	_, found := f.shut[user]
	return found
}

func (f *fakeGoverning) Why(_ context.Context, q *admin.WhyRequest) (*admin.WhyReply, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	f.whys = append(f.whys, q)
	return &admin.WhyReply{Outcome: "DENIED", Chain: []string{"the patient <script>objects</script>", "The sharing agreement of RYJ, version 2: RYJ-0400000000000001 (RYJ)"}, Told: "not shared", Agreement: 1, Question: "nurse of RYJ opens it for HRESCH"}, f.asked(q.GetBy())
}

func (f *fakeGoverning) Who(_ context.Context, q *admin.WhoRequest) (*admin.WhoReply, error) {
	f.govern.Lock()
	defer f.govern.Unlock()
	return &admin.WhoReply{Access: []*admin.Access{
		{Trust: "RYJ", Role: "doctor", Purpose: "TREAT", See: true, Open: true, Rule: "direct-care"},
		{Trust: "RYJ", Role: "nurse", Purpose: "TREAT", See: true, Open: true, Rule: "direct-care"},
		{Role: "doctor", Purpose: "BTG", Glass: true, Rule: "break-glass", Relationships: []string{"referral"}},
	}}, f.asked(q.GetBy())
}
