package consensus

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
