package consensus

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
)

// logFile is what raft-wal provides; tests put a slow or a failing one in its place.
type logFile interface {
	raft.LogStore
	raft.StableStore
	Close() error
}

// logStore is raft's log and stable store. On top of raft-wal it keeps the newest entries in memory, raises the high-water mark,
// refuses to cut or overwrite what is committed, and makes every failure of the disk the end of the replica: raft itself
// would step down and go on, or panic.
type logStore struct {
	file  logFile
	seal  Sealer
	mark  *markKeeper
	fail  func(error)
	floor func() position // committed or applied, whichever is higher
	saved func() uint64   // applied index that is on disk
	cache logCache
	scale logScale
	// prepare tells the Machine of commands that are on their way; nil when it does not want to know.
	prepare func(cmd []byte)

	base    time.Time
	live    atomic.Bool  // raft's goroutines are running: a read that fails ends the goroutine, not the process
	started atomic.Int64 // nanoseconds from base to the start of the write under way, 0 for none
	slow    atomic.Int64 // duration in nanoseconds of the longest write since takeSlow
}

var stableTerm, stableVoteTerm = []byte("CurrentTerm"), []byte("LastVoteTerm")

func openLog(dir string, c Config) (*wal.WAL, error) {
	w, err := wal.Open(dir,
		wal.WithSegmentSize(c.Storage.LogSegment),
		wal.WithLogger(newRaftLog(c.Logger).Named("wal")))
	if err != nil {
		return nil, fmt.Errorf("open log %s: %w: %w", filepath.Base(dir), ErrDamaged, err)
	}
	return w, nil
}

// IsMonotonic tells raft that raft-wal takes no gaps.
func (s *logStore) IsMonotonic() bool { return true }

func (s *logStore) FirstIndex() (uint64, error) { return s.file.FirstIndex() }
func (s *logStore) LastIndex() (uint64, error)  { return s.file.LastIndex() }

func (s *logStore) GetLog(index uint64, l *raft.Log) error {
	if s.cache.get(index, l) {
		return nil
	}
	err := s.read(index, l)
	if err == nil || errors.Is(err, raft.ErrLogNotFound) {
		return err
	}
	return s.failed(fmt.Errorf("read log: %w", err))
}

// read reads an entry from the file. raft-wal v0.4.1 still finds entries in its newest segment after they were cut off the log's
// head, so that a follower would get old entries where it is to get a snapshot.
func (s *logStore) read(index uint64, l *raft.Log) error {
	first, err := s.file.FirstIndex()
	if err != nil {
		return err
	}
	if index < first {
		return raft.ErrLogNotFound
	}
	return readEntry(s.file, s.seal, index, l)
}

// failed stops the replica. Raft panics on most errors of its log; ending its goroutine instead lets Close run in order.
func (s *logStore) failed(err error) error {
	s.fail(err)
	if s.live.Load() && !errors.Is(err, wal.ErrClosed) {
		runtime.Goexit()
	}
	return err
}

func (s *logStore) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

func (s *logStore) StoreLogs(logs []*raft.Log) error {
	if len(logs) == 0 {
		return nil
	}
	if floor := s.floor(); logs[0].Index <= floor.index {
		return fmt.Errorf("store entry %d at or below the commit index %d: %w", logs[0].Index, floor.index, ErrDamaged)
	}
	if s.prepare != nil {
		for _, l := range logs {
			if l.Type == raft.LogCommand && len(l.Data) > 1 && l.Data[0] == entryCommand {
				s.prepare(l.Data[1:])
			}
		}
	}
	begin := time.Now()
	s.started.Store(max(1, int64(begin.Sub(s.base))))
	err := s.file.StoreLogs(sealEntries(s.seal, logs))
	s.started.Store(0)
	if took := int64(time.Since(begin)); took > s.slow.Load() {
		s.slow.Store(took)
	}
	if err != nil {
		err = fmt.Errorf("write log: %w", err)
		s.fail(err)
		return err
	}
	s.cache.put(logs)
	for _, l := range logs {
		s.scale.add(l.Index, len(l.Data))
	}
	last := logs[len(logs)-1]
	s.mark.raise(func(m *mark) { m.index, m.entryTerm = last.Index, last.Term })
	return nil
}

// DeleteRange cuts the log: its head once the state has it on disk, its tail where it was never committed.
func (s *logStore) DeleteRange(low, high uint64) error {
	first, err := s.file.FirstIndex()
	if err != nil {
		return err
	}
	last, err := s.file.LastIndex()
	if err != nil {
		return err
	}
	if first == 0 || low > last || high < first {
		return nil
	}
	low, high = max(low, first), min(high, last)
	floor := s.floor()
	if low > first && low <= floor.index {
		return fmt.Errorf("cut log from %d, committed up to %d: %w", low, floor.index, ErrDamaged)
	}
	if low == first && low <= floor.index && min(high, floor.index) > s.saved() {
		return fmt.Errorf("cut log up to %d, state on disk is at %d: %w", high, s.saved(), ErrDamaged)
	}
	if high == last {
		if err := s.lower(first, low, floor); err != nil {
			return s.failed(err)
		}
	}
	s.cache.clear()
	if err := s.file.DeleteRange(low, high); err != nil {
		return s.failed(fmt.Errorf("cut log: %w", err))
	}
	s.scale.cut(low, high)
	return nil
}

// lower takes the mark back before the tail from low is cut: those entries are no promise any more.
func (s *logStore) lower(first, low uint64, floor position) error {
	to := floor
	if low > first && low-1 > floor.index {
		var l raft.Log
		if err := s.read(low-1, &l); err != nil {
			return fmt.Errorf("read log: %w", err)
		}
		to = position{index: l.Index, term: l.Term}
	}
	return s.mark.set(func(m *mark) { m.index, m.entryTerm = to.index, to.term })
}

func (s *logStore) Set(key, value []byte) error {
	if err := s.file.Set(key, value); err != nil {
		return s.failed(fmt.Errorf("write vote: %w", err))
	}
	return nil
}

func (s *logStore) Get(key []byte) ([]byte, error) { return s.file.Get(key) }

func (s *logStore) SetUint64(key []byte, value uint64) error {
	if old, err := s.file.GetUint64(key); err == nil && old == value {
		return nil // raft writes the term again at each start
	}
	if err := s.file.SetUint64(key, value); err != nil {
		return s.failed(fmt.Errorf("write term: %w", err))
	}
	err := s.mark.set(func(m *mark) {
		switch string(key) {
		case string(stableTerm):
			m.term = max(m.term, value)
		case string(stableVoteTerm):
			m.voteTerm = max(m.voteTerm, value)
		}
	})
	if err != nil {
		return s.failed(err)
	}
	return nil
}

func (s *logStore) GetUint64(key []byte) (uint64, error) { return s.file.GetUint64(key) }

// stalled returns how long the write under way has taken so far.
func (s *logStore) stalled() time.Duration {
	if at := s.started.Load(); at != 0 {
		return time.Since(s.base) - time.Duration(at)
	}
	return 0
}

// takeSlow returns the longest write since the last call.
func (s *logStore) takeSlow() time.Duration { return time.Duration(s.slow.Swap(0)) }

// verify reads the entries that raft will need at once, so that damage is an error of Open.
func (s *logStore) verify(from, to uint64) error {
	for i := from; i <= to; i++ {
		var l raft.Log
		if err := s.read(i, &l); err != nil {
			return fmt.Errorf("read log entry %d: %w: %w", i, ErrDamaged, err)
		}
		if err := checkEntry(&l); err != nil {
			return fmt.Errorf("read log entry %d: %w: %w", i, ErrDamaged, err)
		}
	}
	return nil
}

// logCache keeps the newest entries, bounded by number and bytes: replication and apply read them again at once.
type logCache struct {
	limit int

	mu    sync.RWMutex
	first uint64
	logs  []*raft.Log
	bytes int
}

const logCacheEntries = 512

func (c *logCache) get(index uint64, l *raft.Log) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if index < c.first || index-c.first >= uint64(len(c.logs)) {
		return false
	}
	*l = *c.logs[index-c.first]
	return true
}

func (c *logCache) put(logs []*raft.Log) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range logs {
		if len(c.logs) > 0 && l.Index != c.first+uint64(len(c.logs)) {
			c.logs, c.bytes = nil, 0
		}
		if len(c.logs) == 0 {
			c.first = l.Index
		}
		c.logs = append(c.logs, l)
		c.bytes += len(l.Data)
	}
	drop := 0
	for ; drop < len(c.logs) && (len(c.logs)-drop > logCacheEntries || c.bytes > c.limit); drop++ {
		c.bytes -= len(c.logs[drop].Data)
		c.logs[drop] = nil
	}
	c.logs, c.first = c.logs[drop:], c.first+uint64(drop)
}

func (c *logCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.logs, c.bytes = nil, 0
}

var _ hclog.Logger = (*raftLog)(nil)
