package audit

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/ridgeway-exchange/ridgeway/storage"
)

// found is what is there of one entry.
type found struct {
	leaf   tlog.Hash
	opened bool   // the entry is what was sealed in this place, and leaf is its hash
	fault  bool   // it is not, or its patient does not find it
	stored []byte // hashes that are stored for it; nil when they cannot be read
}

// found reads and opens the entries of a range, a part of it on each processor.
func (v *verifier) found(ctx context.Context, from, to uint64) ([]found, error) {
	out := make([]found, to-from)
	parts := uint64(runtime.GOMAXPROCS(0))
	size := (to - from + parts - 1) / parts
	errs := make([]error, parts)
	var group sync.WaitGroup
	for i := range parts {
		begin, end := min(from+i*size, to), min(from+(i+1)*size, to)
		group.Go(func() {
			errs[i] = v.log.db.View(func(txn *badger.Txn) error { return v.read(ctx, txn, begin, out[begin-from:end-from]) })
		})
	}
	group.Wait()
	return out, errors.Join(errs...)
}

// read fills out with the entries from index from on.
func (v *verifier) read(ctx context.Context, txn *badger.Txn, from uint64, out []found) error {
	if len(out) == 0 {
		return nil
	}
	entries, hashes := newRun(txn, entryKey(from)), newRun(txn, hashesKey(from))
	defer entries.close()
	defer hashes.close()
	for i := range out {
		if err := ctx.Err(); err != nil {
			return err
		}
		index := from + uint64(i)
		sealed, err := entries.get(entryKey(index))
		r, err := v.log.opened(index, sealed, err)
		if err != nil && !errors.Is(err, storage.ErrIntegrity) {
			return err
		}
		f := found{leaf: tlog.Hash(r.Leaf), opened: err == nil, fault: err != nil}
		_, lost := v.log.lost[index]
		if err == nil && !lost && !r.Subject.IsZero() {
			_, err := txn.Get(subjectKey(r.Subject, index))
			f.fault = err != nil
		}
		if stored, err := hashes.get(hashesKey(index)); err == nil {
			f.stored = stored
		}
		out[i] = f
	}
	return nil
}

// A run reads rows in the order of their keys, which is much faster than one by one.
type run struct {
	txn *badger.Txn
	it  *badger.Iterator
}

func newRun(txn *badger.Txn, from []byte) *run {
	opt := badger.DefaultIteratorOptions
	opt.Prefix = from[:1]
	it := txn.NewIterator(opt)
	it.Seek(from)
	return &run{txn, it}
}

func (r *run) close() { r.it.Close() }

// get returns a copy of the value of key, which comes after that of the call before. A row that is not met is looked for on its
// own: an iterator passes over a whole table when a part of it cannot be read.
func (r *run) get(key []byte) ([]byte, error) {
	for r.it.Valid() && bytes.Compare(r.it.Item().Key(), key) < 0 {
		r.it.Next()
	}
	if r.it.Valid() && bytes.Equal(r.it.Item().Key(), key) {
		if value, err := r.it.Item().ValueCopy(nil); err == nil {
			return value, nil
		}
	}
	return get(r.txn, key)
}
