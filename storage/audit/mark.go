package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"

	"github.com/ridgeway-exchange/ridgeway/storage"
)

// mark is how far the log was known to be durable, kept in a file of its own, so that a store that lost its end is
// noticed. It is written after the log, so that it is never ahead of it.
type mark struct {
	turn uint64 // counts writes; the greater of two slots is the later
	size uint64
	root tlog.Hash

	ahead uint64 // the write-ahead file's id; 0 before there was one
}

// A markFile has two slots, written in turn, so that a write cut short leaves the one before:
//
//	offset 0     slot 0: length:2, sealed (turn:8, size:8, root:32, id of the write-ahead file:8)
//	offset 4096  slot 1: the same
//
// Sealing keeps out forgeries by whoever can write the disk but has no key. An old file put back with an old log is
// not seen here; the region's checkpoints are for that.
type markFile struct {
	f      *os.File
	sealer *storage.Sealer
	last   mark
	sync   func(*os.File) error
}

const (
	markSlot  = 4096
	markPlain = 8 + 8 + hashSize + 8
)

var markAAD = []byte("audit mark")

// openMark opens the file at path; found tells whether it existed. A file without a readable slot is
// storage.ErrIntegrity.
func openMark(path string, sealer *storage.Sealer) (m *markFile, found bool, err error) {
	m = &markFile{sealer: sealer, sync: fdatasync}
	m.f, err = os.OpenFile(path, os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return m, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("open audit mark: %w", err)
	}
	buf := make([]byte, 2*markSlot)
	n, err := m.f.ReadAt(buf, 0)
	if n != len(buf) {
		return nil, true, errors.Join(fmt.Errorf("audit mark of %d bytes: %w", n, storage.ErrIntegrity), err, m.f.Close())
	}
	for slot := range 2 {
		if v, ok := m.decode(buf[slot*markSlot : (slot+1)*markSlot]); ok && v.turn > m.last.turn {
			m.last = v
		}
	}
	if m.last.turn == 0 {
		return nil, true, errors.Join(fmt.Errorf("audit mark: %w", storage.ErrIntegrity), m.f.Close())
	}
	return m, true, nil
}

// create makes the file with a mark at size 0 in place.
func (m *markFile) create(path string, ahead uint64) error {
	first := make([]byte, 2*markSlot)
	m.last = mark{turn: 1, root: emptyRoot, ahead: ahead}
	copy(first[markSlot:], m.encode(m.last))
	if err := storage.WriteFileAtomic(path, first); err != nil {
		return fmt.Errorf("create audit mark: %w", err)
	}
	var err error
	if m.f, err = os.OpenFile(path, os.O_RDWR, 0o600); err != nil {
		return fmt.Errorf("create audit mark: %w", err)
	}
	return nil
}

// write makes next durable. The file does not change its length, so that one fdatasync is enough.
func (m *markFile) write(next mark) error {
	next.turn = m.last.turn + 1
	if _, err := m.f.WriteAt(m.encode(next), int64(next.turn%2)*markSlot); err != nil {
		return fmt.Errorf("write audit mark: %w", err)
	}
	if err := m.sync(m.f); err != nil {
		return fmt.Errorf("sync audit mark: %w", err)
	}
	m.last = next
	return nil
}

func (m *markFile) close() error {
	if m == nil || m.f == nil {
		return nil
	}
	if err := m.f.Close(); err != nil {
		return fmt.Errorf("close audit mark: %w", err)
	}
	return nil
}

func (m *markFile) encode(v mark) []byte {
	plain := binary.BigEndian.AppendUint64(nil, v.turn)
	plain = binary.BigEndian.AppendUint64(plain, v.size)
	plain = append(plain, v.root[:]...)
	plain = binary.BigEndian.AppendUint64(plain, v.ahead)
	out := make([]byte, 2, 2+markPlain+storage.SealOverhead)
	binary.BigEndian.PutUint16(out, uint16(markPlain+storage.SealOverhead))
	return m.sealer.Seal(out, markAAD, plain)
}

// decode reads a slot. One written before there was a write-ahead file lacks the last field.
func (m *markFile) decode(slot []byte) (mark, bool) {
	const n = markPlain + storage.SealOverhead
	size := int(binary.BigEndian.Uint16(slot))
	if size != n && size != n-8 {
		return mark{}, false
	}
	plain, err := m.sealer.Open(nil, markAAD, slot[2:2+size])
	if err != nil {
		return mark{}, false
	}
	v := mark{turn: binary.BigEndian.Uint64(plain), size: binary.BigEndian.Uint64(plain[8:]), root: tlog.Hash(plain[16 : 16+hashSize])}
	if size == n {
		v.ahead = binary.BigEndian.Uint64(plain[16+hashSize:])
	}
	return v, true
}

func fdatasync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }
