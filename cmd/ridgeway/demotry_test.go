package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet/tour"
)

// visit is a demonstration under way, in a process of its own, whose lines are read as they are said.
type visit struct {
	*running
	t    *testing.T
	p    *place
	read int // bytes of what it has said
}

func startDemo(t *testing.T, args ...string) *visit {
	t.Helper()
	p := newPlace(t)
	return &visit{t: t, p: p, running: p.start(t, append([]string{"demo", "--trusts", "3", "--patients", "3", "--documents", "9"}, args...)...)}
}

// until reads lines up to the one that begins with prefix, and returns them.
func (d *visit) until(prefix string) []string {
	d.t.Helper()
	timeout := time.After(demoLimit)
	var out []string
	for over := false; ; {
		d.out.mu.Lock()
		text, more := d.out.b.String(), d.out.more
		d.out.mu.Unlock()
		for {
			line, _, whole := strings.Cut(text[d.read:], "\n")
			if !whole {
				break
			}
			d.read += len(line) + 1
			if out = append(out, line); strings.HasPrefix(line, prefix) {
				return out
			}
		}
		if over {
			d.t.Fatalf("no line begins with %q: %v", prefix, d.ended())
		}
		select {
		case <-more:
		case <-d.gone:
			over = true // and the rest of what it said is there
		case <-timeout:
			d.t.Fatalf("no line begins with %q in %s:\n%s\n%s", prefix, demoLimit, d.out, d.errOut)
		}
	}
}

// stopped interrupts the demonstration and wants its status, and nothing to be left behind.
func (d *visit) stopped(want int) {
	d.t.Helper()
	if e := d.interrupt(d.t); e.status != want {
		d.t.Errorf("status %d after Ctrl-C, want %d: %v", e.status, want, e)
	}
	if left, err := filepath.Glob(d.p.path("ridgeway-demo-*")); err != nil || len(left) > 0 {
		d.t.Errorf("left behind: %v, %v", left, err)
	}
}

// commandsIn returns the commands that were printed after the program's name, each as its arguments.
func commandsIn(lines []string) [][]string {
	program := itself()
	if exe, err := os.Executable(); err == nil && strings.HasPrefix(program, ".") {
		program = quoted(exe) // it was started elsewhere
	}
	var out [][]string
	text := strings.ReplaceAll(strings.Join(lines, "\n"), "\\\n", " ")
	for line := range strings.SplitSeq(text, "\n") {
		if rest, ok := strings.CutPrefix(line, "  "+program+" "); ok {
			out = append(out, strings.Fields(rest))
		}
	}
	return out
}

// TestWhatTheDemonstrationPrintsWorks opens the portal at the address that is printed, and runs every command.
func TestWhatTheDemonstrationPrintsWorks(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	lines := append(d.until("Every step held"), d.until("  https://127.0.0.1:")...)
	d.opensAPortal(strings.TrimSpace(lines[len(lines)-1]))
	lines = append(lines, d.until("See how the region is")...)
	for verify := false; !verify || strings.HasSuffix(lines[len(lines)-1], "\\"); {
		lines = append(lines, d.until("  ")...)
		verify = verify || strings.Contains(lines[len(lines)-1], "audit verify")
	}
	for _, line := range lines {
		if len([]rune(line)) > tour.Width && !strings.Contains(line, d.p.dir) {
			t.Errorf("line of %d characters: %s", len([]rune(line)), line)
		}
	}
	commands := commandsIn(lines)
	if len(commands) != 9 {
		t.Fatalf("%d commands are printed, want 9:\n%s", len(commands), strings.Join(lines, "\n"))
	}
	for _, args := range commands {
		want := 0
		if strings.Contains(strings.Join(args, " "), "refused.tif") {
			want = exitStatus[admin.CodeDenied]
		}
		if e := d.p.run(t, args...); e.status != want {
			t.Errorf("%q ends with status %d, want %d: %v", args, e.status, want, e)
		}
	}
	for _, name := range []string{"three-pages.tif", "case-note.tif"} {
		if st, err := os.Stat(d.p.path(name)); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	d.stopped(0)
}

func TestDemonstrationStoppedInTheMiddleLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--once")
	d.until(" 2. ")
	d.stopped(exitStatus[admin.CodeInterrupted])
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
