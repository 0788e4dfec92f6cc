package gossip

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestMemberlistLinesBecomeRecords(t *testing.T) {
	cases := []struct{ line, want string }{
		{"[ERR] memberlist: Push/Pull failed", "level=WARN msg=memberlist line=\"Push/Pull failed\""},
		{"[WARN] memberlist: Refuting", "level=INFO msg=memberlist line=Refuting"},
		{"[INFO] memberlist: Suspect", ""},
		{"[DEBUG] memberlist: Stream", ""},
		{"no tag", ""},
	}
	for _, c := range cases {
		var out bytes.Buffer
		log := slog.NewLogLogger(levels{slog.NewTextHandler(&out, nil)}, slog.LevelInfo)
		log.Printf("%s", c.line)
		if got := strings.TrimSpace(out.String()); !strings.HasSuffix(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%q: got %q, want %q", c.line, got, c.want)
		}
	}
}
