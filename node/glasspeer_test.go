package node

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

const resus = "unconscious in resus, no history"

// toldByTheRegion puts an emergency up for review as watchEmergencies does when the region tells of it.
func toldByTheRegion(t *testing.T, n *Node, user string, until time.Time) {
	t.Helper()
	r := &review{
		ID: glassID("RAS", federation.Subject{1}, user, until), Kind: glassKind, User: user, Trust: "RAS", Subject: federation.Subject{1}, Reason: resus,
		At: until.Add(-glassTime), Until: until,
	}
	if _, err := n.reviews.begin(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// opensInEmergency has the custodian asked by a doctor of RAS, in an emergency.
func opensInEmergency(t *testing.T, n *Node, user string, until time.Time) error {
	t.Helper()
	_, err := n.onEmergency(t.Context(), exchange.Assertion{
		Trust: "RAS", User: user, Role: "doctor", Subject: federation.Subject{1}, Document: federation.NewDocumentID(n.Trust(), federation.DocumentKey{1}),
		Emergency: emergencyText(&review{Until: until, Reason: resus}),
	})
	return err
}

// A trust that tells the region of its emergencies in the reverse order of their times, each dated before the others, has no more of them
// than another. Those that were over an hour ago when they are heard of, after a cut, take nothing from those that run.
func TestEmergenciesDatedBackwardsAreCounted(t *testing.T) {
	t.Parallel()
	n := settledNode(t, func(o *Options) { o.Settings.Glass = GlassSettings{PeerUser: 100, PeerTrust: 3} })
	now := time.Now().UTC().Truncate(time.Microsecond)
	for i := range 10 {
		toldByTheRegion(t, n, "old", now.Add(-2*time.Hour-time.Duration(i)*time.Second))
	}
	for i := range 6 {
		until := now.Add(10*time.Minute - time.Duration(i)*time.Second)
		toldByTheRegion(t, n, "ada", until)
		err := opensInEmergency(t, n, "ada", until)
		refusal, _ := errors.AsType[*exchange.Refusal](err)
		if (err != nil) != (i >= 3) || err != nil && (refusal == nil || refusal.Outcome != policy.TooMany) {
			t.Errorf("emergency %d of at most 3: %v", i+1, err)
		}
	}
	if err := opensInEmergency(t, n, "ada", now.Add(10*time.Minute)); err != nil {
		t.Errorf("the first, while it lasts, after all others: %v", err)
	}
	if err := opensInEmergency(t, n, "ada", now.Add(10*time.Minute-time.Hour/240)); err == nil {
		t.Error("one that nobody was told of, dated before the others, opens a document")
	}
}

// What the custodian's own reviewer has judged as not justified opens nothing more at that custodian, whatever the other trust thinks of it.
func TestEmergencyThatTheCustodianJudgedOpensNothingMore(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	for outcome, wanted := range map[string]bool{reviewJustified: true, reviewNotJustified: false} {
		until := time.Now().Add(10 * time.Minute).UTC().Truncate(time.Microsecond)
		if err := opensInEmergency(t, n, "ada", until); err != nil {
			t.Fatal(err)
		}
		_, err := n.CloseReview(t.Context(), &admin.CloseReviewRequest{
			Id: glassID("RAS", federation.Subject{1}, "ada", until), Outcome: outcome, Note: "asked at the ward", Asker: &admin.Asker{User: "p.osei", Role: "privacy-officer", Purpose: "HOPERAT"},
		})
		if err != nil {
			t.Fatal(err)
		}
		err = opensInEmergency(t, n, "ada", until)
		refusal, _ := errors.AsType[*exchange.Refusal](err)
		if (err == nil) != wanted || err != nil && (refusal == nil || refusal.Outcome != policy.Denied || refusal.Text != glassJudged) {
			t.Errorf("after it was judged %s: %v", outcome, err)
		}
		err = n.onJudged(t.Context(), exchange.Assertion{
			Trust: "RAS", User: "ada", Subject: federation.Subject{1}, Emergency: emergencyText(&review{Until: until, Reason: resus}),
		})
		if (err == nil) != wanted {
			t.Errorf("what was being read when it was judged %s: %v", outcome, err)
		}
	}
}

// A transfer that rests on an emergency of this trust's own staff ends when its reviewer judges it as not justified.
func TestOwnTransferEndsWithTheJudgement(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	for outcome, ends := range map[string]bool{reviewJustified: false, reviewNotJustified: true} {
		r := &review{
			ID: "RYJ-" + outcome, Kind: glassKind, User: "dr-" + outcome, Trust: n.Trust(), Subject: federation.Subject{7}, Reason: resus,
			At: time.Now(), Until: time.Now().Add(time.Hour), Granted: true,
		}
		if _, err := n.reviews.begin(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		q := exchange.Request{User: r.User, Document: federation.NewDocumentID("RAS", federation.DocumentKey{1})}
		ctx, over, err := n.breakGlassFor(t.Context(), &q, r.Subject)
		if err != nil || q.Emergency == "" || ctx.Err() != nil {
			t.Fatalf("%q, %v, %v", q.Emergency, err, ctx.Err())
		}
		_, err = n.CloseReview(t.Context(), &admin.CloseReviewRequest{
			Id: r.ID, Outcome: outcome, Note: "asked at the ward", Asker: &admin.Asker{User: "p.osei", Role: "privacy-officer", Purpose: "HOPERAT"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if (ctx.Err() != nil) != ends {
			t.Errorf("judged %s: the transfer ended: %v", outcome, context.Cause(ctx))
		}
		if err := over(ctx.Err()); (admin.CodeOf(err) == admin.CodeDenied) != ends {
			t.Errorf("judged %s: its user is told %v", outcome, err)
		}
		if len(n.reviews.running) != 0 {
			t.Errorf("%d transfers are still looked after", len(n.reviews.running))
		}
	}
}

// Nobody judges their own access under an id that only looks like another's.
func TestAReviewIsClosedUnderAPlainStaffID(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	r := &review{ID: "RYJ-1", Kind: glassKind, User: "p.osei", Trust: n.Trust(), Subject: federation.Subject{1}, Reason: resus, At: time.Now(), Until: time.Now().Add(time.Minute)}
	if _, err := n.reviews.begin(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]admin.Code{
		"p.osei": admin.CodeDenied, "P.OSEI": admin.CodeDenied, " p.osei ": admin.CodeDenied,
		"\u0440.osei": admin.CodeBadInput, "p.o\u017fei": admin.CodeBadInput, "p.\uff4fsei": admin.CodeBadInput, "p.osei\u0301": admin.CodeBadInput, "p. osei": admin.CodeBadInput,
	} {
		_, err := n.CloseReview(t.Context(), &admin.CloseReviewRequest{
			Id: r.ID, Outcome: reviewJustified, Note: "it was me", Asker: &admin.Asker{User: id, Role: "privacy-officer", Purpose: "HOPERAT"},
		})
		if admin.CodeOf(err) != want {
			t.Errorf("closed by %q: %v", id, err)
		}
	}
}

// A trust that tells the region of hundreds of emergencies, dated before all others, hides none that has opened something.
func TestManyEmergenciesHideNoneThatOpenedSomething(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	now := time.Now().UTC().Truncate(time.Microsecond)
	if err := opensInEmergency(t, n, "ada", now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for i := range mostEmergencies + 1 {
		toldByTheRegion(t, n, "bob", now.Add(-time.Duration(i)*time.Hour))
	}
	got := n.emergenciesOf(federation.Subject{1})
	if len(got) != mostEmergencies || got[0].GetUser() != "ada" || got[0].GetDocuments() != 1 {
		t.Errorf("%d emergencies, the first of %s with %d documents", len(got), got[0].GetUser(), got[0].GetDocuments())
	}
}

// Whose looks at a record are reviewed does not have that end.
func TestNobodyTakesBackAMarkOfThemselves(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	protect := func(by string, change func(*admin.ProtectRequest)) admin.Code {
		q := &admin.ProtectRequest{Patient: patientA, Asker: &admin.Asker{User: by, Role: "privacy-officer", Purpose: "HOPERAT"}}
		change(q)
		if _, err := n.Protect(t.Context(), q); err != nil {
			return admin.CodeOf(err)
		}
		return ""
	}
	for _, mark := range []func(*admin.ProtectRequest){
		func(q *admin.ProtectRequest) { q.Staff = "p.osei" }, func(q *admin.ProtectRequest) { q.Near = "p.osei" },
	} {
		if got := protect("n.ferreira", mark); got != "" {
			t.Fatalf("marked: %s", got)
		}
		lift := func(q *admin.ProtectRequest) { mark(q); q.Lift = true }
		all := func(q *admin.ProtectRequest) { q.Lift = true }
		for _, by := range []string{"p.osei", "P.Osei"} {
			if one, every := protect(by, lift), protect(by, all); one != admin.CodeDenied || every != admin.CodeDenied {
				t.Errorf("%s takes their own mark back: %s, all marks: %s", by, one, every)
			}
		}
		if got := protect("n.ferreira", lift); got != "" {
			t.Errorf("another takes it back: %s", got)
		}
	}
}

// Of emergencies that are heard of at the same moment one is the first: as many as are allowed go through, and the emergency that is asked
// about does not count itself.
func TestEmergenciesOfOneMomentAreInOneOrder(t *testing.T) {
	t.Parallel()
	now := time.Now()
	d := &reviewDesk{all: make(map[string]*review)}
	for i := range 6 {
		r := &review{ID: fmt.Sprint("RAS-", i), Kind: glassKind, User: "ada", Trust: "RAS", At: now, Seen: now, Until: now.Add(glassTime)}
		d.all[r.ID], d.recent = r, append(d.recent, r)
	}
	for i, r := range d.recent {
		if ofUser, ofTrust := d.emergencies("RAS", "ada", r.ID); ofUser != i || ofTrust != i {
			t.Errorf("before emergency %d there are %d of the user and %d of the trust", i, ofUser, ofTrust)
		}
	}
	if _, ofTrust := d.emergencies("RAS", "bob", "RAS-9"); ofTrust != 6 {
		t.Errorf("before one that is not known there are %d", ofTrust)
	}
}

// What happens late to an earlier emergency, such as a notice that is sent, does not put it before the one that runs.
func TestTheNewestEmergencyStaysTheNewest(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	subjects := []federation.Subject{{1}}
	for _, id := range []string{"RYJ-1", "RYJ-2"} {
		r := &review{ID: id, Kind: glassKind, User: "ada", Trust: n.Trust(), Subject: subjects[0], Reason: resus, At: time.Now(), Until: time.Now().Add(time.Minute), Granted: true}
		if _, err := n.reviews.begin(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.reviews.document(t.Context(), "RYJ-1", federation.NewDocumentID(n.Trust(), federation.DocumentKey{1})); err != nil {
		t.Fatal(err)
	}
	if r, found := n.reviews.granted(n.Trust(), "ada", subjects, time.Now()); !found || r.ID != "RYJ-2" {
		t.Errorf("%+v runs", r)
	}
}
