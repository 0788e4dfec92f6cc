package audit

import (
	"fmt"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/ridgeway-exchange/ridgeway/storage"
)

// endEntries is how many entries at the end of the log Open reads whole, beyond those after the mark.
const endEntries = 1024

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
	rows := newShelf(txn)
	defer rows.close()
	was, err := tlog.TreeHash(int64(m.size), rows.reader())
	if err != nil {
		return fmt.Errorf("root at the mark: %w", err)
	}
	if was != m.root {
		return fmt.Errorf("the first %d entries are not those that were marked: %w", m.size, ErrRolledBack)
	}
	now, err := tlog.TreeHash(int64(f.size), rows.reader())
	if err != nil {
		return fmt.Errorf("root of the log: %w", err)
	}
	if now != f.root() {
		return fmt.Errorf("the log's head does not follow from its hashes: %w", storage.ErrIntegrity)
	}
	return checkLeaves(rows, min(m.size, f.size-min(f.size, endEntries)), f.size)
}

// checkLeaves compares the entries from index from on with their leaf hashes.
func checkLeaves(rows *shelf, from, to uint64) error {
	for i := from; i < to; i++ {
		sealed, err := rows.entries.get(i)
		if err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		hashes, err := rows.hashes.get(i)
		if err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		if h := leafHash(sealed); len(hashes) < hashSize || string(hashes[:hashSize]) != string(h[:]) {
			return fmt.Errorf("entry %d is not what was appended: %w", i, storage.ErrIntegrity)
		}
	}
	return nil
}
