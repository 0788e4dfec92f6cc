package gossip

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// memberlistLines returns what a record of each line looks like, without its time; lines that are left out are empty.
func memberlistLines(over bool, lines ...string) (out []string) {
	for _, line := range lines {
		var text bytes.Buffer
		slog.NewLogLogger(levels{slog.NewTextHandler(&text, nil), func() bool { return over }}, slog.LevelInfo).Print(line)
		_, record, _ := strings.Cut(strings.TrimSpace(text.String()), " ")
		out = append(out, record)
	}
	return out
}

func TestMemberlistSaysNothingWhenItIsOver(t *testing.T) {
	for _, record := range memberlistLines(true, "[ERR] memberlist: Failed to send ping: gossip is closed", "[WARN] memberlist: Refuting") {
		if record != "" {
			t.Errorf("logged %q after the close", record)
		}
	}
}

func TestMemberlistLinesBecomeRecords(t *testing.T) {
	cases := []struct{ line, want string }{
		{"[ERR] memberlist: Push/Pull failed", "level=WARN msg=memberlist line=\"Push/Pull failed\""},
		{"[WARN] memberlist: Refuting", "level=INFO msg=memberlist line=Refuting"},
		{"[INFO] memberlist: Suspect", ""},
		{"[DEBUG] memberlist: Stream", ""},
		{"no tag", ""},
	}
	for _, c := range cases {
		if got := memberlistLines(false, c.line)[0]; got != c.want {
			t.Errorf("%q: got %q, want %q", c.line, got, c.want)
		}
	}
}
