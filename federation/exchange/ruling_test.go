package exchange

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

func sampleRuling() Ruling {
	return Ruling{
		Assertion: federation.Digest{1}, Manifest: federation.Digest{2}, Entry: 3, Outcome: policy.Permit, Glass: true, State: 4, Age: 5 * time.Microsecond,
		Bytes: 600, At: time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC),
		Chain: []policy.Reason{{Rule: "standing"}, {Rule: "agreement/direct-care", Source: holder, Version: 7}},
	}
}

// The requester's log has what the custodian has decided, on which rules and how fresh a state, as the custodian has signed it.
func TestRequesterHasTheCustodiansRulingInWriting(t *testing.T) {
	for name, size := range map[string]int{"one stream": 1000, "bulk": 40 * federation.ChunkSize} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(_ *world, _ *CustodianConfig, c *ClientConfig) { c.Limits.BulkFrom = 1 })
			q := requestFor(w.publish(noise(size, 1)))
			q.Bulk = name == "bulk"
			if _, err := w.client.Fetch(context.Background(), q, func(Segment) error { return nil }); err != nil {
				t.Fatal(err)
			}
			w.wg.Wait()
			intent, got := w.audit.events[0], w.asked.last()
			if intent.Kind != Intent || got.Kind != Received || len(intent.Chain) == 0 || len(got.Chain) != len(intent.Chain) {
				t.Fatalf("%s has %v, %s has %v", intent.Kind, intent.Chain, got.Kind, got.Chain)
			}
			for i, r := range got.Chain {
				if r.Rule != intent.Chain[i].Rule || r.Version != intent.Chain[i].Version || r.Source != intent.Chain[i].Source || r.Text != "" || strings.HasSuffix(r.String(), ": ") {
					t.Errorf("rule %d: %q, the custodian has %q", i, r, intent.Chain[i])
				}
			}
			r, err := VerifyRuling(got.Receipt, federation.PublicOf(keyOf(holder, "statement")))
			if err != nil || r.Assertion != federation.Sum(w.asked.events[0].Assertion) || r.Outcome != policy.Permit || r.Entry != got.Intent || r.Bytes != uint64(size) {
				t.Errorf("%+v, %v", r, err)
			}
			if got.State != intent.State || got.State == 0 || got.Age.Truncate(time.Microsecond) != intent.Age.Truncate(time.Microsecond) {
				t.Errorf("state %d and age %s, the custodian has %d and %s", got.State, got.Age, intent.State, intent.Age)
			}
		})
	}
}

func TestNothingIsTakenWithoutTheCustodiansRuling(t *testing.T) {
	w := newWorld(t, func(_ *world, c *CustodianConfig, _ *ClientConfig) { c.Key = keyOf(other, "statement") })
	_, err := w.client.Fetch(context.Background(), requestFor(w.publish([]byte("secret"))), noSink(t))
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, federation.ErrSignature) {
		t.Errorf("signed by another trust: %v", err)
	}
	w.wg.Wait()
	if e := w.asked.last(); e.Kind != Failed || len(e.Receipt) != 0 || len(e.Chain) != 0 {
		t.Errorf("what is not signed is kept: %+v", e)
	}
	// Between the request and its answer a grant comes without a ruling, and with one on another request.
	for name, first := range map[string][]byte{
		"none":    nil,
		"another": SignRuling(sampleRuling(), keyOf(holder, "statement")),
	} {
		f := &fetch{client: w.client, pointer: federation.Pointer{Manifest: federation.Digest{9}}}
		here, there := newPipe()
		s := &source{fetch: f, node: nodeOf(holder), conn: here, signed: []byte("request")}
		var b []byte
		if first != nil {
			b = append(appendFrame(nil, frameRuling, len(first)), first...)
		}
		b = grant{intent: 3, digest: federation.Digest{9}, manifest: []byte("m")}.append(b)
		go func() { _, _ = there.Write(b) }()
		if err := s.answer(); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
		_ = here.Close()
		_ = there.Close()
	}
}

func TestRulingIsReadBackAndBounded(t *testing.T) {
	key := keyOf(holder, "statement")
	want := sampleRuling()
	got, err := VerifyRuling(SignRuling(want, key), federation.PublicOf(key))
	if err != nil || len(got.Chain) != 2 || got.Chain[1] != want.Chain[1] || got.Age != want.Age || !got.Glass || got.Entry != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	for range 60 {
		want.Chain = append(want.Chain, policy.Reason{Rule: strings.Repeat("r", 64), Source: "ABCDEFGHIJKL", Version: maxSequence, Text: strings.Repeat("x", 500)})
	}
	want.Chain = append(want.Chain, policy.Reason{Rule: "evil\x00rule"}, policy.Reason{Rule: strings.Repeat("l", 65)}, policy.Reason{Rule: "decisive"})
	signed := SignRuling(want, key)
	got, err = VerifyRuling(signed, federation.PublicOf(key))
	if err != nil || len(signed) > maxRuling || len(got.Chain) != maxRulings || got.Chain[maxRulings-1].Rule != "decisive" || got.Chain[maxRulings-2].Rule != "rule" {
		t.Errorf("%d bytes, %d rules, %v", len(signed), len(got.Chain), err)
	}
	for i := range signed {
		forged := bytes.Clone(signed)
		forged[i] ^= 1 << (i % 8)
		if _, err := VerifyRuling(forged, federation.PublicOf(key)); err == nil {
			t.Fatalf("byte %d can be changed", i)
		}
	}
	if digest := federation.Sum(sampleRuling().encode()).String(); digest != rulingForm {
		t.Errorf("the form is another: %s", digest)
	}
}

// rulingForm pins every byte of what is signed: another form needs another version.
const rulingForm = "61f05159bde978922dee943c16ca9faf59b869687aa73db7b51c48d48c83f25b"

func FuzzRuling(f *testing.F) {
	f.Add(sampleRuling().encode())
	f.Add([]byte{1, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := decodeRuling(b); err == nil && !bytes.Equal(r.encode(), b) && len(b) < maxRuling {
			for _, reason := range r.Chain { // what is no plain name is written as another
				if !plain(reason.Rule) {
					return
				}
			}
			t.Fatal("not canonical")
		}
	})
}
