package storage

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

func openTest(t *testing.T, dir string, p Profile) *DB {
	t.Helper()
	db, err := Open(Options{Dir: dir, Profile: p, Small: true})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func put(t *testing.T, db *DB, key, value string) {
	t.Helper()
	if err := db.Update(t.Context(), func(txn *badger.Txn) error { return txn.Set([]byte(key), []byte(value)) }); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

func get(db *DB, key string) (string, error) {
	var out []byte
	err := db.View(func(txn *badger.Txn) error {
		item, err := txn.Get([]byte(key))
		if err != nil {
			return err
		}
		out, err = item.ValueCopy(nil)
		return err
	})
	return string(out), err
}

func TestUpdatesOfManyGoroutinesAreAllApplied(t *testing.T) {
	db := openTest(t, t.TempDir(), Records)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for j := range 10 {
				put(t, db, fmt.Sprintf("k%d/%d", i, j), "v")
			}
		})
	}
	wg.Wait()
	for i := range 64 {
		for j := range 10 {
			if _, err := get(db, fmt.Sprintf("k%d/%d", i, j)); err != nil {
				t.Fatalf("k%d/%d: %v", i, j, err)
			}
		}
	}
}

func TestRefusedUpdateLeavesNothingBehind(t *testing.T) {
	db := openTest(t, t.TempDir(), Records)
	refusal := errors.New("refused")
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			err := db.Update(t.Context(), func(txn *badger.Txn) error {
				if err := txn.Set(fmt.Appendf(nil, "k%d", i), []byte("v")); err != nil {
					return err
				}
				if i%3 == 0 {
					return refusal
				}
				return nil
			})
			if got, want := errors.Is(err, refusal), i%3 == 0; got != want {
				t.Errorf("update %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	for i := range 32 {
		_, err := get(db, fmt.Sprintf("k%d", i))
		if got, want := errors.Is(err, badger.ErrKeyNotFound), i%3 == 0; got != want {
			t.Errorf("k%d: %v", i, err)
		}
	}
}

func TestOneOversizedUpdateFailsAlone(t *testing.T) {
	db := openTest(t, t.TempDir(), Records)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			err := db.Update(t.Context(), func(txn *badger.Txn) error {
				n := 2 // hundreds of KiB together with its neighbours: more than one transaction
				if i == 7 {
					n = 20
				}
				for j := range n {
					if err := txn.Set(fmt.Appendf(nil, "k%d/%d", i, j), make([]byte, 100*kib)); err != nil {
						return fmt.Errorf("set: %w", err)
					}
				}
				return nil
			})
			if got, want := errors.Is(err, badger.ErrTxnTooBig), i == 7; got != want {
				t.Errorf("update %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

func TestWritesAfterCloseAreRefused(t *testing.T) {
	db := openTest(t, t.TempDir(), Records)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(*badger.Txn) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Fatalf("got %v", err)
	}
	if err := db.View(func(*badger.Txn) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Fatalf("got %v", err)
	}
}

// A failed sync of the value log is only logged by Badger.
func TestSyncErrorThatBadgerOnlyLogsFailsTheStore(t *testing.T) {
	for _, format := range []string{"Error while curlf sync: %v\n", "error flushing memtable to disk: %v, retrying"} {
		db := openTest(t, t.TempDir(), Chunks)
		put(t, db, "k", "v")
		db.bdg.Opts().Logger.Errorf(format, errors.New("input/output error"))
		err := db.Update(t.Context(), func(txn *badger.Txn) error { return txn.Set([]byte("k2"), []byte("v")) })
		if !errors.Is(err, ErrFailed) {
			t.Errorf("%q: got %v", format, err)
		}
		db = openTest(t, t.TempDir(), Chunks)
		err = db.Update(t.Context(), func(txn *badger.Txn) error { // in the middle of the very write
			db.bdg.Opts().Logger.Errorf(format, errors.New("input/output error"))
			return txn.Set([]byte("k"), []byte("v"))
		})
		if !errors.Is(err, ErrFailed) {
			t.Errorf("%q while it was written: got %v", format, err)
		}
	}
}
