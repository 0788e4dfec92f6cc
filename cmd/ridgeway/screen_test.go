package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"short", "one two", "one two"},
		{"long", "one two three four", "one two\nthree four"},
		{"long with an indent", "  one two three four", "  one two\n  three\n  four"},
		{"a word too long", "see rw1.AAAAAAAAAAAAAAAA there", "see\nrw1.AAAAAAAAAAAAAAAA\nthere"},
		{"lines", "one\n  two", "one\n  two"},
		{"characters, not bytes", "äöü äöü äö", "äöü äöü äö"},
	} {
		if got := wrap(c.text, 10); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestJSONSteersNoTerminal(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	said := map[string]string{"reason": "a\x1b[2J\u009b2J\u202eb\u061cc – é"}
	if err := (&app{terminal: terminal{out: &b}}).emit(said); err != nil {
		t.Fatal(err)
	}
	if text := b.String(); strings.ContainsAny(text, "\x1b\u009b\u202e\u061c") || !strings.Contains(text, "– é") {
		t.Errorf("got %q", text)
	}
	var back map[string]string
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back["reason"] != said["reason"] {
		t.Errorf("it says something else: %q, %v", back, err)
	}
}

func TestTableFitsTheScreen(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	tabulate(&b, screenWidth, 1, [][]string{
		{"TRUST", "NAME", "ADDRESS"},
		{"RYJ", strings.Repeat("a long name ", 10), "[2001:db8::1]:7401"},
		{"RAS", "Hillingdon", "127.0.0.1:7402"},
	})
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	for _, l := range lines {
		if n := utf8.RuneCountInString(l); n > screenWidth {
			t.Errorf("%d columns: %s", n, l)
		}
	}
	if !strings.Contains(lines[1], "…  [2001:db8::1]:7401") || strings.Index(lines[2], "127") != len([]rune(lines[1]))-len("[2001:db8::1]:7401") {
		t.Errorf("the columns do not stand under each other:\n%s", &b)
	}
}

func TestTitlesFromOtherTrustsForgeNothingOnTheScreen(t *testing.T) {
	t.Parallel()
	title := "Letter\n2026-01-01  RYJ-4K7QZ2M9X1B3C5D7  RYJ\tforged \u009b2J\u202eevil\u2066"
	var b bytes.Buffer
	tabulate(&b, screenWidth, 1, [][]string{{"DOCUMENT", "TITLE", "PAGES"}, {"RYJ-1", title, "3"}})
	line(&b, "refused: "+title)
	if rows := strings.Count(b.String(), "\n"); rows != 4 { // two of the table, and two of a message, which may have lines
		t.Errorf("%d lines:\n%q", rows, &b)
	}
	if strings.ContainsAny(b.String(), "\u009b\u202e\u2066") {
		t.Errorf("what steers a terminal is printed: %q", &b)
	}
}

// noTerminal says what the tests on a terminal need.
const noTerminal = "no terminal (%v): where /dev/ptmx and /dev/pts are, go test -run TestOnTerminal ./cmd/ridgeway"

// pty runs ridgeway on a terminal of 80 columns, and returns what it drew there.
func (p *place) pty(t *testing.T, args ...string) (status int, screen string) {
	t.Helper()
	return p.ptyTo(t, nil, args...)
}

// ptyTo is pty with standard output elsewhere when out is not nil.
func (p *place) ptyTo(t *testing.T, out io.Writer, args ...string) (status int, screen string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf(noTerminal, err)
	}
	defer master.Close()
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: screenWidth})
	}
	if err != nil {
		t.Skipf(noTerminal, err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf(noTerminal, err)
	}
	cmd := p.command(args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	if out != nil {
		cmd.Stdout = out
	}
	var drawn bytes.Buffer
	var reading sync.WaitGroup
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reading.Go(func() { _, _ = drawn.ReadFrom(master) }) // ends with EIO when the last of the other side is closed
	_ = slave.Close()
	_ = cmd.Wait()
	reading.Wait()
	return cmd.ProcessState.ExitCode(), drawn.String()
}

// reluctant takes nothing until a bar must have begun, so that no fetch is too fast for one.
type reluctant struct{ once sync.Once }

func (r *reluctant) Write(b []byte) (int, error) {
	r.once.Do(func() { <-time.After(2 * meterStart) })
	return len(b), nil
}

// widest returns the most columns that any line of a screen takes.
func widest(screen string) int {
	most := 0
	for line := range strings.FieldsFuncSeq(screen, func(r rune) bool { return r == '\n' || r == '\r' }) {
		most = max(most, utf8.RuneCountInString(strings.TrimRight(line, " ")))
	}
	return most
}

func TestOnTerminal(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	p.write(t, "terminal.bin", string(noise(24<<20)))
	document := p.ingest(t, "d1", "9990000158", "terminal.bin")

	t.Run("messages are wrapped", func(t *testing.T) {
		status, screen := p.pty(t, "fetch", "--data", "d1", "RYJ-0000000000000000", "--out", "none.bin")
		if n := widest(screen); status != 3 || n > screenWidth || !strings.Contains(strings.Join(strings.Fields(screen), " "), "'ridgeway locate' lists those there are") {
			t.Errorf("status %d, %d columns:\n%s", status, n, screen)
		}
	})
	t.Run("a bar while it runs", func(t *testing.T) {
		status, screen := p.ptyTo(t, &reluctant{}, "fetch", "--data", "d1", document, "--out", "-")
		if status != 0 || !strings.Contains(screen, "fetch") || !strings.Contains(screen, "%") {
			t.Errorf("status %d:\n%q", status, screen)
		}
	})
	t.Run("a line when it is done", func(t *testing.T) {
		status, screen := p.pty(t, "fetch", "--data", "d1", document, "--out", "terminal-got.bin")
		if status != 0 || !strings.Contains(screen, "terminal-got.bin: 24.0 MiB from RYJ, verified") {
			t.Errorf("status %d:\n%q", status, screen)
		}
		if n := widest(screen); n > screenWidth+10 { // with what sets the colour and clears the line
			t.Errorf("%d columns:\n%q", n, screen)
		}
	})
	t.Run("no bar in JSON", func(t *testing.T) {
		if status, screen := p.pty(t, "fetch", "--data", "d1", document, "--out", "terminal-got.bin", "--json"); status != 0 || strings.Contains(screen, "%") {
			t.Errorf("status %d:\n%q", status, screen)
		}
	})
	t.Run("tables", func(t *testing.T) {
		for _, args := range [][]string{{"status", "--data", "d1"}, {"locate", "--data", "d1", patient}} {
			if status, screen := p.pty(t, args...); status != 0 || widest(screen) > screenWidth {
				t.Errorf("status %d, %d columns:\n%s", status, widest(screen), screen)
			}
		}
	})
	t.Run("not on a terminal", func(t *testing.T) {
		e := p.run(t, "fetch", "--data", "d1", document, "--out", "terminal-got.bin")
		if e.status != 0 || strings.ContainsAny(e.out+e.errOut, "\r\x1b%") {
			t.Errorf("got %v", e)
		}
	})
}
