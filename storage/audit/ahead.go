package audit

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ridgeway-exchange/ridgeway/storage"
)

// An ahead is the file that entries are acknowledged from, before they are rows of the store: one write and one sync of
// a file that never changes its length, past the page cache where the file system allows it. Each record is written
// twice, one behind the other, so that a flipped bit or a page that cannot be read loses nothing.
//
//	| head | record, the same again | record, the same again | ... | head |
//
//	head     magic:8, id:8, length of the file:8, CRC-32C:4; in the first page and in the last
//	record   magic:4, length:4, index of the first entry:8, count:4, for each entry (length:4, sealed), CRC-32C:4
//	         from the beginning of a page on; integers are big-endian
//
// A record is written after the one before it was synced. So a whole record proves every earlier one, and what is
// broken after the last whole one was never acknowledged. A record is overwritten only when its entries are durable
// in the store, so that the file needs no list of what it holds: entries that the store has are of no interest.
type ahead struct {
	f      *os.File
	sync   func(*os.File) error
	id     uint64 // drawn when the file was made; the mark has it too
	length int64
	buf    []byte // of write; begins at the beginning of a page
}

const (
	aheadMagic  = "RWAHEAD1"
	recordMagic = "RWAR"
	pageSize    = 4096

	aheadHead  = 8 + 8 + 8 + crc32.Size
	recordHead = 4 + 4 + 8 + 4

	aheadLength      = 16 << 20
	aheadLengthSmall = 1 << 20
	maxRecord        = 128 << 10 // bytes of entries that are written together; a single entry may be longer
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// createAhead makes the file, with all of its pages written, so that a later sync of it needs no change to the file system's own
// tables.
func createAhead(path string, length int64) error {
	var seed [8]byte
	_, _ = rand.Read(seed[:]) // never fails: crypto/rand ends the program instead
	b := make([]byte, length)
	head := encodeAheadHead(binary.BigEndian.Uint64(seed[:])|1, length)
	copy(b, head)
	copy(b[length-pageSize:], head)
	if err := storage.WriteFileAtomic(path, b); err != nil {
		return fmt.Errorf("create write-ahead file: %w", err)
	}
	return nil
}

func encodeAheadHead(id uint64, length int64) []byte {
	b := append([]byte(nil), aheadMagic...)
	b = binary.BigEndian.AppendUint64(b, id)
	b = binary.BigEndian.AppendUint64(b, uint64(length))
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func decodeAheadHead(b []byte) (id uint64, length int64, ok bool) {
	if len(b) < aheadHead || string(b[:8]) != aheadMagic ||
		crc32.Checksum(b[:aheadHead-crc32.Size], castagnoli) != binary.BigEndian.Uint32(b[aheadHead-crc32.Size:]) {
		return 0, 0, false
	}
	return binary.BigEndian.Uint64(b[8:]), int64(binary.BigEndian.Uint64(b[16:])), true
}

// openAhead opens the file at path; it is nil where there is none. A file whose length or heads are not as they were
// written is storage.ErrDamaged: entries that it held may be nowhere else.
func openAhead(path string, flags int) (a *ahead, err error) {
	f, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open write-ahead file: %w", err)
	}
	a = &ahead{f: f, sync: fdatasync}
	if err := a.readHeads(); err != nil {
		return nil, errors.Join(fmt.Errorf("write-ahead file %s: %w", path, err), f.Close())
	}
	return a, nil
}

// direct goes past the page cache from here on, where the file system can: it spares the disk's queue a detour. It is
// called when everything has been read.
func (a *ahead) direct() error {
	f, err := os.OpenFile(a.f.Name(), os.O_RDWR|unix.O_DIRECT, 0o600)
	if errors.Is(err, unix.EINVAL) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open write-ahead file: %w", err)
	}
	err = a.f.Close()
	a.f = f
	return err
}

func (a *ahead) readHeads() error {
	info, err := a.f.Stat()
	if err != nil {
		return err
	}
	a.length = info.Size()
	if a.length%pageSize != 0 || a.length < aheadLengthSmall {
		return fmt.Errorf("%d bytes: %w", a.length, storage.ErrDamaged)
	}
	for _, at := range []int64{0, a.length - pageSize} {
		b := make([]byte, aheadHead)
		if _, err := a.f.ReadAt(b, at); err != nil {
			return err
		}
		id, length, ok := decodeAheadHead(b)
		if !ok {
			continue
		}
		if length != a.length || a.id != 0 && id != a.id {
			return fmt.Errorf("%d bytes, %d were written: %w", a.length, length, storage.ErrDamaged)
		}
		a.id = id
	}
	if a.id == 0 {
		return fmt.Errorf("neither head can be read: %w", storage.ErrDamaged)
	}
	return nil
}

// mend writes both heads again, one of which may have been damaged.
func (a *ahead) mend() error {
	head := make([]byte, pageSize)
	copy(head, encodeAheadHead(a.id, a.length))
	for _, at := range []int64{0, a.length - pageSize} {
		if _, err := a.f.WriteAt(head, at); err != nil {
			return fmt.Errorf("write-ahead file: %w", err)
		}
	}
	if err := a.sync(a.f); err != nil {
		return fmt.Errorf("sync write-ahead file: %w", err)
	}
	return nil
}

// ring returns how many bytes of records the file holds.
func (a *ahead) ring() int64 { return a.length - 2*pageSize }

// write makes what encode returned durable at a place of the ring.
func (a *ahead) write(record []byte, place int64) error {
	if _, err := a.f.WriteAt(record, pageSize+place); err != nil {
		return fmt.Errorf("write-ahead file: %w", err)
	}
	if err := a.sync(a.f); err != nil {
		return fmt.Errorf("sync write-ahead file: %w", err)
	}
	return nil
}

// encode returns the record of entries that begin with index first, twice. It is valid until the next call.
func (a *ahead) encode(first uint64, sealed [][]byte) []byte {
	size := recordSize(sealed)
	if len(a.buf) < 2*size {
		b := make([]byte, 2*size+2*maxRecord+pageSize)
		skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) % pageSize // what goes past the page cache must be aligned
		a.buf = b[skip : skip+uintptr((len(b)-int(skip))/pageSize*pageSize)]
	}
	one := appendRecord(a.buf[:0], first, sealed)
	clear(a.buf[len(one):size])
	copy(a.buf[size:2*size], a.buf[:size])
	return a.buf[:2*size]
}

// scan returns the entries from index from on that the file holds, whole.
func (a *ahead) scan(from uint64) (map[uint64][]byte, error) {
	found := map[uint64][]byte{}
	b := make([]byte, a.ring())
	if _, err := a.f.ReadAt(b, pageSize); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read write-ahead file: %w", err)
	}
	for at := 0; at < len(b); at += pageSize {
		first, sealed, ok := decodeRecord(b[at:])
		for i, s := range sealed {
			index := first + uint64(i)
			if !ok || index < from {
				continue
			}
			if other, twice := found[index]; twice && string(other) != string(s) {
				return nil, fmt.Errorf("write-ahead file has two entries %d: %w", index, storage.ErrDamaged)
			}
			found[index] = append([]byte(nil), s...)
		}
	}
	return found, nil
}

// tail returns the entries from index from on, in their order. A gap is storage.ErrDamaged: what follows it proves that
// what is missing was acknowledged.
func (a *ahead) tail(from uint64) ([][]byte, error) {
	found, err := a.scan(from)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for index := from; len(out) < len(found); index++ {
		sealed, ok := found[index]
		if !ok {
			return nil, fmt.Errorf("write-ahead file has lost entry %d of an acknowledged record: %w", index, storage.ErrDamaged)
		}
		out = append(out, sealed)
	}
	return out, nil
}

func (a *ahead) close() error {
	if a == nil {
		return nil
	}
	if err := a.f.Close(); err != nil {
		return fmt.Errorf("close write-ahead file: %w", err)
	}
	return nil
}

// recordSize returns how long the record of entries is, filled up to a whole number of pages.
func recordSize(sealed [][]byte) int {
	size := recordHead + crc32.Size
	for _, s := range sealed {
		size += 4 + len(s)
	}
	return (size + pageSize - 1) / pageSize * pageSize
}

// appendRecord appends the record of entries that begin with index first, without filling it up.
func appendRecord(b []byte, first uint64, sealed [][]byte) []byte {
	start := len(b)
	b = append(b, recordMagic...)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint64(b, first)
	b = binary.BigEndian.AppendUint32(b, uint32(len(sealed)))
	for _, s := range sealed {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	binary.BigEndian.PutUint32(b[start+4:], uint32(len(b)-start+crc32.Size))
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// decodeRecord reads the record that b begins with; ok is false where none does that is whole. What it returns lies in b.
func decodeRecord(b []byte) (first uint64, sealed [][]byte, ok bool) {
	if len(b) < recordHead+crc32.Size || string(b[:4]) != recordMagic {
		return 0, nil, false
	}
	size := int64(binary.BigEndian.Uint32(b[4:]))
	if size < recordHead+crc32.Size || size > int64(len(b)) {
		return 0, nil, false
	}
	sum := b[size-crc32.Size:]
	if crc32.Checksum(b[:size-crc32.Size], castagnoli) != binary.BigEndian.Uint32(sum) {
		return 0, nil, false
	}
	first, count := binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint32(b[16:])
	rest := b[recordHead : size-crc32.Size]
	if first > maxCount {
		return 0, nil, false
	}
	for range count {
		if len(rest) < 4 {
			return 0, nil, false
		}
		n := int64(binary.BigEndian.Uint32(rest))
		if rest = rest[4:]; n > int64(len(rest)) {
			return 0, nil, false
		}
		sealed, rest = append(sealed, rest[:n:n]), rest[n:]
	}
	return first, sealed, len(rest) == 0 && count > 0
}
