package storage

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// badgerLogger passes Badger's warnings and errors to slog. Badger's own words go into an attribute, so that
// the message stays constant; its information and debug lines are for those who work on Badger.
type badgerLogger struct{ log *slog.Logger }

func (l badgerLogger) Errorf(format string, args ...any) {
	l.write(slog.LevelError, format, args)
}

func (l badgerLogger) Warningf(format string, args ...any) {
	l.write(slog.LevelWarn, format, args)
}

func (badgerLogger) Infof(string, ...any)  {}
func (badgerLogger) Debugf(string, ...any) {}

func (l badgerLogger) write(level slog.Level, format string, args []any) {
	l.log.LogAttrs(context.TODO(), level, "badger reports", slog.String("detail", strings.TrimSpace(fmt.Sprintf(format, args...))))
}
