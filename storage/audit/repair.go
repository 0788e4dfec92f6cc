package audit

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// Assess returns the damage to the files of the log's store; see storage.Assess. Examine and Verify tell of the entries.
func Assess(opt Options) ([]storage.Damage, error) { return storage.Assess(opt.store()) }

// Repair makes the store of a damaged log usable again, puts back the entries that the write-ahead file still has, and
// computes hashes and rows anew that are lost. It does so only when the result is provably the log that was marked: when its
// tree has the root of the mark. An entry whose content is lost and whose hash is not stays lost, and Verify goes on naming
// it. Whatever cannot be proven is left to Open, which refuses it: evidence is not made up.
//
// It fails with storage.ErrIntegrity or ErrRolledBack when what is left is not that log; files that it has changed are kept as
// storage.Repair says.
func Repair(ctx context.Context, opt Options) error {
	if err := opt.check(); err != nil {
		return err
	}
	if _, err := storage.Repair(opt.store()); err != nil {
		return fmt.Errorf("repair audit log: %w", err)
	}
	m, found, err := openMark(opt.markPath(), markSealer(opt.Sealer))
	if err == nil && !found {
		err = fmt.Errorf("the mark is gone: %w", ErrRolledBack)
	}
	if err != nil {
		return fmt.Errorf("repair audit log: %w", err)
	}
	a, err := openAhead(opt.aheadPath(), os.O_RDONLY)
	ring := map[uint64][]byte{}
	if err == nil && a != nil {
		ring, err = a.scan(0)
		err = errors.Join(err, a.close())
	}
	if err := errors.Join(err, m.close()); err != nil {
		return fmt.Errorf("repair audit log: %w", err)
	}
	db, err := storage.Open(opt.store())
	if err != nil {
		return fmt.Errorf("repair audit log: %w", err)
	}
	r := rebuild{log: newLog(db, &opt), mark: m.last}
	r.log.lost = ring
	if err := errors.Join(r.run(ctx), db.Close()); err != nil {
		return fmt.Errorf("repair audit log: %w", err)
	}
	return nil
}

// repairStep is how many entries are read in one transaction: a long one would keep Badger from cleaning up.
const repairStep = 10_000

// A rebuild goes through a log and notes the rows that have to be written.
type rebuild struct {
	log  *Log
	mark mark
	tree frontier
	fix  []fixedRow
}

type fixedRow struct{ key, value []byte }

func (r *rebuild) run(ctx context.Context) error {
	v := verifier{log: r.log, mark: r.mark}
	r.log.examine = true // a head that cannot be read is no obstacle
	size, err := v.extent()
	if err != nil {
		return err
	}
	proven := r.mark.size == 0
	for r.tree.size < size {
		err := r.log.db.View(func(txn *badger.Txn) error {
			rows := newShelf(txn)
			defer rows.close()
			for range min(repairStep, size-r.tree.size) {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := r.entry(txn, rows); err != nil {
					return err
				}
				if r.tree.size == r.mark.size {
					proven = r.tree.root() == r.mark.root
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if !proven {
		return fmt.Errorf("what is left is not the log that was marked: %w", ErrRolledBack)
	}
	r.fix = append(r.fix, fixedRow{[]byte{rowHead}, r.tree.encode()})
	for len(r.fix) > 0 {
		lot := r.fix[:min(len(r.fix), 100)]
		r.fix = r.fix[len(lot):]
		err := r.log.db.Update(ctx, func(txn *badger.Txn) error {
			for _, f := range lot {
				if err := txn.Set(f.key, f.value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// entry adds the next entry to the tree, by its content or, where that is lost, by its stored leaf hash.
func (r *rebuild) entry(txn *badger.Txn, rows *shelf) error {
	index := r.tree.size
	stored, err := rows.hashes.get(index)
	if err != nil && !errors.Is(err, storage.ErrIntegrity) {
		return err
	}
	sealed, subject := r.content(rows, index)
	leaf := leafHash(sealed)
	if sealed == nil {
		if len(stored) < hashSize {
			return fmt.Errorf("entry %d is lost, and its hash: %w", index, storage.ErrIntegrity)
		}
		copy(leaf[:], stored)
	}
	var hashes []byte
	for _, h := range r.tree.add(leaf) {
		hashes = append(hashes, h[:]...)
	}
	if string(hashes) != string(stored) {
		r.fix = append(r.fix, fixedRow{hashesKey(index), hashes})
	}
	if sealed == nil || subject.IsZero() {
		return nil
	}
	if _, err := txn.Get(subjectKey(subject, index)); err != nil {
		r.fix = append(r.fix, fixedRow{subjectKey(subject, index), nil})
	}
	return nil
}

// content returns an entry as the store has it or, failing that, the write-ahead file; nil where neither opens.
func (r *rebuild) content(rows *shelf, index uint64) ([]byte, federation.Subject) {
	stored, err := rows.entries.get(index)
	if err == nil {
		if subject, err := r.log.subjectOf(index, stored); err == nil {
			return stored, subject
		}
	}
	sealed, ok := r.log.lost[index]
	if !ok {
		return nil, federation.Subject{}
	}
	subject, err := r.log.subjectOf(index, sealed)
	if err != nil {
		return nil, federation.Subject{}
	}
	r.fix = append(r.fix, fixedRow{entryKey(index), sealed})
	return sealed, subject
}
