package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// many is a folder of n files and their rows.
func many(t *testing.T, n int) (dir, rows string) {
	files := map[string]string{}
	var b strings.Builder
	for i := range n {
		name := fmt.Sprintf("%03d.txt", i)
		files[name] = name
		fmt.Fprintf(&b, "%s,9991234560,823681000000100,T,2024-03-31,,,,,,\n", name)
	}
	return drop(t, files), b.String()
}

func TestCancellationReportsWhatWasDone(t *testing.T) {
	dir, rows := many(t, 50)
	ctx, cancel := context.WithCancel(context.Background())
	s := &store{}
	s.hook = func(ctx context.Context, item Item) error {
		if item.Line == 12 {
			cancel()
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	m, _ := ParseManifest(strings.NewReader(header + rows))
	report, err := Run(ctx, config(s), dir, m)
	if !errors.Is(err, ErrStopped) || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if len(report.Results) != 50 || report.TakenIn != len(s.items) || report.TakenIn < 7 || report.TakenIn+report.NotReached != 50 || report.Results[10].Outcome != NotReached {
		t.Errorf("got %+v, %d held", report.Counts, len(s.items))
	}
	again, err := Run(context.Background(), config(&store{held: s.held}), dir, m)
	if err != nil || again.AlreadyHeld != report.TakenIn || again.TakenIn != report.NotReached {
		t.Errorf("run again: %+v, %v", again.Counts, err)
	}
}

func TestANodeThatCannotGoOnStopsTheRun(t *testing.T) {
	dir, rows := many(t, 40)
	full := errors.New("disk full")
	s := &store{hook: func(_ context.Context, item Item) error {
		if item.Line >= 10 {
			return full
		}
		return nil
	}}
	m, _ := ParseManifest(strings.NewReader(header + rows))
	report, err := Run(context.Background(), config(s), dir, m)
	if !errors.Is(err, full) || !errors.Is(err, ErrStopped) || report.NotReached != 40-report.TakenIn || report.TakenIn > 8 {
		t.Errorf("%+v, %v", report.Counts, err)
	}
}

func TestRefusalOfTheNodeIsOneRows(t *testing.T) {
	dir, rows := many(t, 3)
	s := &store{hook: func(_ context.Context, item Item) error {
		switch item.Line {
		case 2:
			return &RefusalError{Code: "merged", Reason: "the number was replaced"}
		case 3:
			return fmt.Errorf("take: %w", &RefusalError{Reason: "no"})
		}
		return nil
	}}
	got := take(t, config(s), dir, rows)
	if got.Results[0].Code != "merged" || got.Results[1].Code != CodeNode || got.Results[2].Outcome != TakenIn {
		t.Errorf("%+v", got.Results)
	}
}

func TestAFileThatCannotBeReadIsNotTheNodesFault(t *testing.T) {
	dir, rows := many(t, 3)
	s := &store{hook: func(_ context.Context, item Item) error {
		if item.Line == 3 { // the disk gives up between the inspection and the copy
			w, ok := item.Parts[0].Content.(*watchedFile)
			if !ok {
				return errors.New("not watched")
			}
			w.ReaderAt = failing{}
		}
		return nil
	}}
	got := take(t, config(s), dir, rows)
	if got.TakenIn != 2 || got.Results[1].Code != CodeUnreadable || !strings.Contains(got.Results[1].Reason, "bad sector") {
		t.Errorf("%+v", got.Results)
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("bad sector") }
