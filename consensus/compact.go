package consensus

import (
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// compactor merges tables.
func (s *stateDB) compactor() {
	defer s.keepers.Done()
	for {
		s.mu.Lock()
		first, n := 0, 0
		for !s.closing {
			if first, n = s.ripe(s.now.tables.tables); n > 0 && s.fault == nil {
				break
			}
			s.merging.Store(s.busy)
			s.moved.Wait()
		}
		if s.closing {
			s.mu.Unlock()
			return
		}
		s.merging.Store(true)
		set := s.now.tables
		if !s.roomFor(set.tables[first : first+n]) {
			s.mu.Unlock()
			continue
		}
		set.refs.take() // s.now has a hold
		s.mu.Unlock()
		err := s.compact(set.tables[first:first+n], first+n == len(set.tables))
		set.drop()
		if err != nil && !errors.Is(err, errAbandoned) {
			_ = s.failed(fmt.Errorf("merge state: %w", err)) // said by the next commit
		}
	}
}

// While rows come without a pause as many young tables as youngFanIn are merged into one, so that each row is written again seldom:
// with four, a region that had a million pointers took in half as many a second. Older ones go by busyFanIn then. Once nothing has
// come for idleAfter, two of one size are enough, so that a scan has few tables to look into.
const (
	youngFanIn = 16
	busyFanIn  = 8
	idleFanIn  = 2
	idleAfter  = 10 * time.Second
)

// ripe returns neighbours of about one size that are worth merging, the newest and smallest such; n is 0 for none. Smaller ones
// between them go with them.
func (s *stateDB) ripe(tables []*table) (first, n int) {
	if s.cramped {
		return 0, 0
	}
	fanIn := idleFanIn
	if s.busy {
		fanIn = youngFanIn
	}
	for class := range 32 {
		first, count := 0, 0
		for i, t := range tables {
			switch c := s.class(t); {
			case c > class:
				count = 0
			case c == class && count == 0:
				first, count = i, 1
			case c == class:
				count++
			}
			if count >= fanIn && (i == len(tables)-1 || s.class(tables[i+1]) > class) {
				return first, i - first + 1
			}
		}
		if s.busy {
			fanIn = busyFanIn
		}
	}
	return 0, 0
}

// class is the size of a table: one more each four times what memory holds. While rows come it is one more each busyFanIn times, and 0
// for all that are smaller than half of what youngFanIn come to. s.mu is held.
func (s *stateDB) class(t *table) int {
	size := bits.Len64(uint64(t.weight()) / uint64(s.size.MemTable))
	switch {
	case !s.busy:
		return size / 2
	case size < 4:
		return 0
	default:
		return (size - 1) / 3
	}
}

// work marks that rows come; s.mu is held.
func (s *stateDB) work() {
	s.busy = true
	s.merging.Store(true)
	if s.idle != nil {
		s.idle.Reset(idleAfter)
		return
	}
	s.idle = time.AfterFunc(idleAfter, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.busy = false
		s.moved.Broadcast()
	})
}

// A merge leaves mergeSpare of the disk free: others must write while it lasts. Where it would not, it is put off for crampedFor.
const (
	mergeSpare = 64 << 20
	crampedFor = time.Minute
)

// roomFor reports whether the disk has room for what tables become beside them, or has it looked at again later; s.mu is held. What the
// disk does not tell is found out by writing.
func (s *stateDB) roomFor(tables []*table) bool {
	need := int64(mergeSpare)
	for _, t := range tables {
		need += t.size()
	}
	free, err := s.free(s.dir)
	if err != nil || free >= uint64(need) {
		return true
	}
	s.cramped = true
	s.log.Warn("tables of the agreed state are not merged: the disk has too little room", slog.Int64("needed", need), slog.Uint64("free", free))
	s.later = time.AfterFunc(crampedFor, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cramped = false
		s.moved.Broadcast()
	})
	return false
}

// freeOf returns how many bytes of a folder's disk are to be had.
func freeOf(dir string) (uint64, error) {
	var st unix.Statfs_t
	err := unix.Statfs(dir, &st)
	return st.Bavail * uint64(st.Bsize), err
}

// compact merges neighbours into one table.
func (s *stateDB) compact(old []*table, bottom bool) error {
	var cursors []cursor
	hashes := 0
	for _, t := range old {
		cursors = append(cursors, t.cursor(nil, -keepPages))
		hashes += int(t.hashes)
		if t.scheme != s.schema {
			hashes += int(t.rows)
		}
	}
	merged, err := s.write(nested(cursors), hashes, bottom, &packer{})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Newer tables may have come on top meanwhile; the ones that were merged are still neighbours.
	at := slices.Index(s.now.tables.tables, old[0])
	tables := append([]*table{}, s.now.tables.tables[:at]...)
	if merged != nil {
		tables = append(tables, merged)
	}
	tables = append(tables, s.now.tables.tables[at+len(old):]...)
	if err := s.install(s.manifest, tables); err != nil {
		return err
	}
	for _, t := range old {
		t.obsolete.Store(true)
	}
	return nil
}
