package tour

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/testnet"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

// small is a tour that is quick.
func small(dir string) Options {
	return Options{Region: testnet.RegionOptions{Dir: dir, Small: true}, Trusts: 3, Patients: 2, Documents: 6, Pages: 12, Seed: 5}
}

func TestTourHoldsAndTellsInEightyColumns(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	o := small(t.TempDir())
	var lines []string
	o.Tell = func(line string) { lines = append(lines, line) }
	tour, err := Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tour.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, s := range tour.Steps() {
		if !s.OK || s.Detail == "" || s.Milliseconds <= 0 {
			t.Errorf("step %+v", s)
		}
	}
	for _, line := range lines {
		if len(line) > Width || strings.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
			t.Errorf("%d bytes: %s", len(line), line)
		}
	}
	// What is left in the folder is what was read and what was taken in.
	id, _, records := tour.Holder()
	read, err := filepath.Glob(filepath.Join(o.Region.Dir, "read-at-*", "*"))
	if err != nil || len(read) != 1 || strings.HasSuffix(read[0], ".part") {
		t.Errorf("read: %v, %v", read, err)
	}
	if _, err := os.Stat(filepath.Join(records, ManifestName)); err != nil || id != "RYJ" {
		t.Errorf("the records of %s: %v", id, err)
	}
}

// The region has witnessed that a case note was taken in, and not yet that it was read: there is nothing to forge another reader in.
func TestProofWaitsForAnEntryThatNamesTheReader(t *testing.T) {
	lines := [][]byte{[]byte(`{"by":"RYJ"}`), []byte(`{"by":"RAS"}`)}
	for witnessed, want := range []bool{false, false, true} {
		n := 0
		ok, err := names(lines, "RAS", func([]byte) (bool, error) { n++; return n <= witnessed, nil })
		if ok != want || err != nil {
			t.Errorf("%d of the entries are witnessed: %v, %v", witnessed, ok, err)
		}
	}
	if _, err := names(lines, "RAS", func([]byte) (bool, error) { return false, errors.New("not JSON") }); err == nil {
		t.Error("a line that cannot be read counts as not witnessed")
	}
}

func TestStepThatFailsEndsTheTour(t *testing.T) {
	o := small(filepath.Join(t.TempDir(), "region"))
	if err := os.MkdirAll(filepath.Join(o.Region.Dir, "RYJ", "something"), 0o700); err != nil {
		t.Fatal(err)
	}
	tour, err := Start(t.Context(), o)
	if !errors.Is(err, ErrStep) || tour == nil {
		t.Fatalf("got %v, want ErrStep and a tour", err)
	}
	if !strings.Contains(err.Error(), "step 1, start") || !strings.Contains(err.Error(), "RYJ") {
		t.Errorf("the error names neither step nor cause: %v", err)
	}
	steps := tour.Steps()
	if len(steps) != 16 || steps[0].OK || !strings.Contains(steps[0].Detail, "not empty") {
		t.Errorf("first step %+v of %d", steps[0], len(steps))
	}
	for _, s := range steps[1:] {
		if s.OK || s.Detail != "not reached" {
			t.Errorf("step %+v, want not reached", s)
		}
	}
	if err := tour.Close(); err != nil {
		t.Error(err)
	}
}

func TestOptionsThatAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"two trusts":            func(o *Options) { o.Trusts = 2 },
		"fifty-one trusts":      func(o *Options) { o.Trusts = 51 },
		"no patients":           func(o *Options) { o.Patients = 0 },
		"no documents":          func(o *Options) { o.Documents = 0 },
		"a case note of a page": func(o *Options) { o.Pages = 1 },
	} {
		o := small(t.TempDir())
		change(&o)
		if tour, err := Start(t.Context(), o); err == nil || tour != nil || errors.Is(err, ErrStep) {
			t.Errorf("%s: got %v, %v", name, tour, err)
		}
	}
}

func TestSameSeedInventsTheSameRecordsAtTheSameTrusts(t *testing.T) {
	invented := func(seed uint64, documents, patients int) []held {
		tour := &Tour{o: Options{Documents: documents, Patients: patients, Pages: 2}, source: synth.New(seed)}
		for _, m := range Members(4) {
			tour.trusts = append(tour.trusts, m.Trust)
		}
		tour.people = tour.source.Patients(patients)
		tour.focus = tour.people[0]
		return tour.invent()
	}
	a, b, c := invented(3, 20, 6), invented(3, 20, 6), invented(4, 20, 6)
	if len(a) != 21 || len(b) != 21 || len(c) != 21 {
		t.Fatalf("%d, %d and %d documents, want 21 each: 20 and the case note", len(a), len(b), len(c))
	}
	same := 0
	for i := range a {
		if a[i].file != b[i].file || a[i].trust != b[i].trust || a[i].doc.Title != b[i].doc.Title {
			t.Errorf("document %d: %s at %s and %s at %s", i, a[i].file, a[i].trust, b[i].file, b[i].trust)
		}
		if a[i].file == c[i].file {
			same++
		}
	}
	if same > 0 {
		t.Errorf("%d files have the same name with another seed", same)
	}
	seen := map[string]bool{}
	for _, d := range a {
		name := string(d.trust) + "/" + d.file
		if seen[name] {
			t.Errorf("two documents are written to %s", name)
		}
		seen[name] = true
	}
	if got := invented(3, 1, 6); len(got) != 2 {
		t.Errorf("%d documents, want one and the case note", len(got))
	}
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		4380 * time.Microsecond: "4.4 ms", 12 * time.Millisecond: "12 ms", 1234 * time.Millisecond: "1.2 s", 34 * time.Second: "34 s",
	} {
		if got := took(d); got != want {
			t.Errorf("took(%s) = %s, want %s", d, got, want)
		}
	}
	for n, want := range map[int]string{12: "12 bytes", 19_400: "19 kB", 6_100_000: "6.1 MB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %s, want %s", n, got, want)
		}
	}
	if got := strings.Join(wrap("one two three", 7), "|"); got != "one two|three" {
		t.Errorf("wrapped as %s", got)
	}
}
