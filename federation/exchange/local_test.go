package exchange

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

func TestBreakingTheGlass(t *testing.T) {
	later := time.Now().Add(100 * 365 * 24 * time.Hour)
	objection := []policy.Directive{{ID: federation.DirectiveID{1}, Effect: federation.Object, Version: 4}}
	for _, tt := range []struct {
		name string
		hook func(context.Context, Assertion) (time.Time, error)
		want error
	}{
		{"allowed", func(context.Context, Assertion) (time.Time, error) { return later, nil }, nil},
		{"refused by the custodian's gate", func(context.Context, Assertion) (time.Time, error) { return later, errBroken }, ErrNotFound},
		{"no gate", nil, ErrNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(_ *world, c *CustodianConfig, _ *ClientConfig) { c.Emergency = tt.hook })
			q := requestFor(w.publish([]byte("x")))
			w.lapse()
			w.ledger.facts.Directives = objection
			q.Emergency, q.Purpose = "unconscious in A&E", "BTG"
			asked := ""
			w.audit.onAppend = func(Event) { asked = w.asked.kinds() }
			_, err := w.client.Fetch(context.Background(), q, func(Segment) error { return nil })
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			w.wg.Wait()
			e := w.audit.events[0]
			if asked != "asked" && asked != "asked received" {
				t.Errorf("the custodian was asked before the requester had it in writing: %q", asked)
			}
			if e.Glass != (tt.want == nil) || e.Emergency != q.Emergency {
				t.Errorf("entry %+v", e)
			}
			if asks := w.asked.events[0]; len(e.Assertion) == 0 || !bytes.Equal(asks.Assertion, e.Assertion) {
				t.Errorf("the two logs do not name one signed request: %x, %x", asks.Assertion, e.Assertion)
			}
		})
	}
	t.Run("legally restricted", func(t *testing.T) {
		w := newWorld(t, func(_ *world, c *CustodianConfig, _ *ClientConfig) {
			c.Emergency = func(context.Context, Assertion) (time.Time, error) { return later, nil }
		})
		q := requestFor(w.publish([]byte("x")))
		d := w.store.documents[q.Document]
		d.LegallyRestricted = true
		w.store.documents[q.Document] = d
		q.Emergency, q.Purpose = "unconscious in A&E", "BTG"
		if _, err := w.client.Fetch(context.Background(), q, noSink(t)); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v", err)
		}
	})
}

// TestEmergencyThatEndsInTheMiddleIsSaidToBeOver has the time run out at each place where a release looks at it: the requester is told
// that the emergency is over, and not that this custodian has lost touch with the region.
func TestEmergencyThatEndsInTheMiddleIsSaidToBeOver(t *testing.T) {
	for _, tt := range []struct {
		name string
		ends func(w *world, end func())
	}{
		{"while it is decided anew", func(w *world, end func()) { w.ledger.onFacts = end }},
		{"before it is decided anew", func(_ *world, end func()) { end() }},
		{"the wall clock is set back", func(w *world, end func()) { w.clock.jump(0, 0, -time.Hour); end() }},
		{"the machine sleeps and its clock is set back", func(w *world, _ func()) { w.clock.jump(0, 2*time.Second, -time.Hour) }},
		{"the ordinary rules would permit, and the proof is too old", func(w *world, end func()) {
			w.ledger.change(func(l *ledger) { l.facts.Directives = nil })
			end()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const lasts = time.Minute
			var until time.Time
			w := newWorld(t, func(w *world, c *CustodianConfig, _ *ClientConfig) {
				c.Emergency = func(context.Context, Assertion) (time.Time, error) {
					until = w.clock.Now().Wall.Add(lasts)
					return until, nil
				}
			})
			object(w)
			g := guarded(t, w, func(a *Assertion) { a.Emergency, a.Purpose = "unconscious in A&E", "BTG" })
			if !g.decision.Glass {
				t.Fatal("it was permitted without the emergency")
			}
			w.clock.pass(lasts - time.Second) // long enough to be decided anew
			tt.ends(w, func() { w.clock.pass(2 * time.Second) })
			_, refusal := g.check(t.Context())
			if refusal == nil || !errors.Is(refusal, ErrDenied) || refusal.Text != EmergencyOver {
				t.Errorf("got %v", refusal)
			}
		})
	}
}

// TestEmergencyThatIsJudgedInTheMiddleEndsTheStream: what the custodian's reviewer judges as not justified ends what is being sent, also
// a write that the requester does not take.
func TestEmergencyThatIsJudgedInTheMiddleEndsTheStream(t *testing.T) {
	judgement := &Refusal{Outcome: policy.Denied, Text: "It was judged as not justified."}
	var judged atomic.Bool
	w := newWorld(t, func(w *world, c *CustodianConfig, _ *ClientConfig) {
		c.Emergency = func(context.Context, Assertion) (time.Time, error) { return w.clock.Now().Wall.Add(time.Hour), nil }
		c.Judged = func(context.Context, Assertion) error {
			if judged.Load() {
				return judgement
			}
			return nil
		}
	})
	content := noise(8*mib, 5)
	q := requestFor(w.publish(content))
	object(w)
	q.Emergency, q.Purpose = "unconscious in A&E", "BTG"
	got := 0
	_, err := w.client.Fetch(t.Context(), q, func(s Segment) error {
		if got += len(s.Data); !judged.Swap(true) {
			w.custodian.RulesChanged()
			w.wg.Wait() // for the custodian to end it: the requester takes nothing meanwhile
		}
		return nil
	})
	if !errors.Is(err, ErrDenied) || got >= len(content) {
		t.Errorf("%d of %d bytes came, then %v", got, len(content), err)
	}
}

func TestOwnStaffReadOwnRecords(t *testing.T) {
	w := newWorld(t)
	content := noise(mib, 4)
	id := w.publishAs(federation.Restricted, content)
	w.fresh.err = errBroken // the region is out of reach
	w.ledger.facts.Directives = []policy.Directive{{Effect: federation.Object, Version: 1}}
	q := requestFor(id)
	q.Role = "records-staff"
	var got fetched
	res, err := w.custodian.Open(context.Background(), q, got.sink)
	if err != nil || string(got.parts[1]) != string(content) || res.Bytes != int64(len(content)) {
		t.Fatalf("got %v, %d bytes", err, res.Bytes)
	}
	if w.audit.kinds() != "intent released" || !w.audit.last().Local {
		t.Errorf("audit %q", w.audit.kinds())
	}
	q.Role = "admin"
	if _, err := w.custodian.Open(context.Background(), q, noSink(t)); !errors.Is(err, ErrNotFound) || w.audit.last().Kind != Refused {
		t.Errorf("administrator: got %v, entry %s", err, w.audit.last().Kind)
	}
	q.Role, q.Document = "doctor", federation.NewDocumentID(holder, federation.DocumentKey{88})
	if _, err := w.custodian.Open(context.Background(), q, noSink(t)); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such document: got %v", err)
	}
	w.audit.err = errBroken
	q.Document = id
	if _, err := w.custodian.Open(context.Background(), q, noSink(t)); !errors.Is(err, ErrAudit) {
		t.Errorf("without audit: got %v", err)
	}
	w.custodian.Close()
	if _, err := w.custodian.Open(context.Background(), q, noSink(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: got %v", err)
	}
}

// unpublished is a store with one document that the region does not know of.
type unpublished struct {
	*store
	pointer federation.Pointer
}

func (u unpublished) Unpublished(_ context.Context, id federation.DocumentID) (federation.Pointer, bool, error) {
	return u.pointer, id == u.pointer.Document, nil
}

func TestDocumentThatIsNotPublishedYetIsForOwnStaffOnly(t *testing.T) {
	w := newWorld(t)
	id := w.publish([]byte("x"))
	pointer := w.ledger.pointers[id]
	w.custodian.cfg.Records = unpublished{w.store, pointer}
	w.client.cfg.Directory = &ledger{roster: w.ledger.roster, pointers: map[federation.DocumentID]federation.Pointer{id: pointer}}
	delete(w.ledger.pointers, id)
	if _, err := w.custodian.Open(context.Background(), requestFor(id), func(Segment) error { return nil }); err != nil {
		t.Errorf("own staff: got %v", err)
	}
	if _, err := w.client.Fetch(context.Background(), requestFor(id), noSink(t)); !errors.Is(err, ErrNotFound) {
		t.Errorf("peer: got %v", err)
	}
}
