package consensus

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// A row is one write as it lies in memory and in the journal:
//
//	0  1  kind: rowSet or rowDelete
//	1  2  length of the key, little endian
//	3     key, then value
type row []byte

const (
	rowSet byte = iota + 1
	rowDelete
)

const (
	rowHead = 3
	maxKey  = 1<<16 - 1
)

func (r row) key() []byte { return r[rowHead : rowHead+int(binary.LittleEndian.Uint16(r[1:]))] }

func (r row) value() []byte { return r[rowHead+int(binary.LittleEndian.Uint16(r[1:])):] }

func (r row) deleted() bool { return r[0] == rowDelete }

// whole reports whether bytes from a file are a row.
func (r row) whole() bool {
	if len(r) < rowHead || rowHead+int(binary.LittleEndian.Uint16(r[1:])) > len(r) {
		return false
	}
	return r[0] == rowSet || r[0] == rowDelete && len(r.value()) == 0
}

// entry is a row with the hash of its key, and the beginning of the key as a number: most comparisons need no more, and do not
// have to fetch the row.
type entry struct {
	hash  uint64
	front uint64
	row   row
}

func newEntry(hash uint64, r row) entry { return entry{hash: hash, front: front(r.key()), row: r} }

// front returns the first eight bytes of a key; a shorter one is filled up with zeros.
func front(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

func compareEntries(a, b entry) int {
	if a.front != b.front {
		if a.front < b.front {
			return -1
		}
		return 1
	}
	return bytes.Compare(a.row.key(), b.row.key())
}

// arena makes room for rows in large pieces: one allocation for each row would keep the collector busier than the rows do us.
type arena struct {
	free []byte
	used int // bytes of all pieces
}

const arenaPiece = 256 << 10

// row returns a copy of key and value as a row. It does not change afterwards.
func (a *arena) row(kind byte, key, value []byte) row {
	n := rowHead + len(key) + len(value)
	if n > len(a.free) {
		size := max(n, arenaPiece)
		if n > arenaPiece/4 {
			size = n // of its own, and the piece goes on
		}
		piece := make([]byte, size)
		a.used += size
		if size == n {
			return fillRow(piece, kind, key, value)
		}
		a.free = piece
	}
	r := a.free[:n:n]
	a.free = a.free[n:]
	return fillRow(r, kind, key, value)
}

func fillRow(r row, kind byte, key, value []byte) row {
	r[0] = kind
	binary.LittleEndian.PutUint16(r[1:], uint16(len(key)))
	copy(r[rowHead:], key)
	copy(r[rowHead+len(key):], value)
	return r
}

// hashKey is the hash that tables of keys and filters use. The seed is secret, so that whoever chooses the keys cannot
// choose their places. It lies in files: do not change.
func hashKey(seed uint64, key []byte) uint64 {
	h := seed ^ uint64(len(key))*hashA
	for len(key) >= 8 {
		h = mix(h^binary.LittleEndian.Uint64(key), hashB)
		key = key[8:]
	}
	var tail uint64
	for i, c := range key {
		tail |= uint64(c) << (8 * i)
	}
	return mix(mix(h^tail, hashA), hashB)
}

const (
	hashA = 0x9e3779b97f4a7c15
	hashB = 0xd6e8feb86659fd93
)

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
