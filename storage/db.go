package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"
)

// A DB is an open Badger under this package's settings and guard. Everything is written through Update, by one
// goroutine, so that the guard knows what has been acknowledged. A DB may be used by many goroutines at once.
//
// Keys that begin with the byte 0xFF are the DB's own.
type DB struct {
	opt      Options
	bdg      *badger.DB
	guard    *guard // used by the committer only, once it runs
	lock     *os.File
	readOnly bool
	cleanup  func() error // of a salvage
	queued   atomic.Int64 // bytes handed in and not yet written
	failed   atomic.Pointer[error]
	faulted  atomic.Bool // a read of a mapped file failed

	collecting atomic.Bool // Badger moves values by itself

	rewriting atomic.Uint32 // number of the file that a garbage collection has picked, 0 for none

	sending sync.RWMutex // held for reading while something is handed in
	closing atomic.Bool
	reqs    chan *Pending
	done    chan struct{} // closed when the committer has ended

	closed sync.Once
	cerr   error
}

// Open opens the store in opt.Dir, which is created where it does not exist. Before Badger sees the files they
// are checked against the guard's mark.
//
//  1. ErrDamaged, with a *DamageError: what was acknowledged is not there any more, or not as it was written.
//     Nothing has been changed. OpenSalvage reads what is left, Repair makes the store usable again.
//  2. ErrInUse: another DB has the folder open.
//  3. ErrDiskFull: there is no room for the tables that Badger makes of the logs when it opens them.
func Open(opt Options) (*DB, error) {
	if err := opt.setDefaults(); err != nil {
		return nil, err
	}
	if err := opt.checkRoom(); err != nil {
		return nil, fmt.Errorf("open store %s: %w", opt.Dir, err)
	}
	if err := os.MkdirAll(opt.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	held, err := lock(opt.Dir, os.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", opt.Dir, err)
	}
	d := &DB{opt: opt, lock: held, reqs: make(chan *Pending, maxGroup), done: make(chan struct{})}
	if err := d.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", opt.Dir, err), unlock(held))
	}
	go d.commitLoop()
	return d, nil
}

func (d *DB) open() error {
	g, err := openGuard(&d.opt)
	if err != nil {
		return err
	}
	bdg, err := badger.Open(d.opt.badgerOptions(badgerLogger{rewriting: &d.rewriting, keys: d.beforeKeys, fail: func(err error) { _ = d.fail(err) }}))
	if err != nil {
		g.close()
		return badgerError(err)
	}
	if err := g.start(bdg); err != nil {
		g.close()
		return errors.Join(err, bdg.Close())
	}
	d.bdg, d.guard = bdg, g
	if d.opt.Profile == Chunks { // elsewhere values are in the tree
		g.letGo = d.unmapNew
	}
	return nil
}

// View calls fn with a read-only transaction of the latest acknowledged state or a later one: what it sees may belong
// to a write that is still being made durable, see Barrier. What the transaction hands out is valid within fn only. A
// disk that cannot read a page of a mapped file back is ErrIntegrity, and ends the DB's taking writes.
func (d *DB) View(fn func(txn *badger.Txn) error) (err error) {
	if d.bdg.IsClosed() {
		return ErrClosed
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		fault, ok := r.(interface {
			error
			Addr() uintptr
		})
		if !ok {
			panic(r)
		}
		// Badger may hold a lock that it will not give back, so that it cannot be closed in order any more either.
		d.faulted.Store(true)
		err = fmt.Errorf("read of a mapped file: %w: %w", ErrIntegrity, fault)
		_ = d.fail(err) // returned to whoever writes next
	}()
	if err = d.bdg.View(fn); errors.Is(err, badger.ErrDBClosed) {
		err = ErrClosed
	}
	return err
}

// Update runs fn in a transaction and returns when its effects are durable and under the guard's mark. Many
// concurrent calls share one transaction and one sync; each sees the effects of those before it. fn runs on the
// DB's own goroutine and may run more than once, so that it must be a function of what it reads from txn, must
// be quick, and must call neither Commit nor Discard. When fn returns an error nothing of it is applied and
// Update returns that error.
//
//  1. ErrDiskFull: refused by the space gate; nothing was written.
//  2. ErrFailed: this write or one before it failed; its outcome is not known until the store is opened again.
//  3. ErrClosed; or the context's error, when it ended before the work was begun: nothing was written.
//
// A value in the profiles Records and Audit must be smaller than 1 MiB.
func (d *DB) Update(ctx context.Context, fn func(txn *badger.Txn) error) error {
	p, err := d.Begin(ctx, Write{Fn: fn})
	if err != nil {
		return err
	}
	return p.Wait()
}

// Err returns nil while the DB takes writes, and the cause wrapped in ErrFailed after one has failed.
func (d *DB) Err() error {
	if cause := d.failed.Load(); cause != nil {
		return fmt.Errorf("%w: %w", ErrFailed, *cause)
	}
	return nil
}

// Close waits for the writes that have begun, writes a final mark, and closes the files. It is idempotent and
// returns the same error each time.
func (d *DB) Close() error {
	d.closed.Do(func() {
		d.closing.Store(true)
		d.sending.Lock() // whoever is handing in is through, or has seen closing
		close(d.reqs)
		d.sending.Unlock()
		<-d.done
		d.cerr = d.shut()
	})
	return d.cerr
}

func (d *DB) fail(err error) error {
	d.failed.CompareAndSwap(nil, &err)
	return d.Err()
}

func (d *DB) purpose() Purpose {
	switch d.opt.Profile {
	case Audit:
		return Essential
	case Chunks:
		return Ingest
	case Records:
		return Metadata
	default:
		return Metadata
	}
}

func fdatasync(f *os.File) error {
	if err := unix.Fdatasync(int(f.Fd())); err != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

// shut writes the final mark and closes Badger. Where Badger cannot be closed the folder stays locked until the process ends.
func (d *DB) shut() (err error) {
	if d.faulted.Load() {
		if d.guard != nil {
			d.guard.close()
		}
		return d.Err() // what was acknowledged is on the disk; the files stay mapped until the process ends
	}
	if d.readOnly {
		return errors.Join(d.bdg.Close(), d.cleanup())
	}
	defer d.guard.close()
	if err := d.opt.checkRoom(); err != nil {
		d.opt.Logger.Warn("too little space is free to close the store in order: its files stay open until this process ends, and it is opened as after a power cut", slog.String("store", d.opt.Profile.String()), slog.Any("error", err))
		return nil // the files stay mapped until the process ends
	}
	defer func() { err = errors.Join(err, unlock(d.lock)) }()
	// Merging tables at the end drops, and counts as garbage, only what the newest reader can no longer see.
	err = errors.Join(d.bdg.View(func(*badger.Txn) error { return nil }), d.bdg.Close())
	if err != nil {
		return fmt.Errorf("close store %s: %w", d.opt.Dir, err)
	}
	if d.Err() != nil {
		return nil // the mark must not move over what a failed write left behind
	}
	return d.guard.finish()
}
