package storage

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dgraph-io/badger/v4"
)

// seqKey holds the sequence number of the latest group and the store's id. Each group writes it.
var seqKey = []byte("\xff\xffridgeway/seq")

// A guard keeps, outside of Badger, how far Badger's files are known good. After each commit it reads what Badger
// has added to its logs, checks it, makes it durable through descriptors of its own, so that a write-back that
// failed is seen whoever asked for it, and moves the mark. It is used by one goroutine.
type guard struct {
	dir  string
	sync func(*os.File) error

	allocate func(f *os.File, from, n int64) error // a test's, or that of the operating system

	letGo    func(first *logHead, n int64) // has what was just written to the value log unmapped; nil: it stays
	expected int64                         // how many bytes a transaction writes to the value log at most

	file *os.File // the marks
	mark mark     // as written last

	mems     []*openLog // ascending; Badger appends to the last
	values   *openLog   // the value log file that Badger appends to
	written  written    // of the value log
	sealed   *sealedList
	resealed bool // sealed differs from the list on the disk

	manifest     manifestState
	manifestInfo os.FileInfo
}

// An openLog is a log that the guard follows.
type openLog struct {
	logName
	logState
	f    *os.File
	room int64 // up to where its blocks are allocated, as far as makeRoom knows

	// tables is the list of tables as read last while this was the memtable log that Badger appends to: what it holds is in none of
	// them. As long as the list is the same, Badger has not put it into a table.
	tables manifestState
}

func openLogFile(dir string, name logName, state logState) (*openLog, error) {
	f, err := os.Open(filepath.Join(dir, name.String()))
	if err != nil {
		return nil, err
	}
	return &openLog{logName: name, logState: state, f: f}, nil
}

// nextSeq returns the value of seqKey for the next group.
func (g *guard) nextSeq() []byte {
	return append(binary.BigEndian.AppendUint64(nil, g.mark.seq+1), g.mark.id[:]...)
}

// advance is called after a group is committed. When it returns nil the group is durable and marked.
func (g *guard) advance() error {
	g.mark.seq++
	durable, err := g.followValues()
	merr := g.followMems() // while the values are on their way to the disk
	if err = errors.Join(err, durable()); err != nil {
		return fmt.Errorf("guard value log: %w", err)
	}
	if merr != nil {
		return fmt.Errorf("guard memtable log: %w", merr)
	}
	return g.writeMark(g.mark.flags &^ flagClean)
}

// followMems takes in what Badger has appended to its memtable logs, makes it durable, and makes sure that the latest
// group is there.
func (g *guard) followMems() error {
	found := false
	from := len(g.mems) - 1
	look := func() error {
		for _, l := range g.mems[from:] {
			was := l.end
			ok, err := l.takeIn(g.mark.seq)
			if err == nil && l.end != was {
				err = g.sync(l.f)
			}
			if err != nil {
				return err
			}
			if ok { // it was appended to after the list was read, by the mark before
				l.tables = g.manifest
				found = true
			}
		}
		return nil
	}
	if err := look(); err != nil {
		return err
	}
	if !found { // the group has gone into a new memtable
		if err := g.discoverMems(); err != nil {
			return err
		}
		if err := look(); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("group %d is not in the log after its commit: %w", g.mark.seq, ErrIntegrity)
	}
	return g.dropFlushed()
}

// takeIn reads on to the end of a memtable log and reports whether group seq is in what it read.
func (l *openLog) takeIn(seq uint64) (found bool, err error) {
	seen := false
	l.logState, err = walkLog(l.f, l.logState, 0, func(e *logEntry) error {
		switch {
		case e == nil:
			found = found || seen
		case bytes.Equal(e.userKey(), seqKey) && len(e.value) >= 8:
			seen = binary.BigEndian.Uint64(e.value) == seq
		}
		return nil
	})
	return found, err
}

// discoverMems follows memtable logs that Badger has begun since the last look.
func (g *guard) discoverMems() error {
	names, err := listLogs(g.dir, 'm')
	if err != nil {
		return err
	}
	for _, name := range names {
		if n := len(g.mems); n > 0 && name.fid <= g.mems[n-1].fid {
			continue
		}
		l, err := openLogFile(g.dir, name, logState{})
		if errors.Is(err, fs.ErrNotExist) {
			continue // flushed and gone between the listing and here
		}
		if err != nil {
			return err
		}
		// Only its header is taken in: the caller looks through the entries.
		if l.logState, err = walkLog(l.f, logState{}, logHeaderSize, nil); err != nil {
			_ = l.f.Close() // read only
			return err
		}
		l.tables = g.manifest // all that has been committed since that was read, is in the logs
		g.mems = append(g.mems, l)
	}
	return nil
}

// dropFlushed stops following memtable logs whose content Badger has put into a table and removed.
func (g *guard) dropFlushed() error {
	for len(g.mems) > 1 {
		if _, err := os.Stat(filepath.Join(g.dir, g.mems[0].String())); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		_ = g.mems[0].f.Close() // read only
		g.mems = slices.Delete(g.mems, 0, 1)
	}
	return nil
}

// followManifest takes in what Badger has appended to its list of tables, or the list as rewritten.
func (g *guard) followManifest() error {
	path := filepath.Join(g.dir, badger.ManifestFilename)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if g.manifestInfo != nil && os.SameFile(info, g.manifestInfo) && info.Size() == g.manifest.end {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return err
	}
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return err
	}
	if err := g.sync(f); err != nil { // what is marked must be on the disk
		return err
	}
	g.manifest, g.manifestInfo = stateOfManifest(b), info
	return nil
}

// writeMark writes the list of ended value log files where it has changed, and the mark.
func (g *guard) writeMark(flags byte) error {
	if err := g.followManifest(); err != nil {
		return fmt.Errorf("guard manifest: %w", err)
	}
	if g.resealed {
		g.sealed.gen++
		if err := WriteFileAtomic(filepath.Join(g.dir, sealedFile), g.sealed.encode()); err != nil {
			return err
		}
		g.resealed = false
	}
	m := &g.mark
	m.gen++
	m.flags, m.sealedGen, m.manifest = flags, g.sealed.gen, g.manifest
	m.logs = m.logs[:0]
	for _, l := range g.mems {
		m.logs = append(m.logs, markedLog{logName: l.logName, logState: l.logState, leaving: l.tables != g.manifest})
	}
	if g.values != nil {
		m.logs = append(m.logs, markedLog{logName: g.values.logName, logState: g.values.logState})
	}
	b, err := m.encode()
	if err != nil {
		return err
	}
	if _, err := g.file.WriteAt(b, int64(m.gen%slotCount)*slotSize); err != nil {
		return fmt.Errorf("write mark: %w", err)
	}
	if err := g.sync(g.file); err != nil {
		return fmt.Errorf("write mark: %w", err)
	}
	return nil
}

// finish writes the mark of a store that has been closed in order.
func (g *guard) finish() error {
	durable, err := g.followValues()
	if err = errors.Join(err, durable()); err != nil {
		return fmt.Errorf("guard value log: %w", err)
	}
	names, err := listLogs(g.dir, 'm')
	if err != nil {
		return err
	}
	g.mems = slices.DeleteFunc(g.mems, func(l *openLog) bool {
		if slices.Contains(names, l.logName) {
			return false
		}
		_ = l.f.Close() // read only
		return true
	})
	flags := g.mark.flags
	if len(g.mems) == 0 {
		flags |= flagClean
	}
	return g.writeMark(flags)
}

// close lets go of the files. It is idempotent.
func (g *guard) close() {
	for _, l := range g.mems {
		_ = l.f.Close() // read only
	}
	if g.values != nil {
		_ = g.values.f.Close() // read only
	}
	_ = g.file.Close() // what matters has been synced
	g.mems, g.values = nil, nil
}

// listLogs returns the logs of a kind in dir, ascending.
func listLogs(dir string, kind byte) ([]logName, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	suffix := map[byte]string{'m': ".mem", 'v': ".vlog"}[kind]
	var names []logName
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		fid, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("file %s has no number: %w", e.Name(), ErrDamaged)
		}
		names = append(names, logName{kind, uint32(fid)})
	}
	slices.SortFunc(names, func(a, b logName) int { return int(int64(a.fid) - int64(b.fid)) })
	return names, nil
}

// start is called when Badger has opened: it checks that what was acknowledged is there and begins to follow.
func (g *guard) start(bdg *badger.DB) error {
	seq, id, err := readSeq(bdg)
	switch {
	case errors.Is(err, badger.ErrKeyNotFound) && g.mark.seq == 0:
		if g.mark.id == ([16]byte{}) {
			_, _ = rand.Read(g.mark.id[:]) // never fails: crypto/rand ends the program instead
		}
	case err != nil:
		return fmt.Errorf("read sequence number, want %d: %w: %w", g.mark.seq, ErrDamaged, err)
	case g.mark.id == ([16]byte{}): // repaired: the mark goes by what is there
		g.mark.seq, g.mark.id = seq, id
	case id != g.mark.id:
		return fmt.Errorf("the mark is of another store: %w", ErrDamaged)
	case seq < g.mark.seq:
		return fmt.Errorf("the newest group is %d, %d was acknowledged: %w", seq, g.mark.seq, ErrDamaged)
	default:
		g.mark.seq = seq
	}
	if err := g.discoverMems(); err != nil {
		return err
	}
	names, err := listLogs(g.dir, 'v')
	if err != nil {
		return err
	}
	if len(names) == 0 || len(g.mems) == 0 {
		return errors.New("no log to write to")
	}
	for fid, state := range g.sealed.files {
		if state.end <= logHeaderSize && !slices.Contains(names, logName{'v', fid}) {
			delete(g.sealed.files, fid) // it held nothing, and Badger has removed it
			g.resealed = true
		}
	}
	if g.values, err = openLogFile(g.dir, names[len(names)-1], logState{}); err != nil {
		return err
	}
	if g.values.logState, err = walkLog(g.values.f, logState{}, logHeaderSize, nil); err != nil {
		return err
	}
	return g.writeMark(g.mark.flags &^ flagClean)
}

func readSeq(bdg *badger.DB) (seq uint64, id [16]byte, err error) {
	err = bdg.View(func(txn *badger.Txn) error {
		item, err := txn.Get(seqKey)
		if err != nil {
			return err
		}
		return item.Value(func(v []byte) error {
			if len(v) != 8+len(id) {
				return ErrIntegrity
			}
			seq, id = binary.BigEndian.Uint64(v), [16]byte(v[8:])
			return nil
		})
	})
	return seq, id, err
}
