package consensus

import (
	"bytes"
	"fmt"
	"slices"
)

// scan is one call of Scan. Its room is used again by later ones: most are short, and what they need would be more for the collector
// than what they return.
type scan struct {
	mem     []memCursor
	tables  []tableCursor
	open    int // of tables
	cursors []cursor
	keys    [][]byte
}

// scanStart returns where a scan begins.
func scanStart(prefix, from []byte) []byte {
	if bytes.Compare(from, prefix) > 0 {
		return from
	}
	return prefix
}

func (s *stateDB) borrowScan() *scan {
	if c, ok := s.scans.Get().(*scan); ok {
		return c
	}
	return &scan{}
}

// inMemory opens cursors over those runs, newest first, that have keys to scan.
func (c *scan) inMemory(runs []*memRun, prefix, from []byte) {
	start := scanStart(prefix, from)
	c.mem = slices.Grow(c.mem, len(runs)) // cursors are pointed at, so there is room for all before the first
	for _, run := range runs {
		if i := run.seek(start); i < len(run.entries) && bytes.HasPrefix(run.entries[i].row.key(), prefix) {
			c.mem = append(c.mem, memCursor{left: run.entries[i:]})
			c.cursors = append(c.cursors, &c.mem[len(c.mem)-1])
		}
	}
}

// inTables opens cursors over those tables of r, newest first, that may have keys to scan. Runs come before.
func (c *scan) inTables(r *stateReader, prefix, from []byte) {
	if more := len(r.at.tables.tables) - len(c.tables); more > 0 {
		c.tables = append(c.tables, make([]tableCursor, more)...)
	}
	known := r.state.scheme.prefix(prefix)
	hash := hashKey(r.state.seed, prefix[:known])
	for _, t := range r.at.tables.tables {
		if known == 0 || t.scheme != r.state.schema || t.filter.has(hash) {
			at := &c.tables[c.open]
			at.begin(t, scanStart(prefix, from), keepPages)
			c.open++
			c.cursors = append(c.cursors, at)
		}
	}
}

// end lets go of all but the room.
func (c *scan) end() {
	for i := range c.open {
		c.tables[i].end()
	}
	clear(c.mem)
	clear(c.cursors)
	clear(c.keys)
	c.mem, c.open, c.cursors, c.keys = c.mem[:0], 0, c.cursors[:0], c.keys[:0]
}

func (r *stateReader) Scan(prefix, from []byte, fn func(key, value []byte) (bool, error)) error {
	c := r.state.borrowScan()
	defer func() {
		c.end()
		r.state.scans.Put(c)
	}()
	c.inMemory(r.at.memory, prefix, from)
	c.inTables(r, prefix, from)
	return c.run(prefix, fn)
}

// run calls fn for the rows with the prefix.
func (c *scan) run(prefix []byte, fn func(key, value []byte) (bool, error)) error {
	if len(c.cursors) == 0 {
		return nil
	}
	c.keys = slices.Grow(c.keys, len(c.cursors))[:len(c.cursors)]
	rows := merged{cursors: c.cursors, keys: c.keys, at: -1}
	for rows.next() {
		key, value, deleted := rows.row()
		if !bytes.HasPrefix(key, prefix) {
			return nil
		}
		if deleted {
			continue
		}
		if more, err := fn(key, value); err != nil || !more {
			return err
		}
	}
	if err := rows.err(); err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	return nil
}
