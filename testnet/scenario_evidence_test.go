package testnet

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

// recordsStaff asks on behalf of a patient.
func recordsStaff() *admin.Asker {
	return &admin.Asker{User: "r.clerk", Role: "records-staff", Purpose: "PATRQT"}
}

// report asks a trust for a patient's report.
func (s *stage) report1(at federation.TrustID, patient synth.Patient) *admin.ReportReply {
	s.Helper()
	r, err := s.r.Node(at).Report(s.ctx, &admin.ReportRequest{Patient: patient.NHSNumber, Asker: recordsStaff()})
	s.must(err)
	return r
}

// entries searches a trust's log.
func (s *stage) entries(at federation.TrustID, f *admin.AuditFilter) []*admin.AuditEntry {
	s.Helper()
	r, err := s.r.Node(at).SearchAudit(s.ctx, &admin.SearchAuditRequest{Filter: f, Asker: &admin.Asker{User: "g.lead"}})
	s.must(err)
	if len(r.GetDamaged()) > 0 || r.GetNext() != "" {
		s.Errorf("the answer is not whole: %v, %s", r.GetDamaged(), r.GetNext())
	}
	return r.GetEntries()
}

func accessesOf(r *admin.ReportReply, kind string, trust federation.TrustID) (out []*admin.ReportAccess) {
	for _, a := range r.GetAccesses() {
		if a.GetKind() == kind && a.GetTrust() == string(trust) {
			out = append(out, a)
		}
	}
	return out
}

// TestReportHasEveryAccessAtEveryTrust has a document opened at home and away, refused, looked for and objected to. The report
// must have all of it, once, be in the log of every trust, and say when a trust did not answer.
func TestReportHasEveryAccessAtEveryTrust(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(3)}, func(s *stage) {
		patient, other := s.patients[0], s.patients[1]
		id, elsewhere := s.published(ryj, patient, 300_000), s.published(ras, patient, 2000)
		others := s.published(ryj, other, 1000)
		s.must(s.r.Converged(s.ctx))
		s.fetch(ras, others, "")
		s.fetch(ras, id, "")
		s.fetch(ryj, id, "")
		s.fetch(r1k, elsewhere, "")
		_, err := s.r.Locate(s.ctx, r1k, patient.NHSNumber)
		s.must(err)
		_, err = s.r.Object(s.ctx, ryj, &admin.ObjectRequest{Patient: patient.NHSNumber, By: "d.esk", Evidence: "letter"})
		s.must(err)
		s.must(s.r.Converged(s.ctx))
		if _, err := s.r.Fetch(s.ctx, ras, &admin.FetchRequest{Document: string(id)}, nil); err == nil {
			s.Fatal("what the patient objects to is released")
		}
		s.pass(time.Second) // the custodian ends its entries after the requester has all
		r := s.report1(r1k, patient)
		if !r.GetComplete() || len(r.GetSites()) != 3 {
			s.Errorf("not complete: %v", r.GetSites())
		}
		for _, want := range []struct {
			kind  string
			trust federation.TrustID
			bytes uint64
			doc   federation.DocumentID
		}{
			{"opened", ras, 300_000, id}, {"opened", ryj, 300_000, id}, {"opened", r1k, 2000, elsewhere}, {"refused", ras, 0, id}, {"looked_up", r1k, 0, ""}, {"reviewed", r1k, 0, ""},
		} {
			got := accessesOf(r, want.kind, want.trust)
			if len(got) != 1 || got[0].GetBytes() != want.bytes || got[0].GetDocument() != string(want.doc) || got[0].GetOneSided() != "" || got[0].GetText() == "" {
				s.Errorf("%s by %s: %v, want it once, with %d bytes of %q", want.kind, want.trust, got, want.bytes, want.doc)
			}
		}
		if len(r.GetAccesses()) != 6 {
			s.Errorf("%d accesses, want 6: %v", len(r.GetAccesses()), r.GetAccesses())
		}
		if d := r.GetDirectives(); len(d) != 1 || d[0].GetState() != "in_force" || d[0].GetBy() != "d.esk" || !strings.HasPrefix(d[0].GetText(), "Nobody outside") {
			s.Errorf("what the patient has said: %v", d)
		}
		for _, at := range s.r.Trusts() { // that it was asked is in the log of each
			asked := s.entries(at, &admin.AuditFilter{Kind: "review", Patient: patient.NHSNumber, User: "r.clerk", Trust: string(r1k)})
			if len(asked) != 1 || asked[0].GetPurpose() != "PATRQT" {
				s.Errorf("%s has %v of the report, want one entry", at, asked)
			}
		}
		s.must(s.r.Stop(ras))
		r = s.report1(r1k, patient)
		i := slices.IndexFunc(r.GetSites(), func(x *admin.ReportSite) bool { return x.GetTrust() == string(ras) })
		if r.GetComplete() || i < 0 || r.GetSites()[i].GetAnswered() || r.GetSites()[i].GetProblem() == "" {
			s.Errorf("a trust that does not answer: %v, complete %v", r.GetSites(), r.GetComplete())
		}
		s.must(s.r.Restart(s.ctx, ras))
	})
}

// TestReportIsForThoseWhoMayAskOnly asks in roles and for purposes that it is not given to. That is in the log.
func TestReportIsForThoseWhoMayAskOnly(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(2)}, func(s *stage) {
		patient := s.patients[0]
		s.published(ryj, patient, 1000)
		for _, who := range []*admin.Asker{
			nil, {User: "x", Role: "doctor", Purpose: "PATRQT"}, {User: "x", Role: "records-staff", Purpose: "TREAT"}, {User: "x", Role: "governance-lead", Purpose: "HMARKT"},
		} {
			_, err := s.r.Node(ryj).Report(s.ctx, &admin.ReportRequest{Patient: patient.NHSNumber, Asker: who})
			if codeOf(err) != admin.CodeDenied {
				s.Errorf("%v: %v, want %s", who, err, admin.CodeDenied)
			}
		}
		if got := s.entries(ryj, &admin.AuditFilter{Kind: "review", Outcome: "denied"}); len(got) != 4 {
			s.Errorf("%d refusals are in the log, want 4: %v", len(got), got)
		}
		if got := s.entries(ras, &admin.AuditFilter{Kind: "review", Trust: string(ryj)}); len(got) != 0 {
			s.Errorf("%s was asked all the same: %v", ras, got)
		}
		if _, err := s.r.Node(ryj).SearchAudit(s.ctx, &admin.SearchAuditRequest{Asker: &admin.Asker{Role: "doctor", Purpose: "TREAT"}}); codeOf(err) != admin.CodeDenied {
			s.Errorf("a doctor searches the log: %v", err)
		}
	})
}

// TestSearchFindsByEveryFilter looks for what was done with each filter, and pages.
func TestSearchFindsByEveryFilter(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(2)}, func(s *stage) {
		patient := s.patients[0]
		id := s.published(ryj, patient, 5000)
		s.must(s.r.Converged(s.ctx))
		before := time.Now()
		s.pass(time.Second)
		_, err := s.r.Fetch(s.ctx, ras, &admin.FetchRequest{Document: string(id), Asker: &admin.Asker{User: "c.jones", Role: "doctor", Relationship: "referral"}}, nil)
		s.must(err)
		s.fetch(ras, federation.NewDocumentID(ryj, federation.DocumentKey{1}), admin.CodeNotFound)
		s.pass(time.Second) // the custodian ends its entries after the requester has all
		for name, c := range map[string]struct {
			f    *admin.AuditFilter
			want int
		}{
			"user":     {&admin.AuditFilter{User: "c.jones"}, 2},
			"document": {&admin.AuditFilter{Document: string(id), Kind: "intent,completion"}, 2},
			"patient":  {&admin.AuditFilter{Patient: patient.NHSNumber, Trust: string(ras), Kind: "intent"}, 1},
			"other":    {&admin.AuditFilter{Patient: s.patients[1].NHSNumber, Kind: "intent"}, 0},
			"since":    {&admin.AuditFilter{Since: before.UnixMicro(), Kind: "completion"}, 1},
			"until":    {&admin.AuditFilter{Until: before.UnixMicro(), Kind: "completion"}, 0},
			"glass":    {&admin.AuditFilter{BreakGlass: true}, 0},
		} {
			if got := s.entries(ryj, c.f); len(got) != c.want {
				s.Errorf("%s: %d entries, want %d: %v", name, len(got), c.want, got)
			}
		}
		intent := s.entries(ryj, &admin.AuditFilter{User: "c.jones", Kind: "intent"})[0]
		if intent.GetRole() != "doctor" || intent.GetRelationship() != "referral" || len(intent.GetChain()) == 0 || !strings.Contains(strings.Join(intent.GetChain(), " "), "version") ||
			intent.GetState() == 0 || intent.GetLeaseAge() <= 0 || intent.GetTransfer() == "" || intent.GetRequest() == "" || intent.GetBytes() != 5000 {
			s.Errorf("the entry of a decision lacks something: %v", intent)
		}
		// The requester's own log has what the custodian has told of its decision, and signed.
		came := s.entries(ras, &admin.AuditFilter{User: "c.jones", Kind: "receipt"})[0]
		if !came.GetSigned() || came.GetState() != intent.GetState() || came.GetLeaseAge() != intent.GetLeaseAge() || len(came.GetChain()) != len(intent.GetChain()) ||
			!strings.Contains(strings.Join(came.GetChain(), " "), "version") || came.GetBytes() != 5000 || came.GetRequest() != intent.GetRequest() {
			s.Errorf("the requester's entry lacks something that %v has: %v", intent, came)
		}
		if ended := s.entries(ryj, &admin.AuditFilter{Document: string(id), Kind: "completion"})[0]; !ended.GetSigned() || ended.GetBytes() != 5000 {
			s.Errorf("the custodian has no receipt: %v", ended)
		}
		page, err := s.r.Node(ryj).SearchAudit(s.ctx, &admin.SearchAuditRequest{Filter: &admin.AuditFilter{Limit: 2}})
		s.must(err)
		next, err := s.r.Node(ryj).SearchAudit(s.ctx, &admin.SearchAuditRequest{Filter: &admin.AuditFilter{Limit: 2, Cursor: page.GetNext()}})
		s.must(err)
		if len(page.GetEntries()) != 2 || page.GetEntries()[0].GetKind() != "review" || next.GetEntries()[0].GetIndex() != page.GetEntries()[1].GetIndex()-1 {
			s.Errorf("pages: %v, then %v", page.GetEntries(), next.GetEntries())
		}
	})
}

// TestReconcileHoldsForWhatTwoTrustsHaveExchanged compares the logs of a region in which all went well: a long document over
// several streams, a short one, a refusal, one that could not be had. Nobody is told of what others have exchanged.
func TestReconcileHoldsForWhatTwoTrustsHaveExchanged(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(3)}, func(s *stage) {
		id := s.published(ryj, s.patients[0], 400_000)
		s.must(s.r.Converged(s.ctx))
		s.fetch(ras, id, "")
		s.fetch(ryj, id, "")
		s.fetch(ras, federation.NewDocumentID(ryj, federation.DocumentKey{1}), admin.CodeNotFound)
		compare := func(at federation.TrustID) *admin.ReconcileReply {
			s.pass(5 * time.Second)
			r, err := s.r.Node(at).Reconcile(s.ctx, &admin.ReconcileRequest{})
			s.must(err)
			return r
		}
		for _, at := range []federation.TrustID{ryj, ras} {
			if r := compare(at); r.GetCompared() == 0 || len(r.GetOneSided()) != 0 || len(r.GetSites()) != 2 {
				s.Errorf("%s: %v", at, r)
			}
		}
		if r := compare(r1k); r.GetCompared() != 0 {
			s.Errorf("%s is told of what others have exchanged: %v", r1k, r)
		}
		s.must(s.r.Stop(r1k))
		r := compare(ryj)
		i := slices.IndexFunc(r.GetSites(), func(x *admin.ReportSite) bool { return x.GetTrust() == string(r1k) })
		if i < 0 || r.GetSites()[i].GetAnswered() {
			s.Errorf("a trust that does not answer: %v", r.GetSites())
		}
		s.must(s.r.Restart(s.ctx, r1k))
	})
}
