package consensus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// Keys in Badger. The machine's are apart from ours by their first byte.
//
//	m <key>     sealed value of the machine's key
//	!applied    sealed: uvarint index, uvarint term of the last entry whose effects are in
//	!config     sealed: uvarint index of the configuration entry, the configuration
const machinePrefix = 'm'

var (
	keyApplied = []byte("!applied")
	keyConfig  = []byte("!config")
)

// position is a place in the log.
type position struct{ index, term uint64 }

// membership is a configuration and the index of the entry that brought it.
type membership struct {
	index uint64
	data  []byte // as raft encodes it
}

// stateDB is one Badger with one state in it. It lives as long as somebody holds it: a snapshot may take its place while
// views of it are still being read.
type stateDB struct {
	dir    string
	db     *badger.DB
	sealer Sealer
	limit  int // bytes of one transaction
	count  int // writes of one transaction

	mu     sync.Mutex
	refs   int
	remove bool
	closed chan struct{}
	err    error
}

// openState opens or makes the Badger in dir.
func openState(dir string, s Storage, sealer Sealer, log *slog.Logger) (*stateDB, error) {
	if err := cutMemFiles(dir, log); err != nil {
		return nil, fmt.Errorf("open state %s: %w", dir, err)
	}
	opt := badger.DefaultOptions(dir).
		WithLogger(badgerLog{log}).
		WithMetricsEnabled(false).
		WithMemTableSize(s.MemTable).
		WithNumMemtables(s.MemTables).
		WithBlockCacheSize(s.BlockCache).
		WithIndexCacheSize(s.IndexCache).
		WithValueThreshold(1 << 20).
		WithValueLogFileSize(16 << 20).
		WithCompression(options.Snappy).
		WithNumVersionsToKeep(1).
		WithNumCompactors(2).
		WithDetectConflicts(false).
		WithSyncWrites(false).
		// The other modes turn a damaged block into a missing key, or panic.
		WithChecksumVerificationMode(options.OnTableRead)
	db, err := badger.Open(opt)
	if err != nil {
		return nil, fmt.Errorf("open state %s: %w: %w", dir, ErrDamaged, err)
	}
	// Badger refuses a transaction at its limits, and counts a few bytes more for each entry than effectOverhead may cover.
	return &stateDB{
		dir: dir, db: db, sealer: sealer, refs: 1, closed: make(chan struct{}),
		limit: int(db.MaxBatchSize()) - 64<<10, count: int(db.MaxBatchCount()) - 16,
	}, nil
}

// acquire holds the state open; false when it is closing.
func (s *stateDB) acquire() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refs == 0 {
		return false
	}
	s.refs++
	return true
}

// release gives up one hold. The last one closes Badger, and removes its folder if retire was called.
func (s *stateDB) release() {
	s.mu.Lock()
	s.refs--
	last, remove := s.refs == 0, s.remove
	s.mu.Unlock()
	if !last {
		return
	}
	err := s.db.Close()
	if remove {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	s.err = err
	close(s.closed)
}

// retire says that the folder is of no use once the last hold is gone.
func (s *stateDB) retire() {
	s.mu.Lock()
	s.remove = true
	s.mu.Unlock()
}

// wait returns once Badger is closed, with the error of closing it.
func (s *stateDB) wait() error {
	<-s.closed
	return s.err
}

// read opens a Reader of the state as it is.
func (s *stateDB) read() *stateReader {
	return &stateReader{state: s, txn: s.db.NewTransaction(false)}
}

// commit writes the effects and the new position in one transaction. members may be nil for no change.
func (s *stateDB) commit(tx *Tx, at position, members *membership) error {
	txn := s.db.NewTransaction(true)
	defer txn.Discard()
	err := tx.each(func(w write) error {
		key := append(make([]byte, 0, 1+len(w.key)), machinePrefix)
		key = append(key, w.key...)
		if w.state == deleted {
			return txn.Delete(key)
		}
		return txn.Set(key, s.sealer.Seal(nil, key, w.value))
	})
	if err != nil {
		return fmt.Errorf("commit state at %d: %w", at.index, err)
	}
	if members != nil {
		value := append(binary.AppendUvarint(nil, members.index), members.data...)
		if err := txn.Set(keyConfig, s.sealer.Seal(nil, keyConfig, value)); err != nil {
			return fmt.Errorf("commit state at %d: %w", at.index, err)
		}
	}
	if at.index > 0 {
		value := binary.AppendUvarint(binary.AppendUvarint(nil, at.index), at.term)
		if err := txn.Set(keyApplied, s.sealer.Seal(nil, keyApplied, value)); err != nil {
			return fmt.Errorf("commit state at %d: %w", at.index, err)
		}
	}
	if err := txn.Commit(); err != nil {
		return fmt.Errorf("commit state at %d: %w", at.index, err)
	}
	return nil
}

// sync returns once everything committed is on disk. Badger's own Sync leaves out memory tables that wait to be flushed, and
// does not always report a failed write-back, so each log file is synced through a descriptor of our own as well.
func (s *stateDB) sync() error {
	if err := s.db.Sync(); err != nil {
		return fmt.Errorf("sync state: %w", err)
	}
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("sync state: %w", err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".mem") && !strings.HasSuffix(f.Name(), ".vlog") {
			continue
		}
		// A memory table that is gone was flushed to a table, which Badger syncs before it deletes.
		if err := syncPath(filepath.Join(s.dir, f.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("sync state: %w", err)
		}
	}
	if err := syncPath(s.dir); err != nil {
		return fmt.Errorf("sync state: %w", err)
	}
	return nil
}

// stateReader is a Reader of one Badger transaction.
type stateReader struct {
	state *stateDB
	txn   *badger.Txn
}

func (r *stateReader) discard() { r.txn.Discard() }

func (r *stateReader) Get(key []byte) ([]byte, bool, error) {
	full := append(make([]byte, 0, 1+len(key)), machinePrefix)
	return r.get(append(full, key...))
}

func (r *stateReader) get(key []byte) ([]byte, bool, error) {
	item, err := r.txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read state: %w", err)
	}
	var plain []byte
	err = item.Value(func(sealed []byte) error {
		plain, err = r.state.sealer.Open(make([]byte, 0, len(sealed)), key, sealed)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("read state: %w: %w", ErrDamaged, err)
	}
	return plain, true, nil
}

func (r *stateReader) Scan(prefix, from []byte, fn func(key, value []byte) (bool, error)) error {
	full := append(append(make([]byte, 0, 1+len(prefix)), machinePrefix), prefix...)
	start := full
	if string(from) > string(prefix) {
		start = append(append(make([]byte, 0, 1+len(from)), machinePrefix), from...)
	}
	opt := badger.DefaultIteratorOptions
	opt.PrefetchValues = false
	opt.Prefix = full
	it := r.txn.NewIterator(opt)
	defer it.Close()
	var scratch []byte
	for it.Seek(start); it.ValidForPrefix(full); it.Next() {
		item := it.Item()
		more := false
		err := item.Value(func(sealed []byte) error {
			plain, err := r.state.sealer.Open(scratch[:0], item.Key(), sealed)
			if err != nil {
				return fmt.Errorf("read state: %w: %w", ErrDamaged, err)
			}
			scratch = plain
			more, err = fn(item.Key()[1:], plain)
			return err
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// applied returns the position that this transaction's state is at; zero for an empty state.
func (r *stateReader) applied() (position, error) {
	value, found, err := r.get(keyApplied)
	if err != nil || !found {
		return position{}, err
	}
	index, n := binary.Uvarint(value)
	if n <= 0 {
		return position{}, fmt.Errorf("read state: applied index: %w", ErrDamaged)
	}
	term, m := binary.Uvarint(value[n:])
	if m <= 0 || n+m != len(value) {
		return position{}, fmt.Errorf("read state: applied term: %w", ErrDamaged)
	}
	return position{index: index, term: term}, nil
}

// members returns the configuration that this transaction's state has applied.
func (r *stateReader) members() (membership, error) {
	value, found, err := r.get(keyConfig)
	if err != nil || !found {
		return membership{}, err
	}
	index, n := binary.Uvarint(value)
	if n <= 0 {
		return membership{}, fmt.Errorf("read state: configuration: %w", ErrDamaged)
	}
	return membership{index: index, data: value[n:]}, nil
}

// badgerLog passes Badger's warnings and errors on; its messages carry file names and counts, never values.
type badgerLog struct{ log *slog.Logger }

func (l badgerLog) Errorf(f string, a ...any) { l.log.Error("badger", slog.String("text", trim(f, a))) }

func (l badgerLog) Warningf(f string, a ...any) {
	l.log.Warn("badger", slog.String("text", trim(f, a)))
}
func (l badgerLog) Infof(string, ...any)  {}
func (l badgerLog) Debugf(string, ...any) {}

func trim(f string, a []any) string { return strings.TrimSpace(fmt.Sprintf(f, a...)) }
