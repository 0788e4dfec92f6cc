package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// typed runs a command line in this process, with what somebody types.
func typed(t *testing.T, in string, args ...string) ended {
	t.Helper()
	var out, errOut bytes.Buffer
	status := run(t.Context(), args, terminal{in: strings.NewReader(in), out: &out, err: &errOut, getenv: func(string) string { return "" }})
	return ended{args: args, status: status, out: out.String(), errOut: errOut.String()}
}

// TestJoinAsksAndIsAnswered, with an invitation that a mail program has broken into lines.
func TestJoinAsksAndIsAnswered(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	line := p.invitation(t, "d1", "RAS")
	args := []string{"join", "--data", t.TempDir(), "--listen", "127.0.0.1:7402", dev, line[:40], line[40:]}
	for _, c := range []struct {
		in     string
		status int
		words  string
	}{
		{"", exitStatus[admin.CodeBadInput], "nobody is there to answer. Give --yes"},
		{"n\n", exitStatus[admin.CodeInterrupted], "answer y to join"},
	} {
		if e := typed(t, c.in, args...); e.status != c.status || !strings.Contains(e.errOut, c.words) || !strings.Contains(e.errOut, "\nridgeway: ") && c.in == "" {
			t.Errorf("got %v, want status %d and %q", e, c.status, c.words)
		}
	}
	p.json(t, "invite", "--data", "d1", "--trust", "RAS", "--revoke")
}

func TestNumbersThatAreNone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"demo", "--trusts", "x"}, "--trusts x: give a whole number"},
		{[]string{"demo", "--seed", "-1"}, "--seed -1: give a whole number from 0"},
		{[]string{"invite", "--valid", "long"}, "--valid long: give a duration such as 48h"},
	} {
		if e := typed(t, "", c.args...); e.status != 2 || !strings.Contains(e.errOut, c.want) || strings.Contains(e.errOut, "strconv") {
			t.Errorf("got %v, want %q", e, c.want)
		}
	}
}

func TestDemoThatIsStoppedSaysSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	status := run(ctx, []string{"demo", "--json", "--trusts", "3"}, terminal{in: strings.NewReader(""), out: &out, err: &bytes.Buffer{}, getenv: func(string) string { return "" }})
	ended{status: status, out: out.String()}.failure(t, admin.CodeInterrupted, stoppedEarly)
	if strings.Contains(out.String(), "context canceled\"\n") {
		t.Errorf("got %s", out.String())
	}
}

func TestTitlesAreWholeInAPipe(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	var out bytes.Buffer
	title := strings.Repeat("A long title ", 12)
	table(&out, 1, [][]string{{"DATE", "TITLE"}, {"2026-03-01", title + "."}})
	if !strings.Contains(out.String(), title) {
		t.Errorf("a table in a pipe is cut off: %s", out.String())
	}
	if e := p.run(t, "locate", "--data", "d1", patient); !strings.Contains(e.out, "TRUST") {
		t.Errorf("locate does not say who holds it: %v", e)
	}
}

// TestBarShowsNoSpeedThatNothingHas: what comes at once is counted, and drawn later.
func TestBarShowsNoSpeedThatNothingHas(t *testing.T) {
	t.Parallel()
	m := &meter{a: &app{}, started: time.Now(), total: 1 << 30, bytes: true, bar: newBar("fetch", 1<<30, true, &bytes.Buffer{})}
	m.add(1 << 20)
	if got := m.bar.State().CurrentNum; got != 0 {
		t.Errorf("drawn at once: %d bytes", got)
	}
	m.started = m.started.Add(-meterStart)
	m.add(1 << 20)
	if got := m.bar.State().CurrentNum; got != 2<<20 {
		t.Errorf("drawn later: %d bytes, want all", got)
	}
}

// TestIngestSaysWhatItWouldDo with --check, and what is wrong with types, manifests and numbers of workers.
func TestIngestSaysWhatItWouldDo(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	p.write(t, "say/new.pdf", letter("would be new"))
	p.write(t, "say.csv", "file,patient,type,title,date\nnew.pdf,"+patient+",373942005,T,2026-03-01\nnew.pdf,short\n")
	p.write(t, "header.csv", "file,patient,type,title,date\n")
	for _, c := range []struct {
		want  string
		words []string
		args  []string
	}{
		{"new.pdf  would be taken in", nil, append([]string{"say/new.pdf", "--check"}, particulars(patient)...)},
		{"Nothing was taken in: 1 would be taken in", []string{"taken in, 0 held", ", : "}, []string{"--manifest", "say.csv", "say", "--check"}},
		{"check digit does not fit", nil, []string{"say/new.pdf", "--check", "--patient", patient, "--type", "373942006", "--title", "T", "--date", "2026-03-01"}},
		{"write local: before it", nil, []string{"say/new.pdf", "--check", "--patient", patient, "--type", "abc", "--title", "T", "--date", "2026-03-01"}},
		{"header.csv lists no documents", nil, []string{"--manifest", "header.csv", "say"}},
		{"say is a folder: name the CSV file", nil, []string{"--manifest", "say", "say"}},
		{"--workers 0: give 1 to 256", nil, append([]string{"say/new.pdf", "--workers", "0"}, particulars(patient)...)},
		{"--workers -3: give 1 to 256", nil, append([]string{"say/new.pdf", "--workers=-3"}, particulars(patient)...)},
		{"letter.pdf was not taken in: RYJ-0000000000000000 is not here", []string{"1 of 1"}, append([]string{"letter.pdf", "--supersedes", "RYJ-0000000000000000", "--author", "New"}, particulars("9990000131")...)},
	} {
		e := p.run(t, append([]string{"ingest", "--data", "d1"}, c.args...)...)
		if all := e.out + e.errOut; !strings.Contains(all, c.want) {
			t.Errorf("got %v, want %q", e, c.want)
		}
		for _, w := range c.words {
			if strings.Contains(e.out+e.errOut, w) {
				t.Errorf("got %v, and %q in it", e, w)
			}
		}
	}
}

// TestWhatIsNoDataFolder, or only a part of one, is said as that.
func TestWhatIsNoDataFolder(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write(t, "file", "x")
	p.write(t, "other/thesis.txt", "x")
	p.init(t, "part")
	files, err := filepath.Glob(p.path("part/secrets/node-key*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the secret is not there: %v, %v", files, err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"serve", "recover", "repair"} {
		p.fails(t, admin.CodeDataFolder, []string{"no data folder nodata", "ridgeway init", "--data"}, command, "--data", "nodata")
		p.fails(t, admin.CodeDataFolder, []string{"file is a file", "--data"}, command, "--data", "file")
		p.fails(t, admin.CodeDataFolder, []string{"other is not a Ridgeway data folder", "ridgeway init"}, command, "--data", "other")
		p.fails(t, admin.CodeDataFolder, []string{"part", "node-key", "not whole", "backup"}, command, "--data", "part", dev)
	}
	p.fails(t, admin.CodeBadInput, []string{"--voters 4", "3, 5 or 7"}, "init", "--data", "new", "--region", "R", "--trust", "RYJ", "--name", "N", "--listen", "127.0.0.1:1", dev, "--voters", "4")
	p.env = append(p.env, "RIDGEWAY_LISTNE=127.0.0.1:1")
	p.fails(t, admin.CodeConfig, []string{"RIDGEWAY_LISTNE", "did you mean RIDGEWAY_LISTEN?", "help settings"}, "serve", "--data", "part", dev)
}
