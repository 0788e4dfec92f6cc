package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"
)

// TestNoBlocksForTheLogsRefusesTheWrite: another process took the last of them after the gate had let the write through.
func TestNoBlocksForTheLogsRefusesTheWrite(t *testing.T) {
	for _, profile := range []Profile{Records, Audit, Chunks} {
		t.Run(profile.String(), func(t *testing.T) {
			dir := t.TempDir()
			db, err := Open(Options{Dir: dir, Profile: profile, Small: true})
			if err != nil {
				t.Fatal(err)
			}
			full := "" // the kind of files for which there is nothing
			asked := map[string]int{}
			db.guard.allocate = func(f *os.File, from, n int64) error {
				kind := filepath.Ext(f.Name())
				asked[kind]++
				if info, err := f.Stat(); err != nil || from+n > info.Size() {
					t.Errorf("%d bytes from %d of %s, which has %v, %v", n, from, f.Name(), info.Size(), err)
				}
				if kind == full {
					return unix.ENOSPC
				}
				return allocate(f, from, n)
			}
			write := func(key string) error {
				p, err := db.Begin(t.Context(), Write{Bytes: 300 * kib, Fn: func(txn *badger.Txn) error {
					return txn.Set([]byte(key), bytes.Repeat([]byte(key[:1]), 300*kib))
				}})
				if err != nil {
					return err
				}
				return p.Wait()
			}
			if err := write("a"); err != nil {
				t.Fatal(err)
			}
			kind := map[Profile]string{Records: ".mem", Audit: ".mem", Chunks: ".vlog"}[profile] // where values go
			full = kind
			refused := error(nil)
			for i := 0; i < 20 && refused == nil; i++ { // what was allocated ahead is used first
				refused = write(fmt.Sprintf("b%d", i))
			}
			if !errors.Is(refused, ErrDiskFull) || !errors.Is(refused, unix.ENOSPC) {
				t.Errorf("without blocks for %s: got %v, want ErrDiskFull", kind, refused)
			}
			full = ""
			if err := write("c"); err != nil {
				t.Errorf("with blocks again: %v", err)
			}
			if asked[".mem"] == 0 {
				t.Error("no blocks were asked for the memtable's log")
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db, err = Open(Options{Dir: dir, Profile: profile, Small: true})
			if err != nil {
				t.Fatalf("it does not open after a refusal: %v", err)
			}
			defer db.Close()
			if _, err := get(db, "a"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFullVolumeDoesNotEndTheProcess takes every block of a real volume away while a store is open.
func TestFullVolumeDoesNotEndTheProcess(t *testing.T) {
	volume := t.TempDir()
	if err := unix.Mount("tmpfs", volume, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("no volume of its own (%v): as root, go test -run TestFullVolumeDoesNotEndTheProcess ./storage", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(volume, unix.MNT_DETACH) }) // the files stay mapped
	space, err := NewSpace(SpaceConfig{Dir: volume, MinFree: 1, Reserve: -1, Statfs: func(string) (uint64, uint64, error) { return 1 << 40, 1 << 40, nil }})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(volume, "store")
	db, err := Open(Options{Dir: dir, Profile: Records, Small: true, Space: space}) // whose gate is always open
	if err != nil {
		t.Fatal(err)
	}
	put(t, db, "k", "kept")
	filler, err := os.Create(filepath.Join(volume, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(filler, zeros{}); !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	refused := error(nil)
	for i := 0; i < 100 && refused == nil; i++ {
		refused = db.Update(t.Context(), func(txn *badger.Txn) error {
			return txn.Set(fmt.Appendf(nil, "full/%d", i), make([]byte, 100*kib))
		})
	}
	if !errors.Is(refused, ErrDiskFull) {
		t.Errorf("got %v, want ErrDiskFull", refused)
	}
	if v, err := get(db, "k"); err != nil || v != "kept" {
		t.Errorf("what is held cannot be read: %q, %v", v, err)
	}
	if err := errors.Join(filler.Truncate(0), filler.Close()); err != nil {
		t.Fatal(err)
	}
	put(t, db, "k2", "after there was room again")
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// zeros is what fills a volume.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// TestCloseOnAFullVolumeWritesNoTable: making one would end the process. What was acknowledged is in the log.
func TestCloseOnAFullVolumeWritesNoTable(t *testing.T) {
	disk := &fakeDisk{free: 500}
	space, err := NewSpace(SpaceConfig{Dir: t.TempDir(), Statfs: disk.statfs, MinFree: mib, Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	db, err := Open(Options{Dir: dir, Profile: Records, Small: true, Space: space})
	if err != nil {
		t.Fatal(err)
	}
	put(t, db, "k", "kept")
	disk.free = 1
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if tables, err := filepath.Glob(filepath.Join(dir, "*.sst")); err != nil || len(tables) > 0 {
		t.Errorf("tables were written: %v, %v", tables, err)
	}
	if _, err := Open(Options{Dir: dir, Profile: Records, Small: true, Space: space}); !errors.Is(err, ErrDiskFull) {
		t.Errorf("it is opened on a full volume: %v", err)
	}
	elsewhere := filepath.Join(t.TempDir(), "copy") // this process has the folder open until it ends
	if err := os.CopyFS(elsewhere, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	db, err = Open(Options{Dir: elsewhere, Profile: Records, Small: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if v, err := get(db, "k"); err != nil || v != "kept" {
		t.Errorf("got %q, %v", v, err)
	}
}
