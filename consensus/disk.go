package consensus

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/raft"
)

// checkDisk opens the mark and holds log and state against it and each other.
func (r *Replica) checkDisk() error {
	first, err := r.log.FirstIndex()
	if err != nil {
		return err
	}
	last, err := r.log.LastIndex()
	if err != nil {
		return err
	}
	term, err := r.log.GetUint64(stableTerm)
	if err != nil {
		return err
	}
	applied := r.machine.applied.get()
	blank := last == 0 && term == 0 && applied.index == 0
	r.mark, err = openMark(r.folder.path(markFile), blank, r.halt)
	if errors.Is(err, errMarkMissing) {
		return fmt.Errorf("%s: %w: %w", markFile, ErrDamaged, err)
	}
	if err != nil {
		return err
	}
	r.store = &logStore{
		file: r.log, seal: r.config.Sealer, mark: r.mark, fail: r.halt, floor: r.floor, saved: r.machine.saved.Load, base: time.Now(),
		cache: logCache{limit: r.config.Storage.LogCache},
	}
	r.store.scale.begin(first, last, logBytes(r.folder.log()))
	if r.config.wrapLog != nil {
		r.store.file = r.config.wrapLog(r.log)
	}
	if r.mark.get().forgotten {
		if err := r.renounce(); err != nil {
			return err
		}
	}
	if err := r.checkMark(first, last, applied); err != nil {
		return err
	}
	if last > 0 && first > applied.index+1 {
		return fmt.Errorf("state is at %d and the log begins at %d: %w", applied.index, first, ErrDamaged)
	}
	if last > 0 && last < applied.index {
		// A snapshot was put into service, and a crash kept the log that it made useless.
		return r.store.DeleteRange(first, last)
	}
	return r.store.verify(applied.index+1, last)
}

// checkMark refuses a log that ends before what was promised. A snapshot stands in for the entries up to its index.
func (r *Replica) checkMark(first, last uint64, applied position) error {
	m := r.mark.get()
	term, err := r.log.GetUint64(stableTerm)
	if err != nil {
		return err
	}
	voteTerm, err := r.log.GetUint64(stableVoteTerm)
	if err != nil {
		return err
	}
	switch {
	case max(last, applied.index) < m.index:
		return fmt.Errorf("%w: log ends at %d and state at %d, promised up to %d", ErrLogLost, last, applied.index, m.index)
	case term < m.term:
		return fmt.Errorf("%w: term %d, was %d", ErrLogLost, term, m.term)
	case voteTerm < m.voteTerm:
		return fmt.Errorf("%w: vote of term %d, was %d", ErrLogLost, voteTerm, m.voteTerm)
	}
	if m.index >= first && m.index <= last && m.index > 0 {
		var l raft.Log
		if err := r.store.read(m.index, &l); err != nil {
			return fmt.Errorf("read log entry %d: %w: %w", m.index, ErrDamaged, err)
		}
		if l.Term != m.entryTerm {
			return fmt.Errorf("%w: entry %d is of term %d, was of %d", ErrLogLost, m.index, l.Term, m.entryTerm)
		}
	}
	return nil
}

// renounce makes sure that a vote of a term up to the mark's cannot be given twice, not even after the replica votes again.
func (r *Replica) renounce() error {
	m := r.mark.get()
	term, err := r.log.GetUint64(stableTerm)
	if err != nil || term >= m.term {
		return err
	}
	if err := r.log.Set([]byte("LastVoteCand"), []byte("forgotten")); err != nil {
		return err
	}
	if err := r.log.SetUint64(stableVoteTerm, m.term); err != nil {
		return err
	}
	return r.log.SetUint64(stableTerm, m.term)
}

// Examine opens what lies on disk as Open would, compares its parts, and closes it again. No other replica hears of it. It
// returns what Open would fail with, and whether the replica gave up its vote; see Forget.
func Examine(c Config) (forgotten bool, err error) {
	c, err = c.withDefaults()
	if err != nil {
		return false, err
	}
	r := &Replica{
		config: c, stopped: make(chan struct{}), dead: make(chan struct{}), changed: make(chan struct{}), closed: make(chan struct{}),
	}
	err = r.open()
	if err == nil {
		forgotten = r.mark.get().forgotten
	}
	return forgotten, errors.Join(err, r.release())
}

// Blank reports whether a folder has no replica's mark: it is not there, was emptied, or no replica was ever opened in it. What else
// lies in it says nothing of what the replica promised, and Open takes a folder without mark, log and state for a new one.
func Blank(dir string) (bool, error) {
	info, err := os.Stat(filepath.Join(dir, markFile))
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the replica's folder: %w", err)
	}
	return info.Size() == 0, nil
}

// Forget prepares the folder of a closed replica that lost part of its log or whose disk was damaged to take part again, with
// an empty log and state. What is there is moved into a folder named lost-, for whoever wants to look.
//
// Opened again, the replica takes the log from the leader like a new one, but gives no vote and does not stand for election
// until it has learned from the leader, by a read index, that the region's configuration gives it no vote: the leader calls Demote
// (or Remove and AddObserver). From then on it is an observer like any other, and AddVoter makes it a voter again. Until
// then a region of three goes on with the other two. A region whose only voter forgets is lost.
func Forget(dir string) error {
	f, err := openFolder(dir)
	if err != nil {
		return err
	}
	return errors.Join(forget(f), f.close())
}

func forget(f *folder) error {
	var old mark
	if h, err := openMark(f.path(markFile), false, func(error) {}); err == nil {
		old = h.get()
		if err := h.close(); err != nil {
			return err
		}
	}
	aside := ""
	for n := 1; aside == ""; n++ {
		path := f.path(fmt.Sprintf("%s%d", lostPrefix, n))
		if err := os.Mkdir(path, 0o700); err == nil {
			aside = path
		} else if !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("forget: %w", err)
		}
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	// The mark says forgotten before anything else changes: a crash in between leaves a replica that does not vote.
	b := mark{term: old.term, voteTerm: old.voteTerm, forgotten: true}.encode(1)
	if err := f.disk.replace(f.dir, markFile, b); err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	for _, e := range entries {
		if name := e.Name(); name == logDir || name == currentFile || strings.HasPrefix(name, statePrefix) {
			if err := os.Rename(f.path(name), filepath.Join(aside, name)); err != nil {
				return fmt.Errorf("forget: %w", err)
			}
		}
	}
	return errors.Join(f.disk.path(aside), f.disk.path(f.dir))
}

// recall takes note that the region has taken this replica's vote away, so that it may get a new one.
func (r *Replica) recall() error {
	r.config.Logger.Info("this replica's lost vote was taken away; it may become a voter again", slog.String("id", string(r.config.ID)))
	return r.mark.set(func(m *mark) { m.forgotten = false })
}
