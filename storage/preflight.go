package storage

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
)

// A preflight checks a store's files against the mark before Badger sees them. It changes nothing until all is
// known to be good.
type preflight struct {
	opt    *Options
	dir    string
	mark   *mark
	sealed *sealedList
	damage []Damage

	logs     map[logName]*checkedLog // all that are on the disk and not ended
	names    []logName               // the same, memtable logs last, ascending
	manifest manifestState           // of the file as found
}

// A checkedLog is a log as found: good up to state, of which the first marked bytes are under the mark.
type checkedLog struct {
	logName
	logState
	marked int64
	size   int64
}

// openGuard checks the files of the store and returns a guard that knows them. Files that a crash
// has left with a tail beyond the mark are made good: what is whole of the tail is written again and synced, for it may
// be in the cache only after a failed write-back; the rest, which was never acknowledged, is cut off.
func openGuard(opt *Options) (*guard, error) {
	flags := os.O_RDWR
	if _, err := os.Stat(filepath.Join(opt.Dir, badger.ManifestFilename)); errors.Is(err, fs.ErrNotExist) {
		flags |= os.O_CREATE
	}
	file, err := os.OpenFile(filepath.Join(opt.Dir, markFile), flags, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &DamageError{Dir: opt.Dir, Damage: []Damage{{File: markFile, Reason: "the mark is gone"}}}
	}
	if err != nil {
		return nil, err
	}
	g := &guard{written: written{keep: keepWritten}, dir: opt.Dir, sync: opt.Sync, allocate: allocate, file: file}
	if err := g.prepare(opt); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return g, nil
}

func (g *guard) prepare(opt *Options) error {
	if err := removeSalvage(opt.Dir); err != nil {
		return err
	}
	p, err := newPreflight(opt, g.file)
	if err != nil {
		return err
	}
	if p.mark == nil { // nothing here yet
		_, _ = rand.Read(g.mark.id[:]) // never fails: crypto/rand ends the program instead
		g.sealed = p.sealed
		return g.create()
	}
	if err := p.check(); err != nil {
		return err
	}
	if len(p.damage) > 0 {
		return &DamageError{Dir: opt.Dir, Damage: p.damage}
	}
	if err := p.heal(); err != nil {
		return err
	}
	g.mark, g.sealed = *p.mark, p.sealed
	return g.adopt(p)
}

// create makes the files of the guard in an empty folder.
func (g *guard) create() error {
	if err := g.file.Truncate(slotCount * slotSize); err != nil {
		return err
	}
	b, err := g.mark.encode()
	if err != nil {
		return err
	}
	if _, err := g.file.WriteAt(b, 0); err != nil {
		return err
	}
	if err := g.file.Sync(); err != nil {
		return err
	}
	return syncDir(g.dir)
}

// adopt goes on from what the preflight has found: the last value log file will be ended by Badger's opening.
func (g *guard) adopt(p *preflight) error {
	g.resealed = true
	for _, name := range p.names {
		c := p.logs[name]
		if name.kind == 'v' {
			g.sealed.files[name.fid] = c.logState
			continue
		}
		l, err := openLogFile(g.dir, name, c.logState)
		if err != nil {
			return err
		}
		l.tables = p.manifest // Badger adds a table to these before it removes the log
		g.mems = append(g.mems, l)
	}
	return nil
}

// newPreflight reads the mark. The result has no mark where the store has not been made yet.
func newPreflight(opt *Options, file io.ReaderAt) (*preflight, error) {
	p := &preflight{opt: opt, dir: opt.Dir, logs: map[logName]*checkedLog{}}
	_, merr := os.Stat(filepath.Join(p.dir, badger.ManifestFilename))
	if merr != nil && !errors.Is(merr, fs.ErrNotExist) {
		return nil, merr
	}
	var err error
	if p.sealed, err = readSealed(p.dir); errors.Is(err, errNoMark) {
		return nil, p.lost(sealedFile, "the list of ended files is damaged")
	} else if err != nil {
		return nil, err
	}
	p.mark, err = readMark(file)
	switch {
	case err == nil:
		return p, nil
	case !errors.Is(err, errNoMark):
		return nil, err
	case merr == nil || p.sealed.gen > 0:
		return nil, p.lost(markFile, "the mark is missing or damaged")
	}
	for _, pattern := range []string{"*.sst", "*.mem", "*.vlog"} { // Badger makes its manifest before any of these
		if found, err := filepath.Glob(filepath.Join(p.dir, pattern)); err != nil || len(found) > 0 {
			return nil, errors.Join(err, p.lost(markFile, "the mark and the list of tables are missing"))
		}
	}
	return p, nil
}

func (p *preflight) lost(file, reason string) error {
	return &DamageError{Dir: p.dir, Damage: []Damage{{File: file, Reason: reason}}}
}

func (p *preflight) add(d Damage) { p.damage = append(p.damage, d) }

// check collects all damage, so that one report tells the whole of it.
func (p *preflight) check() error {
	if p.sealed.gen < p.mark.sealedGen {
		p.add(Damage{File: sealedFile, Reason: fmt.Sprintf("the list of ended files is of generation %d, %d was written", p.sealed.gen, p.mark.sealedGen)})
	}
	steps := []func() error{p.checkManifest, p.checkTables, p.checkSealed, p.checkValues, p.checkMems, p.cutStrayPointers}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// checkSealed checks that the ended value log files are there and whole.
func (p *preflight) checkSealed() error {
	missing := 0
	for fid, want := range p.sealed.files {
		name := logName{'v', fid}
		info, err := os.Stat(filepath.Join(p.dir, name.String()))
		gone := errors.Is(err, fs.ErrNotExist)
		if err != nil && !gone {
			return err
		}
		switch {
		case want.end <= logHeaderSize:
			// It holds nothing, and Badger removes such files.
			if gone {
				delete(p.sealed.files, fid)
			}
		case gone || info.Size() == 0:
			missing++
			if p.mark.flags&flagVanish != 0 && missing == 1 {
				delete(p.sealed.files, fid) // what is left of the file is removed with the other halves
				continue
			}
			p.add(Damage{File: name.String(), Length: want.end, Reason: "the file is gone"})
		case info.Size() != want.end:
			p.add(Damage{
				File: name.String(), Offset: min(info.Size(), want.end), Length: want.end - info.Size(),
				Reason: fmt.Sprintf("the file has %d bytes, %d were written", info.Size(), want.end),
			})
		case p.opt.VerifyAll:
			if err := p.checkLog(name, want, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkValues checks the value log files that are not ended: the marked one and those begun after the mark.
func (p *preflight) checkValues() error {
	names, err := listLogs(p.dir, 'v')
	if err != nil {
		return err
	}
	return p.checkOpen('v', names, func(l markedLog) string {
		if _, ok := p.sealed.files[l.fid]; ok || l.end <= logHeaderSize {
			return ""
		}
		return "the file is gone"
	})
}

// checkMems checks the memtable logs. One that is gone has been put into a table, which the manifest then names.
func (p *preflight) checkMems() error {
	names, err := listLogs(p.dir, 'm')
	if err != nil {
		return err
	}
	return p.checkOpen('m', names, func(l markedLog) string {
		if l.end <= logHeaderSize || l.leaving || p.manifest != p.mark.manifest {
			return ""
		}
		return "the file is gone and its entries are in no table"
	})
}

// checkOpen checks the logs of a kind that can have changed since the mark. gone judges a marked log that is not there.
func (p *preflight) checkOpen(kind byte, names []logName, gone func(markedLog) string) error {
	marked := map[logName]logState{}
	for _, l := range p.mark.logs {
		if l.kind == kind {
			marked[l.logName] = l.logState
		}
	}
	present := map[logName]bool{}
	for _, name := range names {
		info, err := os.Stat(filepath.Join(p.dir, name.String()))
		if err != nil {
			return err
		}
		if _, ended := p.sealed.files[name.fid]; ended && kind == 'v' {
			present[name] = true
			continue
		}
		if info.Size() == 0 { // begun or removed by halves
			continue
		}
		present[name] = true
		if err := p.checkLog(name, marked[name], false); err != nil {
			return err
		}
	}
	for _, l := range p.mark.logs {
		if l.kind != kind || present[l.logName] {
			continue
		}
		if reason := gone(l); reason != "" {
			p.add(Damage{File: l.String(), Length: l.end, Reason: reason})
		}
	}
	return nil
}

// checkLog walks one log: what is under the mark must be as it was, what follows is taken as far as it is whole.
func (p *preflight) checkLog(name logName, want logState, ended bool) error {
	f, err := os.Open(filepath.Join(p.dir, name.String()))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if want.end > 0 {
		found, err := verifyLog(p.dir, name, want)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			p.damage = append(p.damage, found...)
			return nil
		}
	}
	if ended {
		return nil
	}
	state, err := walkLog(f, want, 0, func(*logEntry) error { return nil })
	if err != nil {
		return err
	}
	p.logs[name] = &checkedLog{logName: name, logState: state, marked: want.end, size: info.Size()}
	p.names = append(p.names, name)
	return nil
}

// cutStrayPointers shortens the unmarked tail of the memtable logs to what points at whole values. After a write-back
// that failed the log can be on the disk and the value not; none of that was acknowledged.
func (p *preflight) cutStrayPointers() error {
	cut := false
	for _, name := range p.names {
		c := p.logs[name]
		if name.kind != 'm' || c.end <= c.marked {
			continue
		}
		limit := c.end
		if cut { // what follows the group that was cut off goes with it
			limit = max(c.marked, logHeaderSize)
		}
		state, err := p.walkTail(c, limit)
		if err != nil {
			return err
		}
		cut = cut || state.end < c.end
		c.logState = state
	}
	return nil
}

var errStray = errors.New("a pointer leads nowhere")

// walkTail walks c up to limit, at most to the last unit before a pointer, beyond the mark, that leads nowhere.
func (p *preflight) walkTail(c *checkedLog, limit int64) (logState, error) {
	f, err := os.Open(filepath.Join(p.dir, c.String()))
	if err != nil {
		return logState{}, err
	}
	defer f.Close()
	state, err := walkLog(f, logState{}, limit, func(e *logEntry) error {
		if e == nil || e.off < c.marked {
			return nil
		}
		if ptr, ok := e.pointer(); ok && !p.pointsAtWhole(ptr) {
			return errStray
		}
		return nil
	})
	if errors.Is(err, errStray) {
		err = nil
	}
	return state, err
}

func (p *preflight) pointsAtWhole(ptr valuePointer) bool {
	name := logName{'v', ptr.fid}
	end := int64(ptr.off) + int64(ptr.size)
	if c, ok := p.logs[name]; ok {
		return end <= c.end
	}
	return end <= p.sealed.files[ptr.fid].end
}
