package storage

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
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
