package consensus

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
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

// copyQuiet copies the folder as a crash would leave it; the manifest must not change meanwhile. A table that is gone when its
// turn comes is one that the manifest does not name any more.
func copyQuiet(s *stateDB, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	files, err := os.ReadDir(s.dir)
	for _, f := range files {
		b, rerr := os.ReadFile(filepath.Join(s.dir, f.Name()))
		if errors.Is(rerr, os.ErrNotExist) {
			continue
		}
		err = errors.Join(err, rerr, os.WriteFile(filepath.Join(to, f.Name()), b, 0o600))
	}
	return err
}

// filled makes a closed state with tables and a journal, and returns its folder and what is in it.
func filled(t *testing.T) (string, model) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(3, 4))
	dir := t.TempDir() + "/state"
	s, m := openTiny(t, dir, &scans{}), model{}
	for index := uint64(1); index <= 40; index++ {
		step(t, rnd, s, m, index)
	}
	s.mu.Lock()
	for len(s.now.frozen) > 0 {
		s.moved.Wait()
	}
	s.mu.Unlock()
	closeState(t, s)
	return dir, m
}

// TestDamageIsNeverRead flips each byte of a state's files in turn, coarsely: opening or reading refuses, or what is read is a
// state that was.
func TestDamageIsNeverRead(t *testing.T) {
	dir, m := filled(t)
	whole := m.scan("", "")
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, f := range files {
		kind := filepath.Ext(f.Name())
		if kinds[kind]++; kinds[kind] > 2 {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int{0, len(content) / 4, len(content) / 2, len(content) - 1} {
			if at < 0 || at >= len(content) {
				continue
			}
			damaged := filepath.Join(t.TempDir(), "state")
			if err := os.CopyFS(damaged, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			b := bytes.Clone(content)
			b[at] ^= 1
			if err := os.WriteFile(filepath.Join(damaged, f.Name()), b, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := openState(damaged, tiny(&scans{}))
			if err != nil {
				if !errors.Is(err, ErrDamaged) {
					t.Errorf("%s at %d: %v", f.Name(), at, err)
				}
				continue
			}
			r := s.read()
			var out []string
			err = r.Scan(nil, nil, func(k, v []byte) (bool, error) {
				out = append(out, string(k)+"="+string(v))
				return true, nil
			})
			at40 := r.applied().index == 40
			r.discard()
			s.release()
			if err := s.wait(); err != nil && !errors.Is(err, ErrDamaged) { // a merge may come upon it
				t.Errorf("%s at %d: close: %v", f.Name(), at, err)
			}
			switch {
			case err != nil && !errors.Is(err, ErrDamaged):
				t.Errorf("%s at %d: %v", f.Name(), at, err)
			case err == nil && at40 && strings.Join(out, " ") != whole:
				t.Errorf("%s at %d: other rows at the same position", f.Name(), at)
			case err == nil && !at40 && filepath.Ext(f.Name()) != journalSuffix:
				t.Errorf("%s at %d: went back unnoticed", f.Name(), at)
			}
		}
	}
	if kinds[tableSuffix] == 0 || kinds[journalSuffix] == 0 {
		t.Fatalf("the state has %v", kinds)
	}
}

func TestMissingPartsOfAStateAreNoticed(t *testing.T) {
	for _, suffix := range []string{tableSuffix, manifestFile} {
		dir, _ := filled(t)
		files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		if err := os.Remove(files[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := openState(dir, tiny(&scans{})); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: got %v, want ErrDamaged", suffix, err)
		}
	}
}

// TestWhatACrashLeavesIsRemoved: a table that is in no manifest, and a manifest that was not renamed.
func TestWhatACrashLeavesIsRemoved(t *testing.T) {
	dir, m := filled(t)
	for _, name := range []string{tableName(9999), manifestFile + ".tmp"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := openTiny(t, dir, &scans{})
	r := s.read()
	if got := scanAll(t, r, "", ""); got != m.scan("", "") {
		t.Error("rows differ")
	}
	r.discard()
	closeState(t, s)
	if _, err := os.Stat(filepath.Join(dir, tableName(9999))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the orphan is still there: %v", err)
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

func TestAStateThatCannotWriteTakesNothingMore(t *testing.T) {
	dir := t.TempDir() + "/state"
	s := openTiny(t, dir, &scans{})
	put := func(index uint64) error {
		r := s.read()
		defer r.discard()
		tx := s.tx(r)
		tx.Set(fmt.Append(nil, index), nil)
		return s.commit(tx, position{index, 1}, nil)
	}
	if err := put(1); err != nil {
		t.Fatal(err)
	}
	if err := s.current.file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := put(2); err == nil {
		t.Fatal("a commit without its journal")
	}
	if err := put(3); err == nil {
		t.Fatal("a commit after one that failed")
	}
	r := s.read()
	if got := scanAll(t, r, "", ""); got != "1=" || r.applied().index != 1 {
		t.Errorf("state is %q at %v", got, r.applied())
	}
	r.discard()
	s.release()
	if s.wait() == nil {
		t.Error("closing says nothing of it")
	}
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
