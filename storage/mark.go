package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	markFile   = "GUARD"
	sealedFile = "GUARD.sealed"

	slotSize    = 4 * kib
	slotCount   = 2
	markMagic   = "RWGUARD1"
	sealedMagic = "RWSEALD1"

	flagClean    = 1 << 0 // Badger was closed in order after this mark
	flagVanish   = 1 << 1 // one ended value log file may be gone: collected as garbage
	markHeadSize = 8 + 8 + 16 + 8 + 1 + 8 + 8 + 4 + 4 + 2
	markLogSize  = 1 + 4 + 8 + 4
	maxMarkLogs  = (slotSize - markHeadSize - crc32.Size) / markLogSize
	sealedSize   = 4 + 8 + 4
)

// A mark says what has been acknowledged. It lies in two slots of one file that are written in turn, each with a
// checksum, so that a slot torn by a crash leaves the one before it.
//
//	slot, 4 KiB, big endian
//	+----------+------------+----------+----------+-------+------------+---------------------------------+
//	| magic, 8 | generation | store id | sequence | flags | generation | manifest: good length 8,        |
//	|          | 8          | 16       | 8        | 1     | of list, 8 | checksum 4, checksum of head 4  |
//	+----------+------------+----------+----------+-------+------------+---------------------------------+
//	+----------+------------------------------------------------------+-------------------+
//	| count, 2 | logs: kind 1, number 4, good length 8, checksum 4    | CRC-32C of it all |
//	+----------+------------------------------------------------------+-------------------+
//
// A kind is 'v', a value log file, 'm', a memtable log, or 'l', one that Badger may have put into a table already and removed.
type mark struct {
	gen       uint64
	id        [16]byte
	seq       uint64
	flags     byte
	sealedGen uint64
	manifest  manifestState
	logs      []markedLog
}

// A manifestState says how far Badger's list of tables is known good. head is the checksum of its first record: a list
// that Badger has written anew has another.
type manifestState struct {
	logState
	head uint32
}

// A logName names a log file.
type logName struct {
	kind byte // 'm' or 'v'
	fid  uint32
}

func (n logName) String() string {
	if n.kind == 'm' {
		return fmt.Sprintf("%05d.mem", n.fid)
	}
	return fmt.Sprintf("%06d.vlog", n.fid)
}

type markedLog struct {
	logName
	logState
	leaving bool // a memtable log whose content may lie in the tables that are marked
}

const kindLeaving = 'l'

func (m *mark) encode() ([]byte, error) {
	if len(m.logs) > maxMarkLogs {
		return nil, fmt.Errorf("mark of %d logs, at most %d fit", len(m.logs), maxMarkLogs)
	}
	b := make([]byte, 0, slotSize)
	b = append(b, markMagic...)
	b = binary.BigEndian.AppendUint64(b, m.gen)
	b = append(b, m.id[:]...)
	b = binary.BigEndian.AppendUint64(b, m.seq)
	b = append(b, m.flags)
	b = binary.BigEndian.AppendUint64(b, m.sealedGen)
	b = binary.BigEndian.AppendUint64(b, uint64(m.manifest.end))
	b = binary.BigEndian.AppendUint32(b, m.manifest.sum)
	b = binary.BigEndian.AppendUint32(b, m.manifest.head)
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.logs)))
	for _, l := range m.logs {
		kind := l.kind
		if l.leaving {
			kind = kindLeaving
		}
		b = append(b, kind)
		b = binary.BigEndian.AppendUint32(b, l.fid)
		b = binary.BigEndian.AppendUint64(b, uint64(l.end))
		b = binary.BigEndian.AppendUint32(b, l.sum)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

var errNoMark = errors.New("no valid mark")

func decodeMark(b []byte) (*mark, error) {
	if len(b) < markHeadSize+crc32.Size || string(b[:8]) != markMagic {
		return nil, errNoMark
	}
	m := &mark{
		gen:       binary.BigEndian.Uint64(b[8:]),
		id:        [16]byte(b[16:32]),
		seq:       binary.BigEndian.Uint64(b[32:]),
		flags:     b[40],
		sealedGen: binary.BigEndian.Uint64(b[41:]),
		manifest: manifestState{
			logState: logState{end: int64(binary.BigEndian.Uint64(b[49:])), sum: binary.BigEndian.Uint32(b[57:])},
			head:     binary.BigEndian.Uint32(b[61:]),
		},
	}
	n := int(binary.BigEndian.Uint16(b[65:]))
	size := markHeadSize + n*markLogSize
	if n > maxMarkLogs || len(b) < size+crc32.Size || crc32.Checksum(b[:size], castagnoli) != binary.BigEndian.Uint32(b[size:]) {
		return nil, errNoMark
	}
	for at := markHeadSize; at < size; at += markLogSize {
		l := markedLog{
			logName:  logName{kind: b[at], fid: binary.BigEndian.Uint32(b[at+1:])},
			logState: logState{end: int64(binary.BigEndian.Uint64(b[at+5:])), sum: binary.BigEndian.Uint32(b[at+13:])},
		}
		if l.kind == kindLeaving {
			l.kind, l.leaving = 'm', true
		}
		if (l.kind != 'm' && l.kind != 'v') || l.end < 0 {
			return nil, errNoMark
		}
		m.logs = append(m.logs, l)
	}
	return m, nil
}

// readMark returns the newest valid mark in f, errNoMark when there is none.
func readMark(f io.ReaderAt) (*mark, error) {
	var newest *mark
	for slot := range slotCount {
		b := make([]byte, slotSize)
		n, err := f.ReadAt(b, int64(slot)*slotSize)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		m, err := decodeMark(b[:n])
		if err == nil && (newest == nil || m.gen > newest.gen) {
			newest = m
		}
	}
	if newest == nil {
		return nil, errNoMark
	}
	return newest, nil
}

// A sealedList names the value log files that are ended: they do not change until they are collected as garbage.
// It is a file of its own, replaced whole when a file is ended, so that marks stay small.
type sealedList struct {
	gen   uint64
	files map[uint32]logState
}

func (s *sealedList) encode() []byte {
	b := append([]byte(nil), sealedMagic...)
	b = binary.BigEndian.AppendUint64(b, s.gen)
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.files)))
	for fid, st := range s.files {
		b = binary.BigEndian.AppendUint32(b, fid)
		b = binary.BigEndian.AppendUint64(b, uint64(st.end))
		b = binary.BigEndian.AppendUint32(b, st.sum)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func decodeSealed(b []byte) (*sealedList, error) {
	const head = 8 + 8 + 4
	if len(b) < head+crc32.Size || string(b[:8]) != sealedMagic {
		return nil, errNoMark
	}
	n := int64(binary.BigEndian.Uint32(b[16:]))
	if int64(len(b)) != head+n*sealedSize+crc32.Size || crc32.Checksum(b[:len(b)-crc32.Size], castagnoli) != binary.BigEndian.Uint32(b[len(b)-crc32.Size:]) {
		return nil, errNoMark
	}
	s := &sealedList{gen: binary.BigEndian.Uint64(b[8:]), files: make(map[uint32]logState, n)}
	for at := head; at < len(b)-crc32.Size; at += sealedSize {
		s.files[binary.BigEndian.Uint32(b[at:])] = logState{end: int64(binary.BigEndian.Uint64(b[at+4:])), sum: binary.BigEndian.Uint32(b[at+12:])}
	}
	return s, nil
}

// readSealed returns the list in dir; there being none is an empty list of generation 0.
func readSealed(dir string) (*sealedList, error) {
	b, err := os.ReadFile(filepath.Join(dir, sealedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return &sealedList{files: map[uint32]logState{}}, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeSealed(b)
}
