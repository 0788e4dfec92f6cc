package consensus

import (
	"bytes"
	"fmt"
	"slices"
)

// cursor walks over rows in ascending order of keys.
type cursor interface {
	// next moves to the next row, the first one at first; false at the end and after a failure.
	next() bool
	// row returns the present row. It is valid until next.
	row() (key, value []byte, deleted bool)
	err() error
}

// memCursor walks over a run in memory.
type memCursor struct {
	now  row
	left []entry
}

// cursor begins with the first key that is not before from.
func (r *memRun) cursor(from []byte) *memCursor { return &memCursor{left: r.entries[r.seek(from):]} }

func (c *memCursor) next() bool {
	if len(c.left) == 0 {
		return false
	}
	c.now, c.left = c.left[0].row, c.left[1:]
	return true
}

func (c *memCursor) row() (key, value []byte, deleted bool) {
	return c.now.key(), c.now.value(), c.now.deleted()
}

func (c *memCursor) err() error { return nil }

// tableCursor walks over a table.
type tableCursor struct {
	table *table
	page  int // the next one to read
	keep  int // how many more pages are worth keeping
	from  []byte
	at    pageReader
	fault error

	own    []byte // room for a page that is not in the cache
	ahead  []byte // pages read ahead, as sealed, when none is kept
	opened []byte
	clear  []byte // unpacked
}

// readAhead is how much is read at once by those who read all.
const readAhead = 256 << 10

// keepPages is how many pages of one walk are kept: a long one would only drive others out.
const keepPages = 8

// cursor begins with the first key that is not before from.
func (t *table) cursor(from []byte, keep int) *tableCursor {
	c := &tableCursor{}
	c.begin(t, from, keep)
	return c
}

// begin is cursor with the room that c has.
func (c *tableCursor) begin(t *table, from []byte, keep int) {
	*c = tableCursor{table: t, page: t.seek(from), keep: keep, from: from, own: c.own, at: pageReader{k: c.at.k}}
}

// end lets go of all but that room.
func (c *tableCursor) end() {
	*c = tableCursor{own: c.own, at: pageReader{k: c.at.k}}
	if cap(c.own) > largestScratch {
		c.own = nil
	}
}

func (c *tableCursor) next() bool {
	for c.fault == nil {
		for c.at.next() {
			if c.from == nil || bytes.Compare(c.at.k, c.from) >= 0 {
				c.from = nil
				return true
			}
		}
		if c.at.bad {
			c.fault = fmt.Errorf("read table %d: page %d: %w", c.table.number, c.page-1, ErrDamaged)
			return false
		}
		if c.page == len(c.table.sepEnd) {
			return false
		}
		page, err := c.read()
		if err != nil {
			c.fault = err
			return false
		}
		c.page, c.keep = c.page+1, c.keep-1
		c.at.open(page)
	}
	return false
}

// read returns the next page.
func (c *tableCursor) read() ([]byte, error) {
	t := c.table
	if c.keep > -keepPages {
		return t.page(c.page, c.keep > 0, &c.own)
	}
	size := t.offset[c.page+1] - t.offset[c.page]
	if len(c.ahead) == 0 {
		last := c.page + 1
		for last < len(t.sepEnd) && t.offset[last+1]-t.offset[c.page] <= readAhead {
			last++
		}
		n := t.offset[last] - t.offset[c.page]
		if int64(cap(c.ahead)) < n {
			c.ahead = make([]byte, max(n, readAhead))
		}
		c.ahead = c.ahead[:n]
		if err := t.readAt(c.ahead, t.offset[c.page]); err != nil {
			return nil, err
		}
	}
	sealed := c.ahead[:size]
	c.ahead = c.ahead[size:]
	var err error
	if c.opened, err = t.open(c.opened[:0], sealed, uint64(c.page)); err != nil || t.plain == 0 {
		return c.opened, err
	}
	c.clear, err = t.unpack(c.clear, c.opened, c.page)
	return c.clear, err
}

func (c *tableCursor) row() (key, value []byte, deleted bool) { return c.at.k, c.at.v, c.at.gone }

func (c *tableCursor) err() error { return c.fault }

// merged walks over several cursors at once, newest first: of rows with one key it returns the newest.
type merged struct {
	cursors []cursor
	keys    [][]byte // of each cursor's present row; nil at its end
	at      int      // the cursor of the present row; -1 before the first
	fault   error
}

func merge(cursors []cursor) *merged {
	return &merged{cursors: cursors, keys: make([][]byte, len(cursors)), at: -1}
}

func (m *merged) advance(i int) bool {
	m.keys[i] = nil
	if m.cursors[i].next() {
		m.keys[i], _, _ = m.cursors[i].row()
		return true
	}
	m.fault = m.cursors[i].err()
	return m.fault == nil
}

func (m *merged) next() bool {
	if m.fault != nil {
		return false
	}
	if m.at < 0 {
		for i := range m.cursors {
			if !m.advance(i) {
				return false
			}
		}
	} else {
		// Older rows of the same key go first: advancing the present cursor changes the key.
		for i := m.at + 1; i < len(m.cursors); i++ {
			if m.keys[i] != nil && bytes.Equal(m.keys[i], m.keys[m.at]) && !m.advance(i) {
				return false
			}
		}
		if !m.advance(m.at) {
			return false
		}
	}
	m.at = 0
	for i := 1; i < len(m.cursors); i++ {
		if m.keys[i] != nil && (m.keys[m.at] == nil || bytes.Compare(m.keys[i], m.keys[m.at]) < 0) {
			m.at = i
		}
	}
	return len(m.cursors) > 0 && m.keys[m.at] != nil
}

func (m *merged) row() (key, value []byte, deleted bool) { return m.cursors[m.at].row() }

func (m *merged) err() error { return m.fault }

// nested merges cursors by fours, so that a row of many is compared with few.
func nested(cursors []cursor) []cursor {
	for len(cursors) > fanIn {
		var out []cursor
		for some := range slices.Chunk(cursors, fanIn) {
			out = append(out, merge(some))
		}
		cursors = out
	}
	return cursors
}
