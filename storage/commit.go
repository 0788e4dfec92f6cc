package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

const (
	maxGroup      = 1024     // writes that share one transaction
	entryOverhead = 256      // bytes of an entry in a log that are neither key nor value, and some
	maxGroupBytes = 32 * mib // and their bytes, so that a group does not hold much memory for long
)

// A Write is what Begin takes.
type Write struct {
	// Fn is run as Update says.
	Fn func(txn *badger.Txn) error
	// Bytes is about how much Fn writes, for the space gate and for forming groups.
	Bytes int64
	// Purpose is how long the write is let through as space runs out; zero is the profile's own.
	Purpose Purpose
}

// A Pending is a write that has been handed in and may not be durable yet.
type Pending struct {
	write Write
	alone func() error // set in place of write.Fn: runs with no transaction under way
	err   error
	done  chan struct{}
}

// Wait returns when the write is durable or has failed; see Update for the errors. It may be called many times.
func (p *Pending) Wait() error {
	<-p.done
	return p.err
}

// Begin hands w in and returns without waiting until it is durable, so that the caller can prepare the next.
// Writes take effect in the order in which Begin returned. Errors are those of Update that mean that nothing was
// written. Memory that w.Fn refers to must not change until the Pending is done.
func (d *DB) Begin(ctx context.Context, w Write) (*Pending, error) {
	if err := d.Err(); err != nil {
		return nil, err
	}
	if err := d.Allow(w.Purpose, w.Bytes); err != nil {
		return nil, err
	}
	return d.enqueue(ctx, &Pending{write: w, done: make(chan struct{})})
}

// Allow returns nil when a write of that many bytes would be let through now, ErrDiskFull when not. A zero purpose is the
// profile's own.
func (d *DB) Allow(p Purpose, bytes int64) error {
	if d.opt.Space == nil {
		return nil
	}
	if p == 0 {
		p = d.purpose()
	}
	// A group can start a memtable and make Badger flush one; those bytes are on top of the write's own.
	return d.opt.Space.Allow(p, bytes+d.queued.Load()+flushed*d.opt.MemTable)
}

// exclusive runs fn on the committer's goroutine, while no transaction is under way.
func (d *DB) exclusive(ctx context.Context, fn func() error) error {
	p, err := d.enqueue(ctx, &Pending{alone: fn, done: make(chan struct{})})
	if err != nil {
		return err
	}
	return p.Wait()
}

func (d *DB) enqueue(ctx context.Context, p *Pending) (*Pending, error) {
	d.sending.RLock() // Close takes it before it stops the committer, so that nothing is queued and never answered
	defer d.sending.RUnlock()
	if d.closing.Load() {
		return nil, ErrClosed
	}
	if d.bdg == nil || d.readOnly {
		return nil, ErrReadOnly
	}
	d.queued.Add(p.write.Bytes)
	select {
	case d.reqs <- p:
		return p, nil
	case <-ctx.Done():
		d.queued.Add(-p.write.Bytes)
		return nil, fmt.Errorf("write: %w", ctx.Err())
	}
}

// commitLoop is the one goroutine that writes. It ends when reqs is closed and drained.
func (d *DB) commitLoop() {
	defer close(d.done)
	var held *Pending
	for {
		p := held
		held = nil
		if p == nil {
			var ok bool
			if p, ok = <-d.reqs; !ok {
				return
			}
		}
		if p.alone != nil {
			err := d.Err()
			if err == nil {
				err = p.alone()
			}
			d.finish([]*Pending{p}, err)
			continue
		}
		var group []*Pending
		group, held = d.gather(p)
		d.commitGroup(group)
	}
}

// gather returns first and what is queued behind it, up to the bounds of a group; held is a write that must
// run alone and comes next.
func (d *DB) gather(first *Pending) (group []*Pending, held *Pending) {
	group = append(group, first)
	size := first.write.Bytes
	for len(group) < maxGroup && size < maxGroupBytes {
		select {
		case p, ok := <-d.reqs:
			if !ok {
				return group, nil
			}
			if p.alone != nil {
				return group, p
			}
			group = append(group, p)
			size += p.write.Bytes
		default:
			return group, nil
		}
	}
	return group, nil
}

// commitGroup commits the writes of group, in as few transactions as hold them, and finishes each.
func (d *DB) commitGroup(group []*Pending) {
	limit := len(group)
	for len(group) > 0 {
		if err := d.Err(); err != nil {
			d.finish(group, err)
			return
		}
		limit = min(limit, len(group))
		txn := d.bdg.NewTransaction(true)
		bad, err := d.fill(txn, group[:limit])
		switch {
		case err == nil:
			if err := d.makeRoom(group[:limit]); err != nil {
				txn.Discard()
				d.finish(group, err)
				return
			}
			if err = d.commitTxn(txn); err != nil {
				err = d.fail(err)
			}
			d.finish(group[:limit], err)
			d.letGo()
			group, limit = group[limit:], len(group)-limit
		case bad < 0:
			txn.Discard()
			d.finish(group, d.fail(err))
			return
		case bad > 0 && errors.Is(err, badger.ErrTxnTooBig):
			txn.Discard()
			limit = bad // those before it fit; the rest goes into the next transaction
		default:
			// What the refused write left in the transaction must not be committed, so the others run again.
			txn.Discard()
			d.finish(group[bad:bad+1], err)
			group = append(group[:bad:bad], group[bad+1:]...)
			limit--
			if limit == 0 {
				limit = len(group)
			}
		}
	}
}

// fill runs the writes in txn. On an error bad is the index of the write that returned it, or -1.
func (d *DB) fill(txn *badger.Txn, group []*Pending) (bad int, err error) {
	if err := txn.Set(seqKey, d.guard.nextSeq()); err != nil {
		return -1, fmt.Errorf("write sequence number: %w", err)
	}
	for i, p := range group {
		if err := p.write.Fn(txn); err != nil {
			return i, err
		}
	}
	return -1, nil
}

// makeRoom makes sure that a transaction of group finds room in the logs, before anything of it is written.
func (d *DB) makeRoom(group []*Pending) error {
	values := int64(0)
	if d.opt.Profile == Chunks { // elsewhere values are in the tree
		for _, p := range group {
			values += p.write.Bytes + entryOverhead
		}
		values += mib // what keys and what a write has not told take
	}
	// Badger bounds a transaction by what it puts into the memtable, to 15 % of one; the log has headers besides.
	return d.guard.makeRoom(d.opt.MemTable/4, values)
}

// commitTxn commits txn and moves the mark over it.
func (d *DB) commitTxn(txn *badger.Txn) error {
	if err := txn.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if err := d.Err(); err != nil { // Badger has logged a failed sync and gone on
		return err
	}
	return d.guard.advance()
}

func (d *DB) finish(group []*Pending, err error) {
	for _, p := range group {
		d.queued.Add(-p.write.Bytes)
		p.err = err
		close(p.done)
	}
}
