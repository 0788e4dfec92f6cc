package audit

import (
	"fmt"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/ridgeway-exchange/ridgeway/storage"
)

// endEntries is how many entries at the end of the log Open reads whole, beyond those after the mark.
const endEntries = 1024

// lastEntry returns the greatest index that has an entry.
func lastEntry(txn *badger.Txn) (uint64, bool) {
	it := txn.NewIterator(badger.IteratorOptions{Reverse: true, Prefix: []byte{rowEntry}})
	defer it.Close()
	it.Seek(entryKey(maxCount))
	if !it.Valid() {
		return 0, false
	}
	return indexOf(it.Item().Key()), true
}

// checkEnd compares the log with its mark and reads its last entries.
func checkEnd(txn *badger.Txn, m mark, marked bool) error {
	f, err := loadHead(txn)
	if err != nil {
		return err
	}
	if last, any := lastEntry(txn); any != (f.size > 0) || any && last != f.size-1 {
		return fmt.Errorf("the log's head says %d entries, its rows do not: %w", f.size, ErrRolledBack)
	}
	if !marked {
		if f.size > 0 {
			return fmt.Errorf("%d entries and no mark: %w", f.size, ErrRolledBack)
		}
		return nil
	}
	if f.size < m.size {
		return fmt.Errorf("%d entries of %d are there: %w", f.size, m.size, ErrRolledBack)
	}
	was, err := tlog.TreeHash(int64(m.size), reader(txn))
	if err != nil {
		return fmt.Errorf("root at the mark: %w", err)
	}
	if was != m.root {
		return fmt.Errorf("the first %d entries are not those that were marked: %w", m.size, ErrRolledBack)
	}
	now, err := tlog.TreeHash(int64(f.size), reader(txn))
	if err != nil {
		return fmt.Errorf("root of the log: %w", err)
	}
	if now != f.root() {
		return fmt.Errorf("the log's head does not follow from its hashes: %w", storage.ErrIntegrity)
	}
	return checkLeaves(txn, min(m.size, f.size-min(f.size, endEntries)), f.size)
}

// checkLeaves compares the entries from index from on with their leaf hashes.
func checkLeaves(txn *badger.Txn, from, to uint64) error {
	for i := from; i < to; i++ {
		sealed, err := get(txn, entryKey(i))
		if err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		hashes, err := get(txn, hashesKey(i))
		if err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		if h := leafHash(sealed); len(hashes) < hashSize || string(hashes[:hashSize]) != string(h[:]) {
			return fmt.Errorf("entry %d is not what was appended: %w", i, storage.ErrIntegrity)
		}
	}
	return nil
}
