package consensus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync/atomic"
)

// A table is a file of rows by ascending key, that does not change. All its parts are sealed; its description, with the sizes
// of the parts, lies in the manifest.
//
//	page 0 | page 1 | ... | index | filter
//
//	index:  for each page: uvarint length as sealed, uvarint length of a separator, separator
//	filter: of the hashes of all keys, and of those beginnings of keys that are scanned for
//
// The separator is the shortest text that is above all keys of the pages before and not above those of the page. The associated
// data of each part is a label, the table's random id, and the number of the page, so that no part can be put in the place of
// another, nor a page in another table. Pages are packed, see pagepack.go, in tables that say how large they are in clear.
type table struct {
	tableInfo
	file   *os.File
	sealer Sealer
	cache  *pageCache
	offset []int64 // of each page, and of the end of the last one
	seps   []byte
	sepEnd []uint32
	filter filter

	refs     atomic.Int32 // of table sets
	obsolete atomic.Bool  // to be removed with the last reference
}

// tableInfo describes a table in the manifest.
type tableInfo struct {
	number uint64
	id     [16]byte
	rows   uint64
	hashes uint64 // in the filter
	scheme uint64 // which beginnings of keys the filter has
	pages  int64  // bytes of all pages
	index  int64  // bytes of the index
	bloom  int64  // bytes of the filter
	plain  int64  // bytes of all pages before they were packed; 0 when they are not
}

const (
	tableSuffix = ".tab"
	tableLabel  = "ridgeway/state/table"
	partIndex   = 1<<64 - 1
	partFilter  = 1<<64 - 2
	// maxPart bounds what is read at once on the word of an index.
	maxPart = 2 << 30
)

func (i tableInfo) size() int64 { return i.pages + i.index + i.bloom }

// weight is how much a table counts when tables of one size are looked for: what packing saves does not make it a smaller one.
func (i tableInfo) weight() int64 { return max(i.pages, i.plain) + i.index + i.bloom }

func tableName(number uint64) string { return fmt.Sprintf("%08d%s", number, tableSuffix) }

func tableAAD(id [16]byte, part uint64) []byte {
	aad := append(make([]byte, 0, len(tableLabel)+len(id)+8), tableLabel...)
	return binary.BigEndian.AppendUint64(append(aad, id[:]...), part)
}

// openTable opens a table and reads its index and filter.
func openTable(dir string, info tableInfo, sealer Sealer, cache *pageCache) (*table, error) {
	f, err := os.Open(filepath.Join(dir, tableName(info.number)))
	if err != nil {
		return nil, fmt.Errorf("open table: %w: %w", ErrDamaged, err)
	}
	t := &table{tableInfo: info, file: f, sealer: sealer, cache: cache}
	if err := t.describe(); err != nil {
		return nil, errors.Join(fmt.Errorf("table %d: %w", info.number, err), f.Close())
	}
	return t, nil
}

// describe reads what is in memory of a table: its index and its filter.
func (t *table) describe() error {
	st, err := t.file.Stat()
	if err != nil {
		return err
	}
	if st.Size() != t.size() || t.index > maxPart || t.bloom > maxPart {
		return fmt.Errorf("%d bytes, not %d: %w", st.Size(), t.size(), ErrDamaged)
	}
	index, err := t.part(t.pages, t.index, partIndex)
	if err != nil {
		return err
	}
	if err := t.readIndex(index); err != nil {
		return err
	}
	bloom, err := t.part(t.pages+t.index, t.bloom, partFilter)
	if err != nil {
		return err
	}
	f, ok := decodeFilter(bloom)
	if !ok {
		return fmt.Errorf("filter: %w", ErrDamaged)
	}
	t.filter = f
	return nil
}

func (t *table) readIndex(b []byte) error {
	at := int64(0)
	for len(b) > 0 {
		size, n := binary.Uvarint(b)
		if n <= 0 {
			return fmt.Errorf("index: %w", ErrDamaged)
		}
		b = b[n:]
		sep, n := binary.Uvarint(b)
		if n <= 0 || sep > uint64(len(b)-n) || size > maxPart {
			return fmt.Errorf("index: %w", ErrDamaged)
		}
		t.offset = append(t.offset, at)
		t.seps = append(t.seps, b[n:n+int(sep)]...)
		t.sepEnd = append(t.sepEnd, uint32(len(t.seps)))
		b, at = b[n+int(sep):], at+int64(size)
	}
	if at != t.pages || len(t.offset) == 0 {
		return fmt.Errorf("index of %d bytes of pages, not %d: %w", at, t.pages, ErrDamaged)
	}
	t.offset = append(t.offset, at)
	return nil
}

// part reads and opens a part of the file.
func (t *table) part(at, size int64, number uint64) ([]byte, error) {
	sealed := make([]byte, size)
	if err := t.readAt(sealed, at); err != nil {
		return nil, err
	}
	return t.open(make([]byte, 0, size), sealed, number)
}

func (t *table) readAt(b []byte, at int64) error {
	_, err := t.file.ReadAt(b, at)
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err != nil {
		return fmt.Errorf("read table %d: %w", t.number, err)
	}
	return nil
}

func (t *table) open(dst, sealed []byte, number uint64) ([]byte, error) {
	plain, err := t.sealer.Open(dst, tableAAD(t.id, number), sealed)
	if err != nil {
		return nil, fmt.Errorf("read table %d: %w: %w", t.number, ErrDamaged, err)
	}
	return plain, nil
}

// page returns a page in clear. It must not be changed. keep says whether it is likely to be wanted again. One that does not come into
// the cache lies in *own, whose room is used again: it is valid until then.
func (t *table) page(n int, keep bool, own *[]byte) ([]byte, error) {
	p, wanted := t.cache.get(t.number, n)
	if p != nil {
		return p, nil
	}
	if wanted && keep {
		p, err := t.load(nil, n)
		if err == nil {
			t.cache.put(t.number, n, p)
		}
		return p, err
	}
	p, err := t.load((*own)[:0], n)
	if err == nil {
		*own = p
	}
	return p, err
}

// load reads a page from the file, into dst if that has the room.
func (t *table) load(dst []byte, n int) ([]byte, error) {
	size := t.offset[n+1] - t.offset[n]
	s := t.cache.borrow()
	defer t.cache.giveBack(s)
	s.sealed = slices.Grow(s.sealed[:0], int(size))[:size]
	if err := t.readAt(s.sealed, t.offset[n]); err != nil {
		return nil, err
	}
	if t.plain == 0 {
		return t.open(slices.Grow(dst[:0], int(size)), s.sealed, uint64(n))
	}
	packed, err := t.open(s.packed[:0], s.sealed, uint64(n))
	if err != nil {
		return nil, err
	}
	s.packed = packed
	return t.unpack(dst, packed, n)
}

// unpack returns a page in clear that was opened. It is in dst, if that has the room, and never a part of packed.
func (t *table) unpack(dst, packed []byte, n int) ([]byte, error) {
	page, err := unpack(dst, packed)
	if err != nil {
		return nil, fmt.Errorf("read table %d: page %d: %w", t.number, n, err)
	}
	return page, nil
}

func (t *table) separator(n int) []byte {
	start := uint32(0)
	if n > 0 {
		start = t.sepEnd[n-1]
	}
	return t.seps[start:t.sepEnd[n]]
}

// seek returns the page where key is, if it is in the table.
func (t *table) seek(key []byte) int {
	after := sort.Search(len(t.sepEnd), func(n int) bool { return bytes.Compare(t.separator(n), key) > 0 })
	return max(after-1, 0)
}

// find returns a copy of the value of a key. known is false when the table says nothing of it.
func (t *table) find(hash uint64, key []byte) (value []byte, deleted, known bool, err error) {
	if !t.filter.has(hash) {
		return nil, false, false, nil
	}
	s := t.cache.borrow()
	defer t.cache.giveBack(s)
	page, err := t.page(t.seek(key), true, &s.page)
	if err != nil {
		return nil, false, false, err
	}
	p := pageReader{k: s.key}
	p.open(page)
	defer func() { s.key = p.k }()
	for p.next() {
		switch c := bytes.Compare(p.k, key); {
		case c == 0:
			return bytes.Clone(p.v), p.gone, true, nil
		case c > 0:
			return nil, false, false, nil
		}
	}
	if p.bad {
		return nil, false, false, fmt.Errorf("read table %d: %w", t.number, ErrDamaged)
	}
	return nil, false, false, nil
}

// release gives up one hold. The last one closes the file, and removes it when it is of no use any more.
func (t *table) release() {
	if t.refs.Add(-1) > 0 {
		return
	}
	t.cache.drop(t.number)
	// It was only read from; one that stays behind is removed at the next start.
	_ = t.file.Close()
	if t.obsolete.Load() {
		_ = os.Remove(t.file.Name())
	}
}
