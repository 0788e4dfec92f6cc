package storage

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/dgraph-io/badger/v4"
)

// A durability knows how much of each value log file a sync has covered.
type durability struct {
	mu  sync.Mutex
	dir string
	end map[string]int64 // of the values that are durable, by the file's name
}

// sync makes a file durable, and notes what of a value log that covers.
func (d *durability) sync(f *os.File) error {
	name := filepath.Base(f.Name())
	if filepath.Ext(name) != ".vlog" {
		return fdatasync(f)
	}
	state, err := walkLog(f, logState{}, 0, func(*logEntry) error { return nil })
	if err = errors.Join(err, fdatasync(f)); err == nil {
		d.mu.Lock()
		d.end[name] = state.end
		d.mu.Unlock()
	}
	return err
}

// ahead returns a key in a memtable log whose value is not durable, or nothing.
func (d *durability) ahead(t *testing.T) (key string) {
	t.Helper()
	names, err := listLogs(d.dir, 'm')
	if err != nil {
		t.Error(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range names {
		f, err := os.Open(filepath.Join(d.dir, name.String()))
		if err != nil {
			continue // in a table by now
		}
		_, err = walkLog(f, logState{}, 0, func(e *logEntry) error {
			if e == nil {
				return nil
			}
			if p, ok := e.pointer(); ok && int64(p.off)+int64(p.size) > d.end[logName{'v', p.fid}.String()] {
				key = string(e.userKey())
			}
			return nil
		})
		if err = errors.Join(err, f.Close()); err != nil {
			t.Error(err)
		}
	}
	return key
}

// What a collection moves can be put into a table, and its old place be given up, at any moment: no key is written before its value is
// durable.
func TestKeysThatACollectionMovesFollowTheirValues(t *testing.T) {
	db := garbage(t, t.TempDir())
	d := &durability{dir: db.opt.Dir, end: map[string]int64{}}
	for fid, state := range db.guard.sealed.files {
		d.end[logName{'v', fid}.String()] = state.end
	}
	var moved atomic.Int64
	db.guard.sync = func(f *os.File) error { // seen by the committer with the collection
		if key := d.ahead(t); key != "" {
			t.Errorf("when %s is synced %s is written, and its value is not durable", filepath.Base(f.Name()), key)
		}
		if db.collecting.Load() && filepath.Ext(f.Name()) == ".vlog" {
			moved.Add(1)
		}
		return d.sync(f)
	}
	if collected, err := db.CollectGarbage(t.Context(), 0.5); err != nil || !collected {
		t.Fatalf("collected: %v, %v", collected, err)
	}
	if moved.Load() == 0 {
		t.Error("nothing was synced while values were moved")
	}
}

// After a sync that failed the old file stays, and with it all that was to be moved.
func TestCollectionWhoseSyncFailsGivesNothingUp(t *testing.T) {
	dir := t.TempDir()
	db := garbage(t, dir)
	broken := errors.New("input/output error")
	db.guard.sync = func(f *os.File) error { // seen by the committer with the collection
		if db.collecting.Load() && filepath.Ext(f.Name()) == ".vlog" {
			return broken
		}
		return fdatasync(f)
	}
	before, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	if err != nil {
		t.Fatal(err)
	}
	if collected, err := db.CollectGarbage(t.Context(), 0.5); !errors.Is(err, ErrFailed) || !errors.Is(err, broken) || collected {
		t.Fatalf("collected: %v, %v", collected, err)
	}
	for _, path := range before {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	for what, left := range map[string]string{"a kill": copyDir(t, dir), "a power cut": afterPowerCut(t, dir)} {
		crashed := openTest(t, left, Chunks)
		for i := 0; i < 100; i += 8 {
			if v, err := get(crashed, fmt.Sprintf("key%05d", i)); err != nil || len(v) != 50000 {
				t.Errorf("key %d after %s: %d bytes, %v", i, what, len(v), err)
			}
		}
	}
}

// A write-back can bring the key of a write to the disk, and the power fail before its value is there. Nobody was told of that write:
// the key is cut off, all before it stay.
func TestKeyWithoutItsValueAfterAPowerCutIsCutOff(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, dir, Chunks)
	fill(t, db, 20, 10_000)
	cut := afterPowerCut(t, dir)
	mark := db.guard.mems[0].end
	put(t, db, "later", string(make([]byte, 10_000)))
	name := db.guard.mems[0].String()
	b := readAll(t, filepath.Join(dir, name))
	if db.guard.mems[0].end <= mark {
		t.Fatal("the key is not in the log")
	}
	if err := os.WriteFile(filepath.Join(cut, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
	opened := openTest(t, cut, Chunks)
	if v, err := get(opened, "later"); !errors.Is(err, badger.ErrKeyNotFound) {
		t.Errorf("the write that nobody was told of: %d bytes, %v", len(v), err)
	}
	if err := opened.Close(); err != nil {
		t.Fatal(err)
	}
	mustHave(t, cut, Chunks, 20)
}

// The values and the memtable log are synced beside each other, and the mark is written when both are durable.
func TestTheMarkWaitsForValuesThatAreSyncedBesideTheLog(t *testing.T) {
	var begun, durable atomic.Bool
	keys := make(chan struct{}, 100)
	db, err := Open(Options{Dir: t.TempDir(), Profile: Chunks, Small: true, Sync: func(f *os.File) error {
		switch ext := filepath.Ext(f.Name()); {
		case !begun.Load():
		case ext == ".vlog":
			<-keys                            // the log is synced meanwhile
			time.Sleep(50 * time.Millisecond) // a disk takes that long
			durable.Store(true)
		case ext == ".mem":
			keys <- struct{}{}
		case !durable.Load():
			t.Errorf("%s is synced before the values are", filepath.Base(f.Name()))
		}
		return fdatasync(f)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	put(t, db, "before", string(make([]byte, 10_000)))
	begun.Store(true)
	put(t, db, "key", string(make([]byte, 10_000)))
	begun.Store(false)
	if !durable.Load() {
		t.Error("the write was acknowledged before its value was durable")
	}
}

// What was just written is not mapped any more, and is still there: what is handed out lies in the file.
func TestWhatWasJustWrittenIsUnmapped(t *testing.T) {
	db := openTest(t, t.TempDir(), Chunks)
	large := strings.Repeat("large", mib/5)
	put(t, db, "large", large)
	page := uintptr(os.Getpagesize())
	in := make([]byte, mib/page)
	err := db.View(func(txn *badger.Txn) error {
		item, err := txn.Get([]byte("large"))
		if err != nil {
			return err
		}
		if got := mappedPages(t, db.guard.values.f.Name()); got > len(in)/4 {
			t.Errorf("%d pages of the value log are mapped after %d were written", got, len(in))
		}
		return item.Value(func(v []byte) error {
			if file := mappingOf(t, v); file != db.guard.values.f.Name() {
				t.Errorf("the value lies in %q", file)
			}
			if string(v) != large {
				t.Error("the value has changed")
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// mappingOf returns the file that b is mapped from.
func mappingOf(t *testing.T, b []byte) string {
	t.Helper()
	at := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	name := ""
	mappings(t, func(from, to uint64, file, _ string) {
		if from <= at && at < to {
			name = file
		}
	})
	return name
}

// mappedPages returns how many pages of a file this process has mapped now.
func mappedPages(t *testing.T, file string) int {
	t.Helper()
	kb := 0
	mappings(t, func(_, _ uint64, name, rss string) {
		n := 0
		if _, err := fmt.Sscanf(rss, "Rss: %d kB", &n); err == nil && name == file {
			kb += n
		}
	})
	return kb * kib / os.Getpagesize()
}

// mappings calls fn with each mapping of this process.
func mappings(t *testing.T, fn func(from, to uint64, file, rss string)) {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var from, to uint64
	file := ""
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n == 2 {
			file = ""
			if at := strings.IndexByte(line, '/'); at >= 0 {
				file = line[at:]
			}
			continue
		}
		if strings.HasPrefix(line, "Rss:") {
			fn(from, to, file, line)
		}
	}
}
