package storage

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

func TestRepairOfMemtableLogLosesOneGroup(t *testing.T) {
	live := t.TempDir()
	db := openTest(t, live, Records)
	fill(t, db, 30, 100)
	dir := copyDir(t, live)
	mem := newest(t, dir, ".mem", 0)
	b, err := os.ReadFile(mem)
	if err != nil {
		t.Fatal(err)
	}
	flip(t, mem, int64(bytes.Index(b, []byte("value00012"))))
	wantDamage(t, dir, Records)

	opt := Options{Dir: dir, Profile: Records, Small: true}
	salvaged, err := OpenSalvage(opt)
	if err != nil {
		t.Fatal(err)
	}
	check := func(db *DB) {
		t.Helper()
		for i := range 30 {
			_, err := get(db, fmt.Sprintf("key%05d", i))
			if got, want := errors.Is(err, badger.ErrKeyNotFound), i == 12; got != want {
				t.Errorf("key %d: %v", i, err)
			}
		}
	}
	check(salvaged)
	if err := salvaged.Update(t.Context(), func(*badger.Txn) error { return nil }); !errors.Is(err, ErrReadOnly) {
		t.Errorf("write into a salvaged store: %v", err)
	}
	if _, err := Open(opt); !errors.Is(err, ErrInUse) {
		t.Errorf("open beside a salvaged store: %v", err)
	}
	if err := salvaged.Close(); err != nil {
		t.Fatal(err)
	}
	wantDamage(t, dir, Records)

	found, err := Repair(opt)
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	for range 2 {
		db := openTest(t, dir, Records)
		check(db)
		put(t, db, "after", "repair")
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, damagedFolder, filepath.Base(mem))); err != nil {
		t.Errorf("the damaged file is not kept: %v", err)
	}
}

func TestRepairLeavesAGoodStoreAlone(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, dir, Records)
	fill(t, db, 30, 100)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	if found, err := Repair(Options{Dir: dir, Profile: Records, Small: true}); err != nil || len(found) != 0 {
		t.Fatalf("%v, %v", found, err)
	}
	if after := snapshot(t, dir); before != after {
		t.Fatalf("changed:\n%s\n%s", before, after)
	}
}

func TestFillerEntriesFitEveryGap(t *testing.T) {
	sizes := []int64{100000, 1 << 20, 16511, 16512, 16513}
	for n := int64(18); n < 400; n++ {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		b, err := fillerEntry(n)
		if err != nil || int64(len(b)) != n {
			t.Fatalf("%d: %d bytes, %v", n, len(b), err)
		}
		e, _, err := newLogReader(bytes.NewReader(b)).entry(0)
		if err != nil || e.size != n || e.meta != metaDelete {
			t.Fatalf("%d: %+v, %v", n, e, err)
		}
	}
}

// TestRepairKeepsALastEntryThatEndsInZero: what follows the last entry of a log are zeros as well, and one checksum in 256 ends in one.
func TestRepairKeepsALastEntryThatEndsInZero(t *testing.T) {
	entryOf := func(n int64) []byte {
		b, err := fillerEntry(n)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	last := entryOf(200)
	for n := int64(201); last[len(last)-1] != 0; n++ {
		last = entryOf(n)
	}
	bad := entryOf(100)
	bad[50] ^= 1
	log := slices.Concat(make([]byte, logHeaderSize), entryOf(300), bad, last)
	for name, behind := range map[string]int{"ended": 0, "not ended": 5000} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "000001.vlog")
			if err := os.WriteFile(path, slices.Concat(log, make([]byte, behind)), 0o600); err != nil {
				t.Fatal(err)
			}
			state, err := repairValues(path, t.TempDir())
			if err != nil || state.end != int64(len(log)) {
				t.Fatalf("good up to %d of %d bytes, %v", state.end, len(log), err)
			}
			b, err := os.ReadFile(path)
			if err != nil || len(b) != len(log) || !bytes.Equal(b[len(b)-len(last):], last) {
				t.Errorf("%d bytes are left of %d, %v", len(b), len(log), err)
			}
		})
	}
}

func TestVerifyFilesFindsDamageBehindAnOpenStore(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, dir, Chunks)
	fill(t, db, 30, 10000)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openTest(t, dir, Chunks)
	if found, err := db.VerifyFiles(t.Context()); err != nil || len(found) != 0 {
		t.Fatalf("%v, %v", found, err)
	}
	vlog, sst := filepath.Join(dir, "000001.vlog"), newest(t, dir, ".sst", 0)
	for path := range map[string]bool{vlog: true, sst: true} {
		flip(t, path, 200)
		found, err := db.VerifyFiles(t.Context())
		if err != nil || len(found) != 1 || found[0].File != filepath.Base(path) {
			t.Fatalf("%s: %v, %v", path, found, err)
		}
		flip(t, path, 200)
	}
}

func TestVerifyAllReadsEndedFiles(t *testing.T) {
	dir := t.TempDir()
	for range 3 { // each opening ends a file
		db := openTest(t, dir, Chunks)
		fill(t, db, 10, 10000)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	first, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	if err != nil {
		t.Fatal(err)
	}
	flip(t, first[0], 5000)
	opt := Options{Dir: dir, Profile: Chunks, Small: true, VerifyAll: true}
	if _, err := Open(opt); !errors.Is(err, ErrDamaged) {
		t.Fatalf("got %v", err)
	}
}

func TestPointersAtUnwrittenValuesAreCutOff(t *testing.T) {
	live := t.TempDir()
	db := openTest(t, live, Chunks)
	fill(t, db, 5, 5000)
	// A group whose value never got to the disk while its key did: what a failed write-back leaves.
	before := db.guard.mark
	before.logs = append([]markedLog(nil), db.guard.mark.logs...)
	put(t, db, "unacknowledged", string(make([]byte, 5000)))
	dir := copyDir(t, live)
	f, err := os.OpenFile(filepath.Join(dir, markFile), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := before.encode()
	if err != nil {
		t.Fatal(err)
	}
	for slot := range int64(slotCount) {
		if _, err := f.WriteAt(b, slot*slotSize); err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	mustTruncate(t, filepath.Join(dir, before.logs[len(before.logs)-1].String()), before.logs[len(before.logs)-1].end+100)
	reopened := openTest(t, dir, Chunks)
	if _, err := get(reopened, "unacknowledged"); !errors.Is(err, badger.ErrKeyNotFound) {
		t.Fatalf("got %v", err)
	}
	reopened.Close()
	mustHave(t, dir, Chunks, 5)
}

func FuzzCheckTable(f *testing.F) {
	index := []byte{12, 0, 0, 0, 8, 0, 8, 0, 0, 0, 4, 0, 8, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0}
	f.Add(appendChecksum(append(index, 0, 0, 0, byte(len(index))), index))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _, _ = splitChecksum(b)
		if err := checkTableData(b); err == nil && len(b) < 8 {
			t.Fatal("too short to be a table")
		}
	})
}

func appendChecksum(b, over []byte) []byte {
	sum := crc32.Checksum(over, castagnoli)
	msg := []byte{2 << 3}
	for ; sum >= 0x80; sum >>= 7 {
		msg = append(msg, byte(sum)|0x80)
	}
	msg = append(msg, byte(sum))
	return append(append(b, msg...), 0, 0, 0, byte(len(msg)))
}
