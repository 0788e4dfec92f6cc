package consensus

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// openState opens or makes the state in dir.
func openState(dir string, c Config) (*stateDB, error) {
	s := &stateDB{
		dir: dir, size: c.Storage, sealer: c.Sealer, log: c.Logger, disk: c.Sync, scheme: newScanScheme(c.Machine),
		cache: newPageCache(c.Storage.BlockCache), free: freeOf, closed: make(chan struct{}),
	}
	s.refs.n.Store(1)
	s.schema = s.scheme.id()
	s.moved = sync.NewCond(&s.mu)
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("open state %s: %w", dir, errors.Join(err, s.closeFiles()))
	}
	s.mu.Lock()
	s.work() // what is opened is read, and caught up with, first
	s.mu.Unlock()
	s.keepers.Add(2)
	go s.flusher()
	go s.compactor()
	return s, nil
}

func (s *stateDB) closeFiles() error {
	var errs []error
	for _, j := range s.journals {
		errs = append(errs, j.file.Close())
	}
	if s.now.tables != nil {
		s.now.tables.drop()
	}
	return errors.Join(errs...)
}

func (s *stateDB) open() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	m, err := readManifest(s.dir, s.sealer)
	if err != nil {
		return err
	}
	if m == nil {
		if m, err = s.found(); err != nil {
			return err
		}
	}
	s.manifest, s.id, s.seed = *m, m.id, m.seed
	s.now.at, s.now.members = m.at, m.members
	tables := make([]*table, 0, len(m.tables))
	s.now.tables = newSet(nil)
	for _, info := range m.tables {
		t, err := openTable(s.dir, info, s.sealer, s.cache)
		if err != nil {
			for _, t := range tables {
				err = errors.Join(err, t.file.Close())
			}
			return err
		}
		tables = append(tables, t)
	}
	s.now.tables = newSet(tables)
	journals, err := s.tidy()
	if err != nil {
		return err
	}
	return s.replay(journals)
}

// found begins a state. A folder with tables or journals and no manifest was one.
func (s *stateDB) found() (*manifest, error) {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if f.Name() != manifestFile+".tmp" {
			return nil, fmt.Errorf("%s without a manifest: %w", f.Name(), ErrDamaged)
		}
	}
	m, err := newManifest()
	if err != nil {
		return nil, err
	}
	if err := m.write(s.dir, s.sealer, s.disk); err != nil {
		return nil, err
	}
	return m, s.disk.path(filepath.Dir(s.dir)) // which names the folder
}

// tidy removes what a crash left behind and returns the numbers of the journals that count.
func (s *stateDB) tidy() ([]uint64, error) {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	keep := make(map[string]bool)
	for _, t := range s.manifest.tables {
		keep[tableName(t.number)] = true
	}
	var journals []uint64
	for _, f := range files {
		name := f.Name()
		digits, isJournal := strings.CutSuffix(name, journalSuffix)
		if n, err := strconv.ParseUint(digits, 10, 64); isJournal && err == nil && n >= s.manifest.journal {
			journals = append(journals, n)
			continue
		}
		if isJournal || strings.HasSuffix(name, tableSuffix) && !keep[name] {
			if err := os.Remove(filepath.Join(s.dir, name)); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(journals)
	return journals, nil
}

// replay reads the journals into memory and begins a new one.
func (s *stateDB) replay(journals []uint64) error {
	next := s.manifest.journal
	whole := true
	for _, n := range journals {
		if whole && n == next {
			j := &journal{state: s.id, number: n, sealer: s.sealer}
			var err error
			if whole, err = j.read(s.dir, s.seed, s.again); err != nil {
				return err
			}
			if !whole {
				s.log.Warn("state is torn; the log will replay what is missing", slog.String("file", journalName(n)))
			}
			f, err := os.OpenFile(filepath.Join(s.dir, journalName(n)), os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			j.file = f
			s.journals = append(s.journals, j)
			next++
			continue
		}
		whole = false
		if err := os.Remove(filepath.Join(s.dir, journalName(n))); err != nil {
			return err
		}
	}
	j, err := newJournal(s.dir, s.id, next, s.sealer)
	if err != nil {
		return err
	}
	s.journals, s.current = append(s.journals, j), j
	s.now.layer()
	s.show()
	return nil
}

// again puts a commit in that the journal has.
func (s *stateDB) again(c commit) error {
	if c.at.index < s.now.at.index {
		return fmt.Errorf("journal goes back from %d to %d: %w", s.now.at.index, c.at.index, ErrDamaged)
	}
	if len(c.entries) > 0 {
		s.now.active = pushRun(s.now.active, newMemRun(c.entries))
	}
	for _, e := range c.entries {
		s.room.used += len(e.row)
	}
	s.now.at = c.at
	if c.members != nil {
		s.now.members = *c.members
	}
	return nil
}
