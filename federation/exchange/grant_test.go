package exchange

import (
	"errors"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// TestGrantThatDoesNotFitIsRefused: a custodian that has ruled otherwise, or that answers for another manifest, is not taken at its word.
func TestGrantThatDoesNotFitIsRefused(t *testing.T) {
	w := newWorld(t)
	id := w.publish([]byte("true"))
	pointer, manifest := w.ledger.pointers[id], w.store.manifests[id]
	for _, c := range []struct {
		name   string
		change func(r *Ruling, g *grant)
		want   error
	}{
		{"as it should be", func(*Ruling, *grant) {}, nil},
		{"ruled to be refused", func(r *Ruling, _ *grant) { r.Outcome = policy.Denied }, ErrProtocol},
		{"of another entry", func(r *Ruling, _ *grant) { r.Entry++ }, ErrProtocol},
		{"for another manifest", func(_ *Ruling, g *grant) { g.digest[0] ^= 1 }, ErrProtocol},
		{"without the manifest", func(_ *Ruling, g *grant) { g.manifest = nil }, ErrProtocol},
	} {
		f := &fetch{client: w.client, pointer: pointer}
		here, there := newPipe()
		s := &source{fetch: f, node: nodeOf(holder), conn: here, signed: []byte("request")}
		r, g := sampleRuling(), grant{intent: 3, digest: pointer.Manifest, manifest: manifest}
		r.Assertion, r.Manifest = federation.Sum(s.signed), pointer.Manifest
		c.change(&r, &g)
		signed := SignRuling(r, keyOf(holder, "statement"))
		b := g.append(append(appendFrame(nil, frameRuling, len(signed)), signed...))
		go func() { _, _ = there.Write(b) }()
		if err := s.answer(); !errors.Is(err, c.want) || (err == nil) != (f.plan != nil) {
			t.Errorf("%s: got %v", c.name, err)
		}
		_ = here.Close()
		_ = there.Close()
	}
}

// TestManifestIsTheOneThatWasAgreedOn: one that reads well is believed no more than one that does not.
func TestManifestIsTheOneThatWasAgreedOn(t *testing.T) {
	w := newWorld(t)
	ours, others := w.publish([]byte("ours")), w.publish([]byte("another's"))
	for _, c := range []struct {
		name    string
		pointer federation.Pointer
		ok      bool
	}{
		{"ours", w.ledger.pointers[ours], true},
		{"another", w.ledger.pointers[others], false},
		{"ours, changed since", func() federation.Pointer { p := w.ledger.pointers[ours]; p.Manifest[0] ^= 1; return p }(), false},
		{"of another document, though agreed on", func() federation.Pointer { p := w.ledger.pointers[ours]; p.Document = others; return p }(), false},
		{"of another patient, though agreed on", func() federation.Pointer { p := w.ledger.pointers[ours]; p.Subject[0] ^= 1; return p }(), false},
	} {
		f := &fetch{client: w.client, pointer: c.pointer}
		if err := f.learn(w.store.manifests[ours]); (err == nil) != c.ok || (f.plan != nil) != c.ok || !c.ok && !errors.Is(err, ErrIntegrity) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}
