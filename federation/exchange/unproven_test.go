package exchange

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// prove has the custodian's copy of the state proven, as its lease does in the background.
func (w *world) prove() {
	w.t.Helper()
	if _, err := w.lease.Renew(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// lapse leaves the custodian with a proof that is too old, and no way to get another.
func (w *world) lapse() {
	w.t.Helper()
	w.prove()
	w.clock.pass(DefaultLease + time.Second)
	w.fresh.become(errBroken)
}

// become makes the region fail, or not.
func (f *freshness) become(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// TestUnprovenCopyAnswersEverythingAlike: what a custodian's copy of the state lacks while nothing proves it whole may be on its
// way. Then "not there", "not for you" and "not yours to ask" are one answer, byte for byte: it cannot be decided now.
func TestUnprovenCopyAnswersEverythingAlike(t *testing.T) {
	objection := []policy.Directive{{ID: federation.DirectiveID{1}, Effect: federation.Object, Version: 4}}
	cases := map[string]func(*ledger, federation.DocumentID){
		"permitted":                      func(*ledger, federation.DocumentID) {},
		"absent":                         func(l *ledger, id federation.DocumentID) { delete(l.pointers, id) },
		"the patient objects":            func(l *ledger, _ federation.DocumentID) { l.facts.Directives = objection },
		"no agreement":                   func(l *ledger, _ federation.DocumentID) { l.facts.Agreement = nil },
		"no region":                      func(l *ledger, _ federation.DocumentID) { l.facts.RegionActive = false },
		"what was said is not all there": func(l *ledger, _ federation.DocumentID) { l.facts.Complete = false },
		"the roster is empty": func(l *ledger, _ federation.DocumentID) {
			l.roster = federation.NewRoster(federation.Charter{}, federation.Digest{}, nil)
		},
		"the requester is not in the roster": func(l *ledger, _ federation.DocumentID) {
			l.roster = rosterOf(func(trusts map[federation.TrustID]*federation.Trust) { delete(trusts, asker) })
		},
		"the requester has another key there": func(l *ledger, _ federation.DocumentID) {
			l.roster = rosterOf(func(trusts map[federation.TrustID]*federation.Trust) {
				trusts[asker].StatementKey = federation.PublicOf(keyOf(other, "statement"))
			})
		},
	}
	for _, emergency := range []string{"", "unconscious in resus"} {
		var first []byte
		for _, name := range slices.Sorted(maps.Keys(cases)) {
			if emergency != "" && (name == "permitted" || name == "the patient objects" || name == "what was said is not all there") {
				continue // the glass passes it
			}
			t.Run(name+" "+emergency, func(t *testing.T) {
				w := newWorld(t, func(w *world, c *CustodianConfig, _ *ClientConfig) {
					w.fresh.err = errBroken
					c.Emergency = func(context.Context, Assertion) (time.Time, error) { return w.clock.Now().Wall.Add(time.Minute), nil }
				})
				q := requestFor(w.publish([]byte("secret")))
				q.Emergency = emergency
				known := w.ledger.roster
				w.request = func(_ int, frame []byte) []byte {
					w.ledger.change(func(l *ledger) { cases[name](l, q.Document) })
					return frame
				}
				var answer bytes.Buffer
				w.tamper = func(_ int64, p []byte) { answer.Write(p) }
				_, err := w.client.Fetch(context.Background(), q, noSink(t))
				var r *Refusal
				if !errors.As(err, &r) || r.Outcome != policy.StalePolicy || r.Text != policy.StalePolicy.Safe() {
					t.Fatalf("got %v, want STALE_POLICY", err)
				}
				w.wg.Wait()
				if emergency == "" && w.ledger.reads > 0 {
					t.Error("facts were read, so that how long the answer takes says what there is")
				}
				if e := w.audit.events[0]; e.Kind != Refused || e.Outcome != policy.StalePolicy || len(e.Assertion) == 0 {
					t.Errorf("entry %+v", e)
				}
				if first == nil {
					first = bytes.Clone(answer.Bytes())
				}
				if !bytes.Equal(answer.Bytes(), first) {
					t.Errorf("the answer is %x, another was %x", answer.Bytes(), first)
				}

				// Once the copy is proven, what is in it decides.
				w.request = nil
				w.fresh.become(nil)
				w.ledger.change(func(l *ledger) { l.roster = known })
				want := map[string]error{"permitted": nil, "absent": ErrNotFound, "the patient objects": ErrDenied, "no agreement": ErrNotFound, "no region": ErrNotFound, "what was said is not all there": ErrUnavailable}[name]
				if emergency == "" && name != "absent" {
					if _, err := w.client.Fetch(context.Background(), q, new(fetched).sink); !errors.Is(err, want) {
						t.Errorf("once it is proven: %v, want %v", err, want)
					}
				}
			})
		}
	}
}

// TestGlassIsBrokenOnAnUnprovenCopy: an emergency does not wait for the region, where the rules that are there let it pass.
func TestGlassIsBrokenOnAnUnprovenCopy(t *testing.T) {
	w := newWorld(t, func(w *world, c *CustodianConfig, _ *ClientConfig) {
		w.fresh.err = errBroken
		c.Emergency = func(context.Context, Assertion) (time.Time, error) { return w.clock.Now().Wall.Add(time.Minute), nil }
	})
	q := requestFor(w.publish([]byte("secret")))
	q.Emergency = "unconscious in resus"
	got := new(fetched)
	if _, err := w.client.Fetch(context.Background(), q, got.sink); err != nil || string(got.parts[1]) != "secret" {
		t.Errorf("%q, %v", got.parts[1], err)
	}
}
