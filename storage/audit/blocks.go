package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/storage"
)

// Entries that are put into the store together share rows: what a row costs is paid once for all of them, and again each time that
// Badger merges its tables. One that comes by itself has rows of its own, as all had before there were blocks.
//
//	'B' last:8   block of entries, each sealed by itself:  count:4, the end of each among the sealed bytes:4, these bytes
//	'N' last:8   block of the hashes that they completed:  count:4, then the hashes, entry by entry
//
// last is the index of the block's last entry. A row of its own speaks for an entry before a block does: Repair writes such.
const (
	rowEntryBlock  = 'B' // before all other rows: what Badger merges into a level then leaves older blocks alone
	rowHashesBlock = 'N'

	maxBlock      = 32       // entries
	maxBlockBytes = 64 << 10 // of sealed entries, unless one alone is longer
)

func blockKey(kind byte, last uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kind}, last)
}

func encodeEntries(rows []row) []byte {
	size := 4
	for _, r := range rows {
		size += 4 + len(r.sealed)
	}
	b := binary.BigEndian.AppendUint32(make([]byte, 0, size), uint32(len(rows)))
	end := 0
	for _, r := range rows {
		end += len(r.sealed)
		b = binary.BigEndian.AppendUint32(b, uint32(end))
	}
	for _, r := range rows {
		b = append(b, r.sealed...)
	}
	return b
}

// splitEntries returns the entries of the block that ends with entry last, which lie in b; nil when it is not one.
func splitEntries(last uint64, b []byte) [][]byte {
	count := blockCount(last, b, 4)
	if count == 0 {
		return nil
	}
	ends, sealed := b[4:4+4*count], b[4+4*count:]
	out := make([][]byte, count)
	begin := uint32(0)
	for i := range out {
		end := binary.BigEndian.Uint32(ends[4*i:])
		if end < begin || int64(end) > int64(len(sealed)) {
			return nil
		}
		out[i], begin = sealed[begin:end:end], end
	}
	if int64(begin) != int64(len(sealed)) {
		return nil
	}
	return out
}

// splitHashes returns the hashes of each entry of the block that ends with entry last, which lie in b; nil when it is not one.
func splitHashes(last uint64, b []byte) [][]byte {
	count := blockCount(last, b, hashSize)
	if count == 0 {
		return nil
	}
	rest := b[4:]
	out := make([][]byte, count)
	for i := range out {
		n := completed(last+1-uint64(count-i)) * hashSize
		if len(rest) < n {
			return nil
		}
		out[i], rest = rest[:n:n], rest[n:]
	}
	if len(rest) > 0 {
		return nil
	}
	return out
}

// blockCount returns how many entries the block that ends with entry last says it has, of which each takes at least so many bytes; 0
// when it cannot have them, or when there are not as many up to last.
func blockCount(last uint64, b []byte, each int) int {
	if len(b) < 4 {
		return 0
	}
	if n := binary.BigEndian.Uint32(b); int64(n)*int64(each) <= int64(len(b)-4) && uint64(n) <= last+1 {
		return int(n)
	}
	return 0
}

// completed returns how many hashes entry index completes: its leaf, and each subtree that ends with it.
func completed(index uint64) int { return 1 + bits.TrailingZeros64(index+1) }

// shelf reads what the rows of one transaction have of entries and of their hashes. It keeps the block that was read last, so that
// entries that follow one another cost no more rows than there are.
type shelf struct {
	entries, hashes rack
}

func newShelf(txn *badger.Txn) *shelf {
	return &shelf{
		entries: rack{txn: txn, own: rowEntry, block: rowEntryBlock, split: splitEntries},
		hashes:  rack{txn: txn, own: rowHashes, block: rowHashesBlock, split: splitHashes},
	}
}

func (s *shelf) close() {
	s.entries.close()
	s.hashes.close()
}

// rack is one half of a shelf.
type rack struct {
	txn        *badger.Txn
	own, block byte
	split      func(last uint64, b []byte) [][]byte

	rows   *run             // of entries by themselves, when they are read in their order
	blocks *badger.Iterator // nil until one is looked for
	buf    []byte
	first  uint64
	parts  [][]byte // of the block that begins with first; they lie in buf
}

// inOrder makes ready for indexes that ascend from index on.
func (r *rack) inOrder(index uint64) {
	r.rows = newRun(r.txn, blockKey(r.own, index), true)
}

func (r *rack) close() {
	if r.rows != nil {
		r.rows.close()
	}
	if r.blocks != nil {
		r.blocks.Close()
	}
}

// get returns what there is of an entry, valid until the next call. What is not there is storage.ErrIntegrity: callers ask for what
// must be.
func (r *rack) get(index uint64) ([]byte, error) {
	key := blockKey(r.own, index)
	if r.rows != nil {
		if value, ok := r.rows.next(key); ok {
			return value, nil
		}
	}
	if r.rows == nil || !r.covers(index) {
		value, err := get(r.txn, key)
		if err == nil || !errors.Is(err, errMissing) {
			return value, err
		}
	}
	if err := r.seek(index); err != nil {
		return nil, err
	}
	return r.parts[index-r.first], nil
}

func (r *rack) covers(index uint64) bool { return index-r.first < uint64(len(r.parts)) }

// seek reads the block that has index.
func (r *rack) seek(index uint64) error {
	if r.covers(index) {
		return nil
	}
	if r.blocks == nil {
		opt := badger.DefaultIteratorOptions
		opt.Prefix, opt.PrefetchValues = []byte{r.block}, false
		r.blocks = r.txn.NewIterator(opt)
	}
	r.parts = nil
	r.blocks.Seek(blockKey(r.block, index))
	if !r.blocks.Valid() {
		return fmt.Errorf("audit row %q is missing: %w", r.own, errMissing)
	}
	last := indexOf(r.blocks.Item().Key())
	var err error
	if r.buf, err = r.blocks.Item().ValueCopy(r.buf); err != nil {
		return fmt.Errorf("audit row %q: %w: %w", r.block, storage.ErrIntegrity, err)
	}
	parts := r.split(last, r.buf)
	if len(parts) == 0 {
		return fmt.Errorf("audit row %q is not a block: %w", r.block, storage.ErrIntegrity)
	}
	first := last + 1 - uint64(len(parts))
	if index < first {
		return fmt.Errorf("audit row %q is missing: %w", r.own, errMissing)
	}
	r.first, r.parts = first, parts
	return nil
}

// lastEntry returns the greatest index that has an entry.
func lastEntry(txn *badger.Txn) (last uint64, any bool) {
	for _, kind := range []byte{rowEntry, rowEntryBlock} {
		it := txn.NewIterator(badger.IteratorOptions{Reverse: true, Prefix: []byte{kind}})
		if it.Seek(blockKey(kind, maxCount)); it.Valid() {
			last, any = max(last, indexOf(it.Item().Key())), true
		}
		it.Close()
	}
	return last, any
}

// writeBlock puts entries that follow the log's end, and what they complete of the tree, into txn.
func writeBlock(txn *badger.Txn, f *frontier, rows []row) error {
	if len(rows) == 1 {
		if err := txn.Set(entryKey(f.size), rows[0].sealed); err != nil {
			return err
		}
		return txn.Set(hashesKey(f.size), f.addAll(nil, rows))
	}
	last := f.size + uint64(len(rows)) - 1
	if err := txn.Set(blockKey(rowEntryBlock, last), encodeEntries(rows)); err != nil {
		return err
	}
	count := binary.BigEndian.AppendUint32(make([]byte, 0, 4+(2*len(rows)+64)*hashSize), uint32(len(rows)))
	return txn.Set(blockKey(rowHashesBlock, last), f.addAll(count, rows))
}

// addAll appends entries and returns b with the hashes behind it that they completed.
func (f *frontier) addAll(b []byte, rows []row) []byte {
	for _, r := range rows {
		for _, h := range f.add(leafHash(r.sealed)) {
			b = append(b, h[:]...)
		}
	}
	return b
}
