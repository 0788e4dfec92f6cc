package storage

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// fakeDisk is a volume of 1000 units of 1 MiB.
type fakeDisk struct {
	free uint64
	err  error
}

func (d *fakeDisk) statfs(string) (total, available uint64, err error) {
	return 1000 * mib, d.free * mib, d.err
}

func TestLevelsAndWhatTheyRefuse(t *testing.T) {
	disk := &fakeDisk{free: 500}
	s, err := NewSpace(SpaceConfig{Dir: t.TempDir(), Statfs: disk.statfs, MinFree: 10 * mib, Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		free                        uint64
		level                       Level
		ingest, metadata, essential bool
	}{
		{500, LevelOK, true, true, true},
		{251, LevelOK, true, true, true},
		{249, LevelWarn, true, true, true},
		{255, LevelWarn, true, true, true}, // not left again at once
		{261, LevelOK, true, true, true},
		{99, LevelNoIngest, false, true, true},
		{105, LevelNoIngest, false, true, true},
		{111, LevelWarn, true, true, true},
		{49, LevelReadOnly, false, false, true},
		{55, LevelReadOnly, false, false, true},
		{61, LevelNoIngest, false, true, true},
		{9, LevelReadOnly, false, false, false},
		{900, LevelOK, true, true, true},
	}
	for _, c := range steps {
		disk.free = c.free
		for p, want := range map[Purpose]bool{Ingest: c.ingest, Metadata: c.metadata, Essential: c.essential} {
			err := s.Allow(p, mib)
			if (err == nil) != want || err != nil && !errors.Is(err, ErrDiskFull) {
				t.Errorf("%d free, purpose %d: %v", c.free, p, err)
			}
		}
		if s.Level() != c.level {
			t.Errorf("%d free: level %s, want %s", c.free, s.Level(), c.level)
		}
	}
	disk.free = 300
	if err := s.Allow(Ingest, 295*mib); !errors.Is(err, ErrDiskFull) {
		t.Errorf("a write greater than what is free: %v", err)
	}
	disk.err = errors.New("gone")
	if err := s.Allow(Essential, 0); !errors.Is(err, disk.err) {
		t.Errorf("unknown free space lets writes through: %v", err)
	}
}

func TestReserveIsGivenUpForEvidenceOnly(t *testing.T) {
	dir := t.TempDir()
	disk := &fakeDisk{free: 500}
	path := filepath.Join(dir, reserveFile)
	s, err := NewSpace(SpaceConfig{Dir: dir, MinFree: 10 * mib, Reserve: mib, Statfs: func(d string) (uint64, uint64, error) {
		total, free, err := disk.statfs(d)
		if _, serr := os.Stat(path); serr != nil && disk.free < 500 {
			free += mib // what the reserve has given back
		}
		return total, free, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	if size(t, path) != mib {
		t.Fatal("no reserve")
	}
	disk.free = 10
	if err := s.Allow(Metadata, mib); !errors.Is(err, ErrDiskFull) || size(t, path) != mib {
		t.Fatalf("metadata: %v", err)
	}
	if err := s.Allow(Essential, mib); err != nil {
		t.Fatalf("evidence: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Fatal("the reserve is still there")
	}
	if err := s.Allow(Essential, 2*mib); !errors.Is(err, ErrDiskFull) {
		t.Fatalf("with the reserve used: %v", err)
	}
	disk.free = 500
	if _, err := s.Check(); err != nil || size(t, path) != mib {
		t.Fatalf("the reserve is not taken again: %v", err)
	}
}

func TestFullDiskRefusesWritesBeforeBadgerSeesThem(t *testing.T) {
	disk := &fakeDisk{free: 500}
	space, err := NewSpace(SpaceConfig{Dir: t.TempDir(), Statfs: disk.statfs, MinFree: mib, Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	open := func(p Profile) *DB {
		db, err := Open(Options{Dir: t.TempDir(), Profile: p, Small: true, Space: space})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		put(t, db, "k", "v")
		return db
	}
	dbs := map[Profile]*DB{Records: open(Records), Audit: open(Audit), Chunks: open(Chunks)}
	write := func(txn *badger.Txn) error { return txn.Set([]byte("k2"), []byte("v")) }
	for free, refused := range map[uint64][]Profile{90: {Chunks}, 40: {Chunks, Records}, 5: {Chunks, Records, Audit}} {
		disk.free = free
		want := map[Profile]bool{}
		for _, p := range refused {
			want[p] = true
		}
		for p, db := range dbs {
			err := db.Update(t.Context(), write)
			if got := errors.Is(err, ErrDiskFull); got != want[p] {
				t.Errorf("%d free, %s: %v", free, p, err)
			}
			if v, err := get(db, "k"); err != nil || v != "v" {
				t.Errorf("%d free, %s cannot be read: %v", free, p, err)
			}
		}
	}
	disk.free = 500
	for p, db := range dbs {
		if err := db.Update(t.Context(), write); err != nil {
			t.Errorf("%s after there is room again: %v", p, err)
		}
	}
}

func TestLargeVolumeIsNotRefusedForItsPercentage(t *testing.T) {
	const gib = uint64(1 << 30)
	for _, c := range []struct {
		free  uint64
		level Level
	}{{20 * gib, LevelOK}, {10 * gib, LevelWarn}, {5 * gib, LevelNoIngest}, {2 * gib, LevelReadOnly}} {
		s, err := NewSpace(SpaceConfig{Dir: t.TempDir(), Reserve: -1, Statfs: func(string) (uint64, uint64, error) { return 4096 * gib, c.free, nil }})
		if err != nil {
			t.Fatal(err)
		}
		if s.Level() != c.level {
			t.Errorf("%d GiB free of 4 TiB: level %s, want %s", c.free/gib, s.Level(), c.level)
		}
	}
}

// TestSmallVolumeSaysWhatItRefuses: where a percentage is less than what writes must leave, the level follows the latter.
func TestSmallVolumeSaysWhatItRefuses(t *testing.T) {
	for _, c := range []struct {
		free  uint64 // MiB of 120
		write uint64 // MiB that every write asks for
		level Level
	}{{119, 0, LevelNoIngest}, {63, 0, LevelReadOnly}, {111, 48, LevelReadOnly}, {113, 48, LevelNoIngest}} {
		s, err := NewSpace(SpaceConfig{Dir: t.TempDir(), Reserve: -1, Write: c.write * mib, Statfs: func(string) (uint64, uint64, error) { return 120 * mib, c.free * mib, nil }})
		if err != nil {
			t.Fatal(err)
		}
		if s.Level() != c.level {
			t.Errorf("%d MiB free: level %s, want %s", c.free, s.Level(), c.level)
		}
		if err := s.Allow(Ingest, 1); !errors.Is(err, ErrDiskFull) {
			t.Errorf("%d MiB free: got %v", c.free, err)
		}
		if err := s.Allow(Essential, int64(c.write)*mib); errors.Is(err, ErrDiskFull) != (c.level == LevelReadOnly) {
			t.Errorf("%d MiB free, level %s: evidence is refused: %v", c.free, c.level, err)
		}
	}
}
