package blob

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

const (
	tidyFirst     = 10 * time.Minute
	tidyEvery     = 24 * time.Hour
	tidyPerSecond = 5000
	tidyRatio     = 0.5 // of a file that must be garbage for it to be written anew
)

// TidyOptions configure Tidy. Referenced is required.
type TidyOptions struct {
	Referenced func(federation.Digest) (bool, error)        // as in SweepOptions
	Before     func(ctx context.Context) (uint64, error)    // clears references that additions cut short have left; may be nil
	Done       func(report SweepReport, files int, e error) // told of each round; may be nil

	First, Every time.Duration // until the first round, and between rounds; 0 is 10 minutes and 24 hours
	Age          time.Duration // as in SweepOptions; 0 is 24 hours
	Now          func() time.Time
}

// Tidy removes what intakes that were cut short have left, in the background, at a bounded rate, and gives its space back to
// the file system. It returns when ctx ends. What is stored or described meanwhile is safe: see Sweep.
func (s *Store) Tidy(ctx context.Context, opt TidyOptions) {
	if opt.First == 0 {
		opt.First = tidyFirst
	}
	if opt.Every == 0 {
		opt.Every = tidyEvery
	}
	if opt.Age == 0 {
		opt.Age = tidyEvery
	}
	next := time.NewTimer(opt.First)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		report, files, err := s.tidy(ctx, opt)
		switch {
		case ctx.Err() != nil || errors.Is(err, storage.ErrClosed):
			return
		case err != nil:
			s.log.Warn("clearing the document store of leftovers has failed; it is tried again", slog.Any("error", err), slog.Duration("after", opt.Every))
		case report.Deleted > 0:
			s.log.Info("the document store has been cleared of leftovers", slog.Int("chunks", report.Deleted), slog.Int("files", files))
		}
		if opt.Done != nil {
			opt.Done(report, files, err)
		}
		next.Reset(opt.Every)
	}
}

// tidy is one round.
func (s *Store) tidy(ctx context.Context, opt TidyOptions) (report SweepReport, files int, err error) {
	if opt.Before != nil {
		if _, err := opt.Before(ctx); err != nil {
			return report, 0, err
		}
	}
	report, err = s.Sweep(ctx, SweepOptions{Referenced: opt.Referenced, Age: opt.Age, Now: opt.Now, PerSecond: tidyPerSecond})
	if err != nil || report.Deleted == 0 {
		return report, 0, err
	}
	files, err = s.CollectGarbage(ctx, tidyRatio)
	return report, files, err
}
