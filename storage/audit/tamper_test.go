package audit

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// flip changes one bit of the value of key.
func flip(key []byte, bit int) func(txn *badger.Txn) error {
	return func(txn *badger.Txn) error {
		item, err := txn.Get(key)
		if err != nil {
			return err
		}
		v, err := item.ValueCopy(nil)
		if err != nil {
			return err
		}
		v[bit/8%len(v)] ^= 1 << (bit % 8)
		return txn.Set(key, v)
	}
}

func TestEveryAlteredRowIsFoundByVerify(t *testing.T) {
	const n = 1500 // more than Open reads at the end
	dir := t.TempDir()
	l := open(t, singly(dir))
	fill(t, l, n)
	at, err := l.Checkpoint(context.Background(), federation.NodeID{7}, 0)
	if err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	rng := rand.New(rand.NewPCG(1, 2))
	// Indexes below 400 that no proof or edge of the tree passes through: Open cannot notice, so Verify must.
	var touched []uint64
	var changes []func(txn *badger.Txn) error
	for range 40 {
		index := 2 * rng.Uint64N(200)
		if slices.Contains(touched, index) {
			continue
		}
		touched = append(touched, index)
		key := entryKey(index)
		change := flip(key, int(rng.Uint32N(4096)))
		switch rng.IntN(5) {
		case 0:
			key = hashesKey(index)
			change = flip(key, int(rng.Uint32N(256)))
		case 1:
			change = func(txn *badger.Txn) error { return txn.Delete(key) }
		case 2:
			key = hashesKey(index)
			change = func(txn *badger.Txn) error { return txn.Delete(key) }
		case 3: // an entry of the same log in another place
			change = func(txn *badger.Txn) error {
				v, err := get(txn, entryKey(index+1))
				if err != nil {
					return err
				}
				return txn.Set(key, v)
			}
		}
		changes = append(changes, change)
	}
	raw(t, dir, func(txn *badger.Txn) error {
		for _, change := range changes {
			if err := change(txn); err != nil {
				return err
			}
		}
		return nil
	})
	slices.Sort(touched)
	l = open(t, singly(dir))
	report, err := l.Verify(context.Background(), []federation.Checkpoint{at})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(report.Damaged, touched) || report.Faults != uint64(len(touched)) || report.OK() {
		t.Errorf("damaged %v\nwant    %v", report.Damaged, touched)
	}
	for _, w := range report.Witnesses {
		if !w.Holds {
			t.Errorf("damage that leaves the leaf hashes hides that history is the same: %s", w.Fault)
		}
	}
}

// Whoever has the disk but no key can rewrite every hash so that the log is consistent again; the mark tells.
func TestConsistentlyRewrittenLogIsRefused(t *testing.T) {
	dir := t.TempDir()
	l := open(t, singly(dir))
	fill(t, l, 20)
	closeLog(t, l)
	raw(t, dir, func(txn *badger.Txn) error {
		var f frontier
		for i := range uint64(20) {
			sealed, err := get(txn, entryKey(i))
			if err != nil {
				return err
			}
			if i == 4 {
				sealed[30] ^= 1
				if err := txn.Set(entryKey(i), sealed); err != nil {
					return err
				}
			}
			var hs []byte
			for _, h := range f.add(leafHash(sealed)) {
				hs = append(hs, h[:]...)
			}
			if err := txn.Set(hashesKey(i), hs); err != nil {
				return err
			}
		}
		return txn.Set([]byte{rowHead}, f.encode())
	})
	if _, err := Open(context.Background(), singly(dir)); !errors.Is(err, ErrRolledBack) {
		t.Fatalf("rewritten log: %v", err)
	}
	l, err := Examine(Options{Dir: dir, Sealer: testOptions("").Sealer, Small: true})
	if err != nil {
		t.Fatal(err)
	}
	defer closeLog(t, l)
	if report, err := l.Verify(context.Background(), nil); err != nil || report.HeadHolds {
		t.Errorf("its head is that of its entries, and not that of the mark: %+v, %v", report, err)
	}
}

func TestShortenedLogIsRefused(t *testing.T) {
	for name, change := range map[string]func(txn *badger.Txn) error{
		"last entry gone": func(txn *badger.Txn) error { return txn.Delete(entryKey(19)) },
		"head gone":       func(txn *badger.Txn) error { return txn.Delete([]byte{rowHead}) },
		"head is older": func(txn *badger.Txn) error {
			return txn.Set([]byte{rowHead}, (&frontier{size: 1, roots: make([]tlog.Hash, 1)}).encode())
		},
		"everything gone": func(txn *badger.Txn) error {
			for i := range uint64(20) {
				if err := errors.Join(txn.Delete(entryKey(i)), txn.Delete(hashesKey(i))); err != nil {
					return err
				}
			}
			return txn.Set([]byte{rowHead}, (&frontier{}).encode())
		},
		"cut to ten and made consistent": func(txn *badger.Txn) error {
			var f frontier
			for i := range uint64(20) {
				sealed, err := get(txn, entryKey(i))
				if err != nil {
					return err
				}
				if i < 10 {
					f.add(leafHash(sealed))
				} else if err := errors.Join(txn.Delete(entryKey(i)), txn.Delete(hashesKey(i))); err != nil {
					return err
				}
			}
			return txn.Set([]byte{rowHead}, f.encode())
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, singly(dir))
			fill(t, l, 20)
			closeLog(t, l)
			raw(t, dir, change)
			if _, err := Open(context.Background(), singly(dir)); !errors.Is(err, ErrRolledBack) {
				t.Fatalf("got %v", err)
			}
			l, err := Examine(Options{Dir: dir, Sealer: testOptions("").Sealer, Small: true})
			if err != nil {
				t.Fatal(err)
			}
			report, err := l.Verify(context.Background(), nil)
			if err != nil || report.OK() || report.Entries != 20 {
				t.Errorf("examined: %+v, %v", report, err)
			}
			if _, err := l.Append(context.Background(), entry(0)); !errors.Is(err, storage.ErrReadOnly) {
				t.Errorf("append while examining: %v", err)
			}
			if _, err := l.Checkpoint(context.Background(), federation.NodeID{}, 0); !errors.Is(err, storage.ErrReadOnly) {
				t.Errorf("checkpoint while examining: %v", err)
			}
			closeLog(t, l)
		})
	}
}

func TestDamagedEndIsRefused(t *testing.T) {
	for name, change := range map[string]func(txn *badger.Txn) error{
		"entry altered":  flip(entryKey(15), 333),
		"hash altered":   flip(hashesKey(15), 3),
		"head malformed": func(txn *badger.Txn) error { return txn.Set([]byte{rowHead}, []byte{1}) },
		"hash missing":   func(txn *badger.Txn) error { return txn.Delete(hashesKey(15)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, singly(dir))
			fill(t, l, 20)
			closeLog(t, l)
			raw(t, dir, change)
			if _, err := Open(context.Background(), singly(dir)); !errors.Is(err, storage.ErrIntegrity) && !errors.Is(err, ErrRolledBack) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestMarkIsRequiredAndItsOtherSlotStandsIn(t *testing.T) {
	dir := t.TempDir()
	l := open(t, singly(dir))
	for range 3 {
		fill(t, l, 1)
		if _, err := l.Checkpoint(context.Background(), federation.NodeID{1}, 0); err != nil { // moves the mark
			t.Fatal(err)
		}
	}
	closeLog(t, l)
	path := filepath.Join(dir, "MARK")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		change func(b []byte)
		want   error
	}{
		"one slot torn":  {func(b []byte) { b[20] ^= 1 }, nil},
		"other torn":     {func(b []byte) { b[markSlot+20] ^= 1 }, nil},
		"both torn":      {func(b []byte) { b[20] ^= 1; b[markSlot+20] ^= 1 }, storage.ErrIntegrity},
		"slots exchange": {func(b []byte) { copy(b, bytes.Join([][]byte{good[markSlot:], good[:markSlot]}, nil)) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(good)
			c.change(b)
			write(b)
			l, err := Open(context.Background(), singly(dir))
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err == nil {
				closeLog(t, l)
			}
		})
	}
	write(good[:markSlot])
	if _, err := Open(context.Background(), singly(dir)); !errors.Is(err, storage.ErrIntegrity) {
		t.Errorf("half a mark: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), singly(dir)); !errors.Is(err, ErrRolledBack) {
		t.Errorf("no mark: %v", err)
	}
}

func TestOtherKeyCannotOpenTheLog(t *testing.T) {
	dir := t.TempDir()
	l := open(t, singly(dir))
	fill(t, l, 3)
	closeLog(t, l)
	opt := singly(dir)
	opt.Sealer = storage.NewSealer([32]byte{2})
	if _, err := Open(context.Background(), opt); !errors.Is(err, storage.ErrIntegrity) {
		t.Fatalf("got %v", err)
	}
}

func TestDamagedEntryIsNamedBySearchAndStopsRead(t *testing.T) {
	dir := t.TempDir()
	l := open(t, singly(dir))
	fill(t, l, 1500)
	closeLog(t, l)
	raw(t, dir, flip(entryKey(10), 99))
	l = open(t, singly(dir))
	r, err := l.Read(context.Background(), 5, 100)
	if !errors.Is(err, storage.ErrIntegrity) || len(r) != 5 {
		t.Errorf("Read: %d entries, %v", len(r), err)
	}
	page, err := l.Search(context.Background(), Filter{Trust: "RYJ"}, 0, 100)
	if err != nil || len(page.Records) != 100 || !slices.Equal(page.Damaged, []uint64{10}) {
		t.Errorf("Search: %d entries, damaged %v, %v", len(page.Records), page.Damaged, err)
	}
}

// A copy of the folder taken while entries are appended is what a crash leaves, or less kind: the files are copied one after
// the other. Every entry that was acknowledged before the copy began must be in it.
