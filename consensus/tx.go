package consensus

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"math/bits"
	"slices"
)

// Tx is a Reader whose writes are seen by its own later reads and reach the store together. It is used by one goroutine.
//
// Writes of many commands gather in one Tx, so that the store commits them at once; the borders between commands are
// remembered, so that a batch is never split inside a command and a command that fails leaves no trace.
type Tx struct {
	base  Reader
	list  skipList
	nodes map[string]*node
	undo  []change
	bytes int // of all writes, with overhead
	large int // largest value since mark
	entry int // of the writes since mark, with overhead
}

// change remembers what a write of the present command replaced in the overlay.
type change struct {
	n    *node
	old  []byte
	was  state
	size int
}

// state says what the overlay knows of a key.
type state uint8

const (
	unknown state = iota // nothing: ask the base
	present
	deleted
)

func newTx(base Reader) *Tx {
	return &Tx{base: base, list: skipList{seed: maphash.MakeSeed()}, nodes: make(map[string]*node)}
}

// Get returns the value as this Tx sees it. The value is the caller's copy.
func (t *Tx) Get(key []byte) ([]byte, bool, error) {
	if n := t.nodes[string(key)]; n != nil {
		switch n.state {
		case present:
			return bytes.Clone(n.value), true, nil
		case deleted:
			return nil, false, nil
		case unknown:
		}
	}
	return t.base.Get(key)
}

// Set writes a value. Key and value are copied.
func (t *Tx) Set(key, value []byte) {
	v := make([]byte, len(value))
	copy(v, value)
	t.put(key, v, present)
}

// Delete removes a key; one that is not there is no error.
func (t *Tx) Delete(key []byte) { t.put(key, nil, deleted) }

func (t *Tx) put(key, value []byte, s state) {
	n := t.nodes[string(key)]
	if n == nil {
		n = t.list.insert(string(key))
		t.nodes[n.key] = n
	}
	size := len(n.key) + len(value) + effectOverhead
	t.undo = append(t.undo, change{n: n, old: n.value, was: n.state, size: n.size})
	t.bytes += size - n.size
	t.entry += size
	t.large = max(t.large, len(value))
	n.value, n.state, n.size = value, s, size
}

// Scan merges this Tx's writes with what lies below.
func (t *Tx) Scan(prefix, from []byte, fn func(key, value []byte) (bool, error)) error {
	start := prefix
	if bytes.Compare(from, start) > 0 {
		start = from
	}
	own := t.list.seek(string(start))
	stopped := false
	// emit passes on own writes before limit; a nil limit means all with the prefix.
	emit := func(limit []byte) error {
		for ; own != nil && !stopped; own = own.next[0] {
			key := []byte(own.key)
			if !bytes.HasPrefix(key, prefix) || (limit != nil && bytes.Compare(key, limit) >= 0) {
				return nil
			}
			if own.state != present {
				continue
			}
			more, err := fn(key, own.value)
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
		if own != nil && own.key == string(key) && own.state != unknown {
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
	t.undo, t.entry, t.large = t.undo[:0], 0, 0
}

// check reports whether the command since mark kept within the limits.
func (t *Tx) check() error {
	if len(t.undo) > MaxEffectKeys {
		return fmt.Errorf("%d writes of one command, at most %d: %w", len(t.undo), MaxEffectKeys, ErrTooLarge)
	}
	if t.large > MaxValue {
		return fmt.Errorf("value of %d bytes, at most %d: %w", t.large, MaxValue, ErrTooLarge)
	}
	if t.entry > MaxEffectBytes {
		return fmt.Errorf("%d bytes of effects of one command, at most %d: %w", t.entry, MaxEffectBytes, ErrTooLarge)
	}
	return nil
}

// rollback takes back all writes since mark and returns them, the newest value for each key.
func (t *Tx) rollback() []write {
	last := make(map[*node]struct{}, len(t.undo))
	var writes []write
	for _, c := range slices.Backward(t.undo) {
		if _, ok := last[c.n]; !ok {
			last[c.n] = struct{}{}
			writes = append(writes, write{key: c.n.key, value: c.n.value, state: c.n.state})
		}
	}
	for _, c := range slices.Backward(t.undo) {
		t.bytes += c.size - c.n.size
		c.n.value, c.n.state, c.n.size = c.old, c.was, c.size
	}
	t.mark()
	return writes
}

// replay carries writes over into this Tx.
func (t *Tx) replay(writes []write) {
	for _, w := range writes {
		t.put([]byte(w.key), w.value, w.state)
	}
}

// each calls fn for every write in ascending order of keys.
func (t *Tx) each(fn func(w write) error) error {
	for n := t.list.first(); n != nil; n = n.next[0] {
		if n.state == unknown {
			continue
		}
		if err := fn(write{key: n.key, value: n.value, state: n.state}); err != nil {
			return err
		}
	}
	return nil
}

// write is one key's final value in a Tx.
type write struct {
	key   string
	value []byte
	state state
}

const maxLevel = 16

// node is a key of the overlay. Its place in the list never changes; a key whose only write was undone stays as unknown.
type node struct {
	key   string
	value []byte
	state state
	size  int
	next  []*node
}

// skipList keeps the overlay's keys in order, so that Scan does not have to sort them again.
type skipList struct {
	head [maxLevel]*node
	seed maphash.Seed
}

func (l *skipList) first() *node { return l.head[0] }

// seek returns the first node whose key is not before key.
func (l *skipList) seek(key string) *node {
	next := l.head[:]
	for lv := maxLevel - 1; lv >= 0; lv-- {
		for lv < len(next) && next[lv] != nil && next[lv].key < key {
			next = next[lv].next
		}
	}
	return next[0]
}

// insert adds a key that is not in the list.
func (l *skipList) insert(key string) *node {
	// Two zero bits a level. The seed keeps whoever chooses the keys from choosing the heights.
	height := min(maxLevel, 1+bits.TrailingZeros64(maphash.String(l.seed, key))/2)
	n := &node{key: key, next: make([]*node, height)}
	next := l.head[:]
	for lv := maxLevel - 1; lv >= 0; lv-- {
		for next[lv] != nil && next[lv].key < key {
			next = next[lv].next
		}
		if lv < height {
			n.next[lv], next[lv] = next[lv], n
		}
	}
	return n
}
