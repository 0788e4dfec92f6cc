package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// copyDir is a kill -9 seen from the disk: the files as they are at this moment, while the store goes on. What the
// process has written is in the page cache, which the copy reads.
// While Badger moves entries from a log to a table a copy is not of one moment; it is made again then.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	for {
		before := snapshot(t, from)
		to := copyOnce(t, from)
		if snapshot(t, from) == before {
			return to
		}
	}
}

func copyOnce(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(from, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		whole := int64(len(b))
		b = bytes.TrimRight(b, "\x00")
		if err := os.WriteFile(filepath.Join(to, e.Name()), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(to, e.Name()), whole); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// newest returns the path of the newest file in dir with the suffix that holds more than min bytes.
func newest(t *testing.T, dir, suffix string, min int64) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	for i := len(found) - 1; i >= 0; i-- {
		if size(t, found[i]) > min {
			return found[i]
		}
	}
	t.Fatalf("no %s in %s", suffix, dir)
	return ""
}

func flip(t *testing.T, path string, off int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], off); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b[:], off); err != nil {
		t.Fatal(err)
	}
}

// fill writes n keys, each in a group of its own.
func fill(t *testing.T, db *DB, n, valueSize int) {
	t.Helper()
	for i := range n {
		put(t, db, fmt.Sprintf("key%05d", i), strings.Repeat(fmt.Sprintf("value%05d", i), valueSize/10))
	}
}

func mustHave(t *testing.T, dir string, p Profile, n int) {
	t.Helper()
	db := openTest(t, dir, p)
	defer db.Close()
	for i := range n {
		got, err := get(db, fmt.Sprintf("key%05d", i))
		if err != nil || !strings.HasPrefix(got, fmt.Sprintf("value%05d", i)) {
			t.Fatalf("key%05d: %.20q, %v", i, got, err)
		}
	}
}

func wantDamage(t *testing.T, dir string, p Profile) *DamageError {
	t.Helper()
	before := snapshot(t, dir)
	db, err := Open(Options{Dir: dir, Profile: p, Small: true})
	if err == nil {
		db.Close()
	}
	if !errors.Is(err, ErrDamaged) {
		t.Fatalf("open: got %v, want ErrDamaged", err)
	}
	if after := snapshot(t, dir); before != after {
		t.Fatalf("the refused open has changed the files:\n%s\n%s", before, after)
	}
	var de *DamageError
	errors.As(err, &de)
	return de
}

func snapshot(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // gone since it was listed
		}
		fmt.Fprintf(&b, "%s %d\n", e.Name(), info.Size())
	}
	return b.String()
}

func TestAcknowledgedWritesSurviveKill(t *testing.T) {
	for _, p := range []Profile{Records, Chunks} {
		t.Run(p.String(), func(t *testing.T) {
			dir := t.TempDir()
			db := openTest(t, dir, p)
			for i := range 15 {
				for j := range 10 {
					n := i*10 + j
					put(t, db, fmt.Sprintf("key%05d", n), strings.Repeat(fmt.Sprintf("value%05d", n), 3000))
				}
				if i%5 == 4 {
					mustHave(t, copyDir(t, dir), p, (i+1)*10)
				}
			}
		})
	}
}

// TestLogThatLeftWhileTheMarkWasWrittenIsNotMissed has Badger put a memtable log into a table, and remove it, after the guard has
// seen the log and before it reads the list of tables for the same mark.
func TestLogThatLeftWhileTheMarkWasWrittenIsNotMissed(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, dir, Records)
	fill(t, db, 1, 100)
	first := *db.guard.mems[0]
	if first.end <= logHeaderSize || first.tables != db.guard.manifest {
		t.Fatalf("%s: %d bytes, beside the tables of %v, which are now %v", first.logName, first.end, first.tables, db.guard.manifest)
	}
	n := 1
	for ; slices.ContainsFunc(db.guard.mems, func(l *openLog) bool { return l.logName == first.logName }); n++ {
		put(t, db, fmt.Sprintf("key%05d", n), strings.Repeat(fmt.Sprintf("value%05d", n), 1000))
	}
	db.guard.mems = slices.Insert(db.guard.mems, 0, &first)
	if err := db.guard.writeMark(0); err != nil {
		t.Fatal(err)
	}
	mustHave(t, copyDir(t, dir), Records, n)

	first.tables = db.guard.manifest // as if what it holds were in no table
	if err := db.guard.writeMark(0); err != nil {
		t.Fatal(err)
	}
	if de := wantDamage(t, copyDir(t, dir), Records); de.Damage[0].File != first.String() {
		t.Fatalf("got %v", de)
	}
	db.guard.mems = slices.Delete(db.guard.mems, 0, 1)
}

func TestReopenAfterCloseHasEverything(t *testing.T) {
	for _, p := range []Profile{Records, Audit, Chunks} {
		t.Run(p.String(), func(t *testing.T) {
			dir := t.TempDir()
			for range 3 {
				db := openTest(t, dir, p)
				fill(t, db, 50, 2000)
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			}
			mustHave(t, dir, p, 50)
		})
	}
}

func TestFlippedBitInMemtableLogIsRefused(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, dir, Records)
	fill(t, db, 200, 100)
	for _, part := range []float64{0.05, 0.5, 0.9} {
		crashed := copyDir(t, dir)
		mem := newest(t, crashed, ".mem", 0)
		end := db.guard.mems[len(db.guard.mems)-1].end
		flip(t, mem, int64(part*float64(end)))
		de := wantDamage(t, crashed, Records)
		if len(de.Damage) != 1 || de.Damage[0].File != filepath.Base(mem) {
			t.Fatalf("got %v", de)
		}
	}
}

func TestFlippedBitInLastAcknowledgedGroupIsRefused(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, dir, Records)
	fill(t, db, 20, 100)
	crashed := copyDir(t, dir)
	flip(t, newest(t, crashed, ".mem", 0), db.guard.mems[0].end-8)
	wantDamage(t, crashed, Records)
}

func TestTornTailBeyondTheMarkIsCut(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, dir, Records)
	fill(t, db, 20, 100)
	crashed := copyDir(t, dir)
	f, err := os.OpenFile(newest(t, crashed, ".mem", 0), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("\x40\x00\x20\x09torn"), db.guard.mems[0].end); err != nil {
		t.Fatal(err)
	}
	f.Close()
	mustHave(t, crashed, Records, 20)
}

func TestDamagedValueLogIsRefused(t *testing.T) {
	damage := map[string]func(t *testing.T, vlog string){
		"flip after clean close": func(t *testing.T, vlog string) { flip(t, vlog, size(t, vlog)/2) },
		"flip in a header":       func(t *testing.T, vlog string) { flip(t, vlog, logHeaderSize+2) },
		"truncated":              func(t *testing.T, vlog string) { mustTruncate(t, vlog, size(t, vlog)/2) },
		"one byte short":         func(t *testing.T, vlog string) { mustTruncate(t, vlog, size(t, vlog)-1) },
		"removed":                func(t *testing.T, vlog string) { mustRemove(t, vlog) },
	}
	for name, hurt := range damage {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db := openTest(t, dir, Chunks)
			fill(t, db, 50, 10000)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			hurt(t, newest(t, dir, ".vlog", logHeaderSize))
			wantDamage(t, dir, Chunks)
		})
	}
}

func TestDamageNamesTheKeysAndOnlyThose(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, dir, Chunks)
	fill(t, db, 50, 10000)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	vlog := newest(t, dir, ".vlog", logHeaderSize)
	per := (size(t, vlog) - logHeaderSize) / 50
	flip(t, vlog, logHeaderSize+per*7+per/2)
	flip(t, vlog, logHeaderSize+per*30+per/2)
	de := wantDamage(t, dir, Chunks)
	var keys []string
	for _, d := range de.Damage {
		for _, k := range d.Keys {
			keys = append(keys, string(k))
		}
	}
	if got, want := strings.Join(keys, " "), "key00007 key00030"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func mustTruncate(t *testing.T, path string, n int64) {
	t.Helper()
	if err := os.Truncate(path, n); err != nil {
		t.Fatal(err)
	}
}

func mustRemove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func TestTornSlotFallsBackToTheMarkBefore(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, dir, Records)
	fill(t, db, 20, 100)
	gen := db.guard.mark.gen
	crashed := copyDir(t, dir)
	flip(t, filepath.Join(crashed, markFile), int64(gen%slotCount)*slotSize+45)
	mustHave(t, crashed, Records, 20)
}

func TestFailedSyncIsFatalForTheStore(t *testing.T) {
	for victim, profile := range map[string]Profile{markFile: Chunks, ".vlog": Chunks, ".mem": Records, badger.ManifestFilename: Chunks} {
		t.Run(victim, func(t *testing.T) {
			failing := false
			broken := errors.New("input/output error")
			dir := t.TempDir()
			db, err := Open(Options{Dir: dir, Profile: profile, Small: true, Sync: func(f *os.File) error {
				if failing && strings.HasSuffix(f.Name(), victim) {
					return broken
				}
				return nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			fill(t, db, 5, 10000)
			failing = true
			write := func(txn *badger.Txn) error { return txn.Set([]byte("new"), make([]byte, 10000)) }
			err = db.Update(t.Context(), write)
			for i := 0; err == nil && victim == badger.ManifestFilename && i < 1000; i++ { // until a table is written
				err = db.Update(t.Context(), func(txn *badger.Txn) error {
					for j := range 200 {
						if err := txn.Set(fmt.Appendf(nil, "more%05d%05d", i, j), make([]byte, 500)); err != nil {
							return err
						}
					}
					return nil
				})
			}
			if !errors.Is(err, ErrFailed) || !errors.Is(err, broken) {
				t.Fatalf("got %v", err)
			}
			failing = false
			if err := db.Update(t.Context(), write); !errors.Is(err, ErrFailed) {
				t.Fatalf("a write after the failed one: %v", err)
			}
			mustHave(t, copyDir(t, dir), profile, 5)
			db.Close()
			mustHave(t, dir, profile, 5)
		})
	}
}

func TestSecondOpenerIsRefused(t *testing.T) {
	dir := t.TempDir()
	openTest(t, dir, Records)
	if _, err := Open(Options{Dir: dir, Profile: Records, Small: true}); !errors.Is(err, ErrInUse) {
		t.Fatalf("got %v", err)
	}
}

func FuzzWalkLogNeverFailsOrRunsOver(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00ivivivivivivxxxx"))
	f.Fuzz(func(t *testing.T, b []byte) {
		st, err := walkLog(bytes.NewReader(b), logState{}, 0, func(*logEntry) error { return nil })
		if err != nil || st.end > int64(len(b)) {
			t.Fatalf("%v, %v", st, err)
		}
		if _, _, err := survey(bytes.NewReader(b), "x", logHeaderSize, int64(len(b))); err != nil {
			t.Fatal(err)
		}
	})
}
