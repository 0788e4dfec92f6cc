package storage

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCollectingOnAFullVolumeDoesNotEndTheProcess: what is left of a file would be written where there are no blocks.
func TestCollectingOnAFullVolumeDoesNotEndTheProcess(t *testing.T) {
	volume := t.TempDir()
	if err := unix.Mount("tmpfs", volume, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("no volume of its own (%v): as root, go test -run TestCollectingOnAFullVolumeDoesNotEndTheProcess ./storage", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(volume, unix.MNT_DETACH) }) // the files stay mapped
	db := garbage(t, filepath.Join(volume, "store"))                // whom no gate holds up
	filler, err := os.Create(filepath.Join(volume, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(filler, zeros{}); !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	if collected, err := db.CollectGarbage(t.Context(), 0.5); !errors.Is(err, ErrDiskFull) || collected {
		t.Errorf("got %v, %v, want ErrDiskFull", collected, err)
	}
	if err := errors.Join(filler.Truncate(0), filler.Close(), db.Err()); err != nil {
		t.Fatal(err)
	}
	if collected, err := db.CollectGarbage(t.Context(), 0.5); !collected || err != nil {
		t.Errorf("with room again: got %v, %v", collected, err)
	}
}

// TestGarbageIsNotCollectedBelowTheGate: the reserve is for evidence.
func TestGarbageIsNotCollectedBelowTheGate(t *testing.T) {
	disk := &fakeDisk{free: 500}
	space, err := NewSpace(SpaceConfig{Dir: t.TempDir(), Statfs: disk.statfs, MinFree: mib, Reserve: mib})
	if err != nil {
		t.Fatal(err)
	}
	db, err := Open(Options{Dir: t.TempDir(), Profile: Chunks, Small: true, Space: space})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	asked := 0
	db.guard.allocate = func(*os.File, int64, int64) error { asked++; return nil }
	disk.free = 1
	if collected, err := db.CollectGarbage(t.Context(), 0.5); !errors.Is(err, ErrDiskFull) || collected || asked > 0 {
		t.Errorf("got %v, %v, want ErrDiskFull", collected, err)
	}
	if _, err := os.Stat(filepath.Join(space.cfg.Dir, reserveFile)); err != nil {
		t.Errorf("the reserve was given up: %v", err)
	}
}
