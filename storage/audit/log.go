package audit

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// markEvery bounds how far the mark lags behind the log, and so how often it is synced beside the entries.
const markEvery = 100 * time.Millisecond

// Options configure Open.
type Options struct {
	Dir     string             // folder of the log, made when it is not there
	Sealer  *storage.Sealer    // seals the entries; for nothing but this log
	Key     ed25519.PrivateKey // the trust's audit key: signs checkpoints
	Origin  string             // name of the log in the text of checkpoints, without spaces and '+'; empty: named after the key
	Logger  *slog.Logger       // nil discards
	Metrics prometheus.Registerer
	Space   *storage.Space // asked before each write; nil asks nobody
	Small   bool           // for many nodes in one process
	Sync    func(*os.File) error
}

// A Log is an append-only Merkle log of sealed entries. It may be used by many goroutines at once.
type Log struct {
	db      *storage.DB
	sealer  *storage.Sealer
	key     ed25519.PrivateKey
	signer  note.Signer
	origin  string
	logger  *slog.Logger
	metrics *metrics

	dirty   chan struct{} // something was appended since the mark
	stop    chan struct{} // closed by Close
	done    chan struct{} // closed when the marker has ended
	examine bool          // opened by Examine

	markMu sync.Mutex // one writer of the mark
	mark   *markFile

	mu     sync.Mutex
	failed error // sticky

	closing sync.Once
	closed  error
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
	signer, err := newSigner(opt.Origin, opt.Key)
	if err != nil {
		return nil, err
	}
	db, err := storage.Open(opt.store())
	if err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	l := newLog(db, &opt)
	l.key, l.signer = opt.Key, signer
	if err := l.start(ctx, opt); err != nil {
		return nil, errors.Join(fmt.Errorf("open audit log %s: %w", opt.Dir, err), l.mark.close(), db.Close())
	}
	go l.markLoop(context.WithoutCancel(ctx))
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
	m, _, err := openMark(opt.markPath(), markSealer(opt.Sealer))
	if errors.Is(err, storage.ErrIntegrity) {
		m, err = &markFile{}, nil // Verify finds that no mark holds
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	l.mark = m
	return l, nil
}

func newLog(db *storage.DB, opt *Options) *Log {
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	return &Log{
		db: db, sealer: opt.Sealer, origin: opt.Origin, logger: opt.Logger,
		dirty: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
}

// store returns the settings of the log's Badger.
func (o *Options) store() storage.Options {
	return storage.Options{Dir: filepath.Join(o.Dir, "entries"), Profile: storage.Audit, Logger: o.Logger, Space: o.Space, Small: o.Small, Sync: o.Sync}
}

func (o *Options) markPath() string { return filepath.Join(o.Dir, "MARK") }

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
	} else if o.Origin == "" {
		pub := federation.PublicOf(o.Key)
		o.Origin = "ridgeway/audit/" + federation.Sum(pub[:]).String()[:16]
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("open audit log: %w", err)
	}
	return nil
}

// start brings the mark and the log together.
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
	if !found {
		if err := l.mark.create(path); err != nil {
			return err
		}
	}
	if l.metrics, err = newMetrics(opt.Metrics, l.Size); err != nil {
		return err
	}
	_, err = l.flushMark(ctx)
	return err
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

// Append adds e to the log and returns its index, counted from 0. The entry is durable when Append returns without an
// error. Many concurrent calls share one write to the disk.
//
//  1. ErrEntry: e cannot be encoded. 2. storage.ErrDiskFull, storage.ErrClosed, the context's error: nothing was written.
//  3. ErrFailed: the log takes no more entries; whether this one is in it is not known.
func (l *Log) Append(ctx context.Context, e Entry) (uint64, error) {
	plain, err := e.encode()
	if err != nil {
		return 0, err
	}
	if err := l.Err(); err != nil {
		return 0, err
	}
	began := time.Now()
	var index uint64
	var inner error // what went wrong in the log itself, as against in the store
	pending, err := l.db.Begin(ctx, storage.Write{Bytes: int64(len(plain)) + 512, Fn: func(txn *badger.Txn) error {
		index, inner = l.write(txn, e.Subject, plain)
		return inner
	}})
	if err == nil {
		err = pending.Wait()
	}
	if err != nil {
		return 0, l.refused(err, inner)
	}
	select {
	case l.dirty <- struct{}{}:
	default:
	}
	l.metrics.appended(e.Kind, time.Since(began))
	return index, nil
}

// write puts the rows of one entry into txn.
func (l *Log) write(txn *badger.Txn, subject federation.Subject, plain []byte) (uint64, error) {
	f, err := loadHead(txn)
	if err != nil {
		return 0, err
	}
	index := f.size
	key := entryKey(index)
	sealed := l.sealer.Seal(nil, key, plain)
	var hashes []byte
	for _, h := range f.add(leafHash(sealed)) {
		hashes = append(hashes, h[:]...)
	}
	if err := txn.Set(key, sealed); err != nil {
		return 0, err
	}
	if err := txn.Set(hashesKey(index), hashes); err != nil {
		return 0, err
	}
	if !subject.IsZero() {
		if err := txn.Set(subjectKey(subject, index), nil); err != nil {
			return 0, err
		}
	}
	return index, txn.Set([]byte{rowHead}, f.encode())
}

// refused says what an unsuccessful write means for the log.
func (l *Log) refused(err, inner error) error {
	switch {
	case errors.Is(err, storage.ErrDiskFull), errors.Is(err, storage.ErrClosed), errors.Is(err, storage.ErrReadOnly),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("append to the audit log: %w", err)
	case inner != nil && errors.Is(inner, badger.ErrTxnTooBig):
		return fmt.Errorf("append to the audit log: %w: %w", ErrEntry, inner)
	default:
		return l.fail(err)
	}
}

// Err returns nil while the log takes entries, and the cause wrapped in ErrFailed after it has failed.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// fail makes every later Append fail.
func (l *Log) fail(cause error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = fmt.Errorf("%w: %w", ErrFailed, cause)
		l.logger.Error("audit log failed; nothing is released until it is opened again", slog.Any("error", cause))
	}
	return l.failed
}

// Size returns how many entries the log has.
func (l *Log) Size() uint64 {
	f, err := l.head()
	if err != nil {
		return 0
	}
	return f.size
}

func (l *Log) head() (frontier, error) {
	var f frontier
	err := l.db.View(func(txn *badger.Txn) (err error) {
		f, err = loadHead(txn)
		return err
	})
	return f, err
}

// Close writes a last mark and closes the files. It is idempotent.
func (l *Log) Close() error {
	l.closing.Do(func() {
		close(l.stop)
		<-l.done
		l.metrics.unregister()
		l.closed = errors.Join(l.db.Close(), l.mark.close())
	})
	return l.closed
}

// markLoop keeps the mark at most markEvery behind the log, and leaves it at the end of the log.
func (l *Log) markLoop(ctx context.Context) {
	defer close(l.done)
	pause := time.NewTimer(markEvery)
	defer pause.Stop()
	for stopping := false; !stopping && l.Err() == nil; {
		select {
		case <-l.stop:
			stopping = true
		case <-l.dirty:
		}
		if _, err := l.flushMark(ctx); err != nil {
			_ = l.fail(err) // sticky: the next Append returns it
			return
		}
		pause.Reset(markEvery)
		if stopping {
			return
		}
		select {
		case <-l.stop:
		case <-pause.C:
		}
	}
}

// flushMark moves the mark to the end of the log and returns what is marked. Readers see an entry a little before it is
// known to be durable; the barrier keeps the mark from standing where a power cut would leave no log.
func (l *Log) flushMark(ctx context.Context) (frontier, error) {
	l.markMu.Lock()
	defer l.markMu.Unlock()
	f, err := l.head()
	if err != nil || l.mark.last.size == f.size {
		return f, err
	}
	if err := l.db.Barrier(ctx); err != nil {
		return f, err
	}
	return f, l.mark.write(f.size, f.root())
}

// newSigner returns the signer of checkpoint notes (C2SP signed-note, Ed25519).
func newSigner(origin string, key ed25519.PrivateKey) (note.Signer, error) {
	pub := federation.PublicOf(key)
	vkey, err := note.NewEd25519VerifierKey(origin, pub[:])
	if err != nil {
		return nil, fmt.Errorf("audit key: %w", err)
	}
	_, rest, _ := strings.Cut(vkey, "+")
	hash, _, _ := strings.Cut(rest, "+")
	seed := append([]byte{1}, key.Seed()...) // 1 is Ed25519
	s, err := note.NewSigner("PRIVATE+KEY+" + origin + "+" + hash + "+" + base64.StdEncoding.EncodeToString(seed))
	if err != nil {
		return nil, fmt.Errorf("name %q of the audit log has a space or a plus: %w", origin, ErrNote)
	}
	return s, nil
}

func digest(h tlog.Hash) federation.Digest { return federation.Digest(h) }
