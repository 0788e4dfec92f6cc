package storage

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
)

// badgerLogger passes Badger's warnings and errors to slog. Badger's own words go into an attribute, so that
// the message stays constant; its information and debug lines are for those who work on Badger.
type badgerLogger struct {
	log *slog.Logger
	// rewriting is set to the number of the value log file that a garbage collection has picked. Badger tells it
	// nowhere else.
	rewriting *atomic.Uint32
	// keys is called after Badger has written the values of a transaction to the value log, and before it writes the keys.
	keys func()
	// fail is told of write errors that Badger logs and goes on after.
	fail func(error)
}

// rewritingFormat is what Badger logs when garbage collection has picked a file. A test fails when that changes.
const rewritingFormat = "Rewriting fid: %d"

// keysFormat is what Badger logs between the values of a transaction and its keys. A test fails when that changes.
const keysFormat = "Writing to memtable"

// swallowed are the beginnings of what Badger logs when it acknowledges a write whose sync has failed, or tries for
// ever to write a table.
var swallowed = []string{"Error while curlf sync", "error flushing memtable to disk"}

func (l badgerLogger) Errorf(format string, args ...any) {
	text := detail(format, args)
	l.log.Error("badger reports an error", slog.String("detail", text))
	for _, s := range swallowed {
		if l.fail != nil && strings.HasPrefix(format, s) {
			l.fail(fmt.Errorf("badger: %s", text))
		}
	}
}

func (l badgerLogger) Warningf(format string, args ...any) {
	l.log.Warn("badger reports", slog.String("detail", detail(format, args)))
}

func (l badgerLogger) Infof(format string, args ...any) {
	if format != rewritingFormat || len(args) != 1 || l.rewriting == nil {
		return
	}
	if fid, ok := args[0].(uint32); ok {
		l.rewriting.Store(fid)
	}
}

func (l badgerLogger) Debugf(format string, _ ...any) {
	if format == keysFormat && l.keys != nil {
		l.keys()
	}
}

func detail(format string, args []any) string {
	return strings.TrimSpace(fmt.Sprintf(format, args...))
}
