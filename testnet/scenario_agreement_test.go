package testnet

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// ownOnly shares nothing with others but in an emergency.
const ownOnly = `name: Nothing to others
blocks:
  - block: own-records
  - block: break-glass
`

// withEverybody shares with the region, as the first agreement does.
const withEverybody = `name: Direct care
blocks:
  - block: own-records
  - block: direct-care
    trusts: all
  - block: break-glass
`

func lead(user string) *admin.Asker { return &admin.Asker{User: user, Role: "governance-lead"} }

func form(text string) *admin.AgreementText { return &admin.AgreementText{Form: text} }

// proposes has a.mensah propose a form at a trust.
func (s *stage) proposes(at federation.TrustID, q *admin.ProposeAgreementRequest) *admin.AgreementProposal {
	s.Helper()
	q.Asker = lead("a.mensah")
	p, err := s.r.Node(at).ProposeAgreement(s.ctx, q)
	s.must(err)
	return p
}

// approves has j.okafor approve it.
func (s *stage) approves(at federation.TrustID, id string) *admin.AgreementProposal {
	s.Helper()
	p, err := s.r.Node(at).ApproveAgreement(s.ctx, &admin.ApproveAgreementRequest{Proposal: id, Asker: lead("j.okafor"), Note: "read and simulated"})
	s.must(err)
	return p
}

// refused wants an error with a code and words.
func (s *stage) refused(what string, err error, code admin.Code, words ...string) {
	s.Helper()
	if codeOf(err) != code {
		s.Errorf("%s: got %q (%v), want %q", what, codeOf(err), err, code)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			s.Errorf("%s: the message lacks %q: %v", what, w, err)
		}
	}
}

// shares wants a trust's doctor to get a document, or not to know of it.
func (s *stage) shares(at federation.TrustID, id federation.DocumentID, shared bool) {
	s.Helper()
	if shared {
		s.fetch(at, id, "")
	} else {
		s.fetch(at, id, admin.CodeNotFound)
	}
}

func (s *stage) versions(at federation.TrustID) (out string) {
	s.Helper()
	reply, err := s.r.Node(at).Agreements(s.ctx, &admin.AgreementsRequest{History: true})
	s.must(err)
	for _, v := range reply.GetVersions() {
		out += fmt.Sprintf("%d %s %s>%s; ", v.GetVersion(), v.GetState(), v.GetProposer(), v.GetApprover())
	}
	return out
}

// audited counts what a trust's log has of its agreement by a person.
func (s *stage) audited(at federation.TrustID, user, words string) (count int) {
	s.Helper()
	page, err := s.r.Node(at).Audited(s.ctx, audit.Filter{Kinds: []audit.Kind{audit.Agreement, audit.Review}, User: user})
	s.must(err)
	for _, e := range page {
		if strings.Contains(e.Detail, words) {
			count++
		}
	}
	return count
}

// TestAnAgreementCountsOnceASecondPersonHasApprovedItAndFromItsTimeOn, also when the node is killed in between.
func TestAnAgreementCountsOnceASecondPersonHasApprovedItAndFromItsTimeOn(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(3), Election: calm}, func(s *stage) {
		id := s.published(ryj, s.patients[0], 1000)
		s.must(s.r.Converged(s.ctx))
		s.shares(ras, id, true)
		from := time.Now().Add(2 * time.Minute).Truncate(time.Second)
		p := s.proposes(ryj, &admin.ProposeAgreementRequest{Text: form(ownOnly), Effective: from.UnixMicro(), Note: "audit of March"})
		if p.GetState() != "proposed" || p.GetVersion() != 0 || p.GetBase() != 1 {
			s.Errorf("proposed %v", p)
		}
		s.shares(ras, id, true)

		s.must(s.r.Kill(ryj))
		s.must(s.r.Restart(s.ctx, ryj))
		s.must(s.soon(time.Minute, "the region to be complete", s.r.Ready))
		n := s.r.Node(ryj)
		approve := func(who *admin.Asker) error {
			_, err := n.ApproveAgreement(s.ctx, &admin.ApproveAgreementRequest{Proposal: p.GetId(), Asker: who})
			return err
		}
		s.refused("approval by the proposer", approve(lead("a.mensah")), admin.CodeDenied, "a.mensah", "second person")
		s.refused("approval by the proposer in capitals", approve(lead("A.Mensah")), admin.CodeDenied, "a.mensah", "second person")
		s.refused("approval by one who looks like the proposer", approve(lead("а.mensah")), admin.CodeBadInput, "staff id")
		s.refused("approval by nobody", approve(lead("")), admin.CodeBadInput, "--user")
		s.refused("approval by a nurse", approve(&admin.Asker{User: "j.okafor", Role: "nurse"}), admin.CodeDenied, "governance-lead or privacy-officer")
		_, err := n.ProposeAgreement(s.ctx, &admin.ProposeAgreementRequest{Text: form(withEverybody), Asker: lead("b.singh")})
		s.refused("a second proposal", err, admin.CodeInUse, "a.mensah", p.GetId())
		s.shares(ras, id, true)

		done := s.approves(ryj, p.GetId())
		if done.GetState() != "approved" || !done.GetCommitted() || done.GetVersion() != 2 || done.GetEffective() != from.UnixMicro() {
			s.Errorf("approved %v", done)
		}
		s.refused("a second approval", approve(lead("c.jones")), admin.CodeBadInput, "approved by j.okafor")
		if got, want := s.versions(ryj), "2 future a.mensah>j.okafor; 1 in_force >; "; got != want {
			s.Errorf("history %q, want %q", got, want)
		}
		s.pass(time.Until(from) - time.Second)
		s.shares(ras, id, true)
		s.pass(time.Until(from) + time.Millisecond)
		s.shares(ras, id, false)
		s.shares(ryj, id, true)
		if got, want := s.versions(ryj), "2 in_force a.mensah>j.okafor; 1 superseded >; "; got != want {
			s.Errorf("history %q, want %q", got, want)
		}
		for _, c := range []struct{ user, words string }{{"a.mensah", "proposed " + p.GetId()}, {"j.okafor", "approved " + p.GetId()}, {"A.Mensah", "tried to approve"}} {
			if s.audited(ryj, c.user, c.words) != 1 {
				s.Errorf("the audit log does not have of %s that they %s", c.user, c.words)
			}
		}
		s.reopens(ryj)
		s.shares(ras, id, true)
	})
}

// TestAnExpiredAgreementClosesAndARollbackOpens, in the very moment and with a warning before.
func TestAnExpiredAgreementClosesAndARollbackOpens(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(3), Election: calm}, func(s *stage) {
		id := s.published(ryj, s.patients[0], 1000)
		s.must(s.r.Converged(s.ctx))
		ends := time.Now().Add(3 * time.Minute).Truncate(time.Second)
		s.approves(ryj, s.proposes(ryj, &admin.ProposeAgreementRequest{Text: form(withEverybody), Expires: ends.UnixMicro()}).GetId())
		s.must(s.r.Converged(s.ctx))
		s.shares(ras, id, true)
		if got := s.warned(ryj); !strings.Contains(got, "version 2 of the agreement expires on") {
			s.Errorf("30 days ahead the status says %q", got)
		}
		if s.log.said(ryj, "agreement") == 0 {
			s.Error("30 days ahead the log says nothing")
		}
		stale := s.proposes(ryj, &admin.ProposeAgreementRequest{Text: form(ownOnly)})
		s.pass(time.Until(ends) - time.Second)
		s.shares(ras, id, true)
		s.pass(time.Until(ends) + time.Millisecond)
		s.shares(ras, id, false)
		s.shares(ryj, id, false)
		if got := s.warned(ryj); !strings.Contains(got, "NO AGREEMENT OF RYJ IS IN FORCE") {
			s.Errorf("after the end the status says %q", got)
		}
		if got, want := s.versions(ryj), "2 expired a.mensah>j.okafor; 1 superseded >; "; got != want {
			s.Errorf("history %q, want %q", got, want)
		}
		_, err := s.r.Node(ryj).ApproveAgreement(s.ctx, &admin.ApproveAgreementRequest{Proposal: stale.GetId(), Asker: lead("j.okafor")})
		s.refused("approval of what was made under another agreement", err, admin.CodeBadInput, "stale", "version 2", "no agreement", "simulate")
		gone, err := s.r.Node(ryj).ApproveAgreement(s.ctx, &admin.ApproveAgreementRequest{Proposal: stale.GetId(), Asker: lead("a.mensah"), Reject: true})
		if err != nil || gone.GetState() != "rejected" {
			s.Errorf("withdrawal by the proposer: %v, %v", gone, err)
		}

		_, err = s.r.Node(ryj).ProposeAgreement(s.ctx, &admin.ProposeAgreementRequest{Rollback: 2, Asker: lead("a.mensah")})
		s.refused("a rollback to what was agreed on until a day that has passed", err, admin.CodeBadInput, "version 2 was agreed on until", "--expires")
		back := s.proposes(ryj, &admin.ProposeAgreementRequest{Rollback: 1})
		if back.GetNote() != "rolls back to version 1" || back.GetRollback() != 1 {
			s.Errorf("rollback %v", back)
		}
		s.shares(ras, id, false)
		s.approves(ryj, back.GetId())
		s.must(s.r.Converged(s.ctx))
		s.shares(ras, id, true)
		first, err := s.r.Node(ryj).Agreements(s.ctx, &admin.AgreementsRequest{})
		s.must(err)
		if len(first.GetVersions()) != 1 || first.GetVersions()[0].GetVersion() != 3 || !strings.Contains(first.GetVersions()[0].GetCedar(), "permit") {
			s.Errorf("in force after the rollback: %v", first)
		}
		s.rollsBackWithItsEnd()
	})
}

// rollsBackWithItsEnd: what was agreed on for a time comes back for that time, and for another where somebody says so.
func (s *stage) rollsBackWithItsEnd() {
	s.Helper()
	ends := time.Now().Add(time.Hour).Truncate(time.Second)
	s.approves(ryj, s.proposes(ryj, &admin.ProposeAgreementRequest{Text: form(withEverybody), Expires: ends.UnixMicro(), Note: "for an hour"}).GetId())
	s.reopens(ryj)
	for _, said := range []int64{0, ends.Add(time.Hour).UnixMicro()} {
		back := s.proposes(ryj, &admin.ProposeAgreementRequest{Rollback: 4, Expires: said})
		if want := max(said, ends.UnixMicro()); back.GetExpires() != want {
			s.Errorf("a rollback to what ends at %d, with %d, ends at %d", ends.UnixMicro(), said, back.GetExpires())
		}
		_, err := s.r.Node(ryj).ApproveAgreement(s.ctx, &admin.ApproveAgreementRequest{Proposal: back.GetId(), Asker: lead("a.mensah"), Reject: true})
		s.must(err)
	}
}

// reopens rolls back to the first agreement, which is what the checks at the end of a scenario go by.
func (s *stage) reopens(at federation.TrustID) {
	s.Helper()
	s.approves(at, s.proposes(at, &admin.ProposeAgreementRequest{Rollback: 1}).GetId())
	s.must(s.r.Converged(s.ctx))
}

// warned returns the warnings of a trust's status.
func (s *stage) warned(at federation.TrustID) string {
	s.Helper()
	st, err := s.r.Node(at).Status(s.ctx, &admin.StatusRequest{})
	s.must(err)
	return strings.Join(st.GetWarnings(), "\n")
}

// TestAnAgreementIsKeptWhereTheRegionCannotAgree, until it can.
func TestAnAgreementIsKeptWhereTheRegionCannotAgree(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(3)}, func(s *stage) {
		id := s.published(ryj, s.patients[0], 1000)
		s.must(s.r.Converged(s.ctx))
		p := s.proposes(ryj, &admin.ProposeAgreementRequest{Text: form(ownOnly)})
		s.must(s.r.Isolate(ryj))
		done := s.approves(ryj, p.GetId())
		if done.GetState() != "approved" || done.GetCommitted() || done.GetVersion() != 2 {
			s.Errorf("approved without the region: %v", done)
		}
		if got, want := s.versions(ryj), "1 in_force >; "; got != want {
			s.Errorf("history %q, want %q", got, want)
		}
		_, err := s.r.Node(ryj).ProposeAgreement(s.ctx, &admin.ProposeAgreementRequest{Text: form(withEverybody), Asker: lead("b.singh")})
		s.refused("another proposal meanwhile", err, admin.CodeNoQuorum, "version 2")
		s.must(s.r.Kill(ryj))
		s.must(s.r.Heal())
		s.must(s.r.Restart(s.ctx, ryj))
		s.must(s.soon(time.Minute, "the region to be complete", s.r.Ready))
		s.must(s.soon(time.Minute, "the agreement to be told", func(ctx context.Context) error { return s.r.Published(ctx, ryj) }))
		s.must(s.r.Converged(s.ctx))
		if got, want := s.versions(ryj), "2 in_force a.mensah>j.okafor; 1 superseded >; "; got != want {
			s.Errorf("history %q, want %q", got, want)
		}
		s.shares(ras, id, false)
		s.reopens(ryj)
	})
}

// TestSimulationWhyAndWhoTellWhatWillBe before it counts, and leave their mark in the audit log.
func TestSimulationWhyAndWhoTellWhatWillBe(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(3), Election: calm}, func(s *stage) {
		id := s.published(ryj, s.patients[0], 1000)
		s.must(s.r.Converged(s.ctx))
		s.shares(ras, id, true)
		s.shares(ryj, id, true)
		n := s.r.Node(ryj)
		try := func(text string, days uint32) *admin.SimulateAgreementReply {
			s.Helper()
			reply, err := n.SimulateAgreement(s.ctx, &admin.SimulateAgreementRequest{Text: form(text), Days: days, Asker: lead("a.mensah")})
			s.must(err)
			return reply
		}
		closed := try(ownOnly, 1)
		if x := closed.GetAudited(); x.GetDecided() != 2 || x.GetBefore() != 2 || x.GetAfter() != 1 || x.GetLost() != 1 || x.GetGained() != 0 {
			s.Errorf("audited requests under the draft: %v", x)
		}
		if e := closed.GetAudited().GetExamples(); len(e) != 1 || e[0].GetGained() || !strings.Contains(e[0].GetRequest(), "clinician of RAS opens "+string(id)) || len(e[0].GetBefore()) == 0 {
			s.Errorf("examples: %v", e)
		}
		if x := closed.GetMatrix(); x.GetLost() == 0 || x.GetDecided() < 1000 {
			s.Errorf("matrix: %v", x)
		} else {
			for _, e := range x.GetExamples() { // of kinds of document: a number would be looked up, and found nowhere
				if request := e.GetRequest(); strings.Contains(request, "RYJ-") || !strings.Contains(request, " a document for ") {
					s.Errorf("an example of what could be asked for names a document: %q", request)
				}
			}
		}
		if x := try(withEverybody, 1).GetAudited(); x.GetDecided() != 2 || x.GetLost() != 0 {
			s.Errorf("audited requests under the same rules: %v", x)
		}
		s.pass(10 * time.Minute)
		s.shares(ras, id, true) // nothing counted
		_, err := n.SimulateAgreement(s.ctx, &admin.SimulateAgreementRequest{Text: form("name: x\nblocks:\n  - block: all\n")})
		s.refused("simulation of what does not compile", err, admin.CodeBadInput, "3:")

		ask := func(node federation.TrustID, q *admin.WhyRequest) *admin.WhyReply {
			s.Helper()
			q.Document, q.By = string(id), lead("j.okafor")
			reply, err := s.r.Node(node).Why(s.ctx, q)
			s.must(err)
			return reply
		}
		if r := ask(ryj, &admin.WhyRequest{Trust: "RAS"}); r.GetOutcome() != "PERMIT" || r.GetAgreement() != 1 {
			s.Errorf("why may RAS: %v", r)
		}
		_, err = s.r.Object(s.ctx, ryj, &admin.ObjectRequest{Patient: s.patients[0].NHSNumber, Evidence: "letter"})
		s.must(err)
		s.must(s.r.Converged(s.ctx))
		for _, node := range []federation.TrustID{ryj, ras} {
			r := ask(node, &admin.WhyRequest{Trust: "RAS"})
			if chain := strings.Join(r.GetChain(), "\n"); r.GetOutcome() != "DENIED" || !strings.Contains(chain, "directive") || strings.Contains(r.GetTold(), "RYJ") {
				s.Errorf("%s says why not: %v", node, r)
			}
		}
		if r := ask(ryj, &admin.WhyRequest{Trust: "RAS", Action: "break-glass", Asker: &admin.Asker{Purpose: "ETREAT"}}); r.GetOutcome() != "PERMIT" {
			s.Errorf("why may RAS in an emergency: %v", r)
		}
		_, err = s.r.Node(r1k).Why(s.ctx, &admin.WhyRequest{Document: string(id), Trust: "RAS", By: lead("j.okafor")})
		s.refused("a third trust asks", err, admin.CodeDenied, "RYJ", "RAS")
		_, err = n.Why(s.ctx, &admin.WhyRequest{Document: string(id), By: &admin.Asker{User: "n.urse", Role: "nurse"}})
		s.refused("a nurse asks", err, admin.CodeDenied)
		_, err = s.r.Node(ras).Who(s.ctx, &admin.WhoRequest{Document: string(id), By: lead("j.okafor")})
		s.refused("who, of another's document", err, admin.CodeDenied, "RYJ")
		who, err := n.Who(s.ctx, &admin.WhoRequest{Document: string(id), By: lead("j.okafor")})
		s.must(err)
		may := map[string]bool{}
		for _, x := range who.GetAccess() {
			may[fmt.Sprintf("%s %v %v", x.GetTrust(), x.GetOpen(), x.GetGlass())] = true
		}
		if !may["RYJ true true"] && !may["RYJ true false"] || !may["RAS false true"] || may["RAS true true"] || may["RAS true false"] {
			s.Errorf("who: %v", may)
		}
		for words, want := range map[string]int{"asked why": 3, "asked who": 1} {
			if got := s.audited(ryj, "j.okafor", words); got != want {
				s.Errorf("%q is %d times in the audit log, want %d", words, got, want)
			}
		}
		if got := s.audited(ryj, "a.mensah", "simulated"); got != 2 {
			s.Errorf("%d simulations in the audit log", got)
		}
	})
}

// TestATransferEndsWhenTheAgreementExpires, in the middle of the document.
func TestATransferEndsWhenTheAgreementExpires(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(3)}, func(s *stage) {
		id := s.published(ryj, s.patients[0], 8<<20)
		s.must(s.r.Converged(s.ctx))
		s.must(s.r.SetLink(ryj, ras, LinkOptions{Latency: 5 * time.Millisecond, Rate: 200_000}))
		ends := time.Now().Add(20 * time.Second).Truncate(time.Second)
		s.approves(ryj, s.proposes(ryj, &admin.ProposeAgreementRequest{Text: form(withEverybody), Expires: ends.UnixMicro()}).GetId())
		s.must(s.r.Converged(s.ctx))
		got, err := s.r.Fetch(s.ctx, ras, &admin.FetchRequest{Document: string(id)}, nil)
		if over := time.Since(ends); err == nil || got.Bytes == 0 || over < 0 || over > time.Second {
			s.Errorf("%d bytes, %v, %s after the end", got.Bytes, err, over)
		}
		s.reopens(ryj)
	})
}
