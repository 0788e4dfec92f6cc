package node

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// What a peer says of an emergency is believed within its own time only, whatever the region was told of it, and is up for review
// before it counts.
func TestEmergencyIsBelievedWithinItsTimeOnly(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	id := federation.NewDocumentID(n.Trust(), federation.DocumentKey{1})
	ask := func(until time.Time, trust federation.TrustID) (exchange.Assertion, time.Time, error) {
		a := exchange.Assertion{
			Trust: trust, User: "ada", Role: "doctor", Subject: federation.Subject{1}, Document: id,
			Emergency: emergencyText(&review{Until: until.UTC().Truncate(time.Microsecond), Reason: "unconscious in resus, no history"}),
		}
		end, err := n.onEmergency(t.Context(), a)
		return a, end, err
	}
	now := time.Now()
	// The region is told, late, of one that is over: it is put up for review and opens nothing.
	over := now.Add(-time.Minute).UTC().Truncate(time.Microsecond)
	if _, err := n.records.Enqueue(t.Context(), federation.BreakGlass{Subject: federation.Subject{1}, Custodian: n.Trust(), User: "ada", Reason: "unconscious in resus, no history", Until: over}); err != nil {
		t.Fatal(err)
	}
	signal(n.speaker.wake)
	eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
	steering := federation.BreakGlass{Subject: federation.Subject{2}, Custodian: n.Trust(), User: "ada\u202e", Reason: "unconscious\n22/11/26 in\u2067 resus,\tno history", Until: over}
	if _, err := n.records.Enqueue(t.Context(), steering); err != nil {
		t.Fatal(err)
	}
	signal(n.speaker.wake)
	eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
	told, err := n.emergencyReports(t.Context(), steering.Subject, nil)
	if err != nil || len(told) != 1 || told[0].GetReason() != "unconscious 22/11/26 in resus, no history" || told[0].GetUser() != "ada" {
		t.Errorf("what the region was told is shown as it is: %v, %v", told, err)
	}
	if rejected := outbox(t, n).Rejected; rejected != 0 {
		t.Errorf("%d entries were refused: the trusts that it names would never hear of it", rejected)
	}
	var refusal *exchange.Refusal
	if _, _, err := ask(over, "RAS"); !errors.As(err, &refusal) || refusal.Outcome != policy.Denied || !strings.Contains(refusal.Text, "is over") {
		t.Errorf("after its end: %v", err)
	}
	if _, _, err := ask(time.Now().Add(glassTime+2*glassSkew), "RAS"); err == nil {
		t.Error("one of longer than a quarter of an hour is believed")
	}
	if _, _, err := ask(time.Now().Add(time.Minute), n.Trust()); err == nil {
		t.Error("own staff who have declared none are believed")
	}
	if got := n.reviews.list(false); len(got) != 0 {
		t.Errorf("what is not believed is up for review: %v", got)
	}
	_, end, err := ask(time.Now().Add(time.Minute), "RAS")
	if got := n.reviews.list(false); err != nil || end.Before(now) || len(got) != 1 || len(got[0].Documents) != 1 {
		t.Errorf("%v, %v, %v", end, err, got)
	}
	ownTransferEndsWithTheEmergency(t, n)
}

// A quota holds nobody up who has declared an emergency for the patient, also for documents that the rules permit anyway; it holds
// up exports, other patients and whoever says that an emergency which is over still counts.
func TestAQuotaHoldsNoEmergencyUp(t *testing.T) {
	t.Parallel()
	n := settledNode(t, func(o *Options) { o.Settings.Watch.QuotaUser = 1 })
	admit := func(patient byte, until time.Duration, export bool) error {
		a := exchange.Assertion{
			Trust: "RAS", User: "ada", Role: "doctor", Export: export,
			Subject: federation.Subject{patient}, Document: federation.NewDocumentID(n.Trust(), federation.DocumentKey{patient}),
		}
		if until != 0 {
			a.Emergency = emergencyText(&review{Until: time.Now().Add(until).UTC().Truncate(time.Microsecond), Reason: "unconscious in resus, no history"})
		}
		return n.misuse.admit(t.Context(), a, false)
	}
	for _, tt := range []struct {
		name    string
		patient byte
		until   time.Duration
		export  bool
		refused bool
	}{
		{name: "the first", patient: 1},
		{name: "one too many", patient: 2, refused: true},
		{name: "in an emergency that is over", patient: 2, until: -time.Second, refused: true},
		{name: "to be kept in another system", patient: 2, until: time.Minute, export: true, refused: true},
		{name: "in an emergency", patient: 2, until: time.Minute},
		{name: "another, without one", patient: 3, refused: true},
	} {
		err := admit(tt.patient, tt.until, tt.export)
		refusal, _ := errors.AsType[*exchange.Refusal](err)
		if (err != nil) != tt.refused || tt.refused && (refusal == nil || refusal.Outcome != policy.TooMany || !strings.Contains(refusal.Text, "In an emergency declare one for this patient")) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if tt.refused != (refusal != nil && strings.Contains(refusal.Text, "to this user within an hour as one user may have")) {
			t.Errorf("%s: it does not say whose quota it is: %v", tt.name, refusal)
		}
	}
	if !slices.ContainsFunc(n.reviews.list(false), func(r *review) bool { return r.Kind == glassKind && r.Subject == federation.Subject{2} }) {
		t.Error("nobody is to review the emergency that passed the quota")
	}
}

// ownTransferEndsWithTheEmergency: whoever asks holds itself to the end of what it declared, whatever the custodian does.
func ownTransferEndsWithTheEmergency(t *testing.T, n *Node) {
	t.Helper()
	for long := 100 * time.Millisecond; ; long *= 4 { // of which a slow disk can use up what there is before it is looked at
		r := &review{ID: "RYJ-" + long.String(), Kind: glassKind, User: "dr1", Trust: n.Trust(), Subject: federation.Subject{7}, At: time.Now(), Until: time.Now().Add(long), Granted: true}
		if _, err := n.reviews.begin(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		q := exchange.Request{User: r.User, Document: federation.NewDocumentID("RAS", federation.DocumentKey{1})}
		ctx, over, err := n.breakGlassFor(t.Context(), &q, r.Subject)
		if err == nil && q.Emergency == "" && time.Now().After(r.Until) && long < patience {
			continue
		}
		if err != nil || q.Emergency != emergencyText(r) {
			t.Fatalf("%q, %v", q.Emergency, err)
		}
		if end, set := ctx.Deadline(); !set || !end.Equal(r.Until) {
			t.Fatalf("it ends at %v, the emergency at %v", end, r.Until)
		}
		<-ctx.Done()
		if err := over(ctx.Err()); !errors.Is(context.Cause(ctx), errGlassOver) || admin.CodeOf(err) != admin.CodeDenied || !strings.Contains(err.Error(), "the emergency that was declared for this patient ended at") {
			t.Errorf("%v, because of %v", err, context.Cause(ctx))
		}
		return
	}
}
