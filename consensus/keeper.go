package consensus

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// The keeper is two goroutines of a state: one writes what is in memory into tables, one merges tables. They share the manifest
// under the state's lock. What fails is the end of the state: nothing is committed any more.

// flusher writes generations into tables, oldest first.
func (s *stateDB) flusher() {
	defer s.keepers.Done()
	for {
		s.mu.Lock()
		for !s.closing && (len(s.now.frozen) == 0 || s.fault != nil) {
			s.moved.Wait()
		}
		if s.closing {
			s.mu.Unlock()
			return
		}
		g := s.now.frozen[len(s.now.frozen)-1]
		s.mu.Unlock()
		if err := s.flush(g); err != nil && !errors.Is(err, errAbandoned) {
			_ = s.failed(fmt.Errorf("write state: %w", err)) // said by the next commit
		}
	}
}

// flush writes one generation.
func (s *stateDB) flush(g *generation) error {
	var cursors []cursor
	hashes := 0
	for _, run := range g.runs {
		cursors = append(cursors, run.cursor(nil))
		for _, e := range run.entries {
			hashes++
			if s.scheme.prefix(e.row.key()) > 0 {
				hashes++
			}
		}
	}
	t, err := s.write(cursors, hashes, s.tablesNow() == 0, nil)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.manifest
	m.at, m.members, m.journal = g.at, g.members, g.journal
	tables := s.now.tables.tables
	if t != nil {
		tables = append([]*table{t}, tables...)
	}
	if err := s.install(m, tables); err != nil {
		return err
	}
	s.now.frozen = s.now.frozen[: len(s.now.frozen)-1 : len(s.now.frozen)-1]
	s.now.layer()
	s.show()
	return s.retireJournals(m.journal)
}

// retireJournals removes those before first; s.mu is held.
func (s *stateDB) retireJournals(first uint64) error {
	var errs []error
	for len(s.journals) > 1 && s.journals[0].number < first {
		j := s.journals[0]
		s.journals = s.journals[1:]
		errs = append(errs, j.file.Close(), os.Remove(filepath.Join(s.dir, journalName(j.number))))
	}
	s.moved.Broadcast()
	return errors.Join(errs...)
}

func (s *stateDB) tablesNow() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.now.tables.tables)
}

// write makes a table of all rows of the cursors, newest first. Nothing lies below a bottom table, so deletions need not be
// kept in it. Its pages are packed if there is a packer. The table is nil when there was nothing to write.
func (s *stateDB) write(cursors []cursor, hashes int, bottom bool, p *packer) (*table, error) {
	s.mu.Lock()
	number := s.manifest.next
	s.manifest.next++
	s.mu.Unlock()
	w, err := newTableWriter(s.dir, number, hashes, s.seed, s.sealer, s.scheme)
	if err != nil {
		return nil, err
	}
	w.packer, w.disk = p, s.disk
	rows := merge(cursors)
	for err == nil && rows.next() {
		key, value, deleted := rows.row()
		if deleted && bottom {
			continue
		}
		if err = w.add(key, value, deleted); err == nil && w.page.rows == 1 {
			if s.given() {
				err = errAbandoned
			}
			runtime.Gosched() // what waits for a processor, somebody waits for: nobody waits for a table
		}
	}
	if err = errors.Join(err, rows.err()); err != nil || w.info.rows == 0 {
		w.abandon()
		return nil, err
	}
	info, err := w.finish()
	if err != nil {
		w.abandon()
		return nil, err
	}
	return openTable(s.dir, info, s.sealer, s.cache)
}

// errAbandoned ends a merge that is under way when the state closes. The tables that were merged are still there.
var errAbandoned = errors.New("state is closing")

// given reports whether the state is closing and what was not begun need not be finished.
func (s *stateDB) given() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// install writes the manifest and puts the tables into service; s.mu is held.
func (s *stateDB) install(m manifest, tables []*table) error {
	m.next = s.manifest.next
	m.tables = nil
	for _, t := range tables {
		m.tables = append(m.tables, t.tableInfo)
	}
	if err := m.write(s.dir, s.sealer, s.disk); err != nil {
		return err
	}
	s.manifest = m
	old := s.now.tables
	s.now.tables = newSet(tables)
	s.show() // for a moment rows may be in memory as well, which are the same
	old.drop()
	s.moved.Broadcast()
	return nil
}
