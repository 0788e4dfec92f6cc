package consensus

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// scans is a Machine that scans for beginnings of four bytes.
type scans struct{ register }

func (*scans) ScanPrefixes() map[byte]uint8 { return map[byte]uint8{'p': 4} }

// tiny makes tables of a few rows, so that a test has many of them.
func tiny(m Machine) Config {
	return Config{Machine: m, Sealer: xorSealer{}, Logger: newSilent(), Storage: Storage{MemTable: 8 << 10, MemTables: 2, BlockCache: 64 << 10}}
}

func openTiny(t *testing.T, dir string, m Machine) *stateDB {
	t.Helper()
	s, err := openState(dir, tiny(m))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeState(t *testing.T, s *stateDB) {
	t.Helper()
	s.release()
	if err := s.wait(); err != nil {
		t.Fatal(err)
	}
}

// model is what a state should hold.
type model map[string]string

func (m model) scan(prefix, from string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if strings.HasPrefix(k, prefix) && k >= from {
			out = append(out, k+"="+m[k])
		}
	}
	return strings.Join(out, " ")
}

// step commits a few random writes, some of which are taken back, to both.
func step(t *testing.T, rnd *rand.Rand, s *stateDB, m model, index uint64) {
	t.Helper()
	r := s.read()
	defer r.discard()
	tx := s.tx(r)
	for range 1 + rnd.IntN(4) {
		tx.mark()
		next := maps.Clone(m)
		for range rnd.IntN(60) {
			k := fmt.Sprintf("%c%03d/%d", "pqd"[rnd.IntN(3)], rnd.IntN(50), rnd.IntN(8))
			if rnd.IntN(3) == 0 {
				tx.Delete([]byte(k))
				delete(next, k)
				continue
			}
			v := fmt.Sprint(rnd.Uint64(), strings.Repeat("v", rnd.IntN(100)))
			if rnd.IntN(200) == 0 {
				v += strings.Repeat("long", 5000)
			}
			tx.Set([]byte(k), []byte(v))
			next[k] = v
		}
		if rnd.IntN(3) == 0 {
			tx.rollback()
			continue
		}
		maps.DeleteFunc(m, func(string, string) bool { return true })
		maps.Copy(m, next)
		if rnd.IntN(4) == 0 {
			if got, want := scanAll(t, tx, "p", ""), m.scan("p", ""); got != want {
				t.Fatalf("transaction at %d has %q\nwant %q", index, got, want)
			}
		}
	}
	if err := s.commit(tx, position{index, 1}, &membership{index: index, data: []byte{byte(index)}}); err != nil {
		t.Fatal(err)
	}
}

// agree compares a state with its model.
func agree(t *testing.T, rnd *rand.Rand, r *stateReader, m model, index uint64) {
	t.Helper()
	if got := r.applied(); got.index != index || r.members().index != index {
		t.Fatalf("state is at %v, %v, not %d", got, r.members(), index)
	}
	prefix := fmt.Sprintf("p%03d", rnd.IntN(60))
	for _, c := range [][2]string{{"", ""}, {"p", "p02"}, {prefix, ""}, {prefix, prefix + "/4"}, {"q" + prefix[1:], ""}, {"z", ""}} {
		if got, want := scanAll(t, r, c[0], c[1]), m.scan(c[0], c[1]); got != want {
			t.Fatalf("at %d, scan of %q from %q has\n%q\nwant\n%q", index, c[0], c[1], got, want)
		}
	}
	for range 40 {
		k := fmt.Sprintf("%c%03d/%d", "pqd"[rnd.IntN(3)], rnd.IntN(52), rnd.IntN(8))
		v, found, err := r.Get([]byte(k))
		want, has := m[k]
		if err != nil || found != has || string(v) != want {
			t.Fatalf("at %d, %s is %q, %v, %v; want %q, %v", index, k, v, found, err, want, has)
		}
	}
}

// TestStateAgreesWithAMap drives a state through commits, tables, merges, reopenings and crashes, with readers that stay open.
func TestStateAgreesWithAMap(t *testing.T) {
	for seed := range uint64(2) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		dir := t.TempDir() + "/0"
		s := openTiny(t, dir, &scans{})
		m := model{}
		type held struct {
			r     *stateReader
			m     model
			index uint64
		}
		var old []held
		for index := uint64(1); index <= 200; index++ {
			step(t, rnd, s, m, index)
			if rnd.IntN(10) == 0 {
				r := s.read()
				agree(t, rnd, r, m, index)
				old = append(old, held{r, maps.Clone(m), index})
			}
			switch n := rnd.IntN(40); {
			case n == 0 || len(old) > 8: // old readers see what was
				for _, h := range old {
					agree(t, rnd, h.r, h.m, h.index)
					h.r.discard()
				}
				old = nil
				if n > 0 {
					continue
				}
				closeState(t, s)
				s = openTiny(t, dir, &scans{})
			case n == 1: // killed: what was written is there, though nothing was synced
				next := fmt.Sprintf("%s/../%d", dir, index)
				if err := copyQuiet(s, next); err != nil {
					t.Fatal(err)
				}
				for _, h := range old {
					h.r.discard()
				}
				old = nil
				closeState(t, s)
				dir = next
				s = openTiny(t, dir, &scans{})
				r := s.read()
				agree(t, rnd, r, m, index)
				r.discard()
			}
		}
		for _, h := range old {
			h.r.discard()
		}
		closeState(t, s)
	}
}

// TestAnotherSchemeOfScansFindsAllTheSame: filters of an older program say nothing of the beginnings it did not know.
func TestAnotherSchemeOfScansFindsAllTheSame(t *testing.T) {
	dir := t.TempDir() + "/state"
	rnd, m := rand.New(rand.NewPCG(5, 6)), model{}
	s := openTiny(t, dir, &register{})
	for index := uint64(1); index <= 60; index++ {
		step(t, rnd, s, m, index)
	}
	closeState(t, s)
	s = openTiny(t, dir, &scans{})
	r := s.read()
	for n := range 50 {
		prefix := fmt.Sprintf("p%03d", n)
		if got, want := scanAll(t, r, prefix, ""), m.scan(prefix, ""); got != want {
			t.Fatalf("%s has %q, want %q", prefix, got, want)
		}
	}
	r.discard()
	closeState(t, s)
}

func TestFiltersSayNoForCertainAndYesSeldomWrongly(t *testing.T) {
	const n = 20_000
	f := newFilter(n)
	for i := range uint64(n) {
		f.add(hashKey(9, fmt.Append(nil, i)))
	}
	wrong := 0
	for i := range uint64(n) {
		if !f.has(hashKey(9, fmt.Append(nil, i))) {
			t.Fatalf("%d is missing", i)
		}
		if f.has(hashKey(9, fmt.Append(nil, "other", i))) {
			wrong++
		}
	}
	if wrong > n/80 {
		t.Errorf("%d of %d wrongly", wrong, n)
	}
	if again, ok := decodeFilter(f.encode()); !ok || !slices.Equal(again, f) {
		t.Error("a filter is not read back")
	}
}

// TestAStateThatWasFilledKeepsWhatFollows fills a state as a snapshot does, without a journal, and commits to it after that:
// what follows is in the journal only, and has to be there again when the process ends before a table is written.
func TestAStateThatWasFilledKeepsWhatFollows(t *testing.T) {
	for name, room := range map[string]int{"in one table": 10, "in several tables": 60} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			rnd := rand.New(rand.NewPCG(7, 1))
			want := model{}
			c := tiny(&scans{})
			c.Storage.MemTable = 256 << 10
			s, err := openState(dir, c)
			if err != nil {
				t.Fatal(err)
			}
			s.fill()
			index := uint64(1)
			for range room {
				step(t, rnd, s, want, index)
				index++
			}
			if err := s.sync(); err != nil {
				t.Fatal(err)
			}
			for range 3 { // too little for a table
				r := s.read()
				tx := s.tx(r)
				tx.Set([]byte("p/later"), []byte(fmt.Sprint(index)))
				want["p/later"] = fmt.Sprint(index)
				if err := s.commit(tx, position{index, 1}, &membership{index: index}); err != nil {
					t.Fatal(err)
				}
				r.discard()
				if err := s.sync(); err != nil {
					t.Fatal(err)
				}
				closeState(t, s)
				if s, err = openState(dir, c); err != nil {
					t.Fatal(err)
				}
				r = s.read()
				agree(t, rnd, r, want, index)
				r.discard()
				index++
			}
			closeState(t, s)
		})
	}
}
