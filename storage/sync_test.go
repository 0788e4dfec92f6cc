package storage

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// What was acknowledged must survive a power cut. No test here can cut the power, so this one watches what is synced, and in
// which order: the log that holds the write, and then the mark that vouches for it, both before the write returns.
func TestWriteIsSyncedBeforeItIsAcknowledged(t *testing.T) {
	for profile, log := range map[Profile]string{Records: ".mem", Audit: ".mem", Chunks: ".vlog"} {
		t.Run(profile.String(), func(t *testing.T) {
			var mu sync.Mutex
			var synced []string
			db, err := Open(Options{Dir: t.TempDir(), Profile: profile, Small: true, Sync: func(f *os.File) error {
				mu.Lock()
				defer mu.Unlock()
				synced = append(synced, filepath.Ext(f.Name())+" "+filepath.Base(f.Name()))
				return fdatasync(f)
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			put(t, db, "before", string(make([]byte, 10_000)))
			mu.Lock()
			synced = nil
			mu.Unlock()
			put(t, db, "key", string(make([]byte, 10_000)))
			mu.Lock()
			defer mu.Unlock()
			content := slices.IndexFunc(synced, func(s string) bool { return filepath.Ext(s) == log })
			mark := slices.IndexFunc(synced, func(s string) bool { return s == " "+markFile })
			if content < 0 || mark < content {
				t.Errorf("synced %q, want a %s file and %s after it", synced, log, markFile)
			}
		})
	}
}

// Unless a test hands in another, a sync is one.
func TestDefaultSyncIsFdatasync(t *testing.T) {
	o := Options{Dir: t.TempDir(), Profile: Records}
	if err := o.setDefaults(); err != nil {
		t.Fatal(err)
	}
	if reflect.ValueOf(o.Sync).Pointer() != reflect.ValueOf(fdatasync).Pointer() {
		t.Error("a store that is told nothing does not sync")
	}
}

// After a failed sync nobody knows what is on the disk: what waits is not tried, nothing new is let in, and the store is not
// vouched for when it closes, even if the disk works again.
func TestNothingFollowsAFailedSync(t *testing.T) {
	var failing atomic.Bool
	dir := t.TempDir()
	db, err := Open(Options{Dir: dir, Profile: Records, Small: true, Sync: func(f *os.File) error {
		if failing.Load() && strings.HasSuffix(f.Name(), ".mem") {
			return errors.New("input/output error")
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	put(t, db, "before", "v")
	writing, fails := make(chan struct{}, 1), make(chan struct{})
	begin := func(fn func(txn *badger.Txn) error) *Pending {
		t.Helper()
		p, err := db.Begin(t.Context(), Write{Fn: fn, Bytes: 10})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := begin(func(txn *badger.Txn) error {
		select {
		case writing <- struct{}{}:
		default: // it may be run again
		}
		<-fails
		return txn.Set([]byte("first"), []byte("v"))
	})
	<-writing
	tried := false
	behind := begin(func(txn *badger.Txn) error {
		tried = true
		return txn.Set([]byte("behind"), []byte("v"))
	})
	last, err := db.enqueue(t.Context(), &Pending{done: make(chan struct{}), alone: func() error {
		tried = true
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	failing.Store(true)
	close(fails)
	for _, p := range []*Pending{first, behind, last} {
		if err := p.Wait(); !errors.Is(err, ErrFailed) {
			t.Errorf("got %v, want ErrFailed", err)
		}
	}
	if tried {
		t.Error("what waited behind the failed write was tried")
	}
	failing.Store(false)
	if _, err := db.Begin(t.Context(), Write{Fn: func(*badger.Txn) error { return nil }}); !errors.Is(err, ErrFailed) {
		t.Errorf("a new write is let in: %v", err)
	}
	before := readAll(t, filepath.Join(dir, markFile))
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if after := readAll(t, filepath.Join(dir, markFile)); !bytes.Equal(before, after) {
		t.Error("the mark was moved over what the failed write has left")
	}
	mustHave(t, dir, Records, 0)
}

func readAll(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
