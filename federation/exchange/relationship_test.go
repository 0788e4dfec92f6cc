package exchange

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// needsReferral is an agreement under which a verified referral is needed, and exports are shared.
const needsReferral = `@id("care")
permit (principal in Role::"clinician", action in [Action::"see", Action::"open"], resource)
when { context.relationship_verified && context.relationship_kind == Relationship::"referral" };`

// remembering are records that know some evidence.
type remembering struct {
	*store
	known string
	err   error
}

func (r remembering) Evidenced(_ context.Context, q policy.Request) (bool, error) {
	return q.Document.Subject == patient && q.Link.Evidence == r.known && q.User == policy.User{Trust: "RAS", ID: "u1", Role: "doctor"} && q.Purpose == "TREAT", r.err
}

func TestEvidenceOfARelationshipCountsOnceSomebodyHasFoundIt(t *testing.T) {
	const stated = "referral:UBRN 1"
	word := func(w *world) Vouch {
		return Vouch{Relationship: RelationshipDigest(patient, stated), At: w.clock.Now().Wall}
	}
	for _, tt := range []struct {
		name  string
		known string // to the custodian
		fails error
		set   func(*world, *Request)
		want  error
		says  string // in the custodian's log
	}{
		{"stated only", "", nil, func(*world, *Request) {}, ErrDenied, "relationship-stated: referral: stated by the user; the evidence that they name was found in nobody's records"},
		{"known to the custodian", "UBRN 1", nil, func(*world, *Request) {}, nil, "relationship-verified: referral: RYJ found the evidence"},
		{"the custodian cannot look", "UBRN 1", errors.New("disk"), func(*world, *Request) {}, ErrDenied, "relationship-stated"},
		{"vouched for by the requester's trust", "", nil, func(w *world, q *Request) { q.Vouch = word(w) }, nil, "relationship-verified: referral: RAS found the evidence"},
		{"vouched for yesterday, as a long fetch may", "", nil, func(w *world, q *Request) {
			q.Vouch = word(w)
			q.Vouch.At = q.Vouch.At.Add(-23 * time.Hour)
		}, nil, "relationship-verified"},
		{"vouched for long ago", "", nil, func(w *world, q *Request) {
			q.Vouch = word(w)
			q.Vouch.At = q.Vouch.At.Add(-25 * time.Hour)
		}, ErrDenied, "vouches for another"},
		{"vouched for tomorrow", "", nil, func(w *world, q *Request) {
			q.Vouch = word(w)
			q.Vouch.At = q.Vouch.At.Add(time.Minute)
		}, ErrDenied, "vouches for another"},
		{"vouched for another reference", "", nil, func(w *world, q *Request) {
			q.Vouch, q.Relationship = word(w), "referral:UBRN 2"
		}, ErrDenied, "vouches for another"},
		{"vouched for another patient", "", nil, func(w *world, q *Request) {
			q.Vouch = word(w)
			q.Vouch.Relationship = RelationshipDigest(federation.Subject{8}, stated)
		}, ErrDenied, "vouches for another"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(w *world, c *CustodianConfig, rc *ClientConfig) {
				c.Records = remembering{w.store, tt.known, tt.fails}
				rc.Limits.Attempts = 1
			})
			agreement, err := policy.Compile(needsReferral)
			if err != nil {
				t.Fatal(err)
			}
			w.ledger.facts.Agreement = agreement
			q := requestFor(w.publish([]byte("x")))
			q.Relationship = stated
			tt.set(w, &q)
			_, err = w.client.Fetch(t.Context(), q, func(Segment) error { return nil })
			if (err == nil) != (tt.want == nil) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			w.wg.Wait()
			e := w.audit.last()
			lines := []string{e.Detail}
			for _, r := range e.Chain {
				lines = append(lines, r.String())
			}
			if !strings.Contains(strings.Join(lines, "\n"), tt.says) {
				t.Errorf("the custodian's log says %q, want %q", lines, tt.says)
			}
		})
	}
}

func TestExportIsAskedForByName(t *testing.T) {
	const both = `@id("read") permit (principal, action in [Action::"see", Action::"open"], resource);
@id("keep") permit (principal, action == Action::"export", resource) when { context.purpose == Purpose::"COC" };`
	w := newWorld(t)
	agreement, err := policy.Compile(both)
	if err != nil {
		t.Fatal(err)
	}
	w.ledger.facts.Agreement = agreement
	id := w.publish([]byte("x"))
	for _, tt := range []struct {
		purpose string
		export  bool
		local   bool
		ok      bool
	}{{"TREAT", false, false, true}, {"TREAT", true, false, false}, {"COC", true, false, true}, {"TREAT", false, true, true}, {"TREAT", true, true, false}, {"COC", true, true, true}} {
		q := requestFor(id)
		q.Purpose, q.Export = tt.purpose, tt.export
		sink := func(Segment) error { return nil }
		if tt.local {
			_, err = w.custodian.Open(t.Context(), q, sink)
		} else {
			_, err = w.client.Fetch(t.Context(), q, sink)
		}
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrDenied) {
			t.Errorf("%+v: got %v", tt, err)
		}
		w.wg.Wait()
		if e := w.audit.last(); e.Export != tt.export {
			t.Errorf("%+v: the log has %+v", tt, e)
		}
	}
}
