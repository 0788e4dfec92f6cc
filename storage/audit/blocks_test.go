package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// together appends n entries that are put into the store at once.
func together(t testing.TB, opt Options, n int) {
	t.Helper()
	opt.lag = time.Hour
	l := open(t, opt)
	size := int(l.Size())
	for i := range n {
		if _, err := l.Begin(context.Background(), entry(size+i)); err != nil {
			t.Fatal(err)
		}
	}
	closeLog(t, l)
	if got := l.Size(); got != uint64(size+n) {
		t.Fatalf("%d entries, want %d", got, size+n)
	}
}

// keys returns the indexes in the keys of the rows of a kind.
func keys(t testing.TB, dir string, kind byte) (out []uint64) {
	t.Helper()
	raw(t, dir, func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{kind}})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			out = append(out, indexOf(it.Item().Key()))
		}
		return nil
	})
	return out
}

func TestEntriesThatComeTogetherShareRows(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []int{70, 1, 3} {
		together(t, testOptions(dir), n)
	}
	for kind, want := range map[byte][]uint64{
		rowEntryBlock: {31, 63, 69, 73}, rowHashesBlock: {31, 63, 69, 73}, rowEntry: {70}, rowHashes: {70},
	} {
		if got := keys(t, dir, kind); !slices.Equal(got, want) {
			t.Errorf("rows %q: %v, want %v", kind, got, want)
		}
	}
	// Long entries do not make long rows.
	dir = t.TempDir()
	opt := testOptions(dir)
	opt.lag = time.Hour
	l := open(t, opt)
	long := entry(0)
	long.Rules = string(bytes.Repeat([]byte("r"), MaxRules))
	for range 2 * maxBlockBytes / MaxRules {
		if _, err := l.Append(context.Background(), long); err != nil {
			t.Fatal(err)
		}
	}
	closeLog(t, l)
	raw(t, dir, func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{rowEntryBlock}})
		defer it.Close()
		rows := 0
		for it.Rewind(); it.Valid(); it.Next() {
			if rows++; it.Item().ValueSize() > maxBlockBytes+1024 {
				t.Errorf("a row of %d bytes", it.Item().ValueSize())
			}
		}
		if rows < 2 {
			t.Errorf("%d rows", rows)
		}
		return nil
	})
}

// What is read is the same wherever the rows' bounds are: in a log from before there were blocks, in one of blocks, and in one that
// began as the one and went on as the other.
func TestRowsDoNotShowInWhatIsRead(t *testing.T) {
	const n = 90
	for name, forms := range map[string][]int{"own rows": {1, 1, 1}, "blocks": {32, 32, 32}, "blocks after own rows": {1, 32, 7}, "own rows after blocks": {32, 1, 3}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var agreed []federation.Checkpoint
			for _, block := range forms {
				opt := testOptions(dir)
				opt.block = block
				together(t, opt, n/3)
				l := open(t, opt)
				c, err := l.Checkpoint(context.Background(), federation.NodeID{7}, uint64(len(agreed))*n/3)
				if err != nil {
					t.Fatal(err)
				}
				agreed = append(agreed, c)
				closeLog(t, l)
			}
			l := open(t, testOptions(dir))
			if report, err := l.Verify(context.Background(), agreed); err != nil || !report.OK() || report.Entries != n {
				t.Fatalf("%+v, %v", report, err)
			}
			all, err := l.Read(context.Background(), 0, n)
			if err != nil || len(all) != n {
				t.Fatalf("%d entries, %v", len(all), err)
			}
			for i, r := range all {
				one, err := l.At(uint64(i))
				if err != nil || r.Bytes != int64(i) || one.Bytes != int64(i) || r.Leaf != one.Leaf {
					t.Errorf("entry %d: %+v, %+v, %v", i, r.Entry, one.Entry, err)
				}
				d, err := l.Disclose(uint64(i), n)
				if err != nil {
					t.Fatal(err)
				}
				if e, err := d.Open(agreed[2].Root); err != nil || e.Bytes != int64(i) {
					t.Errorf("entry %d shown: %+v, %v", i, e, err)
				}
			}
			for _, newest := range []bool{false, true} {
				page, err := l.Search(context.Background(), Filter{Subject: subject(3), Newest: newest}, 0, n)
				if err != nil || len(page.Records) != n/5 || len(page.Damaged) > 0 {
					t.Errorf("%d of a patient, %v, %v", len(page.Records), page.Damaged, err)
				}
				page, err = l.Search(context.Background(), Filter{Newest: newest}, 0, n)
				if err != nil || len(page.Records) != n || page.Records[0].Index != map[bool]uint64{true: n - 1}[newest] {
					t.Errorf("%d entries, %v", len(page.Records), err)
				}
			}
		})
	}
}

// Damage to a block is told of the entries that it touches and of no others, and the tree goes on by the stored leaf hashes.
func TestDamageInABlockIsToldOfItsEntries(t *testing.T) {
	const n = 32 * 5
	span := func(from, to uint64) (out []uint64) {
		for i := from; i <= to; i++ {
			out = append(out, i)
		}
		return out
	}
	inBlock := func(kind byte, at func(b []byte) int) func(txn *badger.Txn) error {
		return func(txn *badger.Txn) error {
			key := blockKey(kind, 63)
			b, err := get(txn, key)
			if err != nil {
				return err
			}
			b[at(b)] ^= 1
			return txn.Set(key, b)
		}
	}
	moved := func(kind byte, from, to uint64) func(txn *badger.Txn) error {
		return func(txn *badger.Txn) error {
			b, err := get(txn, blockKey(kind, from))
			if err != nil {
				return err
			}
			return txn.Set(blockKey(kind, to), b)
		}
	}
	for name, c := range map[string]struct {
		change func(txn *badger.Txn) error
		want   []uint64
	}{
		"an entry altered":       {inBlock(rowEntryBlock, func([]byte) int { return 4 + 32*4 + 30 }), span(32, 32)},
		"last entry altered":     {inBlock(rowEntryBlock, func(b []byte) int { return len(b) - 1 }), span(63, 63)},
		"an end altered":         {inBlock(rowEntryBlock, func([]byte) int { return 4 + 4*4 + 3 }), span(36, 37)},
		"count altered":          {inBlock(rowEntryBlock, func([]byte) int { return 3 }), span(32, 63)},
		"block gone":             {func(txn *badger.Txn) error { return txn.Delete(blockKey(rowEntryBlock, 63)) }, span(32, 63)},
		"block of other entries": {moved(rowEntryBlock, 95, 63), span(32, 63)},
		"a leaf altered":         {inBlock(rowHashesBlock, func([]byte) int { return 4 }), span(32, 32)},
		"count of hashes":        {inBlock(rowHashesBlock, func([]byte) int { return 3 }), span(32, 63)},
		"hashes gone":            {func(txn *badger.Txn) error { return txn.Delete(blockKey(rowHashesBlock, 63)) }, span(32, 63)},
		"hashes of others":       {moved(rowHashesBlock, 127, 63), span(32, 63)},
		"another row for one":    {func(txn *badger.Txn) error { return txn.Set(entryKey(40), []byte("made up")) }, span(40, 40)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			together(t, testOptions(dir), n)
			l := open(t, testOptions(dir))
			at, err := l.Checkpoint(context.Background(), federation.NodeID{7}, 0)
			if err != nil {
				t.Fatal(err)
			}
			closeLog(t, l)
			raw(t, dir, c.change)
			if l, err = Examine(Options{Dir: dir, Sealer: testOptions("").Sealer, Small: true}); err != nil {
				t.Fatal(err)
			}
			report, err := l.Verify(context.Background(), []federation.Checkpoint{at})
			if err != nil || report.OK() || !slices.Equal(report.Damaged, c.want) || !report.Witnesses[0].Holds {
				t.Errorf("%+v, want %v, %v", report, c.want, err)
			}
			page, err := l.Search(context.Background(), Filter{}, 0, n)
			if told := len(page.Records) + len(page.Damaged); err != nil || told != n {
				t.Errorf("a search tells of %d entries, %v", told, err)
			}
			closeLog(t, l)
		})
	}
}

func TestBlocksAtTheEndAreCheckedWhenTheLogIsOpened(t *testing.T) {
	for name, c := range map[string]struct {
		change func(txn *badger.Txn) error
		want   error
	}{
		"last block gone": {func(txn *badger.Txn) error { return txn.Delete(blockKey(rowEntryBlock, 99)) }, ErrRolledBack},
		"all gone": {func(txn *badger.Txn) error {
			for _, last := range []uint64{31, 63, 95, 99} {
				if err := errors.Join(txn.Delete(blockKey(rowEntryBlock, last)), txn.Delete(blockKey(rowHashesBlock, last))); err != nil {
					return err
				}
			}
			return txn.Delete([]byte{rowHead})
		}, ErrRolledBack},
		"block in the middle gone": {func(txn *badger.Txn) error { return txn.Delete(blockKey(rowEntryBlock, 63)) }, storage.ErrIntegrity},
		"hashes gone":              {func(txn *badger.Txn) error { return txn.Delete(blockKey(rowHashesBlock, 63)) }, storage.ErrIntegrity},
		"entry altered":            {flip(blockKey(rowEntryBlock, 63), 8*500), storage.ErrIntegrity},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			together(t, testOptions(dir), 100)
			raw(t, dir, c.change)
			if _, err := Open(context.Background(), testOptions(dir)); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err := Repair(context.Background(), testOptions(dir)); err != nil {
				t.Fatal(err) // the write-ahead file has it all
			}
			l := open(t, testOptions(dir))
			if report, err := l.Verify(context.Background(), nil); err != nil || !report.OK() || report.Entries != 100 {
				t.Errorf("%+v, %v", report, err)
			}
			closeLog(t, l)
			together(t, testOptions(dir), 40)
		})
	}
}

// A block that ends with an entry has none of before the log began, whatever it says.
func TestBlockBeginsWithTheFirstEntryAtTheEarliest(t *testing.T) {
	const count = 3
	entries := encodeEntries(make([]row, count))
	for last := range uint64(2 * count) {
		want := count
		if last < count-1 {
			want = 0
		}
		if got := splitEntries(last, entries); len(got) != want {
			t.Errorf("a block up to entry %d has %d entries, want %d", last, len(got), want)
		}
		hashes := 0
		for i := range uint64(count) {
			hashes += completed(last + 1 - count + i)
		}
		if got := splitHashes(last, append([]byte{0, 0, 0, count}, make([]byte, hashes*hashSize)...)); len(got) != want {
			t.Errorf("a block up to entry %d has the hashes of %d entries, want %d", last, len(got), want)
		}
	}
}

func FuzzSplitBlock(f *testing.F) {
	rows := make([]row, 5)
	for i := range rows {
		rows[i] = row{index: uint64(7 + i), sealed: fmt.Append(nil, "sealed ", i)}
	}
	fr := frontier{size: 7, roots: make([]tlog.Hash, 3)}
	f.Add(uint64(11), encodeEntries(rows))
	f.Add(uint64(11), fr.addAll([]byte{0, 0, 0, 5}, rows))
	f.Add(uint64(0), []byte{0, 0, 0, 1, 0, 0, 0, 0})
	f.Add(uint64(72), []byte{0})
	f.Add(uint64(1<<40), []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, last uint64, b []byte) {
		last %= maxCount
		var back []row
		for _, sealed := range splitEntries(last, b) {
			back = append(back, row{sealed: sealed})
		}
		if len(back) > 0 && !bytes.Equal(encodeEntries(back), b) {
			t.Fatalf("%x is not what it is taken apart into", b)
		}
		if parts := splitHashes(last, b); len(parts) > 0 && !bytes.Equal(bytes.Join(parts, nil), b[4:]) {
			t.Fatalf("%x is not the hashes that it is taken apart into", b)
		}
	})
}
