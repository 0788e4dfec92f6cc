package storage

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// afterPowerCut copies a store as the least that a disk can have after a power cut at this moment: of the logs what is under the
// mark. Everything else that the process has written was never synced by the guard, and is gone.
func afterPowerCut(t *testing.T, from string) string {
	t.Helper()
	for {
		before := snapshot(t, from)
		to, err := cutOnce(t, from)
		if snapshot(t, from) != before {
			continue // Badger has put a log into a table meanwhile: no moment was like that
		}
		if err != nil {
			t.Error(err)
		}
		return to
	}
}

func cutOnce(t *testing.T, from string) (string, error) {
	t.Helper()
	to := t.TempDir()
	copied := func(name string, end int64) error {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if end < 0 {
			end = int64(len(b))
		}
		if err := os.WriteFile(filepath.Join(to, name), bytes.TrimRight(b[:end], "\x00"), 0o600); err != nil {
			return err
		}
		return os.Truncate(filepath.Join(to, name), int64(len(b)))
	}
	f, err := os.Open(filepath.Join(from, markFile))
	if err != nil {
		return to, err
	}
	defer f.Close()
	m, err := readMark(f)
	if err != nil {
		return to, err
	}
	for _, l := range m.logs {
		err = errors.Join(err, copied(l.String(), l.end))
	}
	sealed, sealedErr := readSealed(from)
	if sealedErr != nil {
		return to, errors.Join(err, sealedErr)
	}
	for fid := range sealed.files {
		err = errors.Join(err, copied(logName{'v', fid}.String(), -1))
	}
	entries, dirErr := os.ReadDir(from)
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext != ".mem" && ext != ".vlog" {
			err = errors.Join(err, copied(e.Name(), -1))
		}
	}
	return to, errors.Join(err, dirErr)
}

// Whenever the power fails, all that was acknowledged is there, the
// store opens, and no key has come under the mark without its value.
func TestPowerCutAtAnyMarkLosesNothingAcknowledged(t *testing.T) {
	for profile, size := range map[Profile]int{Records: 1000, Chunks: 20_000} {
		t.Run(profile.String(), func(t *testing.T) {
			type cut struct {
				dir   string
				acked map[string]bool
			}
			const writers, each, every = 24, 10, 9
			var mu sync.Mutex
			var cuts []cut
			acked := map[string]bool{}
			dir, marks := t.TempDir(), 0
			db, err := Open(Options{Dir: dir, Profile: profile, Small: true, ValueLogFile: mib, Sync: func(f *os.File) error {
				err := fdatasync(f)
				if filepath.Base(f.Name()) != markFile {
					return err
				}
				if marks++; marks%every == 0 {
					mu.Lock()
					known := maps.Clone(acked)
					mu.Unlock()
					cuts = append(cuts, cut{afterPowerCut(t, dir), known})
				}
				return err
			}})
			if err != nil {
				t.Fatal(err)
			}
			value := func(key string) string { return strings.Repeat(key+".", size/len(key)) }
			var all sync.WaitGroup
			for w := range writers {
				all.Go(func() {
					for i := range each {
						key := fmt.Sprintf("key-%02d-%02d", w, i)
						if err := db.Update(t.Context(), func(txn *badger.Txn) error { return txn.Set([]byte(key), []byte(value(key))) }); err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						acked[key] = true
						mu.Unlock()
					}
				})
			}
			all.Wait()
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if len(cuts) == 0 {
				t.Fatal("no power cut")
			}
			for _, c := range cuts {
				db := openTest(t, c.dir, profile)
				for w := range writers {
					for i := range each {
						key := fmt.Sprintf("key-%02d-%02d", w, i)
						got, err := get(db, key)
						if there := err == nil; c.acked[key] && !there || there && got != value(key) {
							t.Errorf("%s: acknowledged %t, %d bytes, %v", key, c.acked[key], len(got), err)
						}
					}
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
