package audit

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// found is what is there of one entry.
type found struct {
	leaf   tlog.Hash
	opened bool               // the entry is what was sealed in this place, and leaf is its hash
	fault  bool               // it is not, or its patient does not find it
	listed federation.Subject // the patient who must find it; zero: none
	stored []byte             // hashes that are stored for it; nil when they cannot be read
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
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return out, v.lists(ctx, from, out)
}

// lists looks for the rows that find patients' entries, in the order of these rows: one by one they lie far apart.
func (v *verifier) lists(ctx context.Context, from uint64, out []found) error {
	rows := make([]uint32, 0, len(out)) // places in out
	for i := range out {
		if !out[i].listed.IsZero() {
			rows = append(rows, uint32(i))
		}
	}
	slices.SortFunc(rows, func(a, b uint32) int {
		if c := bytes.Compare(out[a].listed[:], out[b].listed[:]); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
	parts := runtime.GOMAXPROCS(0)
	errs := make([]error, parts)
	var group sync.WaitGroup
	for i := range parts {
		some := rows[i*len(rows)/parts : (i+1)*len(rows)/parts]
		group.Go(func() {
			errs[i] = v.log.db.View(func(txn *badger.Txn) error { return v.list(ctx, txn, from, out, some) })
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// list looks for the rows of some entries, which are in the order of the rows.
func (v *verifier) list(ctx context.Context, txn *badger.Txn, from uint64, out []found, rows []uint32) error {
	if len(rows) == 0 {
		return nil
	}
	all := newRun(txn, subjectKey(out[rows[0]].listed, from+uint64(rows[0])), false)
	defer all.close()
	for _, i := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !all.has(subjectKey(out[i].listed, from+uint64(i))) {
			out[i].fault = true
		}
	}
	return nil
}

// read fills out with the entries from index from on.
func (v *verifier) read(ctx context.Context, txn *badger.Txn, from uint64, out []found) error {
	if len(out) == 0 {
		return nil
	}
	rows := newShelf(txn)
	defer rows.close()
	rows.entries.inOrder(from)
	rows.hashes.inOrder(from)
	for i := range out {
		if err := ctx.Err(); err != nil {
			return err
		}
		index := from + uint64(i)
		sealed, err := rows.entries.get(index)
		r, err := v.log.opened(index, sealed, err)
		if err != nil && !errors.Is(err, storage.ErrIntegrity) {
			return err
		}
		f := found{leaf: tlog.Hash(r.Leaf), opened: err == nil, fault: err != nil}
		_, lost := v.log.lost[index]
		if err == nil && !lost && !r.Subject.IsZero() {
			f.listed = r.Subject
		}
		if stored, err := rows.hashes.get(index); err == nil {
			f.stored = bytes.Clone(stored)
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

func newRun(txn *badger.Txn, from []byte, values bool) *run {
	opt := badger.DefaultIteratorOptions
	opt.Prefix, opt.PrefetchValues = from[:1], values
	it := txn.NewIterator(opt)
	it.Seek(from)
	return &run{txn, it}
}

func (r *run) close() { r.it.Close() }

// leap is how many rows are passed over one by one: looking for a row costs as much as that.
const leap = 32

// has reports whether there is a row with key, which comes after that of the call before.
func (r *run) has(key []byte) bool {
	for n := 0; r.it.Valid() && bytes.Compare(r.it.Item().Key(), key) < 0; n++ {
		if n == leap {
			r.it.Seek(key)
			break
		}
		r.it.Next()
	}
	if r.it.Valid() && bytes.Equal(r.it.Item().Key(), key) {
		return true
	}
	_, err := r.txn.Get(key)
	return err == nil
}

// next returns a copy of the value of key, which comes after that of the call before, where it is met: an iterator passes over a whole
// table when a part of it cannot be read.
func (r *run) next(key []byte) ([]byte, bool) {
	for r.it.Valid() && bytes.Compare(r.it.Item().Key(), key) < 0 {
		r.it.Next()
	}
	if !r.it.Valid() || !bytes.Equal(r.it.Item().Key(), key) {
		return nil, false
	}
	value, err := r.it.Item().ValueCopy(nil)
	return value, err == nil
}
