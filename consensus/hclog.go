package consensus

import (
	"fmt"
	"io"
	stdlog "log" //nolint:depguard // hclog.Logger names its type
	"log/slog"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// raftLog passes what raft and raft-wal log at WARN and above on to slog, as "raft" with their text as an attribute.
// Their lines carry ids, indexes and errors, never entries.
type raftLog struct {
	to   *slog.Logger
	name string
	args []any
}

func newRaftLog(to *slog.Logger) *raftLog { return &raftLog{to: to, name: "raft"} }

// Log passes a line on if it is a warning or an error.
func (l *raftLog) Log(level hclog.Level, msg string, args ...any) {
	switch level {
	case hclog.Warn:
		l.emit(slog.LevelWarn, msg, args)
	case hclog.Error:
		l.emit(slog.LevelError, msg, args)
	case hclog.NoLevel, hclog.Trace, hclog.Debug, hclog.Info, hclog.Off:
	}
}

// expected are the texts of what happens whenever a peer is away, joins or restarts. Whoever runs the node hears of that by
// other ways; raft repeats it many times a second.
var expected = []string{"failed to appendEntries to", "failed to heartbeat to", "failed to pipeline appendEntries", "appendEntries rejected", "failed to get previous log", "failed to make requestVote RPC", "failed to contact"}

func (l *raftLog) emit(level slog.Level, msg string, args []any) {
	// Losing the quorum begins like losing one peer, and is no small thing.
	if !strings.Contains(msg, "quorum") && slices.ContainsFunc(expected, func(text string) bool { return strings.HasPrefix(msg, text) }) {
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{slog.String("from", l.name), slog.String("text", msg)}
	all := append(append([]any{}, l.args...), args...)
	for i := 0; i+1 < len(all); i += 2 {
		key, ok := all[i].(string)
		if !ok {
			key = "arg"
		}
		attrs = append(attrs, slog.String(key, brief(all[i+1])))
	}
	l.to.LogAttrs(lifetime(nil), level, "raft", attrs...) // raft has no context to hand on
}

// brief renders a value, at most 200 bytes of it.
func brief(v any) string {
	if f, ok := v.(hclog.Format); ok && len(f) > 0 {
		if format, ok := f[0].(string); ok {
			v = fmt.Sprintf(format, f[1:]...)
		}
	}
	text := fmt.Sprint(v)
	if len(text) > 200 {
		text = text[:200] + "..."
	}
	return text
}

func (l *raftLog) Trace(string, ...any)          {}
func (l *raftLog) Debug(string, ...any)          {}
func (l *raftLog) Info(string, ...any)           {}
func (l *raftLog) Warn(msg string, args ...any)  { l.emit(slog.LevelWarn, msg, args) }
func (l *raftLog) Error(msg string, args ...any) { l.emit(slog.LevelError, msg, args) }
func (l *raftLog) IsTrace() bool                 { return false }
func (l *raftLog) IsDebug() bool                 { return false }
func (l *raftLog) IsInfo() bool                  { return false }
func (l *raftLog) IsWarn() bool                  { return true }
func (l *raftLog) IsError() bool                 { return true }
func (l *raftLog) ImpliedArgs() []any            { return l.args }
func (l *raftLog) Name() string                  { return l.name }
func (l *raftLog) SetLevel(hclog.Level)          {}
func (l *raftLog) GetLevel() hclog.Level         { return hclog.Warn }
func (l *raftLog) ResetNamed(name string) hclog.Logger {
	return &raftLog{to: l.to, name: name, args: l.args}
}

// With returns a logger that adds the arguments to each line.
func (l *raftLog) With(args ...any) hclog.Logger {
	return &raftLog{to: l.to, name: l.name, args: append(append([]any{}, l.args...), args...)}
}

// Named returns a logger with a longer name.
func (l *raftLog) Named(name string) hclog.Logger {
	return &raftLog{to: l.to, name: l.name + "." + name, args: l.args}
}

// StandardLogger discards: nothing here writes to one.
func (l *raftLog) StandardLogger(*hclog.StandardLoggerOptions) *stdlog.Logger {
	return stdlog.New(io.Discard, "", 0)
}

// StandardWriter discards.
func (l *raftLog) StandardWriter(*hclog.StandardLoggerOptions) io.Writer { return io.Discard }
