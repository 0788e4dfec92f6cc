package consensus

import (
	"encoding/binary"
)

// A page is the unit in which a table is sealed and read: rows by ascending key, up to pageSize bytes of them, or one larger row.
// A row in a page shares the beginning of its key with the row before:
//
//	uvarint  bytes shared with the key before; 0 for the first row
//	uvarint  bytes of the key that follow
//	uvarint  length of the value plus one; 0 for a deleted key
//	         rest of the key, value
const pageSize = 4 << 10

// pageWriter gathers the rows of a page.
type pageWriter struct {
	buf  []byte
	last []byte // key of the last row
	rows int
}

func (p *pageWriter) add(key, value []byte, deleted bool) {
	shared := 0
	if p.rows > 0 {
		for shared < len(key) && shared < len(p.last) && key[shared] == p.last[shared] {
			shared++
		}
	}
	p.buf = binary.AppendUvarint(p.buf, uint64(shared))
	p.buf = binary.AppendUvarint(p.buf, uint64(len(key)-shared))
	if deleted {
		p.buf = append(p.buf, 0)
	} else {
		p.buf = binary.AppendUvarint(p.buf, uint64(len(value))+1)
	}
	p.buf = append(append(p.buf, key[shared:]...), value...)
	p.last = append(p.last[:0], key...)
	p.rows++
}

func (p *pageWriter) reset() { p.buf, p.rows = p.buf[:0], 0 }

// pageReader walks over the rows of a page.
type pageReader struct {
	rest []byte
	k    []byte // a buffer of its own
	v    []byte // part of the page
	gone bool
	bad  bool // the page is not one
}

func (p *pageReader) open(page []byte) {
	p.rest, p.k, p.bad = page, p.k[:0], false
}

// next moves to the next row; false at the end, and when the bytes are no page.
func (p *pageReader) next() bool {
	if len(p.rest) == 0 || p.bad {
		return false
	}
	shared, more, size := p.number(), p.number(), p.number()
	p.gone = size == 0
	if !p.gone {
		size--
	}
	if p.bad || shared > uint64(len(p.k)) || more > uint64(len(p.rest)) || size > uint64(len(p.rest))-more {
		p.bad = true
		return false
	}
	p.k = append(p.k[:shared], p.rest[:more]...)
	p.v = p.rest[more : more+size : more+size]
	p.rest = p.rest[more+size:]
	return true
}

func (p *pageReader) number() uint64 {
	v, n := binary.Uvarint(p.rest)
	if n <= 0 {
		p.bad = true
		return 0
	}
	p.rest = p.rest[n:]
	return v
}
