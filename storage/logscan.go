package storage

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
)

// Badger's memtable logs (.mem) and value logs (.vlog) share one layout, read here without Badger so that it can
// be checked before Badger cuts off what it does not understand:
//
//	+-------------------+-------+-------+-----+
//	| header, 20 bytes  | entry | entry | ... |  zeros or the end of the file
//	+-------------------+-------+-------+-----+
//
//	entry
//	+------+-----------+-------------+-------------+-----------------+-----+-------+----------------+
//	| meta | user meta | key length, | value len., | expiry, varints | key | value | CRC-32C, big   |
//	+------+-----------+-------------+-------------+-----------------+-----+-------+----------------+
//
// The last 8 bytes of a key are its version. In a memtable log the entries of a transaction carry metaTxn and are
// followed by one with metaFin; without that one the transaction does not count.
const (
	logHeaderSize = 20
	maxEntryHead  = 22
	versionSize   = 8

	metaDelete  = 1 << 0
	metaPointer = 1 << 1 // the value is a pointer into the value log
	metaTxn     = 1 << 6
	metaFin     = 1 << 7

	pointerSize = 12

	// maxEntry bounds one entry, and so what a damaged length can make the scanner read.
	maxEntry  = 32 * mib
	maxLogKey = 1 << 16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A logEntry is one entry of a log. Its slices are valid until the scanner moves on.
type logEntry struct {
	off, size  int64
	meta       byte
	key, value []byte
}

// userKey returns the key without its version.
func (e *logEntry) userKey() []byte { return e.key[:len(e.key)-versionSize] }

// A valuePointer says where in the value log a value lies.
type valuePointer struct{ fid, size, off uint32 }

// pointer returns the value as a pointer; Badger writes it in the byte order of the machine.
func (e *logEntry) pointer() (valuePointer, bool) {
	if e.meta&metaPointer == 0 || len(e.value) != pointerSize {
		return valuePointer{}, false
	}
	return valuePointer{
		fid:  binary.NativeEndian.Uint32(e.value),
		size: binary.NativeEndian.Uint32(e.value[4:]),
		off:  binary.NativeEndian.Uint32(e.value[8:]),
	}, true
}

// errBadEntry means that no entry starts at an offset: the log ends there, or is damaged.
var errBadEntry = errors.New("no valid entry")

// A logReader reads entries at given offsets with read-ahead.
type logReader struct {
	r     io.ReaderAt
	buf   []byte
	start int64 // offset of buf[0]
	ahead int   // bytes to read at the next miss
}

func newLogReader(r io.ReaderAt) *logReader { return &logReader{r: r, ahead: 4 * kib} }

// peek returns the n bytes at off, fewer where the file ends.
func (l *logReader) peek(off int64, n int) ([]byte, error) {
	if i := off - l.start; i >= 0 && i+int64(n) <= int64(len(l.buf)) {
		return l.buf[i : i+int64(n)], nil
	}
	want := max(n, l.ahead)
	l.ahead = min(2*l.ahead, mib)
	if cap(l.buf) < want {
		l.buf = make([]byte, want)
	}
	l.buf = l.buf[:want]
	got, err := l.r.ReadAt(l.buf, off)
	l.buf, l.start = l.buf[:got], off
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return l.buf[:min(n, got)], nil
}

// head reads the lengths of the entry at off and returns where its key begins and how long it is in all.
func (l *logReader) head(off int64) (meta byte, keyAt int, klen, vlen uint64, err error) {
	b, err := l.peek(off, maxEntryHead)
	if err != nil {
		return 0, 0, 0, 0, err
	}
	if len(b) < 5 {
		return 0, 0, 0, 0, errBadEntry
	}
	meta = b[0]
	at := 2
	var fields [3]uint64
	for i := range fields {
		v, n := binary.Uvarint(b[at:])
		if n <= 0 {
			return 0, 0, 0, 0, errBadEntry
		}
		fields[i], at = v, at+n
	}
	klen, vlen = fields[0], fields[1]
	if klen <= versionSize || klen > maxLogKey || vlen > maxEntry {
		return 0, 0, 0, 0, errBadEntry
	}
	return meta, at, klen, vlen, nil
}

// entry reads the entry at off. It returns errBadEntry when there is none that is whole and has the right CRC.
// raw is all of its bytes.
func (l *logReader) entry(off int64) (e logEntry, raw []byte, err error) {
	meta, keyAt, klen, vlen, err := l.head(off)
	if err != nil {
		return logEntry{}, nil, err
	}
	body := keyAt + int(klen) + int(vlen)
	raw, err = l.peek(off, body+crc32.Size)
	if err != nil {
		return logEntry{}, nil, err
	}
	if len(raw) < body+crc32.Size || crc32.Checksum(raw[:body], castagnoli) != binary.BigEndian.Uint32(raw[body:]) {
		return logEntry{}, nil, errBadEntry
	}
	return logEntry{off: off, size: int64(len(raw)), meta: meta, key: raw[keyAt : keyAt+int(klen)], value: raw[keyAt+int(klen) : body]}, raw, nil
}

// A logHead is the head of an entry, of which nothing else has been read.
type logHead struct {
	key       []byte // with its version
	valueAt   int64  // behind the beginning of the entry
	valueSize int64
}

func (h *logHead) version() uint64 {
	return math.MaxUint64 - binary.BigEndian.Uint64(h.key[len(h.key)-versionSize:])
}

// first returns the head of what seems to be an entry at off, nil when nothing does.
func (l *logReader) first(off int64) (*logHead, error) {
	_, keyAt, klen, vlen, err := l.head(off)
	if errors.Is(err, errBadEntry) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b, err := l.peek(off, keyAt+int(klen))
	if err != nil || len(b) < keyAt+int(klen) {
		return nil, err
	}
	return &logHead{key: b[keyAt:], valueAt: int64(len(b)), valueSize: int64(vlen)}, nil
}

// plausible reports whether an entry of ours could begin at off: no user meta, no expiry, known flags. It spares
// the search for the next good entry the checksums of millions of false starts.
func (l *logReader) plausible(off int64) (bool, error) {
	b, err := l.peek(off, maxEntryHead)
	if err != nil || len(b) < 5 {
		return false, err
	}
	if b[1] != 0 || b[0]&^(metaDelete|metaPointer|metaTxn|metaFin) != 0 {
		return false, nil
	}
	_, keyAt, _, _, err := l.head(off)
	return err == nil && b[keyAt-1] == 0, nil
}

// A logState says how far a log is known good: its first end bytes are whole entries (whole transactions in a
// memtable log) and have the running checksum sum.
type logState struct {
	end int64
	sum uint32
}

// walkLog goes on from state over what follows in r, stopping at limit where limit is positive. visit is called
// for each entry, and with nil at the end of each unit: a transaction, or an entry outside of one. What follows
// the last unit does not count.
func walkLog(r io.ReaderAt, state logState, limit int64, visit func(e *logEntry) error) (logState, error) {
	l := newLogReader(r)
	if state.end == 0 {
		head, err := l.peek(0, logHeaderSize)
		if err != nil || len(head) < logHeaderSize {
			return state, err
		}
		state = logState{end: logHeaderSize, sum: crc32.Checksum(head, castagnoli)}
	}
	off, sum, version, open := state.end, state.sum, "", false
	for limit <= 0 || off < limit {
		e, raw, err := l.entry(off)
		if errors.Is(err, errBadEntry) {
			return state, nil
		}
		if err != nil {
			return state, err
		}
		off, sum = off+e.size, crc32.Update(sum, castagnoli, raw)
		switch own := string(e.key[len(e.key)-versionSize:]); {
		case e.meta&metaTxn != 0:
			if open && own != version {
				return state, nil
			}
			open, version = true, own
		case e.meta&metaFin != 0:
			if open && own != version {
				return state, nil
			}
			open = false
		case open:
			return state, nil
		}
		if err := visit(&e); err != nil {
			return state, err
		}
		if !open {
			state = logState{end: off, sum: sum}
			if err := visit(nil); err != nil {
				return state, err
			}
		}
	}
	return state, nil
}

// survey lists the damage in a log between off, where an entry is bad, and end, and the keys that it touches as far
// as the entries' heads still tell them. It finds the next good entry by the length that the bad one claims or, where
// that leads nowhere, by trying every offset. It returns where it has come to as well: behind end where a good entry
// goes on there.
func survey(r io.ReaderAt, name string, off, end int64) (found []Damage, upTo int64, err error) {
	l := newLogReader(r)
	for off < end {
		e, _, err := l.entry(off)
		if err == nil {
			off += e.size
			continue
		}
		if !errors.Is(err, errBadEntry) {
			return nil, 0, err
		}
		d := Damage{File: name, Offset: off, Reason: "entry does not match its checksum"}
		next, key, err := resync(l, off, end)
		if err != nil {
			return nil, 0, err
		}
		if key != nil {
			d.Keys = [][]byte{key}
		} else {
			d.Reason = "entries cannot be read"
		}
		d.Length = next - off
		found = append(found, d)
		off = next
	}
	return found, off, nil
}

// resync returns where after the bad entry at off the next good one starts, end when there is none, and the bad
// entry's key when its head still makes sense.
func resync(l *logReader, off, end int64) (next int64, key []byte, err error) {
	_, keyAt, klen, vlen, err := l.head(off)
	if err == nil {
		claimed := off + int64(keyAt) + int64(klen) + int64(vlen) + crc32.Size
		follows := claimed == end
		if claimed < end {
			_, _, err := l.entry(claimed)
			follows = err == nil
		}
		if follows {
			b, err := l.peek(off+int64(keyAt), int(klen)-versionSize)
			return claimed, append([]byte(nil), b...), err
		}
	} else if !errors.Is(err, errBadEntry) {
		return 0, nil, err
	}
	for next = off + 1; next < end; next++ {
		plausible, err := l.plausible(next)
		if err != nil {
			return 0, nil, err
		}
		if !plausible {
			continue
		}
		_, _, err = l.entry(next)
		if err == nil {
			return next, nil, nil
		}
		if !errors.Is(err, errBadEntry) {
			return 0, nil, err
		}
	}
	return end, nil, nil
}
