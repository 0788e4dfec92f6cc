package index

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

// fuzzRegion is small, so that it is quickly made anew.
func fuzzRegion(t tester) *testRegion {
	t.Helper()
	r := founded(t, Config{}, 1)
	r.accept("RYJ", publication(pointerOf("RYJ", alice, 1)))
	return r
}

// Arbitrary commands must neither panic nor be accepted, and two replicas must say and do the same.
func FuzzApply(f *testing.F) {
	seed := fuzzRegion(f)
	for _, cmd := range seed.log {
		f.Add(cmd)
	}
	genuine := seed.sign("RYJ", publication(pointerOf("RYJ", bob, 2))).Encode()
	f.Add(genuine)
	f.Add([]byte("garbage"))
	f.Fuzz(func(t *testing.T, cmd []byte) {
		one, other := fuzzRegion(t), fuzzRegion(t)
		got, err := one.apply(cmd)
		same, otherErr := other.apply(cmd)
		if got != same || (err == nil) != (otherErr == nil) {
			t.Fatalf("%v, %v and %v, %v", got, err, same, otherErr)
		}
		if diff := cmp.Diff(one.rows(), other.rows()); diff != "" {
			t.Fatalf("replicas differ:\n%s", diff)
		}
		if got.Outcome == Accepted && !bytes.Equal(cmd, genuine) {
			t.Fatalf("accepted %x", cmd)
		}
	})
}

// Arbitrary bodies, signed by a trust whose turn it is: an honest key and a hostile program.
func FuzzApplySigned(f *testing.F) {
	seed := fuzzRegion(f)
	for _, body := range []federation.Body{
		publication(pointerOf("RYJ", bob, 2)), objection(1, alice), scoped(2, alice, federation.Consent, 0), scoped(3, alice, federation.Object, 1),
		federation.Link{Prior: alice, Survivor: bob},
		federation.Enrol{Member: newTrust("RAS").member(true)},
		federation.Suspend{Trust: "RYJ"},
		federation.Agreement{Version: 1, Effective: seed.now},
		federation.Withdraw{Documents: []federation.DocumentID{documentOf("RYJ", 1)}},
		federation.Approve{},
		sealedCheckpoint(seed.trust("RYJ")),
	} {
		f.Add(uint8(body.Kind()), federation.EncodeBody(body))
	}
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		one, other := fuzzRegion(t), fuzzRegion(t)
		h := one.head("RYJ")
		signed, err := federation.Sign(federation.Statement{Trust: "RYJ", Seq: h.seq + 1, Prev: h.digest, Kind: federation.Kind(kind), At: one.now, Body: body},
			one.trust("RYJ").statement)
		if err != nil {
			return
		}
		got, err := one.apply(signed.Encode())
		same, otherErr := other.apply(signed.Encode())
		if got != same || (err == nil) != (otherErr == nil) {
			t.Fatalf("%v, %v and %v, %v", got, err, same, otherErr)
		}
		if err != nil && !errors.Is(err, ErrUnknownStatement) {
			t.Fatal(err)
		}
		if diff := cmp.Diff(one.rows(), other.rows()); diff != "" {
			t.Fatalf("replicas differ:\n%s", diff)
		}
		store := consensus.NewMemoryStore()
		if err := newLedger(t, Config{}).Restore(bytes.NewReader(one.snapshot()), store); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(one.rows(), rowsOf(t, store)); diff != "" {
			t.Fatalf("restored:\n%s", diff)
		}
	})
}

func FuzzRestore(f *testing.F) {
	f.Add(fuzzRegion(f).snapshot())
	f.Add(emptyRegion(f, Config{}).snapshot())
	f.Fuzz(func(t *testing.T, b []byte) {
		store := consensus.NewMemoryStore()
		err := newLedger(t, Config{}).Restore(bytes.NewReader(b), store)
		if err != nil {
			if !errors.Is(err, ErrSnapshot) && !errors.Is(err, ErrUnknownStatement) {
				t.Fatal(err)
			}
			return
		}
		r := &testRegion{t: t, ledger: newLedger(t, Config{}), store: store}
		if !bytes.Equal(r.snapshot(), b) {
			t.Fatal("a restored snapshot writes another")
		}
	})
}

func FuzzDecodeResponse(f *testing.F) {
	f.Add(EncodeResponse(Response{Outcome: Refused, Code: Gap, Detail: "x"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeResponse(b)
		if err == nil && !bytes.Equal(EncodeResponse(r), b) {
			t.Fatalf("%v encodes otherwise", r)
		}
	})
}
