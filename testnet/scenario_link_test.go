package testnet

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

// referredOnly shares with those who have a referral that somebody has found in their records; only for care coordination may a
// copy be kept.
const referredOnly = `name: Referred patients
blocks:
  - block: own-records
  - block: direct-care
    trusts: all
  - block: direct-care
    trusts: all
    purposes: [COC]
    actions: [export]
  - block: need-relationship
    kinds: [referral]
`

// agrees has a trust's agreement proposed, approved and in force.
func (s *stage) agrees(at federation.TrustID, text string) {
	s.Helper()
	p := s.proposes(at, &admin.ProposeAgreementRequest{Text: form(text)})
	if done := s.approves(at, p.GetId()); !done.GetCommitted() {
		s.Fatalf("not agreed on: %v", done)
	}
	s.must(s.soon(20*time.Second, "equal roots", s.r.Converged))
}

// TestAgreementTellsVerifiedEvidenceFromStated has a user state a referral in every way: only evidence that the records of their
// trust or of the custodian know opens the document, and both logs and 'why' say which it was.
func TestAgreementTellsVerifiedEvidenceFromStated(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(3)}, func(s *stage) {
		ours, theirs := s.patients[0], s.patients[1]
		id := s.published(ryj, ours, 1000)
		written := func(at federation.TrustID, patient synth.Patient, ago time.Duration) federation.DocumentID {
			item := s.item(patient, s.content(500))
			item.Date = time.Now().Add(-ago)
			if at == ryj {
				item.Reference = "UBRN 0000 4983 1234"
			}
			taken, err := s.r.Take(s.ctx, at, item)
			s.must(err)
			return taken.Document
		}
		hidden := s.item(ours, s.content(500)) // RYJ shares it with nobody: whoever guesses its reference is not told that it is there
		hidden.Date, hidden.Reference, hidden.Confidentiality = time.Now(), "UBRN 0000 4983 9999", "R"
		_, err := s.r.Take(s.ctx, ryj, hidden)
		s.must(err)
		const days = 24 * time.Hour
		letter := written(ryj, ours, 20*days) // the custodian's own referral letter
		received := written(ras, ours, 20*days)
		another := written(ras, theirs, 20*days)
		stale := written(ras, ours, 400*days)
		s.must(s.soon(time.Minute, "everything to be published", func(ctx context.Context) error { return s.r.Published(ctx) }))
		s.agrees(ryj, referredOnly)
		ask := func(user, relationship string) *admin.Asker {
			return &admin.Asker{User: user, Role: "doctor", Relationship: relationship}
		}
		for _, c := range []struct {
			user, relationship string
			want               admin.Code
			says, here         string // in the custodian's log, and in the requester's
		}{
			{"none", "", admin.CodeNotFound, "a relationship with the patient is needed", ""},
			{"bare", "referral", admin.CodeNotFound, "stated by the user, without evidence", "vouches for no evidence"},
			{"invented", "referral:RAS-0000000000000000", admin.CodeNotFound, "found in nobody's records", "vouches for no evidence"},
			{"stranger", "referral:" + string(another), admin.CodeNotFound, "found in nobody's records", "vouches for no evidence"},
			{"late", "referral:" + string(stale), admin.CodeNotFound, "found in nobody's records", "vouches for no evidence"},
			{"other", "appointment:" + string(received), admin.CodeNotFound, "appointment: RAS found the evidence", ""},
			{"guesser", "referral:" + hidden.Reference, admin.CodeNotFound, "found in nobody's records", "vouches for no evidence"},
			{"lister", "referral:" + string(letter), admin.CodeNotFound, "found in nobody's records", "vouches for no evidence"},
			{"self", "self-claimed:" + string(received), admin.CodeNotFound, "found in nobody's records", "vouches for no evidence"},
			{"ada", "referral:" + string(received), "", "referral: RAS found the evidence in its records", "was found in the records of RAS"},
			{"bob", "referral:UBRN 0000 4983 1234", "", "referral: RYJ found the evidence in its records", "vouches for no evidence"},
		} {
			s.fetchAs(ask(c.user, c.relationship), ras, id, c.want)
			for _, at := range []struct {
				trust federation.TrustID
				says  string
			}{{ryj, c.says}, {ras, c.here}} {
				found := ""
				for _, e := range s.entries(at.trust, &admin.AuditFilter{User: c.user}) {
					found += strings.Join(e.GetChain(), "\n") + "\n" + e.GetDetail() + "\n"
				}
				if !strings.Contains(found, at.says) {
					s.Errorf("%s, %q: the log of %s lacks %q:\n%s", c.user, c.relationship, at.trust, at.says, found)
				}
			}
		}
		found, err := s.r.Node(ras).Locate(s.ctx, &admin.LocateRequest{Patient: ours.NHSNumber, Asker: ask("ada", "referral:"+string(received))})
		s.must(err)
		if n := len(found.GetDocuments()); n != 4 { // with what RAS holds itself
			s.Errorf("%d documents are listed to who has a referral that is verified, want 4", n)
		}
		why := func(at federation.TrustID, relationship string) string {
			reply, err := s.r.Node(at).Why(s.ctx, &admin.WhyRequest{Document: string(id), Trust: "RAS", Asker: ask("ada", relationship), By: lead("g.lead")})
			s.must(err)
			return reply.GetOutcome() + " " + strings.Join(reply.GetChain(), "\n")
		}
		for _, c := range []struct {
			at                 federation.TrustID
			relationship, says string
		}{
			{ras, "referral:" + string(received), "The relationship with the patient, verified: referral: RAS found"},
			{ryj, "referral:UBRN 0000 4983 1234", "The relationship with the patient, verified: referral: RYJ found"},
			{ryj, "referral:" + string(received), "The relationship with the patient, stated only"},
		} {
			if got := why(c.at, c.relationship); !strings.Contains(got, c.says) {
				s.Errorf("%s says why: %s\nwant %q", c.at, got, c.says)
			}
		}

		keeps := func(purpose string, want admin.Code) {
			s.Helper()
			who := ask("ada", "referral:"+string(received))
			who.Purpose = purpose
			_, err := s.r.Fetch(s.ctx, ras, &admin.FetchRequest{Document: string(id), Asker: who, Export: true}, nil)
			if codeOf(err) != want {
				s.Errorf("export for %s: %v, want %q", purpose, err, want)
			}
		}
		keeps("TREAT", admin.CodeDenied)
		keeps("COC", "")
		if e := s.entries(ryj, &admin.AuditFilter{User: "ada"}); !strings.Contains(e[0].GetDetail()+e[1].GetDetail(), "export, to be kept") {
			s.Errorf("the custodian's log does not say that a copy is kept: %v", e[:2])
		}
		s.agrees(ryj, withEverybody)
	})
}

// TestMarksHaveLooksReviewedAtBothEnds has people marked, looked at, lifted, and the nodes restarted in between.
func TestMarksHaveLooksReviewedAtBothEnds(t *testing.T) {
	quiet := RegionOptions{Members: members(3), Open: func(trust federation.TrustID, o *node.Options) {
		if trust == r1k {
			o.Settings.Watch.Off = []string{"protected_person"}
		}
	}}
	play(t, seeds(1, 1), quiet, func(s *stage) {
		famous, nurse, aunt := s.patients[0], s.patients[1], s.patients[2]
		var ids []federation.DocumentID
		for _, p := range []string{famous.NHSNumber, nurse.NHSNumber, aunt.NHSNumber} {
			for i := range s.patients {
				if s.patients[i].NHSNumber == p {
					ids = append(ids, s.published(ryj, s.patients[i], 500))
				}
			}
		}
		s.must(s.r.Converged(s.ctx))
		protect := func(at federation.TrustID, q *admin.ProtectRequest, by *admin.Asker) error {
			q.Asker = by
			_, err := s.r.Node(at).Protect(s.ctx, q)
			return err
		}
		s.refused("by a nurse", protect(ryj, &admin.ProtectRequest{Patient: famous.NHSNumber, Reason: "x"}, &admin.Asker{User: "n", Role: "nurse"}), admin.CodeDenied)
		s.refused("without a reason", protect(ryj, &admin.ProtectRequest{Patient: famous.NHSNumber}, lead("g")), admin.CodeBadInput, "--reason")
		s.refused("a lift of nothing", protect(ryj, &admin.ProtectRequest{Patient: famous.NHSNumber, Lift: true}, lead("g")), admin.CodeNotFound)
		for _, at := range []federation.TrustID{ryj, ras, r1k} {
			s.must(protect(at, &admin.ProtectRequest{Patient: famous.NHSNumber, Reason: "known to the press"}, lead("g")))
		}
		for _, q := range []*admin.ProtectRequest{{Patient: nurse.NHSNumber, Staff: "ada"}, {Patient: aunt.NHSNumber, Near: "ada"}} {
			s.must(protect(ras, q, lead("g")))
			s.must(protect(ryj, q, lead("g"))) // where others' staff of that id say nothing
		}
		s.must(s.r.Stop(ras))
		s.must(s.r.Restart(s.ctx, ras))
		s.must(s.soon(time.Minute, "the region to be complete", s.r.Ready))

		for i, who := range []string{"ada", "ADA", "ada"} {
			s.fetchAs(doctor(who), ras, ids[i], "")
		}
		s.fetchAs(doctor("bob"), ras, ids[1], "") // a colleague's
		s.fetchAs(doctor("bob"), ras, ids[2], "") // somebody else's aunt
		s.fetchAs(doctor("cyd"), r1k, ids[0], "")
		s.fetchAs(doctor("ada"), r1k, ids[2], "") // another ada
		for _, c := range []struct {
			at    federation.TrustID
			kind  string
			users string
		}{
			{ryj, "protected_person", "ada cyd"},
			{ras, "protected_person", "ada"},
			{r1k, "protected_person", ""},
			{ras, "own_record", "ADA"},
			{ras, "colleague", "bob"},
			{ras, "near_person", "ada"},
			{ryj, "own_record", ""},
			{ryj, "colleague", ""},
			{r1k, "near_person", ""},
			{ryj, "near_person", ""},
		} {
			users := make(map[string]bool)
			for _, r := range s.reviewsAt(c.at, c.kind) {
				users[r.GetUser()] = true
			}
			for _, u := range strings.Fields(c.users) {
				if !users[u] {
					s.Errorf("%s has no review of %s by %s: %v", c.at, c.kind, u, users)
				}
			}
			if len(users) != len(strings.Fields(c.users)) {
				s.Errorf("%s reviews %s of %v, want %q", c.at, c.kind, users, c.users)
			}
		}

		listed, err := s.r.Node(ras).Protect(s.ctx, &admin.ProtectRequest{Asker: lead("g")})
		s.must(err)
		if n := len(listed.GetPersons()); n != 3 {
			s.Errorf("%d marks are listed, want 3: %v", n, listed.GetPersons())
		}
		s.must(protect(ras, &admin.ProtectRequest{Patient: famous.NHSNumber, Lift: true, Reason: "asked for it"}, lead("h")))
		s.fetchAs(doctor("dan"), ras, ids[0], "")
		if n := len(s.reviewsAt(ras, "protected_person")); n != 1 {
			s.Errorf("%d reviews of a person whose mark was lifted, want the one before", n)
		}
		if n := len(s.entries(ras, &admin.AuditFilter{User: "g"})); n != 4 {
			s.Errorf("%d entries of the marks, want 4: three marks and a list", n)
		}
	})
}
