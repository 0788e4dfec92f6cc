package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet/tour"
)

// visit is a demonstration under way whose lines are read as they are said.
type visit struct {
	t      *testing.T
	lines  *bufio.Scanner
	stop   context.CancelFunc
	status chan int
	errOut *bytes.Buffer
}

func startDemo(t *testing.T, args ...string) *visit {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	d := &visit{t: t, lines: bufio.NewScanner(r), stop: cancel, status: make(chan int, 1), errOut: new(bytes.Buffer)}
	args = append([]string{"demo", "--trusts", "3", "--patients", "3", "--documents", "9"}, args...)
	go func() {
		d.status <- run(ctx, args, terminal{in: strings.NewReader(""), out: w, err: d.errOut, getenv: func(string) string { return "" }})
		_ = w.Close()
	}()
	return d
}

// until reads lines up to the one that begins with prefix, and returns them.
func (d *visit) until(prefix string) []string {
	d.t.Helper()
	var out []string
	for d.lines.Scan() {
		out = append(out, d.lines.Text())
		if strings.HasPrefix(d.lines.Text(), prefix) {
			return out
		}
	}
	d.t.Fatalf("no line begins with %q:\n%s\n%s", prefix, strings.Join(out, "\n"), d.errOut)
	return nil
}

// end stops the demonstration, reads the rest, and returns the status.
func (d *visit) end() int {
	d.stop()
	for d.lines.Scan() {
	}
	return <-d.status
}

// commandsIn returns the commands that were printed after the program's name, each as its arguments.
func commandsIn(lines []string) [][]string {
	var out [][]string
	text := strings.ReplaceAll(strings.Join(lines, "\n"), "\\\n", " ")
	for line := range strings.SplitSeq(text, "\n") {
		if rest, ok := strings.CutPrefix(line, "  "+itself()+" "); ok {
			out = append(out, strings.Fields(rest))
		}
	}
	return out
}

func TestCommandsThatTheDemonstrationPrintsWork(t *testing.T) {
	t.Chdir(t.TempDir())
	d := startDemo(t)
	lines := append(d.until("Every step held"), d.until("See how the region is")...)
	for verify := false; !verify || strings.HasSuffix(lines[len(lines)-1], "\\"); {
		lines = append(lines, d.until("  ")...)
		verify = verify || strings.Contains(lines[len(lines)-1], "audit verify")
	}
	for _, line := range lines {
		if len([]rune(line)) > tour.Width && !strings.Contains(line, os.TempDir()) {
			t.Errorf("line of %d characters: %s", len([]rune(line)), line)
		}
	}
	commands := commandsIn(lines)
	if len(commands) != 9 {
		t.Fatalf("%d commands are printed, want 9:\n%s", len(commands), strings.Join(lines, "\n"))
	}
	for _, args := range commands {
		var out, errOut bytes.Buffer
		code := run(t.Context(), args, terminal{in: strings.NewReader(""), out: &out, err: &errOut, getenv: func(string) string { return "" }})
		want := 0
		if strings.Contains(strings.Join(args, " "), "refused.tif") {
			want = exitStatus[admin.CodeDenied]
		}
		if code != want {
			t.Errorf("%q ends with status %d, want %d: %s%s", args, code, want, &out, &errOut)
		}
	}
	for _, name := range []string{"three-pages.tif", "case-note.tif"} {
		if st, err := os.Stat(name); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if code := d.end(); code != 0 {
		t.Errorf("status %d after Ctrl-C: %s", code, d.errOut)
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "ridgeway-demo-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDemonstrationStoppedInTheMiddleLeavesNothingBehind(t *testing.T) {
	d := startDemo(t, "--once")
	d.until(" 2. ")
	if code := d.end(); code != exitStatus[admin.CodeInterrupted] {
		t.Errorf("status %d, want %d: %s", code, exitStatus[admin.CodeInterrupted], d.errOut)
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "ridgeway-demo-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestCommandsAreQuotedAndBrokenAsAShellTakesThem(t *testing.T) {
	for in, want := range map[string]string{
		"/tmp/demo-1/RAS": "/tmp/demo-1/RAS", "with space": "'with space'", "it's": `'it'\''s'`, "": "''", "$HOME": "'$HOME'",
	} {
		if got := quoted(in); got != want {
			t.Errorf("quoted(%q) = %s, want %s", in, got, want)
		}
	}
	got := broken([]string{"ridgeway", "fetch", "--data", "/a/long/folder/of/a/demonstration", "RYJ-4K7QZ2M9X1B3C5D7", "--out", "x.tif"}, 60)
	want := "  ridgeway fetch --data /a/long/folder/of/a/demonstration \\\n      RYJ-4K7QZ2M9X1B3C5D7 --out x.tif"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
