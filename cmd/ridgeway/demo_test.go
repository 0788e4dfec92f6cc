package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// demonstrate runs the demo command, in a process of its own: it opens ports again that it has closed, which a program that is being
// started from the same process would still hold.
func demonstrate(t *testing.T, args ...string) (int, string, string) {
	t.Helper()
	r := newPlace(t).start(t, append([]string{"demo"}, args...)...)
	select {
	case <-r.gone:
	case <-time.After(demoLimit):
		t.Fatalf("it did not end within %s: %s%s", demoLimit, r.out, r.errOut)
	}
	e := r.ended()
	return e.status, e.out, e.errOut
}

func TestDemonstrationHolds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/kept"
	for _, again := range []bool{false, true} {
		code, out, errOut := demonstrate(t, "--json", "--trusts", "3", "--patients", "3", "--documents", "9", "--dir", dir)
		var got struct {
			OK    bool
			Steps []struct {
				Name, Detail string
				OK           bool
				Milliseconds float64
			}
			Error problem
		}
		dec := json.NewDecoder(strings.NewReader(out))
		if err := dec.Decode(&got); err != nil || dec.More() {
			t.Fatalf("standard output is not one JSON object (%v):\n%s", err, out)
		}
		if code != 0 || !got.OK || len(got.Steps) != 16 {
			t.Fatalf("again %v: status %d, ok %v, %d steps, %+v\n%s", again, code, got.OK, len(got.Steps), got.Error, errOut)
		}
		for _, s := range got.Steps {
			if !s.OK || s.Name == "" || s.Detail == "" {
				t.Errorf("step %+v", s)
			}
		}
	}
}

func TestDemonstrationRefusesWhatItCannotShow(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(full+"/something", []byte("else"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"too few trusts": {"--trusts", "2"}, "too many trusts": {"--trusts", "51"}, "no patients": {"--patients", "0"},
		"a folder with something else in it": {"--dir", full},
	} {
		code, out, _ := demonstrate(t, append(args, "--json")...)
		if code != exitStatus[admin.CodeBadInput] || !strings.Contains(out, `"BAD_INPUT"`) {
			t.Errorf("%s: status %d, %s", name, code, out)
		}
	}
}

// TestInterruptDemo stops it while the region is founded, which leaves nothing that the same command could not go on with.
func TestInterruptDemo(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	goesOn := false
	for _, args := range [][]string{{"--dir", "kept"}, nil} {
		r := p.start(t, append([]string{"demo", "--once", "--trusts", "3"}, args...)...)
		r.shows(t, r.out, "founds a region")
		e := r.interrupt(t)
		said := strings.Contains(e.out, "is kept in") // which it is when the signal came late, and the region is whole
		if e.status != exitStatus[admin.CodeInterrupted] || !strings.Contains(e.errOut, "stopped before it was done") || said && args == nil {
			t.Errorf("got %v", e)
		}
		left, err := filepath.Glob(p.path("ridgeway-demo-*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
		goesOn = goesOn || said
		if _, again, err := demoFolder(p.path("kept"), 3); again != goesOn || err != nil {
			t.Errorf("the same command goes on with the region: %v, and it said so: %v: %v", again, goesOn, err)
		}
	}
}
