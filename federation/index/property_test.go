package index

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

var everybody = []federation.TrustID{"RYJ", "RAS", "RAX", "Y05868"}

// drawBody invents what a trust might say; often it makes sense.
func drawBody(t *rapid.T, r *testRegion, id federation.TrustID) federation.Body {
	n := rapid.IntRange(0, 12).Draw(t, "n")
	subject := rapid.SampledFrom([]federation.Subject{alice, bob, {0xC}}).Draw(t, "subject")
	other := rapid.SampledFrom([]federation.Subject{{0xD}, {0xE}, {0xF}}).Draw(t, "other")
	whom := rapid.SampledFrom(everybody).Draw(t, "whom")
	switch rapid.IntRange(0, 12).Draw(t, "kind") {
	case 0, 1, 2:
		p := pointerOf(id, subject, n)
		if n%4 == 1 {
			p.Supersedes = documentOf(id, n-1)
		}
		if n%5 == 2 {
			p.Confidentiality = federation.Restricted
			p = p.Seal()
		}
		return publication(p, pointerOf(id, subject, n+1))
	case 3:
		return federation.Withdraw{Documents: []federation.DocumentID{documentOf(id, n)}}
	case 4:
		return objection(byte(n+1), subject)
	case 5:
		return withdrawal(byte(n+50), byte(n+1), subject)
	case 11:
		return scoped(byte(n+1), subject, federation.Object, byte(rapid.IntRange(0, 40).Filter(func(i int) bool { return i != n+1 }).Draw(t, "supersedes")))
	case 12:
		return scoped(byte(n+20), subject, federation.Consent, byte(rapid.IntRange(0, 40).Filter(func(i int) bool { return i != n+20 }).Draw(t, "supersedes")))
	case 6:
		return federation.Link{Prior: subject, Survivor: other}
	case 7:
		return federation.Agreement{Version: uint64(n) + 1, Effective: r.now}
	case 8:
		return federation.Suspend{Trust: whom, Lift: n%2 == 0}
	case 9:
		if open := r.proposals(); len(open) > 0 {
			return federation.Approve{Proposal: open[n%len(open)].Digest}
		}
		return federation.Enrol{Member: newTrust(federation.TrustID(fmt.Sprintf("N%02d", n))).member(n%2 == 0)}
	default:
		return federation.BreakGlass{Subject: subject, Custodian: whom, User: "u", Reason: "r", Until: r.now.Add(1 << 40)}
	}
}

// drawAttack makes a command that is not the next genuine statement of anybody.
func drawAttack(t *rapid.T, r *testRegion) []byte {
	id := rapid.SampledFrom(everybody).Draw(t, "victim")
	body := drawBody(t, r, id)
	h := r.head(id)
	place := federation.Place{Trust: id, Seq: h.seq + 1, Prev: h.digest, At: r.now}
	genuine := func() []byte { return r.signAt(place, body, r.trust(id).statement).Encode() }
	switch rapid.IntRange(0, 6).Draw(t, "attack") {
	case 0: // foreign: another trust of the region signs
		key := r.trust(rapid.SampledFrom(everybody).Filter(func(o federation.TrustID) bool { return o != id }).Draw(t, "forger")).statement
		return r.signAt(place, body, key).Encode()
	case 1: // forged: a bit changed on the way
		b := genuine()
		b[rapid.IntRange(0, len(b)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		return b
	case 2: // out of order: one left out before it
		place.Seq += rapid.Uint64Range(1, 1<<40).Draw(t, "gap")
		return r.signAt(place, body, r.trust(id).statement).Encode()
	case 3: // a second statement with a number that is taken; a new chain for one that has none
		place.Seq = rapid.Uint64Range(1, max(1, h.seq)).Draw(t, "seq")
		if h.seq == 0 {
			place.Prev = federation.Digest{1}
		}
		return r.signAt(place, body, r.trust(id).statement).Encode()
	case 4: // truncated
		b := genuine()
		return b[:rapid.IntRange(0, len(b)-1).Draw(t, "length")]
	case 5: // follows from what never was
		place.Prev[rapid.IntRange(0, 31).Draw(t, "byte of prev")] ^= 1
		return r.signAt(place, body, r.trust(id).statement).Encode()
	default: // garbage
		return rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "garbage")
	}
}

func TestAttacksChangeNothingButARefusalRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := grown(t, Config{})
		for range rapid.IntRange(0, 6).Draw(t, "statements before") {
			id := rapid.SampledFrom(everybody).Draw(t, "trust")
			r.say(id, drawBody(t, r, id))
		}
		for range rapid.IntRange(1, 8).Draw(t, "attacks") {
			before, counts := r.rows(rowMeta, rowRefusal), r.counts()
			cmd := drawAttack(t, r)
			got := r.submit(cmd)
			if got.Outcome == Accepted {
				t.Fatalf("accepted %x", cmd)
			}
			if diff := cmp.Diff(before, r.rows(rowMeta, rowRefusal)); diff != "" {
				t.Fatalf("%s: the state changed:\n%s", got.Code, diff)
			}
			if got.Outcome == Refused {
				counts.Refusals++
			}
			if diff := cmp.Diff(counts, r.counts()); diff != "" {
				t.Fatalf("%s: counts:\n%s", got.Code, diff)
			}
		}
	})
}

// Any history, whatever is refused in it:
//
//	applied again on top of itself     nothing changes but refusals
//	applied to an empty ledger         the same root and rows
//	as a snapshot                      the same root, rows and answers
func TestAnyHistoryIsRepeatable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := grown(t, Config{})
		for range rapid.IntRange(1, 25).Draw(t, "commands") {
			if rapid.IntRange(0, 5).Draw(t, "attack?") == 0 {
				r.submit(drawAttack(t, r))
				continue
			}
			id := rapid.SampledFrom(everybody).Draw(t, "trust")
			r.say(id, drawBody(t, r, id))
		}
		again := r.replay()
		if diff := cmp.Diff(r.rows(), again.rows()); diff != "" || r.root() != again.root() {
			t.Fatalf("roots %s and %s, rows:\n%s", r.root(), again.root(), diff)
		}
		store := consensus.NewMemoryStore()
		if err := newLedger(t, Config{}).Restore(bytes.NewReader(r.snapshot()), store); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r.rows(), rowsOf(t, store)); diff != "" {
			t.Fatalf("restored:\n%s", diff)
		}
		for _, s := range []federation.Subject{alice, bob, {0xC}, {0xD}} {
			if diff := cmp.Diff(locateAll(t, r.store, s), locateAll(t, store, s)); diff != "" {
				t.Fatalf("located:\n%s", diff)
			}
		}
		rows, log := r.rows(rowMeta, rowRefusal), r.log
		for _, cmd := range log {
			if got := r.submit(cmd); got.Outcome == Accepted && !refusedBefore(again, cmd) {
				t.Fatalf("accepted twice: %x", cmd)
			} else if got.Outcome == Accepted {
				return // refused at first, for reasons that have gone; from here on the histories differ
			}
		}
		if diff := cmp.Diff(rows, r.rows(rowMeta, rowRefusal)); diff != "" {
			t.Fatalf("replayed on top of itself:\n%s", diff)
		}
	})
}

// refusedBefore reports whether cmd is in the log and none of its statements.
func refusedBefore(r *testRegion, cmd []byte) bool {
	signed, err := federation.DecodeSigned(cmd)
	if err != nil {
		return true
	}
	s, err := signed.Statement()
	if err != nil {
		return true
	}
	have, _, found, err := statementAt(r.store, s.Trust, s.Seq)
	return err != nil || !found || have.ID() != signed.ID()
}

// What has ended must never be in force again, whatever else is said, linked or restored.
func TestNoDirectiveEverComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := grown(t, Config{})
		ended := map[federation.DirectiveID]bool{}
		for range rapid.IntRange(1, 30).Draw(t, "commands") {
			id := rapid.SampledFrom(everybody).Draw(t, "trust")
			body := drawBody(t, r, id)
			if _, ok := body.(federation.Directive); !ok && body.Kind() != federation.KindLink {
				continue
			}
			r.say(id, body)
			for _, s := range []federation.Subject{alice, bob, {0xC}} {
				history, err := DirectiveHistory(r.store, s)
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range history {
					if d.Active() && ended[d.ID] {
						t.Fatalf("directive %x is in force again", d.ID)
					}
					if !d.Active() {
						ended[d.ID] = true
					}
				}
			}
		}
	})
}

// What pointers, documents and counts say must fit together after any history.
func TestPointersAndCountsFitTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := grown(t, Config{})
		for range rapid.IntRange(1, 40).Draw(t, "commands") {
			id := rapid.SampledFrom(everybody).Draw(t, "trust")
			n := rapid.IntRange(0, 6).Draw(t, "n")
			subject := rapid.SampledFrom([]federation.Subject{alice, bob}).Draw(t, "subject")
			p := pointerOf(id, subject, n)
			p.Date = p.Date.AddDate(0, 0, rapid.IntRange(0, 2).Draw(t, "day"))
			if rapid.Bool().Draw(t, "publish") {
				r.accept(id, publication(p, p))
			} else {
				r.accept(id, federation.Withdraw{Documents: []federation.DocumentID{p.Document, p.Document}})
			}
		}
		counts := map[byte]uint64{}
		for key := range r.rows() {
			counts[key[0]]++
		}
		c := r.counts()
		if counts[rowPointer] != c.Pointers || counts[rowDocument] != c.Pointers+c.Withdrawn || counts[rowEnvelope] != c.Statements {
			t.Fatalf("%+v; %d pointers, %d documents, %d envelopes", c, counts[rowPointer], counts[rowDocument], counts[rowEnvelope])
		}
		for _, s := range []federation.Subject{alice, bob} {
			for _, p := range locateAll(t, r.store, s) {
				if got, withdrawn, found := r.pointer(p.Document); !found || withdrawn || !cmp.Equal(got, p) {
					t.Fatalf("%s: %v, %v, %v", p.Document, got, withdrawn, found)
				}
			}
		}
	})
}
