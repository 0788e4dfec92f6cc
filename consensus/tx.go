package consensus

import (
	"bytes"
	"fmt"
	"slices"
)

// Tx is a Reader whose writes are seen by its own later reads and reach the store together. It is used by one goroutine.
//
// Writes of many commands gather in one Tx, so that the store takes them at once; a command that fails leaves no trace.
type Tx struct {
	base  source
	seed  uint64
	room  *arena
	nodes []entry  // one for each key written, in the order of their first write
	slots []uint32 // open addressing: place in nodes plus one, 0 for free
	order []uint32 // places in nodes by ascending key; what was written since the last Scan is not in it

	undo  []change
	bytes int // of all writes, with overhead
	large int // largest value since mark
	long  int // longest key since mark
	entry int // bytes of the writes since mark, with overhead
}

// source is what a Tx lies over. Unlike a Reader it is told the hash of the key.
type source interface {
	find(hash uint64, key []byte) (value []byte, found bool, err error)
	Scan(prefix, from []byte, fn func(key, value []byte) (more bool, err error)) error
}

// change remembers what a write of the present command replaced; nil for a key that was not there.
type change struct {
	node uint32
	old  row
}

// newTx returns a Tx. expected is about how many keys will be written.
func newTx(base source, seed uint64, room *arena, expected int) *Tx {
	slots := 64
	for slots < 2*expected {
		slots *= 2
	}
	return &Tx{base: base, seed: seed, room: room, nodes: make([]entry, 0, expected), slots: make([]uint32, slots)}
}

// slot returns the slot of a key: the one that has it, or the free one where it belongs.
func (t *Tx) slot(hash uint64, key []byte) int {
	mask := len(t.slots) - 1
	for i := int(hash) & mask; ; i = (i + 1) & mask {
		at := t.slots[i]
		if at == 0 {
			return i
		}
		if n := &t.nodes[at-1]; n.hash == hash && bytes.Equal(n.row.key(), key) {
			return i
		}
	}
}

// Get returns the value as this Tx sees it. The value is the caller's copy.
func (t *Tx) Get(key []byte) ([]byte, bool, error) {
	hash := hashKey(t.seed, key)
	if at := t.slots[t.slot(hash, key)]; at != 0 {
		if r := t.nodes[at-1].row; !r.deleted() {
			return bytes.Clone(r.value()), true, nil
		}
		return nil, false, nil
	}
	return t.base.find(hash, key)
}

// Set writes a value. Key and value are copied.
func (t *Tx) Set(key, value []byte) { t.put(rowSet, key, value) }

// Delete removes a key; one that is not there is no error.
func (t *Tx) Delete(key []byte) { t.put(rowDelete, key, nil) }

func (t *Tx) put(kind byte, key, value []byte) {
	size := len(key) + len(value) + effectOverhead
	t.entry += size
	t.large, t.long = max(t.large, len(value)), max(t.long, len(key))
	if len(key) > maxKey {
		return // check refuses the command
	}
	hash := hashKey(t.seed, key)
	r := t.room.row(kind, key, value)
	t.bytes += size
	i := t.slot(hash, key)
	if at := t.slots[i]; at != 0 {
		n := &t.nodes[at-1]
		t.undo = append(t.undo, change{node: at - 1, old: n.row})
		t.bytes -= rowBytes(n.row)
		n.row = r
		return
	}
	t.nodes = append(t.nodes, newEntry(hash, r))
	t.slots[i] = uint32(len(t.nodes))
	t.undo = append(t.undo, change{node: uint32(len(t.nodes) - 1)})
	if 2*len(t.nodes) > len(t.slots) {
		t.grow()
	}
}

func rowBytes(r row) int { return len(r) - rowHead + effectOverhead }

// grow doubles the slots. Keys go in by the order of nodes, as they would have without: rollback relies on it.
func (t *Tx) grow() {
	t.slots = make([]uint32, 2*len(t.slots))
	mask := len(t.slots) - 1
	for at, n := range t.nodes {
		i := int(n.hash) & mask
		for t.slots[i] != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = uint32(at + 1)
	}
}

// sorted returns the places of all nodes by ascending key.
func (t *Tx) sorted() []uint32 {
	if len(t.order) == len(t.nodes) {
		return t.order
	}
	for at := len(t.order); at < len(t.nodes); at++ {
		t.order = append(t.order, uint32(at))
	}
	// Most of a large batch was sorted before; the sort finds runs that are in order quickly enough.
	slices.SortFunc(t.order, func(a, b uint32) int { return compareEntries(t.nodes[a], t.nodes[b]) })
	return t.order
}

// Scan merges this Tx's writes with what lies below.
func (t *Tx) Scan(prefix, from []byte, fn func(key, value []byte) (bool, error)) error {
	start := prefix
	if bytes.Compare(from, start) > 0 {
		start = from
	}
	order := t.sorted()
	i, _ := slices.BinarySearchFunc(order, start, func(at uint32, key []byte) int {
		return bytes.Compare(t.nodes[at].row.key(), key)
	})
	own := order[i:]
	stopped := false
	// emit passes on own writes before limit; a nil limit means all with the prefix.
	emit := func(limit []byte) error {
		for ; len(own) > 0 && !stopped; own = own[1:] {
			r := t.nodes[own[0]].row
			if !bytes.HasPrefix(r.key(), prefix) || (limit != nil && bytes.Compare(r.key(), limit) >= 0) {
				return nil
			}
			if r.deleted() {
				continue
			}
			more, err := fn(r.key(), r.value())
			if err != nil {
				return err
			}
			stopped = !more
		}
		return nil
	}
	err := t.base.Scan(prefix, from, func(key, value []byte) (bool, error) {
		if err := emit(key); err != nil || stopped {
			return false, err
		}
		if len(own) > 0 && bytes.Equal(t.nodes[own[0]].row.key(), key) {
			return true, nil // emitted, or left out, with the next own key
		}
		more, err := fn(key, value)
		stopped = !more
		return more, err
	})
	if err != nil || stopped {
		return err
	}
	return emit(nil)
}

// mark begins a command: rollback undoes what is written from here on.
func (t *Tx) mark() {
	t.undo, t.entry, t.large, t.long = t.undo[:0], 0, 0, 0
}

// check reports whether the command since mark kept within the limits.
func (t *Tx) check() error {
	if len(t.undo) > MaxEffectKeys {
		return fmt.Errorf("%d writes of one command, at most %d: %w", len(t.undo), MaxEffectKeys, ErrTooLarge)
	}
	if t.large > MaxValue {
		return fmt.Errorf("value of %d bytes, at most %d: %w", t.large, MaxValue, ErrTooLarge)
	}
	if t.long > maxKey {
		return fmt.Errorf("key of %d bytes, at most %d: %w", t.long, maxKey, ErrTooLarge)
	}
	if t.entry > MaxEffectBytes {
		return fmt.Errorf("%d bytes of effects of one command, at most %d: %w", t.entry, MaxEffectBytes, ErrTooLarge)
	}
	return nil
}

// rollback takes back all writes since mark. Keys go out in the reverse order in which they came in, so no search that passed
// over them ends early.
func (t *Tx) rollback() {
	for _, c := range slices.Backward(t.undo) {
		n := &t.nodes[c.node]
		t.bytes -= rowBytes(n.row)
		if c.old != nil {
			t.bytes += rowBytes(c.old)
			n.row = c.old
			continue
		}
		t.slots[t.slot(n.hash, n.row.key())] = 0
		t.nodes = t.nodes[:c.node]
	}
	t.order = slices.DeleteFunc(t.order, func(at uint32) bool { return int(at) >= len(t.nodes) })
	t.mark()
}

// entries returns all writes by ascending key. The Tx must not be used afterwards.
func (t *Tx) entries() []entry {
	slices.SortFunc(t.nodes, compareEntries)
	return t.nodes
}
