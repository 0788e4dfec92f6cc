package consensus

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// tableWriter writes a table from rows in ascending order of keys.
type tableWriter struct {
	info   tableInfo
	sealer Sealer
	scheme scanScheme
	seed   uint64
	file   *os.File
	disk   syncer
	out    *bufio.Writer
	page   pageWriter
	first  []byte  // separator of the page under way
	last   []byte  // last key of the page before
	prefix []byte  // the beginning of a key that went into the filter last
	packer *packer // nil: pages are not packed
	sealed []byte
	dirty  int    // bytes of pages that were not synced
	count  uint64 // pages
	index  []byte
	filter filter
	noted  []uint64 // that go into the filter next
}

const tableBuffer = 1 << 20

// dirtyMost is how much of a table is written before it is synced. The sync of a gigabyte at the end would hold up the log's, which
// a region waits for.
const dirtyMost = 16 << 20

// newTableWriter begins a table for at most so many hashes.
func newTableWriter(dir string, number uint64, hashes int, seed uint64, sealer Sealer, scheme scanScheme) (*tableWriter, error) {
	w := &tableWriter{sealer: sealer, scheme: scheme, seed: seed, filter: newFilter(hashes)}
	w.info.number, w.info.scheme = number, scheme.id()
	if _, err := rand.Read(w.info.id[:]); err != nil {
		return nil, fmt.Errorf("write table: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, tableName(number)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write table: %w", err)
	}
	w.file, w.out = f, bufio.NewWriterSize(f, tableBuffer)
	return w, nil
}

func (w *tableWriter) add(key, value []byte, deleted bool) error {
	if n := w.page.rows; n > 0 && (len(w.page.buf) >= pageSize || len(w.page.buf)+len(value) > 2*pageSize) {
		if err := w.endPage(); err != nil {
			return err
		}
	}
	if w.page.rows == 0 {
		w.first = append(w.first[:0], separate(w.last, key)...)
	}
	w.page.add(key, value, deleted)
	w.info.rows++
	w.note(hashKey(w.seed, key))
	if n := w.scheme.prefix(key); n > 0 && !bytes.Equal(w.prefix, key[:n]) {
		w.prefix = append(w.prefix[:0], key[:n]...)
		w.note(hashKey(w.seed, w.prefix))
	}
	return nil
}

// note puts a hash into the filter, before the table is finished.
func (w *tableWriter) note(hash uint64) {
	w.info.hashes++
	if w.noted = append(w.noted, hash); len(w.noted) == filterLot {
		w.filter.addAll(w.noted)
		w.noted = w.noted[:0]
	}
}

// separate returns the beginning of key that is above before.
func separate(before, key []byte) []byte {
	n := 0
	for n < len(before) && n < len(key) && before[n] == key[n] {
		n++
	}
	return key[:min(n+1, len(key))]
}

func (w *tableWriter) endPage() error {
	page := w.page.buf
	if w.packer != nil {
		w.info.plain += int64(len(page))
		page = w.packer.pack(page)
	}
	w.sealed = w.sealer.Seal(w.sealed[:0], tableAAD(w.info.id, w.count), page)
	if _, err := w.out.Write(w.sealed); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	w.index = binary.AppendUvarint(w.index, uint64(len(w.sealed)))
	w.index = binary.AppendUvarint(w.index, uint64(len(w.first)))
	w.index = append(w.index, w.first...)
	w.last = append(w.last[:0], w.page.last...)
	w.info.pages += int64(len(w.sealed))
	w.count++
	w.page.reset()
	if w.dirty += len(w.sealed); w.dirty < dirtyMost {
		return nil
	}
	w.dirty = 0
	err := w.out.Flush()
	if err == nil {
		err = w.disk.file(w.file)
	}
	if err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// finish completes the table and returns once it is on disk.
func (w *tableWriter) finish() (tableInfo, error) {
	if w.page.rows > 0 {
		if err := w.endPage(); err != nil {
			return tableInfo{}, err
		}
	}
	w.filter.addAll(w.noted)
	index := w.sealer.Seal(nil, tableAAD(w.info.id, partIndex), w.index)
	bloom := w.sealer.Seal(nil, tableAAD(w.info.id, partFilter), w.filter.encode())
	w.info.index, w.info.bloom = int64(len(index)), int64(len(bloom))
	for _, part := range [][]byte{index, bloom} {
		if _, err := w.out.Write(part); err != nil {
			return tableInfo{}, fmt.Errorf("write table: %w", err)
		}
	}
	err := w.out.Flush()
	if err == nil {
		err = w.disk.file(w.file)
	}
	if err = errors.Join(err, w.file.Close()); err != nil {
		return tableInfo{}, fmt.Errorf("write table: %w", err)
	}
	return w.info, nil
}

// abandon removes what was written.
func (w *tableWriter) abandon() {
	_ = w.file.Close() // it is removed, here or at the next start
	_ = os.Remove(w.file.Name())
}

// scanScheme says, by a key's first byte, how long the beginning is that is scanned for; zero for none.
type scanScheme [256]uint8

// newScanScheme asks a Machine that has something to say.
func newScanScheme(m any) (s scanScheme) {
	if p, ok := m.(ScanPrefixer); ok {
		for first, n := range p.ScanPrefixes() {
			s[first] = n
		}
	}
	return s
}

// prefix returns how many bytes of key are its beginning; zero for none.
func (s *scanScheme) prefix(key []byte) int {
	if len(key) == 0 || len(key) < int(s[key[0]]) {
		return 0
	}
	return int(s[key[0]])
}

// id tells schemes apart: a filter that was made by another one says nothing of beginnings.
func (s *scanScheme) id() uint64 { return hashKey(0, s[:]) }
