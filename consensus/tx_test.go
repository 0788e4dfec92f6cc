package consensus

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func scanAll(t *testing.T, r Reader, prefix, from string) string {
	t.Helper()
	var out []string
	err := r.Scan([]byte(prefix), []byte(from), func(k, v []byte) (bool, error) {
		out = append(out, string(k)+"="+string(v))
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

func TestTxReadsItsOwnWritesOverTheStore(t *testing.T) {
	base := NewMemoryStore()
	if err := base.Update(func(tx *Tx) error {
		for _, k := range []string{"a1", "a2", "a3", "b1"} {
			tx.Set([]byte(k), []byte("base"))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	tx := newTx(base, 0, &arena{}, 0)
	tx.Set([]byte("a0"), []byte("own"))
	tx.Set([]byte("a2"), []byte("own"))
	tx.Delete([]byte("a3"))
	tx.Delete([]byte("absent"))
	tx.Set([]byte("a9"), []byte("own"))
	for _, c := range []struct{ prefix, from, want string }{
		{"a", "", "a0=own a1=base a2=own a9=own"},
		{"a", "a2", "a2=own a9=own"},
		{"a", "a3", "a9=own"},
		{"", "", "a0=own a1=base a2=own a9=own b1=base"},
		{"b", "", "b1=base"},
		{"c", "", ""},
	} {
		if got := scanAll(t, tx, c.prefix, c.from); got != c.want {
			t.Errorf("scan %q from %q: got %q, want %q", c.prefix, c.from, got, c.want)
		}
	}
	if _, found, err := tx.Get([]byte("a3")); found || err != nil {
		t.Errorf("a deleted key is found: %v", err)
	}
}

func TestScanStopsWhenTold(t *testing.T) {
	base := NewMemoryStore()
	tx := newTx(base, 0, &arena{}, 0)
	for _, k := range []string{"1", "2", "3"} {
		tx.Set([]byte(k), nil)
	}
	n := 0
	if err := tx.Scan(nil, nil, func(_, _ []byte) (bool, error) { n++; return n < 2, nil }); err != nil || n != 2 {
		t.Errorf("visited %d, %v; want 2", n, err)
	}
	boom := errors.New("boom")
	if err := tx.Scan(nil, nil, func(_, _ []byte) (bool, error) { return true, boom }); !errors.Is(err, boom) {
		t.Errorf("got %v, want the error of fn", err)
	}
}

func TestFailedUpdateLeavesNoTrace(t *testing.T) {
	m := NewMemoryStore()
	if err := m.Update(func(tx *Tx) error { tx.Set([]byte("k"), []byte("1")); return nil }); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	err := m.Update(func(tx *Tx) error {
		tx.Set([]byte("k"), []byte("2"))
		tx.Set([]byte("k"), []byte("3"))
		tx.Set([]byte("other"), nil)
		tx.Delete([]byte("k"))
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	if got := scanAll(t, m, "", ""); got != "k=1" {
		t.Errorf("state is %q, want k=1", got)
	}
}

func TestEffectsOfOneCommandAreLimited(t *testing.T) {
	for _, c := range []struct {
		name string
		fn   func(tx *Tx)
	}{
		{"keys", func(tx *Tx) {
			for i := range MaxEffectKeys + 1 {
				tx.Set(fmt.Append(nil, i), nil)
			}
		}},
		{"bytes", func(tx *Tx) {
			for i := range 3 {
				tx.Set(fmt.Append(nil, i), make([]byte, 1<<20-8<<10))
			}
		}},
		{"value", func(tx *Tx) { tx.Set([]byte("k"), make([]byte, MaxValue+1)) }},
		{"key", func(tx *Tx) { tx.Set(make([]byte, maxKey+1), nil) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := NewMemoryStore()
			if err := m.Update(func(tx *Tx) error { c.fn(tx); return nil }); !errors.Is(err, ErrTooLarge) {
				t.Errorf("got %v, want ErrTooLarge", err)
			}
			if got := scanAll(t, m, "", ""); got != "" {
				t.Errorf("%d bytes of state after a refusal", len(got))
			}
		})
	}
}

// TestTxAgreesWithAMap drives a Tx and a plain map with the same random steps.
func TestTxAgreesWithAMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	m, model := NewMemoryStore(), map[string]string{}
	for range 300 {
		next := map[string]string{}
		for k, v := range model {
			next[k] = v
		}
		fails := rnd.IntN(3) == 0
		err := m.Update(func(tx *Tx) error {
			for range rnd.IntN(10) {
				k := fmt.Sprint(rnd.IntN(40))
				if rnd.IntN(3) == 0 {
					tx.Delete([]byte(k))
					delete(next, k)
				} else {
					v := fmt.Sprint(rnd.IntN(1000))
					tx.Set([]byte(k), []byte(v))
					next[k] = v
				}
			}
			if fails {
				return errors.New("no")
			}
			return nil
		})
		if (err != nil) != fails {
			t.Fatal(err)
		}
		if !fails {
			model = next
		}
		var want []string
		for k, v := range model {
			want = append(want, k+"="+v)
		}
		slices.SortFunc(want, func(a, b string) int {
			return strings.Compare(strings.SplitN(a, "=", 2)[0], strings.SplitN(b, "=", 2)[0])
		})
		if got := scanAll(t, m, "", ""); got != strings.Join(want, " ") {
			t.Fatalf("got %q\nwant %q", got, want)
		}
	}
}
