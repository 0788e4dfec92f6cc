package testnet

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

const unconscious = "unconscious in resus, no history"

func doctor(user string) *admin.Asker { return &admin.Asker{User: user, Role: "doctor"} }

// fetchAs asks for a document as somebody and wants a code; empty: it must come.
func (s *stage) fetchAs(who *admin.Asker, at federation.TrustID, id federation.DocumentID, want admin.Code) {
	s.Helper()
	_, err := s.r.Fetch(s.ctx, at, &admin.FetchRequest{Document: string(id), Asker: who}, nil)
	if got := codeOf(err); got != want {
		s.Errorf("%s at %s fetches %s: %q (%v), want %q", who.GetUser(), at, id, got, err, want)
	}
}

func (s *stage) glass(at federation.TrustID, who *admin.Asker, patient synth.Patient) (*admin.BreakGlassReply, error) {
	return s.r.Node(at).BreakGlass(s.ctx, &admin.BreakGlassRequest{Patient: patient.NHSNumber, Reason: unconscious, Asker: who})
}

// reviewsAt returns a trust's open reviews of a kind.
func (s *stage) reviewsAt(at federation.TrustID, kind string) (out []*admin.Review) {
	s.Helper()
	reply, err := s.r.Node(at).Reviews(s.ctx, &admin.ReviewsRequest{})
	s.must(err)
	for _, r := range reply.GetReviews() {
		if r.GetKind() == kind {
			out = append(out, r)
		}
	}
	return out
}

// objects has patients object, everywhere.
func (s *stage) objects(at federation.TrustID, patients ...synth.Patient) {
	s.Helper()
	for _, p := range patients {
		_, err := s.r.Object(s.ctx, at, &admin.ObjectRequest{Patient: p.NHSNumber})
		s.must(err)
	}
	s.must(s.r.Converged(s.ctx))
}

// TestTheGlassIsBrokenForOneUserAndOnePatientForAQuarterOfAnHour follows an emergency through both sites: what it opens and
// what not, in which order it is written down, who is told, and how it ends in the middle of a stream. Another is declared
// while nobody has a quorum: neither lease nor agreement can be had. The region hears of it when it is long over.
func TestTheGlassIsBrokenForOneUserAndOnePatientForAQuarterOfAnHour(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(4), Election: calm}, func(s *stage) {
		patient, other := s.patients[0], s.patients[1]
		id, others, own := s.published(ryj, patient, 6<<20), s.published(ryj, other, 1000), s.published(ras, patient, 1000)
		open, away := s.published(ryj, s.patients[2], 1000), s.published(rqm, s.patients[2], 1000)
		s.objects(ryj, patient, other)
		s.fetchAs(doctor("ada"), ras, id, admin.CodeDenied)
		for reason, want := range map[string]admin.Code{"": admin.CodeBadInput, "urgent": admin.CodeBadInput, "- - - 1 2 3": admin.CodeBadInput} {
			_, err := s.r.Node(ras).BreakGlass(s.ctx, &admin.BreakGlassRequest{Patient: patient.NHSNumber, Reason: reason, Asker: doctor("ada")})
			s.refused("reason "+reason, err, want)
		}
		_, err := s.glass(ras, &admin.Asker{User: "root", Role: "admin"}, patient)
		s.refused("an administrator", err, admin.CodeDenied, "no trust of the region")
		reply, err := s.glass(ras, doctor("ada"), patient)
		s.must(err)
		end := time.Now().Add(15 * time.Minute)
		if len(reply.GetTold()) != 2 || reply.GetTold()[1] != string(ryj) {
			s.Errorf("told %v", reply.GetTold())
		}
		if again, err := s.glass(ras, doctor("ada"), patient); err != nil || again.GetId() != reply.GetId() || !slices.Equal(again.GetTold(), reply.GetTold()) {
			s.Errorf("said twice: %v, %v", again, err)
		}
		found, err := s.r.Node(ras).Locate(s.ctx, &admin.LocateRequest{Patient: patient.NHSNumber, Asker: doctor("ada")})
		if err != nil || len(found.GetDocuments()) != 2 {
			s.Errorf("in an emergency the user locates %d documents: %v", len(found.GetDocuments()), err)
		}
		s.fetchAs(doctor("ada"), ras, id, "")
		s.fetchAs(doctor("ada"), ras, own, "")
		s.fetchAs(doctor("bob"), ras, id, admin.CodeDenied)
		s.fetchAs(doctor("ada"), ras, others, admin.CodeDenied)
		s.fetchAs(doctor("ada"), r1k, id, admin.CodeDenied)
		s.pass(time.Second)
		s.glassEvidence(id, reply.GetId())
		s.must(s.r.Partition([]federation.TrustID{ryj, ras}, []federation.TrustID{r1k, rqm}))
		s.pass(30 * time.Second)
		s.fetchAs(doctor("bob"), ras, open, admin.CodeStale)
		late, err := s.glass(ras, doctor("bob"), s.patients[2])
		s.must(err)
		s.fetchAs(doctor("bob"), ras, open, "")
		s.overTheEnd(id, end)
		s.pass(2 * time.Minute)
		s.must(s.r.Heal())
		s.until(2*time.Minute, "the custodian that was out of reach to hear of it", func() error {
			r := s.reviewsAt(rqm, "break_glass")
			return want(len(r) == 1 && r[0].GetId() == late.GetId() && len(r[0].GetDocuments()) == 0, "reviews %v", r)
		})
		if r := s.reviewsAt(ryj, "break_glass"); len(r) != 2 {
			s.Errorf("the custodian has %d reviews", len(r))
		}
		status, err := s.r.Node(ras).Status(s.ctx, &admin.StatusRequest{})
		if err != nil || status.GetRejected() != 0 {
			s.Errorf("the region refused %d entries: %v", status.GetRejected(), err)
		}
		s.fetchAs(doctor("bob"), ras, away, "") // by the ordinary rules
		s.pass(time.Minute)
		compared, err := s.r.Node(ras).Reconcile(s.ctx, &admin.ReconcileRequest{})
		if err != nil || compared.GetCompared() == 0 || len(compared.GetOneSided()) != 0 {
			s.Errorf("the logs of an honest region do not agree: %v, %v", compared, err)
		}
	})
}

// overTheEnd has ada stream a document so slowly that her emergency ends before it does.
func (s *stage) overTheEnd(id federation.DocumentID, end time.Time) {
	s.Helper()
	s.pass(time.Until(end) - 10*time.Second)
	s.must(s.r.SetLink(ryj, ras, LinkOptions{Latency: 5 * time.Millisecond, Rate: 200_000, Buffer: 32 << 10}))
	wire := s.watch(ryj, ras)
	got, err := s.r.Fetch(s.ctx, ras, &admin.FetchRequest{Document: string(id), Asker: doctor("ada")}, io.Discard)
	s.refused("a stream over the end", err, admin.CodeDenied, "ended at")
	if got.Bytes == 0 || time.Until(end) > time.Second {
		s.Errorf("%d bytes came, and it ended %s before its time", got.Bytes, time.Until(end))
	}
	s.pass(20 * time.Second)
	if n := wire.after(end.Add(time.Second)); n > notADocument {
		s.Errorf("%d bytes left after the emergency", n)
	}
	s.must(s.r.SetLink(ryj, ras, LinkOptions{Latency: 5 * time.Millisecond}))
	s.fetchAs(doctor("ada"), ras, id, admin.CodeDenied)
}

// glassEvidence wants both logs and both review queues to have an emergency of ada's at RAS for a document of RYJ.
func (s *stage) glassEvidence(id federation.DocumentID, review string) {
	s.Helper()
	intent := s.entries(ryj, &admin.AuditFilter{Document: string(id), Kind: "intent", BreakGlass: true})
	if len(intent) != 1 || intent[0].GetUser() != "ada" || !strings.Contains(intent[0].GetDetail(), unconscious) {
		s.Errorf("the custodian's intents: %v", intent)
	}
	here := s.entries(ras, &admin.AuditFilter{Kind: "break-glass", Outcome: "permit"})
	if len(here) != 1 || !strings.Contains(here[0].GetDetail(), unconscious) {
		s.Fatalf("the requester's log: %v", here)
	}
	if len(intent) == 1 && intent[0].GetAt() < here[0].GetAt() {
		s.Error("the custodian released before the requester had it in writing")
	}
	for _, at := range []federation.TrustID{ras, ryj} {
		r := s.reviewsAt(at, "break_glass")
		if len(r) != 1 || r[0].GetId() != review || r[0].GetReason() != unconscious || r[0].GetDocuments()[0] != string(id) {
			s.Errorf("reviews at %s: %v", at, r)
		}
		// Who reviews is told what a document of their own trust is, and not what another's is that they may not know of.
		opened, err := s.r.Node(at).Opened(s.ctx, review, &admin.Asker{User: "p.osei", Role: "privacy-officer", Purpose: "HOPERAT"})
		if err != nil || len(opened) == 0 || opened[0].GetDocument() != string(id) || (opened[0].GetType() != "") != (at == ryj) || (opened[0].GetTitle() != "") != (at == ryj) {
			s.Errorf("reviewers at %s are told %v, %v", at, opened, err)
		}
	}
}

// TestEmergenciesAreBounded declares more of them than a user, a trust and a custodian let be.
func TestEmergenciesAreBounded(t *testing.T) {
	bound := func(trust federation.TrustID, o *node.Options) {
		o.Settings.Glass = node.GlassSettings{PerUser: 2, PerSite: 3}
		if trust == ryj {
			o.Settings.Glass.PeerUser = 1
		}
		if trust == r1k {
			o.Settings.Glass.PeerTrust = 1
		}
	}
	play(t, seeds(1, 1), RegionOptions{Members: members(3), Open: bound}, func(s *stage) {
		first, second := s.published(ryj, s.patients[0], 1000), s.published(ryj, s.patients[1], 1000)
		third, fourth := s.published(r1k, s.patients[0], 1000), s.published(r1k, s.patients[2], 1000)
		s.objects(ryj, s.patients[:3]...)
		for _, p := range s.patients[:2] {
			_, err := s.glass(ras, doctor("ada"), p)
			s.must(err)
		}
		s.fetchAs(doctor("ada"), ras, first, "")
		s.fetchAs(doctor("ada"), ras, second, admin.CodeTooMany) // the custodian's own bound
		s.fetchAs(doctor("ada"), ras, first, "")
		_, err := s.glass(ras, doctor("ada"), s.patients[2])
		s.refused("the third of a user", err, admin.CodeTooMany)
		_, err = s.glass(ras, doctor("bob"), s.patients[2])
		s.must(err)
		s.fetchAs(doctor("ada"), ras, third, "")
		s.fetchAs(doctor("bob"), ras, fourth, admin.CodeTooMany) // the custodian's bound for a trust
		_, err = s.glass(ras, doctor("cyd"), s.patients[3])
		s.refused("the fourth of a trust", err, admin.CodeTooMany)
		s.must(s.r.Stop(ras))
		s.must(s.r.Restart(s.ctx, ras))
		_, err = s.glass(ras, doctor("cyd"), s.patients[3])
		s.refused("after a restart", err, admin.CodeTooMany)
	})
}

// TestJudgedEmergencyIsNotDeclaredAgain has an emergency judged while it lasts: what was not justified ends with that, what
// was goes on, and whoever declares one again gets a review of their own for it.
func TestJudgedEmergencyIsNotDeclaredAgain(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(3)}, func(s *stage) {
		id := s.published(ryj, s.patients[0], 1000)
		s.objects(ryj, s.patients[0])
		judged := ""
		for _, outcome := range []struct {
			word  string
			after admin.Code
		}{{"justified", ""}, {"not_justified", admin.CodeDenied}} {
			said, err := s.glass(ras, doctor("ada"), s.patients[0])
			s.must(err)
			if said.GetId() == judged {
				s.Fatalf("the review of what was judged is that of a new emergency: %s", judged)
			}
			judged = said.GetId()
			s.fetchAs(doctor("ada"), ras, id, "")
			_, err = s.r.Node(ras).CloseReview(s.ctx, &admin.CloseReviewRequest{
				Id: judged, Outcome: outcome.word, Note: "seen in the notes", Asker: &admin.Asker{User: "officer", Role: "privacy-officer"},
			})
			s.must(err)
			s.fetchAs(doctor("ada"), ras, id, outcome.after)
			s.pass(time.Second)
		}
	})
}

// alarmed wants words among the warnings of a trust's status, or not.
func (s *stage) alarmed(at federation.TrustID, words string, wanted bool) {
	s.Helper()
	s.until(time.Minute, "the warnings of "+string(at), func() error {
		status, err := s.r.Node(at).Status(s.ctx, &admin.StatusRequest{})
		if err != nil {
			return err
		}
		return want(strings.Contains(strings.Join(status.GetWarnings(), "\n"), words) == wanted, "%q: %v", words, status.GetWarnings())
	})
}

// TestQuotasStopASweep has users and a trust ask for more patients than the custodian lets them have within an hour.
func TestQuotasStopASweep(t *testing.T) {
	strict := true
	open := func(trust federation.TrustID, o *node.Options) {
		if trust == ryj && strict {
			o.Settings.Watch = node.WatchSettings{QuotaUser: 2, QuotaTrust: 3, PatientsAnHour: 1}
		}
	}
	play(t, seeds(1, 1), RegionOptions{Members: members(3), Open: open}, func(s *stage) {
		var ids []federation.DocumentID
		for _, p := range s.patients[:4] {
			ids = append(ids, s.published(ryj, p, 1000))
		}
		s.must(s.r.Converged(s.ctx))
		for _, id := range []federation.DocumentID{ids[0], ids[1], ids[0]} {
			s.fetchAs(doctor("ada"), ras, id, "")
		}
		s.fetchAs(doctor("ada"), ras, ids[2], admin.CodeTooMany)
		s.fetchAs(doctor("bob"), ras, ids[2], "")
		s.fetchAs(doctor("bob"), ras, ids[3], admin.CodeTooMany) // of the trust
		s.must(s.r.Stop(ryj))
		s.must(s.r.Restart(s.ctx, ryj))
		s.until(time.Minute, "the custodian to be back", func() error {
			_, err := s.r.Fetch(s.ctx, ras, &admin.FetchRequest{Document: string(ids[3]), Asker: doctor("cyd")}, nil)
			return want(codeOf(err) == admin.CodeTooMany, "%v", err)
		})
		for _, id := range ids[:2] { // own staff
			s.fetchAs(doctor("eve"), ryj, id, "")
		}
		s.fetchAs(doctor("eve"), ryj, ids[2], admin.CodeTooMany)
		for kind, n := range map[string]int{"user_quota": 2, "trust_quota": 1, "many_patients": 2} {
			if got := s.reviewsAt(ryj, kind); len(got) != n {
				s.Errorf("%d reviews of %s, want %d: %v", len(got), kind, n, got)
			}
		}
		strict = false // whoever looks whether all is well looks at everything
		s.must(s.r.Stop(ryj))
		s.must(s.r.Restart(s.ctx, ryj))
	})
}
