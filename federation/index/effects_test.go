package index

import (
	"testing"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

// TestTheChainCoversEveryEffect: two replicas that have done different things to their rows never come to the same root.
func TestTheChainCoversEveryEffect(t *testing.T) {
	t.Parallel()
	signed := federation.Signed{Raw: []byte("raw")}
	others := signed
	others.Sig[5] ^= 1
	plain := func(e *effects) {
		e.Set([]byte("k"), []byte("v"))
		e.Delete([]byte("old"))
		e.keep([]byte("e"), signed, federation.Digest{1})
	}
	none := federation.Digest{}
	seen := make(map[federation.Digest]string)
	for _, c := range []struct {
		name   string
		before federation.Digest
		index  uint64
		do     func(e *effects)
	}{
		{"as it was", none, 7, plain},
		{"another state before", federation.Digest{9}, 7, plain},
		{"another place", none, 8, plain},
		{"another value", none, 7, func(e *effects) {
			e.Set([]byte("k"), []byte("w"))
			e.Delete([]byte("old"))
			e.keep([]byte("e"), signed, federation.Digest{1})
		}},
		{"a byte of the key in the value", none, 7, func(e *effects) {
			e.Set([]byte("kv"), nil)
			e.Delete([]byte("old"))
			e.keep([]byte("e"), signed, federation.Digest{1})
		}},
		{"not deleted", none, 7, func(e *effects) {
			e.Set([]byte("k"), []byte("v"))
			e.keep([]byte("e"), signed, federation.Digest{1})
		}},
		{"another row deleted", none, 7, func(e *effects) {
			e.Set([]byte("k"), []byte("v"))
			e.Delete([]byte("new"))
			e.keep([]byte("e"), signed, federation.Digest{1})
		}},
		{"emptied in place of deleted", none, 7, func(e *effects) {
			e.Set([]byte("k"), []byte("v"))
			e.Set([]byte("old"), nil)
			e.keep([]byte("e"), signed, federation.Digest{1})
		}},
		{"in another order", none, 7, func(e *effects) {
			e.Delete([]byte("old"))
			e.Set([]byte("k"), []byte("v"))
			e.keep([]byte("e"), signed, federation.Digest{1})
		}},
		{"another statement kept", none, 7, func(e *effects) {
			e.Set([]byte("k"), []byte("v"))
			e.Delete([]byte("old"))
			e.keep([]byte("e"), signed, federation.Digest{2})
		}},
		{"another signature kept", none, 7, func(e *effects) {
			e.Set([]byte("k"), []byte("v"))
			e.Delete([]byte("old"))
			e.keep([]byte("e"), others, federation.Digest{1})
		}},
	} {
		var root federation.Digest
		err := consensus.NewMemoryStore().Update(func(tx *consensus.Tx) error {
			e := newEffects(tx, c.before, c.index)
			c.do(e)
			root = e.link()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if same, found := seen[root]; found {
			t.Errorf("%q comes to the same root as %q", c.name, same)
		}
		seen[root] = c.name
	}
}
