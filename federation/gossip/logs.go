package gossip

import (
	"context"
	"log/slog"
	"strings"
)

// levels hands memberlist's lines ("[WARN] memberlist: ...") on as records. It lowers their levels by one: a member that
// does not answer is memberlist's error, and every region's ordinary day. When this node has stopped to gossip all are for
// debugging: memberlist's goroutines end a few probes later, and until then complain that nothing can be sent.
type levels struct {
	slog.Handler
	over func() bool // this node has stopped to gossip; must not block
}

// Enabled reports true: the level is known when the line is.
func (h levels) Enabled(context.Context, slog.Level) bool { return true }

// Handle turns the line into a record with a constant message.
func (h levels) Handle(ctx context.Context, line slog.Record) error {
	level, text := slog.LevelDebug, strings.TrimSpace(line.Message)
	if tag, rest, ok := strings.Cut(text, "] "); ok && strings.HasPrefix(tag, "[") {
		text = rest
		switch tag {
		case "[ERR", "[ERROR":
			level = slog.LevelWarn
		case "[WARN":
			level = slog.LevelInfo
		}
	}
	if h.over() {
		level = slog.LevelDebug
	}
	if !h.Handler.Enabled(ctx, level) {
		return nil
	}
	r := slog.NewRecord(line.Time, level, "memberlist", line.PC)
	r.AddAttrs(slog.String("line", strings.TrimPrefix(text, "memberlist: ")))
	return h.Handler.Handle(ctx, r)
}
