package blob

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// filled returns the folder of a closed store of n contents of one chunk each.
func filled(t *testing.T, n int) (string, []Content) {
	t.Helper()
	dir := t.TempDir()
	s := openTest(t, dir)
	var contents []Content
	for i := range n {
		contents = append(contents, mustPut(t, s, text(uint64(i), 30000)))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, contents
}

func valueLog(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		if info, err := os.Stat(path); err == nil && info.Size() > 100 {
			return path
		}
	}
	t.Fatal("no value log")
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
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], off); err != nil {
		t.Fatal(err)
	}
}

// where returns the offset of a chunk's sealed bytes in the store's value log, which has one file that counts.
func where(t *testing.T, dir string, d federation.Digest) int64 {
	t.Helper()
	b, err := os.ReadFile(valueLog(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(b, d[:])
	if i < 0 {
		t.Fatalf("chunk %s is not in the value log", d)
	}
	return int64(i + len(d) + 8)
}

func TestDamageAtOpenNamesTheChunks(t *testing.T) {
	dir, contents := filled(t, 20)
	hurt := []federation.Digest{contents[3].SHA256, contents[11].SHA256}
	for _, d := range hurt {
		flip(t, valueLog(t, dir), where(t, dir, d)+500)
	}
	_, err := Open(testOptions(dir))
	var de *DamagedError
	if !errors.Is(err, storage.ErrDamaged) || !errors.As(err, &de) {
		t.Fatalf("got %v", err)
	}
	if !slices.Equal(de.Digests, hurt) || !de.Complete {
		t.Fatalf("got %v, want %v", de.Digests, hurt)
	}

	s, err := OpenDamaged(testOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range contents {
		_, err := s.Chunk(t.Context(), c.SHA256)
		if got, want := errors.Is(err, ErrIntegrity), slices.Contains(hurt, c.SHA256); got != want {
			t.Errorf("content %d: %v", i, err)
		}
	}
	if _, err := s.Put(t.Context(), bytes.NewReader(text(99, 30000))); !errors.Is(err, storage.ErrReadOnly) {
		t.Errorf("put: %v", err)
	}
	report, err := s.Scrub(t.Context(), ScrubOptions{})
	if err != nil || report.Chunks != 20 || len(report.Damaged) != 2 {
		t.Errorf("scrub: %+v, %v", report, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(testOptions(dir)); !errors.Is(err, storage.ErrDamaged) {
		t.Fatalf("reading has repaired it: %v", err)
	}
}

func TestRepairLosesOnlyWhatIsDamaged(t *testing.T) {
	tests := map[string]struct {
		hurt func(t *testing.T, dir string, cs []Content)
		lost []int // of 20
	}{
		"value": {func(t *testing.T, dir string, cs []Content) {
			flip(t, valueLog(t, dir), where(t, dir, cs[5].SHA256)+9)
		}, []int{5}},
		"length of a value": {func(t *testing.T, dir string, cs []Content) {
			flip(t, valueLog(t, dir), where(t, dir, cs[5].SHA256)-int64(8+32+1+3))
		}, []int{5}},
		"a run of zeros over several": {func(t *testing.T, dir string, cs []Content) {
			f, err := os.OpenFile(valueLog(t, dir), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			from, to := where(t, dir, cs[7].SHA256)+5, where(t, dir, cs[9].SHA256)+5
			if _, err := f.WriteAt(make([]byte, to-from), from); err != nil {
				t.Fatal(err)
			}
		}, []int{7, 8, 9}},
		"cut off": {func(t *testing.T, dir string, cs []Content) {
			if err := os.Truncate(valueLog(t, dir), where(t, dir, cs[18].SHA256)+100); err != nil {
				t.Fatal(err)
			}
		}, []int{18, 19}},
		"the table of keys": {func(t *testing.T, dir string, cs []Content) {
			found, err := filepath.Glob(filepath.Join(dir, "*.sst"))
			if err != nil || len(found) == 0 {
				t.Fatal("no table")
			}
			for _, path := range found {
				flip(t, path, 60)
			}
		}, nil},
		"the mark": {func(t *testing.T, dir string, cs []Content) {
			if err := os.Remove(filepath.Join(dir, "GUARD")); err != nil {
				t.Fatal(err)
			}
		}, nil},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			dir, contents := filled(t, 20)
			c.hurt(t, dir, contents)
			if _, err := Open(testOptions(dir)); !errors.Is(err, storage.ErrDamaged) {
				t.Fatalf("open: %v", err)
			}
			report, err := Repair(t.Context(), testOptions(dir))
			if err != nil || len(report.Damage) == 0 {
				t.Fatalf("repair: %+v, %v", report, err)
			}
			s := openTest(t, dir)
			for i, content := range contents {
				_, err := s.Chunk(t.Context(), content.SHA256)
				switch lost := slices.Contains(c.lost, i); {
				case !lost && err != nil:
					t.Errorf("content %d: %v", i, err)
				case lost && !errors.Is(err, ErrIntegrity):
					t.Errorf("lost content %d: %v", i, err)
				case lost && !slices.Contains(report.Lost, content.SHA256):
					t.Errorf("lost content %d is not in the report", i)
				}
				healed := mustPut(t, s, text(uint64(i), 30000))
				mustRead(t, s, healed, text(uint64(i), 30000))
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := Repair(t.Context(), testOptions(dir))
			if err != nil || len(again.Damage) != 0 || len(again.Lost) != 0 {
				t.Fatalf("second repair: %+v, %v", again, err)
			}
		})
	}
}

func TestDamageInMemtableLogAfterKillLosesNoChunk(t *testing.T) {
	live := t.TempDir()
	s := openTest(t, live)
	var contents []Content
	for i := range 20 {
		contents = append(contents, mustPut(t, s, text(uint64(i), 30000)))
	}
	dir := crash(t, live)
	found, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil || len(found) == 0 {
		t.Fatal("no memtable log")
	}
	flip(t, found[len(found)-1], 700)
	if _, err := Open(testOptions(dir)); !errors.Is(err, storage.ErrDamaged) {
		t.Fatalf("open: %v", err)
	}
	salvaged, err := OpenDamaged(testOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	have := 0
	for _, c := range contents {
		if _, err := salvaged.Chunk(t.Context(), c.SHA256); err == nil {
			have++
		}
	}
	if have != 19 {
		t.Errorf("%d of 20 can be read beside the damage, want 19", have)
	}
	if err := salvaged.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := Repair(t.Context(), testOptions(dir))
	if err != nil || report.Recovered != 1 {
		t.Fatalf("repair: %+v, %v", report, err)
	}
	repaired := openTest(t, dir)
	for i, c := range contents {
		mustRead(t, repaired, c, text(uint64(i), 30000))
	}
}

func TestDamageBehindAnOpenStoreIsFoundByReadAndScrub(t *testing.T) {
	s := openTest(t, t.TempDir())
	dir := s.dir
	var contents []Content
	for i := range 10 {
		contents = append(contents, mustPut(t, s, text(uint64(i), 30000)))
	}
	hurt := contents[4].SHA256
	flip(t, valueLog(t, dir), where(t, dir, hurt)+100) // the mapping sees what is written to the file
	if _, err := s.Chunk(t.Context(), hurt); !errors.Is(err, ErrIntegrity) {
		t.Fatalf("read: %v", err)
	}
	calls := 0
	report, err := s.Scrub(t.Context(), ScrubOptions{BytesPerSecond: 1 << 30, Progress: func(ScrubReport) { calls++ }})
	if err != nil || report.Chunks != 10 || !slices.Equal(report.Damaged, []federation.Digest{hurt}) {
		t.Fatalf("scrub: %+v, %v", report, err)
	}
	if calls == 0 {
		t.Error("no progress was reported")
	}
	mustPut(t, s, text(4, 30000))
	mustRead(t, s, contents[4], text(4, 30000))
	if report, err := s.Scrub(t.Context(), ScrubOptions{}); err != nil || len(report.Damaged) != 0 {
		t.Fatalf("scrub after storing it again: %+v, %v", report, err)
	}
}

func TestUnreadablePageIsAnErrorAndNotTheEndOfTheProcess(t *testing.T) {
	s := openTest(t, t.TempDir())
	c := mustPut(t, s, text(1, 200000))
	if err := os.Truncate(valueLog(t, s.dir), 5000); err != nil { // pages behind the end fault as a bad sector does
		t.Fatal(err)
	}
	if _, err := s.Chunk(t.Context(), c.SHA256); !errors.Is(err, ErrIntegrity) {
		t.Fatalf("got %v", err)
	}
	if _, err := s.Put(t.Context(), bytes.NewReader(text(2, 100))); !errors.Is(err, storage.ErrFailed) {
		t.Fatalf("put after it: %v", err)
	}
}
