package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"
)

// Barrier returns when every write that a View can have seen before the call is durable and under the mark.
func (d *DB) Barrier(ctx context.Context) error {
	return d.exclusive(ctx, func() error { return nil })
}

// CollectGarbage gives one value log file back to the file system, of which at least the part ratio, 0 to 1
// exclusive, is garbage, after what is left in it has been written anew, and reports whether there was one. Writes
// wait meanwhile. Badger learns of garbage when it merges tables: deletions that are still in the memtable, at most
// its size since the store was opened, do not count yet. It fails with ErrDiskFull, and nothing has happened, where there is no room for
// what is left of the file.
func (d *DB) CollectGarbage(ctx context.Context, ratio float64) (collected bool, err error) {
	if err := d.Err(); err != nil {
		return false, err
	}
	if d.readOnly {
		return false, ErrReadOnly
	}
	if d.opt.Space != nil {
		// Not as Essential: the reserve is for evidence.
		if err := d.opt.Space.Allow(Metadata, d.opt.ValueLogFile+3*d.opt.MemTable); err != nil {
			return false, fmt.Errorf("collect garbage: %w", err)
		}
	}
	room := func() error { return d.roomToCollect(ratio) }
	if err := d.exclusive(ctx, room); err != nil {
		return false, fmt.Errorf("collect garbage: %w", err)
	}
	if err := d.bdg.Flatten(2); err != nil {
		return false, fmt.Errorf("collect garbage: merge tables: %w", err)
	}
	err = d.exclusive(ctx, func() error {
		err := room()
		if err == nil {
			collected, err = d.collect(ratio)
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("collect garbage: %w", err)
	}
	return collected, nil
}

// roomToCollect runs on the committer's goroutine. Badger writes what is left in a file anew into the logs, as mapped memory: blocks
// that another process has taken would end this one. So they are allocated beforehand, as for a write. What Badger puts into
// another value log file, because the one it appends to ends meanwhile, only the gate has seen to.
func (d *DB) roomToCollect(ratio float64) error {
	return d.guard.makeRoom(d.opt.MemTable/4, int64((1-ratio)*float64(d.opt.ValueLogFile))+mib)
}

// collect runs on the committer's goroutine. Badger removes the old file as soon as it has written the values anew,
// which is too soon, for two reasons. What it wrote must be durable and under the mark first. And it reads the old file only up to
// the first entry that does not match its checksum, without an error: all values behind that one would go with the
// file. An open iterator makes Badger wait until both are seen to. The mark says beforehand that one file may vanish.
func (d *DB) collect(ratio float64) (bool, error) {
	if err := d.guard.settleVanished(); err != nil {
		return false, d.fail(err)
	}
	if d.guard.mark.flags&flagVanish != 0 {
		return false, nil // a reader still holds the file of the last time
	}
	if err := d.guard.writeMark(d.guard.mark.flags | flagVanish); err != nil {
		return false, d.fail(err)
	}
	txn := d.bdg.NewTransaction(false)
	it := txn.NewIterator(badger.IteratorOptions{})
	release := func() {
		it.Close()
		txn.Discard()
	}
	d.rewriting.Store(0)
	d.collecting.Store(true)
	err := d.bdg.RunValueLogGC(ratio)
	d.collecting.Store(false)
	none := errors.Is(err, badger.ErrNoRewrite)
	if err == nil {
		err = d.checkRewritten()
	}
	if err == nil {
		err = d.commitEmpty()
	}
	if err != nil && !none {
		return false, d.fail(err) // the iterator stays open, and with it the old file
	}
	release()
	if err := d.guard.settleVanished(); err != nil {
		return false, d.fail(err)
	}
	if none && d.guard.mark.flags&flagVanish != 0 {
		if err := d.guard.writeMark(d.guard.mark.flags &^ flagVanish); err != nil {
			return false, d.fail(err)
		}
	}
	return !none, nil
}

// beforeKeys is called on a goroutine of Badger's. Where the committer writes, keys may lie on the disk before their values: neither is
// under the mark yet, such keys are cut off when the store is opened, and Badger makes tables of what is under the mark only. What it
// moves by itself it can put into a table at any moment: then no key may be written whose value is not durable.
func (d *DB) beforeKeys() {
	if !d.collecting.Load() {
		return
	}
	if err := d.guard.syncValues(); err != nil {
		_ = d.fail(fmt.Errorf("sync what is moved: %w", err)) // the collection sees it before it gives the old file up
	}
}

// checkRewritten returns nil when the file that Badger has written anew is whole.
func (d *DB) checkRewritten() error {
	fid := d.rewriting.Load()
	want, ok := d.guard.sealed.files[fid]
	if !ok {
		return fmt.Errorf("file %d was collected and is not known to be ended: %w", fid, ErrIntegrity)
	}
	found, err := verifyLog(d.opt.Dir, logName{'v', fid}, want)
	if err == nil && len(found) > 0 {
		err = &DamageError{Dir: d.opt.Dir, Damage: found}
	}
	return err
}

// commitEmpty commits a group of no writes, so that the guard takes in all that Badger has written.
func (d *DB) commitEmpty() error {
	txn := d.bdg.NewTransaction(true)
	if _, err := d.fill(txn, nil); err != nil {
		txn.Discard()
		return err
	}
	return d.commitTxn(txn)
}

// settleVanished takes a file that has vanished off the list of ended files, and the flag off the mark.
func (g *guard) settleVanished() error {
	if g.mark.flags&flagVanish == 0 {
		return nil
	}
	names, err := listLogs(g.dir, 'v')
	if err != nil {
		return err
	}
	settled := false
	for fid := range g.sealed.files {
		if !slices.Contains(names, logName{'v', fid}) {
			delete(g.sealed.files, fid)
			settled = true
		}
	}
	if !settled {
		return nil
	}
	g.resealed = true
	return g.writeMark(g.mark.flags &^ flagVanish)
}
