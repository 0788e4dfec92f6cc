package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// followValues takes in what Badger has appended to its value log, over the end of files where there is one. All of that is durable
// when the function returned has returned nil, and not before. It is to be called, whatever the error is: the file is in use until then.
func (g *guard) followValues() (durable func() error, err error) {
	for {
		next, err := openLogFile(g.dir, logName{'v', g.values.fid + 1}, logState{})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return func() error { return nil }, err
		}
		durable, err := g.beginSync(next != nil)
		if err == nil {
			g.values.logState, err = walkLog(g.values.f, g.values.logState, 0, func(e *logEntry) error { return g.written.note(g.values.logName, e) })
		}
		if err != nil || next == nil {
			return durable, err
		}
		if err := durable(); err != nil {
			return durable, err
		}
		info, err := g.values.f.Stat()
		if err != nil {
			return durable, err
		}
		if info.Size() != g.values.end {
			return durable, fmt.Errorf("%s ended at %d bytes, %d are good: %w", g.values.logName, info.Size(), g.values.end, ErrIntegrity)
		}
		g.sealed.files[g.values.fid] = g.values.logState
		g.resealed = true
		_ = g.values.f.Close() // read only
		g.values = next
	}
}

// beginSync makes the value log file durable, when it has ended or something was appended to it, beside what the caller does meanwhile.
// The function returned waits for that.
func (g *guard) beginSync(ended bool) (durable func() error, err error) {
	first, err := newLogReader(g.values.f).first(g.values.end)
	if err != nil || first == nil && !ended {
		return func() error { return nil }, err
	}
	synced := make(chan error, 1)
	go func(f *os.File) {
		if g.letGo != nil && first != nil {
			g.letGo(first, g.expected)
		}
		synced <- g.sync(f)
	}(g.values.f)
	return sync.OnceValue(func() error { return <-synced }), nil
}

// syncValues makes durable what Badger has appended to its value log, and is about to write the keys of. It is called while the
// committer waits for Badger.
func (g *guard) syncValues() error {
	if err := g.sync(g.values.f); err != nil {
		return err
	}
	for fid := g.values.fid + 1; ; fid++ {
		l, err := openLogFile(g.dir, logName{'v', fid}, logState{})
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := errors.Join(g.sync(l.f), l.f.Close()); err != nil {
			return err
		}
	}
}
