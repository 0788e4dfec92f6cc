package audit

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// markEvery bounds how far the store and the mark lag behind what was appended.
const markEvery = 100 * time.Millisecond

// Options configure Open.
type Options struct {
	Dir     string             // folder of the log, made when it is not there
	Sealer  *storage.Sealer    // seals the entries; for nothing but this log
	Key     ed25519.PrivateKey // the trust's audit key: signs checkpoints
	Logger  *slog.Logger       // nil discards
	Metrics prometheus.Registerer
	Space   *storage.Space // asked before each write; nil asks nobody
	Small   bool           // for many nodes in one process
	Sync    func(*os.File) error

	lag   time.Duration // markEvery when 0
	block int           // entries that share rows at most; maxBlock when 0
}

// A Log is an append-only Merkle log of sealed entries. It may be used by many goroutines at once.
type Log struct {
	db      *storage.DB
	sealer  *storage.Sealer
	key     ed25519.PrivateKey
	logger  *slog.Logger
	metrics *metrics

	ahead   *ahead
	lost    map[uint64][]byte // entries that only the write-ahead file has; of a log opened by Examine
	examine bool              // opened by Examine

	handed   chan struct{} // capacity 1: an entry waits to be written
	idle     chan struct{} // closed when writeLoop has ended
	lag      time.Duration // between an entry and its being put into the store
	dirty    chan struct{} // capacity 1: something was appended
	hurry    chan struct{} // capacity 1: somebody waits for the store
	stop     chan struct{} // closed by Close
	done     chan struct{} // closed when storeLoop has ended
	block    int           // entries that share rows at most
	unstored atomic.Int64  // bytes of the backlog

	markMu sync.Mutex // one writer of the mark
	mark   *markFile

	mu      sync.Mutex
	changed sync.Cond  // of what follows
	waiting []*Pending // in line to be written, oldest first
	writing bool       // a group is being written
	last    int        // entries of the group that was written last
	driven  bool       // writeLoop is at work, or about to be
	size    uint64     // entries that are durable
	backlog []row      // those of them that are not in the store yet, oldest first
	written int64      // positions of the ring: its bytes counted on, lap after lap
	freed   int64      // what lies before it can be overwritten
	tries   uint64     // counts attempts to store the backlog
	stuck   error      // why the latest could not begin
	ended   bool       // no more attempts
	failed  error      // sticky
	closing bool

	closer sync.Once
	closed error
}

// Open opens the log in opt.Dir, or starts one.
//
//  1. ErrRolledBack: the log is shorter than its mark, differs from it, or has lost it.
//  2. storage.ErrDamaged, storage.ErrIntegrity: the files, or the end of the log, are damaged.
//  3. storage.ErrInUse: another process has it open.
//
// It checks the end of the log; Verify checks all of it.
func Open(ctx context.Context, opt Options) (*Log, error) {
	if err := opt.check(); err != nil {
		return nil, err
	}
	db, err := storage.Open(opt.store())
	if err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	l := newLog(db, &opt)
	l.key = opt.Key
	if err := l.start(ctx, opt); err != nil {
		return nil, errors.Join(fmt.Errorf("open audit log %s: %w", opt.Dir, err), l.ahead.close(), l.mark.close(), db.Close())
	}
	go l.writeLoop()
	go l.storeLoop(context.WithoutCancel(ctx))
	return l, nil
}

// Examine opens a log for reading and Verify only, also one that Open refuses, so that it can be said what is wrong with it.
// It changes nothing on the disk. A key is not needed. It fails as storage.OpenSalvage does.
func Examine(opt Options) (*Log, error) {
	if opt.Dir == "" || opt.Sealer == nil {
		return nil, errors.New("examine audit log: folder and sealer must be given")
	}
	db, err := storage.OpenSalvage(opt.store())
	if err != nil {
		return nil, fmt.Errorf("examine audit log: %w", err)
	}
	l := newLog(db, &opt)
	l.examine = true
	close(l.done)
	close(l.idle)
	m, _, err := openMark(opt.markPath(), markSealer(opt.Sealer))
	if errors.Is(err, storage.ErrIntegrity) {
		m, err = &markFile{}, nil // Verify finds that no mark holds
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	l.mark = m
	if err := l.gather(opt.aheadPath()); err != nil {
		return nil, errors.Join(err, m.close(), db.Close())
	}
	return l, nil
}

// gather looks for entries that only the write-ahead file has. What cannot be read of it is missing then.
func (l *Log) gather(path string) error {
	f, err := l.head()
	if err != nil && !errors.Is(err, storage.ErrIntegrity) {
		return err
	}
	l.size = f.size
	a, err := openAhead(path, os.O_RDONLY)
	if a == nil || err != nil {
		return nil //nolint:nilerr // Verify finds the entries missing
	}
	if l.lost, err = a.scan(f.size); errors.Is(err, storage.ErrDamaged) {
		err = nil
	}
	return errors.Join(err, a.close())
}

func newLog(db *storage.DB, opt *Options) *Log {
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Log{
		db: db, sealer: opt.Sealer, logger: opt.Logger, lag: opt.lag, block: cmp.Or(opt.block, maxBlock),
		handed: make(chan struct{}, 1), idle: make(chan struct{}), dirty: make(chan struct{}, 1), hurry: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	if l.lag == 0 {
		l.lag = markEvery
	}
	l.changed.L = &l.mu
	return l
}

// store returns the settings of the log's Badger.
func (o *Options) store() storage.Options {
	return storage.Options{Dir: filepath.Join(o.Dir, "entries"), Profile: storage.Audit, Logger: o.Logger, Space: o.Space, Small: o.Small, Sync: o.Sync}
}

func (o *Options) markPath() string { return filepath.Join(o.Dir, "MARK") }

func (o *Options) aheadPath() string { return filepath.Join(o.Dir, "AHEAD") }

func markSealer(s *storage.Sealer) *storage.Sealer { return s.Derive("audit mark") }

func (o *Options) check() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("no folder"))
	}
	if o.Sealer == nil {
		errs = append(errs, errors.New("no sealer"))
	}
	if len(o.Key) != ed25519.PrivateKeySize {
		errs = append(errs, errors.New("no audit key"))
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("open audit log: %w", err)
	}
	return nil
}

// start brings the store, the mark and the write-ahead file together.
func (l *Log) start(ctx context.Context, opt Options) error {
	path := opt.markPath()
	var found bool
	var err error
	if l.mark, found, err = openMark(path, markSealer(opt.Sealer)); err != nil {
		return err
	}
	if opt.Sync != nil {
		l.mark.sync = opt.Sync
	}
	if err := l.adopt(ctx, found); err != nil {
		return err
	}
	if err := l.openAhead(opt); err != nil {
		return err
	}
	if err := l.replay(ctx); err != nil {
		return err
	}
	if err := l.ahead.direct(); err != nil {
		return err
	}
	if !found {
		if err := l.mark.create(path, l.ahead.id); err != nil {
			return err
		}
	}
	f, err := l.flushMark(ctx)
	if err != nil {
		return err
	}
	l.size = f.size
	l.metrics, err = newMetrics(opt.Metrics, l.Size)
	return err
}

// openAhead opens the write-ahead file that the mark names, or makes one where there was none.
func (l *Log) openAhead(opt Options) error {
	path := opt.aheadPath()
	var err error
	if l.ahead, err = openAhead(path, os.O_RDWR); err != nil {
		return err
	}
	if l.ahead == nil {
		if l.mark.last.ahead != 0 {
			return fmt.Errorf("write-ahead file %s is gone: %w", path, storage.ErrDamaged)
		}
		length := int64(aheadLength)
		if opt.Small {
			length = aheadLengthSmall
		}
		if err := createAhead(path, length); err != nil {
			return err
		}
		if l.ahead, err = openAhead(path, os.O_RDWR); err != nil {
			return err
		}
	}
	if opt.Sync != nil {
		l.ahead.sync = opt.Sync
	}
	if was := l.mark.last.ahead; was != 0 && was != l.ahead.id {
		return fmt.Errorf("write-ahead file %s is of another log: %w", path, ErrRolledBack)
	}
	return l.ahead.mend()
}

// adopt checks the log against the mark, or starts one where there is neither.
func (l *Log) adopt(ctx context.Context, marked bool) error {
	fresh := false
	err := l.db.View(func(txn *badger.Txn) error {
		_, err := txn.Get([]byte{rowHead})
		if !errors.Is(err, badger.ErrKeyNotFound) {
			if err != nil {
				return fmt.Errorf("head of the audit log: %w", err)
			}
			return checkEnd(txn, l.mark.last, marked)
		}
		if _, any := lastEntry(txn); any || marked {
			return fmt.Errorf("the head of the log is missing: %w", ErrRolledBack)
		}
		fresh = true
		return nil
	})
	if err != nil || !fresh {
		return err
	}
	return l.db.Update(ctx, func(txn *badger.Txn) error { return txn.Set([]byte{rowHead}, (&frontier{}).encode()) })
}

func (l *Log) head() (frontier, error) {
	var f frontier
	err := l.db.View(func(txn *badger.Txn) (err error) {
		f, err = loadHead(txn)
		return err
	})
	return f, err
}

// failure tells the operator.
func (l *Log) failure(cause error) {
	l.logger.Error("audit log failed; nothing is released until it is opened again", slog.Any("error", cause))
}

// Close puts everything into the store, writes a last mark and closes the files. It is idempotent.
func (l *Log) Close() error {
	l.closer.Do(func() {
		l.mu.Lock()
		l.closing = true
		for l.writing || len(l.waiting) > 0 {
			l.changed.Wait()
		}
		l.mu.Unlock()
		close(l.stop)
		<-l.done
		<-l.idle
		l.metrics.unregister()
		l.closed = errors.Join(l.db.Close(), l.ahead.close(), l.mark.close())
	})
	return l.closed
}

// flushMark moves the mark to the end of the log and returns what is marked. Readers see an entry a little before it is
// known to be durable; the barrier keeps the mark from standing where a power cut would leave no log.
func (l *Log) flushMark(ctx context.Context) (frontier, error) {
	l.markMu.Lock()
	defer l.markMu.Unlock()
	f, err := l.head()
	if err != nil || l.mark.last.size == f.size && l.mark.last.ahead == l.ahead.id {
		return f, err
	}
	if err := l.db.Barrier(ctx); err != nil {
		return f, err
	}
	return f, l.mark.write(mark{size: f.size, root: f.root(), ahead: l.ahead.id})
}

func digest(h tlog.Hash) federation.Digest { return federation.Digest(h) }
