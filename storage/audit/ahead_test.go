package audit

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// crashed returns a folder as a power cut leaves it: n entries are in the store, and as many more were acknowledged from
// the write-ahead file only.
func crashed(t *testing.T, n int) string {
	t.Helper()
	dir, copied := t.TempDir(), t.TempDir()
	opt := testOptions(dir)
	opt.lag = time.Hour
	l := open(t, opt)
	for i := range 2 * n {
		if i == n {
			if _, err := l.Head(); err != nil { // waits until they are stored
				t.Fatal(err)
			}
		}
		if _, err := l.Append(context.Background(), entry(i)); err != nil {
			t.Fatal(err)
		}
	}
	copyFolder(t, dir, copied, "")
	return copied
}

// pages returns the offsets in the write-ahead file of the records whose entries begin at index from, and of their second copies.
func pages(t *testing.T, b []byte, from uint64) (one, two []int) {
	t.Helper()
	seen := map[uint64]bool{}
	for at := pageSize; at < len(b); at += pageSize {
		first, _, ok := decodeRecord(b[at:])
		switch {
		case !ok || first < from:
		case seen[first]:
			two = append(two, at)
		default:
			seen[first] = true
			one = append(one, at)
		}
	}
	return one, two
}

// record returns a record as it is written.
func record(first uint64, sealed ...[]byte) []byte {
	b := appendRecord(nil, first, sealed)
	return append(b, make([]byte, recordSize(sealed)-len(b))...)
}

// damage changes the write-ahead file in dir.
func damage(t *testing.T, dir string, change func(b []byte) []byte) {
	t.Helper()
	path := filepath.Join(dir, "AHEAD")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEntriesOfTheWriteAheadFileSurviveACrash(t *testing.T) {
	dir := crashed(t, 5)
	for range 2 { // and are not taken twice
		l := open(t, testOptions(dir))
		if l.Size() != 10 {
			t.Fatalf("%d entries of 10", l.Size())
		}
		for i := range 10 {
			if r, err := l.At(uint64(i)); err != nil || r.Bytes != int64(i) {
				t.Errorf("entry %d: %+v, %v", i, r.Entry, err)
			}
		}
		page, err := l.Search(context.Background(), Filter{Subject: subject(2)}, 0, 10)
		if err != nil || len(page.Records) != 2 {
			t.Errorf("%d entries of a patient, %v", len(page.Records), err)
		}
		report, err := l.Verify(context.Background(), nil)
		if err != nil || !report.OK() {
			t.Errorf("%+v, %v", report, err)
		}
		closeLog(t, l)
	}
}

func TestExamineReadsWhatOnlyTheWriteAheadFileHas(t *testing.T) {
	dir := crashed(t, 5)
	l, err := Examine(Options{Dir: dir, Sealer: testOptions("").Sealer, Small: true})
	if err != nil {
		t.Fatal(err)
	}
	report, err := l.Verify(context.Background(), nil)
	if err != nil || !report.OK() || report.Entries != 10 {
		t.Errorf("%+v, %v", report, err)
	}
	closeLog(t, l)
}

// One place of the file may be damaged in any way: nothing that was acknowledged is lost.
func TestDamageInOnePlaceOfTheWriteAheadFileLosesNothing(t *testing.T) {
	image := crashed(t, 4)
	rng := rand.New(rand.NewPCG(3, 4))
	b, err := os.ReadFile(filepath.Join(image, "AHEAD"))
	if err != nil {
		t.Fatal(err)
	}
	one, two := pages(t, b, 4)
	if len(one) != 4 || len(two) != 4 {
		t.Fatalf("records at %v and %v", one, two)
	}
	for _, at := range append(append(one, two...), 0, len(b)-pageSize) {
		for name, change := range map[string]func(page []byte){
			"bit flipped": func(page []byte) { page[rng.IntN(recordHead+8)] ^= 1 << rng.IntN(8) },
			"zeros":       func(page []byte) { clear(page) },
		} {
			dir := t.TempDir()
			copyFolder(t, image, dir, "")
			damage(t, dir, func(b []byte) []byte { change(b[at : at+pageSize]); return b })
			l, err := Open(context.Background(), testOptions(dir))
			if err != nil {
				t.Fatalf("%s at %d: %v", name, at, err)
			}
			report, err := l.Verify(context.Background(), nil)
			if err != nil || !report.OK() || report.Entries != 8 {
				t.Errorf("%s at %d: %+v, %v", name, at, report, err)
			}
			closeLog(t, l)
		}
	}
}

func TestLossOfAcknowledgedEntriesOfTheWriteAheadFileIsRefused(t *testing.T) {
	image := crashed(t, 4)
	var other []byte
	{
		b, err := os.ReadFile(filepath.Join(crashed(t, 4), "AHEAD"))
		if err != nil {
			t.Fatal(err)
		}
		other = b
	}
	for name, c := range map[string]struct {
		change func(b []byte) []byte
		want   error
	}{
		"cut off":         {func(b []byte) []byte { return b[:len(b)-pageSize] }, storage.ErrDamaged},
		"cut to half":     {func(b []byte) []byte { return b[:len(b)/2] }, storage.ErrDamaged},
		"empty":           {func([]byte) []byte { return nil }, storage.ErrDamaged},
		"heads destroyed": {func(b []byte) []byte { b[3] ^= 1; b[len(b)-pageSize+3] ^= 1; return b }, storage.ErrDamaged},
		"of another log":  {func([]byte) []byte { return other }, ErrRolledBack},
		"zeros":           {func(b []byte) []byte { clear(b); return b }, storage.ErrDamaged},
		"both copies of an entry": {func(b []byte) []byte {
			one, two := pages(t, b, 5)
			b[one[0]+recordHead+9] ^= 4
			b[two[0]+recordHead+9] ^= 4
			return b
		}, storage.ErrDamaged},
		"copies that differ": {func(b []byte) []byte {
			one, _ := pages(t, b, 5)
			copy(b[one[0]:], record(5, []byte("another")))
			return b
		}, storage.ErrDamaged},
		"forged": {func(b []byte) []byte {
			one, two := pages(t, b, 5)
			forged := record(5, bytes.Repeat([]byte("another"), 20))
			copy(b[one[0]:], forged)
			copy(b[two[0]:], forged)
			return b
		}, storage.ErrIntegrity},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			copyFolder(t, image, dir, "")
			damage(t, dir, c.change)
			if _, err := Open(context.Background(), testOptions(dir)); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
	if err := os.Remove(filepath.Join(image, "AHEAD")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), testOptions(image)); !errors.Is(err, storage.ErrDamaged) {
		t.Errorf("removed: %v", err)
	}
}

// A record whose write was cut short anywhere is either taken in whole or not at all, and those before it are there.
func TestWriteCutShortLeavesTheEntriesBefore(t *testing.T) {
	image := crashed(t, 3)
	b, err := os.ReadFile(filepath.Join(image, "AHEAD"))
	if err != nil {
		t.Fatal(err)
	}
	_, two := pages(t, b, 0)
	place := two[len(two)-1] + pageSize
	opt := testOptions("")
	e := entry(6)
	e.Detail = string(bytes.Repeat([]byte("d"), MaxDetail))
	e.Rules = string(bytes.Repeat([]byte("r"), MaxRules))
	plain, err := e.encode()
	if err != nil {
		t.Fatal(err)
	}
	whole := record(6, opt.Sealer.Seal(nil, entryKey(6), plain))
	n := len(whole)
	for _, c := range []struct{ one, two, want int }{{0, 0, 6}, {512, 0, 6}, {pageSize, pageSize, 6}, {n, 0, 7}, {pageSize, n, 7}, {n, n, 7}} {
		dir := t.TempDir()
		copyFolder(t, image, dir, "")
		damage(t, dir, func(b []byte) []byte {
			copy(b[place:], whole[:c.one])
			copy(b[place+n:], whole[:c.two])
			return b
		})
		l := open(t, testOptions(dir))
		if int(l.Size()) != c.want {
			t.Errorf("%d and %d bytes written: %d entries, want %d", c.one, c.two, l.Size(), c.want)
		}
		fill(t, l, 20)
		closeLog(t, l)
		l = open(t, testOptions(dir))
		if report, err := l.Verify(context.Background(), nil); err != nil || !report.OK() {
			t.Errorf("%+v, %v", report, err)
		}
		closeLog(t, l)
	}
}

func TestRingIsUsedAgainManyTimes(t *testing.T) {
	dir := t.TempDir()
	opt := testOptions(dir)
	opt.lag = time.Hour // only a ring that is filling up moves entries on
	opt.Sync = func(*os.File) error { return nil }
	l := open(t, opt)
	const n = 2000
	e := entry(0)
	for i := range n {
		e.Detail = string(bytes.Repeat([]byte("d"), i%MaxDetail))
		e.Ranges = make([]federation.Extent, (i*37)%MaxRanges)
		if index, err := l.Append(context.Background(), e); err != nil || index != uint64(i) {
			t.Fatal(index, err)
		}
	}
	if laps := l.written / l.ahead.ring(); laps < 10 {
		t.Errorf("%d laps", laps)
	}
	copied := t.TempDir()
	if _, err := l.Head(); err != nil {
		t.Fatal(err)
	}
	copyFolder(t, dir, copied, "")
	for _, d := range []string{copied, dir} {
		if d == dir {
			closeLog(t, l)
		}
		again := open(t, testOptions(d))
		if report, err := again.Verify(context.Background(), nil); err != nil || !report.OK() || report.Entries != n {
			t.Errorf("%+v, %v", report, err)
		}
		closeLog(t, again)
	}
}

func TestEntriesWaitInTheWriteAheadFileForSpace(t *testing.T) {
	dir := t.TempDir()
	space, full := fillable(t, dir)
	opt := testOptions(filepath.Join(dir, "log"))
	opt.Space, opt.lag = space, time.Hour
	l := open(t, opt)
	fill(t, l, 7)
	full.Store(true)
	if _, err := l.Head(); !errors.Is(err, storage.ErrDiskFull) {
		t.Errorf("store is full: %v", err)
	}
	if l.Size() != 7 || l.Err() != nil {
		t.Errorf("%d entries, %v", l.Size(), l.Err())
	}
	full.Store(false)
	if h, err := l.Head(); err != nil || h.Size != 7 {
		t.Errorf("%+v, %v", h, err)
	}
}

// A log from before there was a write-ahead file gets one.
func TestLogWithoutAWriteAheadFileGetsOne(t *testing.T) {
	dir := t.TempDir()
	l := open(t, testOptions(dir))
	fill(t, l, 3)
	closeLog(t, l)
	if err := os.Remove(filepath.Join(dir, "AHEAD")); err != nil {
		t.Fatal(err)
	}
	m, _, err := openMark(filepath.Join(dir, "MARK"), markSealer(testOptions("").Sealer))
	if err != nil {
		t.Fatal(err)
	}
	old := m.last
	old.ahead = 0
	for range 2 {
		if err := m.write(old); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l = open(t, testOptions(dir))
		fill(t, l, 3)
		closeLog(t, l)
	}
	if l.Size() != 9 || l.mark.last.ahead == 0 {
		t.Errorf("%d entries, file %d", l.Size(), l.mark.last.ahead)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(record(7, []byte("one"), nil, []byte("three")))
	f.Add([]byte(recordMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		first, sealed, ok := decodeRecord(b)
		if !ok {
			return
		}
		again := record(first, sealed...)
		n := min(len(again), len(b))
		if first2, sealed2, ok := decodeRecord(again); !ok || first2 != first || len(sealed2) != len(sealed) {
			t.Fatalf("%x read and written is %x", b[:n], again)
		}
	})
}
