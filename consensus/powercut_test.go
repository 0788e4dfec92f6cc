package consensus

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hashicorp/raft"
)

// safeDisk knows the least that a disk can have of a folder: of each file what it held when it was synced last, under the names
// that its folder had when that was synced last.
type safeDisk struct {
	t    *testing.T
	root string

	mu      sync.Mutex
	each    bool                         // the power fails after each sync
	cuts    []string                     // what was left then
	files   map[uint64][]byte            // by inode
	folders map[uint64]map[string]onDisk // by inode
	held    map[uint64]*os.File          // so that no inode is given to another file
}

// onDisk is what a name stands for.
type onDisk struct {
	inode  uint64
	folder bool
}

// newSafeDisk takes all that lies in a folder to be on disk.
func newSafeDisk(t *testing.T, root string) *safeDisk {
	t.Helper()
	d := &safeDisk{t: t, root: root, files: make(map[uint64][]byte), folders: make(map[uint64]map[string]onDisk), held: make(map[uint64]*os.File)}
	t.Cleanup(func() {
		for _, f := range d.held {
			_ = f.Close() // it was read only
		}
	})
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		_, err = d.note(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// sync is a syncer. The disk of the machine itself is not waited for.
func (d *safeDisk) sync(f *os.File) error {
	if _, err := f.Stat(); err != nil {
		return err // it is closed
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := d.note(f.Name())
	if errors.Is(err, os.ErrNotExist) {
		return nil // removed meanwhile: no name is left for what it holds
	}
	if d.each {
		d.cut()
	}
	return err
}

// note notes what a file or folder holds.
func (d *safeDisk) note(path string) (inode uint64, err error) {
	inode, folder, err := d.hold(path)
	if err != nil || !folder {
		if err == nil {
			d.files[inode], err = os.ReadFile(path)
		}
		return inode, err
	}
	entries, err := os.ReadDir(path)
	names := make(map[string]onDisk, len(entries))
	for _, e := range entries {
		child, folder, err := d.hold(filepath.Join(path, e.Name()))
		if errors.Is(err, os.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return inode, err
		}
		names[e.Name()] = onDisk{child, folder}
	}
	d.folders[inode] = names
	return inode, err
}

// hold keeps an inode from being used again.
func (d *safeDisk) hold(path string) (inode uint64, folder bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, false, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, false, errors.Join(err, f.Close())
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false, errors.Join(errors.ErrUnsupported, f.Close())
	}
	if d.held[st.Ino] == nil {
		d.held[st.Ino] = f
		return st.Ino, info.IsDir(), nil
	}
	return st.Ino, info.IsDir(), f.Close()
}

// afterPowerCut copies what the disk would have if the power failed at this moment. It returns all such copies.
func (d *safeDisk) afterPowerCut() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut()
	return d.cuts
}

func (d *safeDisk) cut() {
	to := d.t.TempDir()
	root, _, err := d.hold(d.root)
	if err == nil {
		err = d.copy(root, to)
	}
	if err != nil {
		d.t.Error(err)
	}
	d.cuts = append(d.cuts, to)
}

func (d *safeDisk) copy(folder uint64, to string) error {
	var errs []error
	for name, e := range d.folders[folder] {
		path := filepath.Join(to, name)
		if e.folder {
			errs = append(errs, os.Mkdir(path, 0o700), d.copy(e.inode, path))
		} else {
			errs = append(errs, os.WriteFile(path, d.files[e.inode], 0o600))
		}
	}
	return errors.Join(errs...)
}

// stateIn opens what a power cut has left, and returns where it is and its rows.
func stateIn(t *testing.T, dir string) (at uint64, rows string) {
	t.Helper()
	f, err := openFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	current, err := f.current()
	if err != nil {
		t.Fatal(err)
	}
	s, err := openState(current, tiny(&register{}))
	if err != nil {
		t.Fatal(err)
	}
	at, rows = rowsOf(t, s)
	if err := errors.Join(s.shut(true), f.close()); err != nil {
		t.Fatal(err)
	}
	return at, rows
}

func rowsOf(t *testing.T, s *stateDB) (at uint64, rows string) {
	t.Helper()
	r := s.read()
	defer r.discard()
	var b strings.Builder
	if err := r.Scan(nil, nil, func(k, v []byte) (bool, error) {
		fmt.Fprintf(&b, "%s=%s\n", k, v)
		return true, nil
	}); err != nil {
		t.Fatal(err)
	}
	return r.applied().index, b.String()
}

// TestPowerCutWithinARestoreKeepsTheOldStateOrTheNew: whenever the power fails while a snapshot is received and put into service,
// one of the two states is there, whole; once raft has been told that it is in service, it is the new one.
func TestPowerCutWithinARestoreKeepsTheOldStateOrTheNew(t *testing.T) {
	stream, meta := sentBy(t, machineWith(t, &register{}), "spread new 1", "set b 2")
	dir := t.TempDir()
	c := tiny(&register{})
	c.Storage.MemTable = 512 << 10 // so that the snapshot, a row at a time, makes some tables
	sm := machineIn(t, dir, c)
	sm.ApplyBatch([]*raft.Log{command(1, "spread old 1"), command(2, "set a 1")})
	oldAt, old := rowsOf(t, sm.state)
	d := newSafeDisk(t, dir)
	d.each = true
	sm.config.Sync, sm.folder.disk = d.sync, d.sync
	if err := receive(sm, meta, stream); err != nil {
		t.Fatal(err)
	}
	cuts := d.afterPowerCut()
	newAt, now := rowsOf(t, sm.state)
	if newAt != meta.Index || strings.Count(now, "\n") != 1001 || len(cuts) < 6 {
		t.Fatalf("%d rows at %d after %d syncs", strings.Count(now, "\n"), newAt, len(cuts))
	}
	kept := 0
	for i, cut := range cuts {
		switch at, rows := stateIn(t, cut); {
		case at == newAt && rows == now:
		case at == oldAt && rows == old && i < len(cuts)-1:
			kept++
		default:
			t.Errorf("power cut %d of %d: %d rows at %d", i+1, len(cuts), strings.Count(rows, "\n"), at)
		}
	}
	if kept == 0 || kept == len(cuts) {
		t.Errorf("%d of %d power cuts left the old state", kept, len(cuts))
	}
}

// TestPowerCutAfterTheLogMayBeCutLosesNoState: raft cuts the log on the word that the state is on disk.
func TestPowerCutAfterTheLogMayBeCutLosesNoState(t *testing.T) {
	for name, first := range map[string]string{"in the journal": "set a 1", "in tables and journals": "spread a 1"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := newSafeDisk(t, dir)
			c := tiny(&register{})
			c.Sync = d.sync
			sm := machineIn(t, dir, c)
			sm.ApplyBatch([]*raft.Log{command(1, first), command(2, "set b 2")})
			snapshot, err := sm.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			defer snapshot.Release()
			if err := snapshot.Persist(nil); err != nil {
				t.Fatal(err)
			}
			cut := d.afterPowerCut()
			wantAt, want := rowsOf(t, sm.state)
			if at, rows := stateIn(t, cut[0]); at != wantAt || rows != want {
				t.Errorf("%d rows at %d are left of %d at %d", strings.Count(rows, "\n"), at, strings.Count(want, "\n"), wantAt)
			}
		})
	}
}
