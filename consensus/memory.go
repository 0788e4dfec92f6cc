package consensus

import "bytes"

// MemoryStore is a Store in memory. A Machine's author tests Apply, Snapshot and Restore against it without a replica; the
// limits on effects hold as they do for a replica. It is used by one goroutine. The zero value is not usable.
type MemoryStore struct {
	runs []*memRun // newest first
	room arena
}

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore { return &MemoryStore{} }

// Get returns a copy of the value of a key.
func (m *MemoryStore) Get(key []byte) ([]byte, bool, error) { return m.find(hashKey(0, key), key) }

func (m *MemoryStore) find(hash uint64, key []byte) ([]byte, bool, error) {
	r := findRow(m.runs, hash, key)
	if r == nil || r.deleted() {
		return nil, false, nil
	}
	return bytes.Clone(r.value()), true, nil
}

// Scan visits the keys with the prefix, from the given one on, in ascending order.
func (m *MemoryStore) Scan(prefix, from []byte, fn func(key, value []byte) (bool, error)) error {
	var c scan
	c.inMemory(m.runs, prefix, from)
	return c.run(prefix, fn)
}

// Update runs fn on a Tx over the store. When fn returns an error, or writes more than a command may, nothing changes.
func (m *MemoryStore) Update(fn func(*Tx) error) error {
	tx := newTx(m, 0, &m.room, 0)
	err := fn(tx)
	if err == nil {
		err = tx.check()
	}
	if err != nil {
		return err
	}
	if entries := tx.entries(); len(entries) > 0 {
		m.runs = pushRun(m.runs, newMemRun(entries))
	}
	return nil
}
