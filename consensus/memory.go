package consensus

// MemoryStore is a Store in memory. A Machine's author tests Apply, Snapshot and Restore against it without a replica; the
// limits on effects hold as they do for a replica. It is used by one goroutine. The zero value is not usable.
type MemoryStore struct {
	tx *Tx
}

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore { return &MemoryStore{tx: newTx(nothing{})} }

// Get returns a copy of the value of a key.
func (m *MemoryStore) Get(key []byte) ([]byte, bool, error) { return m.tx.Get(key) }

// Scan visits the keys with the prefix, from the given one on, in ascending order.
func (m *MemoryStore) Scan(prefix, from []byte, fn func(key, value []byte) (bool, error)) error {
	return m.tx.Scan(prefix, from, fn)
}

// Update runs fn on a Tx over the store. When fn returns an error, or writes more than a command may, nothing changes.
func (m *MemoryStore) Update(fn func(*Tx) error) error {
	m.tx.mark()
	err := fn(m.tx)
	if err == nil {
		err = m.tx.check()
	}
	if err != nil {
		m.tx.rollback()
	}
	return err
}

// nothing is the empty Reader.
type nothing struct{}

func (nothing) Get([]byte) ([]byte, bool, error) { return nil, false, nil }

func (nothing) Scan(_, _ []byte, _ func(key, value []byte) (bool, error)) error { return nil }
