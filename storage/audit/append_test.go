package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

func TestEntryThatCannotBeEncodedIsRefusedAndTheLogGoesOn(t *testing.T) {
	l := open(t, testOptions(t.TempDir()))
	for name, e := range map[string]Entry{
		"no time": {Kind: Intent}, "no kind": {Time: testTime}, "unknown kind": {Time: testTime, Kind: SignOut + 1},
		"long user": {Time: testTime, Kind: Intent, User: strings.Repeat("x", MaxName+1)}, "control": {Time: testTime, Kind: Intent, Detail: "a\rb"},
		"bad trust": {Time: testTime, Kind: Intent, Trust: "no"}, "bad document": {Time: testTime, Kind: Intent, Document: "x"},
		"negative": {Time: testTime, Kind: Intent, Bytes: -1}, "ranges": {Time: testTime, Kind: Intent, Ranges: make([]federation.Extent, MaxRanges+1)},
	} {
		if _, err := l.Append(context.Background(), e); !errors.Is(err, ErrEntry) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if index, err := l.Append(context.Background(), entry(0)); err != nil || index != 0 {
		t.Errorf("after refusals: %d, %v", index, err)
	}
}

func TestConcurrentAppendsHaveIndexesWithoutGaps(t *testing.T) {
	l := open(t, testOptions(t.TempDir()))
	var mu sync.Mutex
	seen := map[uint64]string{}
	var group sync.WaitGroup
	for w := range 16 {
		group.Go(func() {
			for i := range 20 {
				e := entry(0)
				e.User = fmt.Sprintf("%d-%d", w, i)
				index, err := l.Append(context.Background(), e)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				seen[index] = e.User
				mu.Unlock()
			}
		})
	}
	group.Wait()
	for i := range uint64(320) {
		r, err := l.At(i)
		if err != nil || r.User != seen[i] {
			t.Fatalf("entry %d is %q, was acknowledged as %q: %v", i, r.User, seen[i], err)
		}
	}
	report, err := l.Verify(context.Background(), nil)
	if err != nil || !report.OK() || report.Entries != 320 {
		t.Fatalf("%+v, %v", report, err)
	}
}

func TestNothingOnTheDiskNamesAPatientOrUser(t *testing.T) {
	dir := t.TempDir()
	l := open(t, testOptions(dir))
	e := entry(1)
	e.User, e.Detail = "CANARY-USER", "CANARY-DETAIL"
	if _, err := l.Append(context.Background(), e); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), "CANARY") {
			t.Errorf("%s has it in clear", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestMetricsAreRegisteredAndReleased(t *testing.T) {
	reg := prometheus.NewRegistry()
	opt := testOptions(t.TempDir())
	opt.Metrics = reg
	for range 2 {
		l := open(t, opt)
		fill(t, l, 2)
		families, err := reg.Gather()
		if err != nil || len(families) != 3 {
			t.Errorf("%d families, %v", len(families), err)
		}
		closeLog(t, l)
	}
}

func TestFailedSyncIsStickyUntilReopened(t *testing.T) {
	dir := t.TempDir()
	var broken atomic.Bool
	opt := testOptions(dir)
	opt.Sync = func(f *os.File) error {
		if broken.Load() {
			return errors.New("input/output error")
		}
		return f.Sync()
	}
	l := open(t, opt)
	fill(t, l, 10)
	broken.Store(true)
	if _, err := l.Append(context.Background(), entry(0)); !errors.Is(err, ErrFailed) {
		t.Fatalf("append over a failing disk: %v", err)
	}
	broken.Store(false)
	if _, err := l.Append(context.Background(), entry(0)); !errors.Is(err, ErrFailed) {
		t.Fatalf("append after a failed one: %v", err)
	}
	if _, err := l.Checkpoint(context.Background(), federation.NodeID{}, 0); !errors.Is(err, ErrFailed) {
		t.Fatalf("checkpoint after a failure: %v", err)
	}
	_ = l.Close() // may report the failure again
	l = open(t, opt)
	if n := l.Size(); n < 10 {
		t.Errorf("%d entries after reopening, 10 were acknowledged", n)
	}
	if _, err := l.Append(context.Background(), entry(0)); err != nil {
		t.Error(err)
	}
}

// What was acknowledged lies in the write-ahead file; when the store that it goes into fails, nothing more is taken, and nothing
// of it is lost.
func TestFailedSyncOfTheStoreStopsTheLog(t *testing.T) {
	dir := t.TempDir()
	var broken atomic.Bool
	opt := testOptions(dir)
	opt.Sync = func(f *os.File) error {
		if broken.Load() && filepath.Base(filepath.Dir(f.Name())) == "entries" {
			return errors.New("input/output error")
		}
		return f.Sync()
	}
	l := open(t, opt)
	fill(t, l, 10)
	broken.Store(true)
	fill(t, l, 1)
	for began := time.Now(); l.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("the log goes on over a store that fails")
		}
	}
	broken.Store(false)
	if _, err := l.Append(context.Background(), entry(0)); !errors.Is(err, ErrFailed) {
		t.Errorf("append after the store has failed: %v", err)
	}
	_ = l.Close() // may report the failure again
	l = open(t, opt)
	if n := l.Size(); n != 11 {
		t.Errorf("%d entries after reopening, 11 were acknowledged", n)
	}
}

// fillable returns the space of a folder whose disk is full when the test says so.
func fillable(t *testing.T, dir string) (*storage.Space, *atomic.Bool) {
	t.Helper()
	var full atomic.Bool
	space, err := storage.NewSpace(storage.SpaceConfig{Dir: dir, Reserve: -1, Statfs: func(string) (uint64, uint64, error) {
		if full.Load() {
			return 1 << 40, 1 << 20, nil
		}
		return 1 << 40, 1 << 39, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return space, &full
}

func TestFullDiskRefusesWithoutFailingTheLog(t *testing.T) {
	dir := t.TempDir()
	space, full := fillable(t, dir)
	opt := testOptions(filepath.Join(dir, "log"))
	opt.Space = space
	l := open(t, opt)
	fill(t, l, 1)
	full.Store(true)
	if _, err := l.Append(context.Background(), entry(0)); !errors.Is(err, storage.ErrDiskFull) {
		t.Fatalf("append to a full disk: %v", err)
	}
	full.Store(false)
	if index, err := l.Append(context.Background(), entry(0)); err != nil || index != 1 {
		t.Fatalf("after space came back: %d, %v", index, err)
	}
}

func TestAppendAfterCloseAndCancelIsRefused(t *testing.T) {
	l := open(t, testOptions(t.TempDir()))
	closeLog(t, l)
	if _, err := l.Append(context.Background(), entry(0)); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	closeLog(t, l)
}

func TestEncodingOfEntriesDoesNotChange(t *testing.T) {
	b, err := entry(1).encode()
	if err != nil {
		t.Fatal(err)
	}
	const want = "2e7d6fcc43efc24bb837bc90a1420c793b72ebc92f36f1c820293b773504f21f"
	b[0] = entryVersion1
	if got := federation.Sum(b[:len(b)-17]).String(); got != want {
		t.Errorf("digest of what version 1 wrote %s, want %s", got, want)
	}
}
