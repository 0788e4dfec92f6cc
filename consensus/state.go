package consensus

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// position is a place in the log.
type position struct{ index, term uint64 }

// membership is a configuration and the index of the entry that brought it.
type membership struct {
	index uint64
	data  []byte // as raft encodes it
}

// stateDB is one state: rows by key, with the position in the log that they are at. It is written by one goroutine, commit after
// commit. New rows are in memory, in sorted runs that do not change; a journal has them as well. When there are enough the
// keeper writes them into a table, and merges tables. A stateDB lives as long as somebody holds it: a snapshot may take its
// place while views of it are still being read.
type stateDB struct {
	dir      string
	size     Storage
	sealer   Sealer
	log      *slog.Logger
	disk     syncer
	free     func(dir string) (uint64, error)
	scheme   scanScheme
	schema   uint64 // scheme.id()
	id       [16]byte
	seed     uint64
	cache    *pageCache
	scans    sync.Pool // of *scan
	room     arena     // of the writer, as is the journal that it writes
	current  *journal
	expected int // keys of the next Tx

	mu       sync.Mutex
	moved    *sync.Cond // the version, the fault or closing changed
	now      version
	manifest manifest
	journals []*journal  // open ones, oldest first; the last one is current
	busy     bool        // rows come, and have filled what memory holds not long ago
	idle     *time.Timer // ends that
	cramped  bool        // the disk has no room for the next merge
	later    *time.Timer // ends that
	bulk     bool        // no journal: sync writes tables
	fault    error       // writing failed for good
	closing  bool

	shown   atomic.Pointer[version] // now, as readers see it: they wait for no lock, which may be held while something is synced
	merging atomic.Bool             // tables are being merged, or will be looked at once nothing comes
	keepers sync.WaitGroup
	refs    holds
	remove  bool
	closed  chan struct{}
	err     error
}

// version is one state of the rows. What it points to does not change.
type version struct {
	at      position
	members membership
	active  []*memRun     // newest first
	frozen  []*generation // newest first; on their way into a table
	memory  []*memRun     // active and those of frozen, newest first
	tables  *tableSet
}

// generation is what goes into one table.
type generation struct {
	runs    []*memRun
	bytes   int
	at      position
	members membership
	journal uint64 // first journal that has no part of it
}

// tableSet is the tables of some versions. It holds them open as long as one of those is read.
type tableSet struct {
	tables []*table // newest first
	refs   holds
}

// commitBytes is how much gathers in one Tx before it is committed: a record of the journal holds it, and what was applied first
// is seen no earlier than what was applied last.
const commitBytes = 512 << 10

// holds counts who holds something. Once there is none there never is one again.
type holds struct{ n atomic.Int64 }

// take adds one, unless there is none.
func (h *holds) take() bool {
	for {
		n := h.n.Load()
		if n == 0 {
			return false
		}
		if h.n.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// give takes one away and reports whether it was the last.
func (h *holds) give() bool { return h.n.Add(-1) == 0 }

// acquire holds the state open; false when it is closing.
func (s *stateDB) acquire() bool { return s.refs.take() }

// release gives up one hold. The last one closes the state, and removes its folder if retire was called.
func (s *stateDB) release() {
	if !s.refs.give() {
		return
	}
	s.mu.Lock()
	remove := s.remove
	s.mu.Unlock()
	err := s.shut(remove)
	if remove {
		err = os.RemoveAll(s.dir)
	}
	s.err = err
	close(s.closed)
}

// shut ends the keeper and closes all files. What is in memory is in the journal, which is synced unless nobody wants it.
func (s *stateDB) shut(discard bool) error {
	var err error
	if !discard {
		err = s.sync()
	}
	s.mu.Lock()
	s.closing = true
	for _, t := range []*time.Timer{s.idle, s.later} {
		if t != nil {
			t.Stop()
		}
	}
	s.moved.Broadcast()
	s.mu.Unlock()
	s.keepers.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.journals {
		err = errors.Join(err, j.file.Close())
	}
	last := s.now.tables
	s.now = version{tables: newSet(nil)}
	s.show()
	last.drop()
	if err == nil && s.fault != nil {
		err = s.fault
	}
	return err
}

// retire says that the folder is of no use once the last hold is gone.
func (s *stateDB) retire() {
	s.mu.Lock()
	s.remove = true
	s.mu.Unlock()
}

// wait returns once the state is closed, with the error of closing it.
func (s *stateDB) wait() error {
	<-s.closed
	return s.err
}

// drop gives up one hold of a set of tables.
func (set *tableSet) drop() {
	if !set.refs.give() {
		return
	}
	for _, t := range set.tables {
		t.release()
	}
}

// newSet makes a set with one hold.
func newSet(tables []*table) *tableSet {
	for _, t := range tables {
		t.refs.Add(1)
	}
	set := &tableSet{tables: tables}
	set.refs.n.Store(1)
	return set
}

// show lets readers see the state as it is now; s.mu is held. A set of tables is dropped only after another is shown.
func (s *stateDB) show() {
	v := s.now
	s.shown.Store(&v)
}

// read opens a Reader of the state as it is. The caller holds the state open.
func (s *stateDB) read() *stateReader {
	for {
		v := s.shown.Load()
		if v.tables.refs.take() { // else another is shown by now
			return &stateReader{state: s, at: *v}
		}
	}
}

// tx begins the gathering of writes over r. There is one at a time.
func (s *stateDB) tx(r *stateReader) *Tx { return newTx(r, s.seed, &s.room, s.expected) }

// commit puts the effects and the new position in, together. members may be nil for no change. After an error
// nothing is committed any more.
func (s *stateDB) commit(tx *Tx, at position, members *membership) error {
	c := commit{at: at, members: members, entries: tx.entries()}
	run := newMemRun(c.entries)
	s.expected = min(len(c.entries)+len(c.entries)/4, 8<<10)
	if err := s.writable(); err != nil {
		return fmt.Errorf("commit state at %d: %w", at.index, err)
	}
	if !s.bulk {
		if err := s.current.write(c); err != nil {
			return s.failed(fmt.Errorf("commit state at %d: %w", at.index, err))
		}
	}
	active := s.now.active // changed by this goroutine only
	if len(c.entries) > 0 {
		active = pushRun(active, run)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.active = active
	if at.index > 0 {
		s.now.at = at
	}
	if members != nil {
		s.now.members = *members
	}
	if s.room.used >= int(s.size.MemTable) {
		if err := s.freeze(); err != nil {
			s.fault = err
			s.moved.Broadcast()
			return fmt.Errorf("commit state at %d: %w", at.index, err)
		}
	}
	s.now.layer()
	s.show()
	return nil
}

// layer lists all runs in memory.
func (v *version) layer() {
	v.memory = append(make([]*memRun, 0, len(v.active)+8), v.active...)
	for _, g := range v.frozen {
		v.memory = append(v.memory, g.runs...)
	}
}

// writable waits until there is room in memory.
func (s *stateDB) writable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.fault == nil && len(s.now.frozen) >= s.size.MemTables {
		s.moved.Wait()
	}
	return s.fault
}

func (s *stateDB) failed(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == nil {
		s.fault = err
	}
	s.moved.Broadcast()
	return err
}

// freeze hands what is in memory to the keeper and begins a new journal; s.mu is held, by the writer or with no writer.
func (s *stateDB) freeze() error {
	if !s.bulk { // what was written without a journal leaves the current one to what follows
		j, err := newJournal(s.dir, s.id, s.current.number+1, s.sealer)
		if err != nil {
			return err
		}
		s.journals, s.current = append(s.journals, j), j
	}
	g := &generation{runs: s.now.active, bytes: s.room.used, at: s.now.at, members: s.now.members, journal: s.current.number}
	s.work()
	s.now.active = nil
	s.now.frozen = append([]*generation{g}, s.now.frozen...)
	s.now.layer()
	s.show()
	s.room = arena{}
	s.moved.Broadcast()
	return nil
}

// sync returns once everything committed is on disk: in tables, or in a synced journal.
func (s *stateDB) sync() error {
	s.mu.Lock()
	if s.bulk && s.fault == nil {
		s.fault = s.flushAll()
	}
	err, journals := s.fault, slices.Clone(s.journals)
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("sync state: %w", err)
	}
	for _, j := range journals {
		// The keeper closes a journal once its rows are in a table that is on disk.
		if err := s.disk.file(j.file); err != nil && !errors.Is(err, os.ErrClosed) {
			return s.failed(fmt.Errorf("sync state: %w", err))
		}
	}
	if err := s.disk.path(s.dir); err != nil {
		return fmt.Errorf("sync state: %w", err)
	}
	return nil
}

// flushAll has everything written into tables and returns to the journal; s.mu is held.
func (s *stateDB) flushAll() error {
	if err := s.freeze(); err != nil {
		return err
	}
	for s.fault == nil && len(s.now.frozen) > 0 {
		s.moved.Wait()
	}
	s.bulk = false
	return s.fault
}

// fill says that all up to the next sync is to be had again, so that no journal is needed.
func (s *stateDB) fill() {
	s.mu.Lock()
	s.bulk = true
	s.mu.Unlock()
}

// stateReader is a Reader of one version.
type stateReader struct {
	state *stateDB
	at    version
}

// discard lets the version go. It must be called, once.
func (r *stateReader) discard() { r.at.tables.drop() }

func (r *stateReader) Get(key []byte) ([]byte, bool, error) {
	return r.find(hashKey(r.state.seed, key), key)
}

func (r *stateReader) find(hash uint64, key []byte) ([]byte, bool, error) {
	if found := findRow(r.at.memory, hash, key); found != nil {
		if found.deleted() {
			return nil, false, nil
		}
		return bytes.Clone(found.value()), true, nil
	}
	for _, t := range r.at.tables.tables {
		value, deleted, known, err := t.find(hash, key)
		if err != nil {
			return nil, false, fmt.Errorf("read state: %w", err)
		}
		if known {
			return value, !deleted, nil
		}
	}
	return nil, false, nil
}

// applied returns the position that this version is at; zero for an empty state.
func (r *stateReader) applied() position { return r.at.at }

// members returns the configuration that this version has applied.
func (r *stateReader) members() membership { return r.at.members }
