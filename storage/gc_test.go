package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// garbage makes a store of which most values in the ended files are deleted, and opens it.
func garbage(t *testing.T, dir string) *DB {
	t.Helper()
	opt := Options{Dir: dir, Profile: Chunks, Small: true, ValueLogFile: mib}
	open := func() *DB {
		db, err := Open(opt)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	db := open()
	fill(t, db, 100, 50000)
	err := db.Update(t.Context(), func(txn *badger.Txn) error {
		for i := range 100 {
			if i%8 == 0 {
				continue
			}
			if err := txn.Delete(fmt.Appendf(nil, "key%05d", i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // garbage is counted when tables are merged
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = open()
	}
	return db
}

func TestCollectingGarbageKeepsEveryLiveValue(t *testing.T) {
	dir := t.TempDir()
	db := garbage(t, dir)
	files := 0
	for {
		more, err := db.CollectGarbage(t.Context(), 0.5)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
		files++
		for after, left := range map[string]string{"a kill": copyDir(t, dir), "a power cut": afterPowerCut(t, dir)} {
			crashed := openTest(t, left, Chunks)
			for i := 0; i < 100; i += 8 {
				if v, err := get(crashed, fmt.Sprintf("key%05d", i)); err != nil || len(v) != 50000 {
					t.Fatalf("key %d after %d files and %s: %d bytes, %v", i, files, after, len(v), err)
				}
			}
			crashed.Close()
		}
	}
	if files < 2 {
		t.Fatalf("%d files were given back", files)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.vlog")); err != nil || len(left) > 6-files+3 {
		t.Fatalf("%d files are left", len(left))
	}
}

func TestCollectingADamagedFileKeepsWhatLiesBehindTheDamage(t *testing.T) {
	dir := t.TempDir()
	db := garbage(t, dir)
	victims, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range victims { // whichever Badger picks
		if info, err := os.Stat(path); err == nil && info.Size() > 300000 && info.Size() < 2*mib {
			flip(t, path, 100)
		}
	}
	_, err = db.CollectGarbage(t.Context(), 0.5)
	if !errors.Is(err, ErrDamaged) || !errors.Is(err, ErrFailed) {
		t.Fatalf("got %v", err)
	}
	check := func(db *DB) {
		t.Helper()
		for i := 8; i < 100; i += 8 {
			v, err := get(db, fmt.Sprintf("key%05d", i))
			if err != nil || len(v) != 50000 {
				t.Errorf("key %d: %d bytes, %v", i, len(v), err)
			}
		}
	}
	check(db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	check(openTest(t, dir, Chunks))
}

func TestFileThatVanishedInACrashWhileCollectingIsNoDamage(t *testing.T) {
	live := t.TempDir()
	db := garbage(t, live)
	if err := db.guard.writeMark(db.guard.mark.flags | flagVanish); err != nil {
		t.Fatal(err)
	}
	var gone []string
	for fid, state := range db.guard.sealed.files {
		if state.end > mib/2 {
			gone = append(gone, logName{'v', fid}.String())
		}
	}
	for n, want := range map[int]error{1: nil, 2: ErrDamaged} {
		dir := copyDir(t, live)
		for _, name := range gone[:n] {
			mustRemove(t, filepath.Join(dir, name))
		}
		opened, err := Open(Options{Dir: dir, Profile: Chunks, Small: true})
		if !errors.Is(err, want) {
			t.Errorf("%d files gone: %v", n, err)
		}
		if err == nil {
			opened.Close()
		}
	}
}
