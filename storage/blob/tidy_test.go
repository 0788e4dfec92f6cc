package blob

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

func TestSweepWaitsUntilAChunkHasBeenLooseForLongEnough(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	used, loose, later := mustPut(t, s, text(1, 5000)), mustPut(t, s, text(2, 5000)), mustPut(t, s, text(3, 5000))
	for _, c := range []Content{used, loose, later} {
		s.Unpin(c)
	}
	now := time.Unix(1_800_000_000, 0)
	held := map[federation.Digest]bool{used.SHA256: true}
	sweep := func(want SweepReport) {
		t.Helper()
		got, err := s.Sweep(t.Context(), SweepOptions{
			Referenced: func(d federation.Digest) (bool, error) { return held[d], nil },
			Age:        24 * time.Hour, Now: func() time.Time { return now }, PerSecond: 1_000_000,
		})
		if err != nil || got != want {
			t.Fatalf("%+v, %v, want %+v", got, err, want)
		}
	}
	sweep(SweepReport{Chunks: 3, Loose: 2})
	now = now.Add(23 * time.Hour)
	held[later.SHA256] = true // taken in again, and described this time
	sweep(SweepReport{Chunks: 3, Loose: 1})
	if err := s.Close(); err != nil { // what is known outlives the process
		t.Fatal(err)
	}
	s = openTest(t, dir)
	now = now.Add(2 * time.Hour)
	delete(held, later.SHA256) // the time begins anew
	sweep(SweepReport{Chunks: 3, Loose: 1, Deleted: 1})
	mustRead(t, s, used, text(1, 5000))
	mustRead(t, s, later, text(3, 5000))
	if _, err := s.Chunk(t.Context(), loose.SHA256); !errors.Is(err, ErrNotFound) {
		t.Fatalf("swept chunk: %v", err)
	}
	now = now.Add(25 * time.Hour)
	sweep(SweepReport{Chunks: 2, Deleted: 1})
}

func TestTidySparesIntakesUnderWayAndWhatIsHeld(t *testing.T) {
	s := openTest(t, t.TempDir())
	var mu sync.Mutex
	held := map[federation.Digest]bool{}
	var contents []Content
	for i := range 20 {
		c := mustPut(t, s, text(uint64(i), 3000))
		contents = append(contents, c)
		switch i % 4 {
		case 0: // described
			held[c.SHA256] = true
			s.Unpin(c)
		case 1: // an intake under way: not described yet, pinned
		default:
			s.Unpin(c)
		}
	}
	before := 0
	rounds := make(chan SweepReport)
	now := time.Unix(1_800_000_000, 0)
	ctx, cancel := context.WithCancel(t.Context())
	var tidy sync.WaitGroup
	tidy.Go(func() {
		s.Tidy(ctx, TidyOptions{
			Referenced: func(d federation.Digest) (bool, error) {
				mu.Lock()
				defer mu.Unlock()
				return held[d], nil
			},
			Before: func(context.Context) (uint64, error) { before++; return 0, nil },
			First:  time.Millisecond, Every: time.Millisecond,
			Now: func() time.Time { now = now.Add(25 * time.Hour); return now },
			Done: func(r SweepReport, _ int, err error) {
				if err != nil {
					t.Error(err)
				}
				select {
				case rounds <- r:
				case <-ctx.Done():
				}
			},
		})
	})
	deleted := 0
	for range 3 {
		deleted += (<-rounds).Deleted
	}
	cancel()
	tidy.Wait()
	if deleted != 10 || before < 3 {
		t.Errorf("%d chunks were removed in %d rounds, want 10", deleted, before)
	}
	for i, c := range contents {
		if i%4 < 2 {
			mustRead(t, s, c, text(uint64(i), 3000))
		} else if _, err := s.Chunk(t.Context(), c.SHA256); !errors.Is(err, ErrNotFound) {
			t.Errorf("content %d: %v", i, err)
		}
	}
}
