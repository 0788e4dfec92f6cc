package testnet

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// bell is a notifier that can be down.
type bell struct {
	mu    sync.Mutex
	down  bool
	tries int
	rung  map[federation.TrustID][]node.Notice
}

func (b *bell) at(t federation.TrustID) node.Notifier {
	return func(_ context.Context, n node.Notice) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.tries++; b.down {
			return errors.New("the line is dead")
		}
		b.rung[t] = append(b.rung[t], n)
		return nil
	}
}

func (b *bell) set(down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
}

func (b *bell) heard(t federation.TrustID) (events []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.rung[t] {
		events = append(events, n.Event+" "+n.Review)
	}
	return events
}

// TestPrivacyOfficersHearOfAnEmergencyAndOfItsReview has the notifier down while an emergency goes on, kills the node, and wants
// both sites to be told once it is up. Nobody closes their own review, and one that nobody closes becomes overdue.
func TestPrivacyOfficersHearOfAnEmergencyAndOfItsReview(t *testing.T) {
	line := &bell{down: true, rung: make(map[federation.TrustID][]node.Notice)}
	open := func(t federation.TrustID, o *node.Options) {
		o.Notifier, o.Settings.Review.Within = line.at(t), node.Duration(3*time.Minute)
	}
	play(t, seeds(1, 1), RegionOptions{Members: members(3), Open: open, Election: calm}, func(s *stage) {
		id := s.published(ryj, s.patients[0], 1000)
		s.objects(ryj, s.patients[0])
		reply, err := s.glass(ras, doctor("ada"), s.patients[0])
		s.must(err)
		s.fetchAs(doctor("ada"), ras, id, "")
		s.alarmed(ras, "cannot be told by program", true)
		s.must(s.r.Kill(ras))
		s.must(s.r.Restart(s.ctx, ras))
		line.set(false)
		for _, at := range []federation.TrustID{ras, ryj} {
			s.until(10*time.Minute, string(at)+" to be told", func() error {
				h := line.heard(at)
				return want(len(h) == 1 && h[0] == "opened "+reply.GetId(), "heard %v", h)
			})
		}
		s.alarmed(ras, "cannot be told", false)
		for _, n := range line.rung[ras] {
			if strings.Contains(n.Review+n.Kind+n.Trust, s.patients[0].NHSNumber) {
				s.Error("a notice names the patient")
			}
		}
		s.closesReview(reply.GetId())
		s.pass(3 * time.Minute)
		s.until(2*time.Minute, "the alarm", func() error {
			h := line.heard(ryj)
			return want(len(h) == 2 && h[1] == "overdue "+reply.GetId(), "heard %v", h)
		})
		s.alarmed(ryj, "overdue", true)
		if h := line.heard(ras); len(h) != 1 {
			s.Errorf("a closed review rings: %v", h)
		}
		s.reportsEmergency(reply.GetId())
	})
}

// reportsEmergency wants the patient's report to tell of ada's emergency: why it was, that RAS has judged it and RYJ has not; and,
// when RAS does not answer, what the region was told.
func (s *stage) reportsEmergency(id string) {
	s.Helper()
	r := s.report1(r1k, s.patients[0])
	if len(r.GetEmergencies()) != 1 {
		s.Fatalf("emergencies in the report: %v", r.GetEmergencies())
	}
	e := r.GetEmergencies()[0]
	judged := map[string]string{}
	for _, v := range e.GetReviews() {
		judged[v.GetTrust()] = v.GetOutcome()
	}
	if e.GetId() != id || e.GetTrust() != string(ras) || e.GetUser() != "ada" || e.GetRole() != "doctor" || e.GetReason() != unconscious || e.GetDocuments() != 1 ||
		len(judged) != 2 || judged[string(ras)] != "justified" || judged[string(ryj)] != "" {
		s.Errorf("the emergency in the report: %v", e)
	}
	for _, want := range []string{"ada (doctor)", unconscious, "it was right to do so", "has not checked this yet. It should be done by now", "1 document was opened"} {
		if !strings.Contains(e.GetText(), want) {
			s.Errorf("the words of the emergency lack %q: %s", want, e.GetText())
		}
	}
	s.must(s.r.Stop(ras))
	r = s.report1(r1k, s.patients[0])
	if e := r.GetEmergencies(); r.GetComplete() || len(e) != 1 || e[0].GetReason() != unconscious || len(e[0].GetReviews()) != 1 {
		s.Errorf("without the trust whose emergency it was: %v", e)
	}
	s.must(s.r.Restart(s.ctx, ras))
}

// closesReview closes ada's review at RAS, by whoever may only, for good.
func (s *stage) closesReview(id string) {
	s.Helper()
	closing := func(user, role, outcome string) error {
		_, err := s.r.Node(ras).CloseReview(s.ctx, &admin.CloseReviewRequest{Id: id, Outcome: outcome, Note: "notes agree", Asker: &admin.Asker{User: user, Role: role}})
		return err
	}
	s.refused("by the same person", closing("Ada ", "privacy-officer", "justified"), admin.CodeDenied, "cannot judge")
	s.refused("by a doctor", closing("bob", "doctor", "justified"), admin.CodeDenied)
	s.refused("as maybe", closing("bob", "privacy-officer", "maybe"), admin.CodeBadInput)
	s.must(closing("bob", "privacy-officer", "justified"))
	s.refused("again", closing("cyd", "governance-lead", "not_justified"), admin.CodeBadInput, "bob")
	s.must(s.r.Kill(ras))
	s.must(s.r.Restart(s.ctx, ras))
	closed, err := s.r.Node(ras).Reviews(s.ctx, &admin.ReviewsRequest{Closed: true})
	s.must(err)
	if l := closed.GetReviews(); len(l) != 1 || l[0].GetClosedBy() != "bob" || l[0].GetOutcome() != "justified" || strings.ReplaceAll(l[0].GetPatient(), " ", "") != s.patients[0].NHSNumber {
		s.Errorf("closed reviews after a crash: %v", l)
	}
	if len(s.entries(ras, &admin.AuditFilter{Kind: "review", User: "bob"})) != 2 {
		s.Error("the closing, and the try that was denied, are not in the audit log")
	}
}
