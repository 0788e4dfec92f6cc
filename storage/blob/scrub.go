package blob

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/time/rate"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// ScrubOptions configure Scrub.
type ScrubOptions struct {
	BytesPerSecond int64             // of content read; 0 does not limit
	Progress       func(ScrubReport) // called every 1,000 chunks and at the end; may be nil
}

// A ScrubReport says what a scrub has found so far.
type ScrubReport struct {
	Chunks  int64
	Bytes   int64
	Damaged []federation.Digest
}

// Scrub reads every chunk, and reports those that cannot be read back as they were written. It never stops at a
// damaged one. The error is of the scrub itself, such as that ctx has ended, and the report tells how far it got.
func (s *Store) Scrub(ctx context.Context, opt ScrubOptions) (ScrubReport, error) {
	var report ScrubReport
	limit := rate.NewLimiter(rate.Inf, ChunkSize)
	if opt.BytesPerSecond > 0 {
		limit.SetLimit(rate.Limit(opt.BytesPerSecond))
	}
	var buf []byte
	err := s.Digests(ctx, func(d federation.Digest) error {
		data, err := s.AppendChunk(ctx, buf[:0], d)
		switch {
		case err == nil:
			buf = data
		case errors.Is(err, ErrNotFound):
			return nil // deleted since it was listed
		case errors.Is(err, ErrIntegrity):
			report.Damaged = append(report.Damaged, d)
		default:
			return err
		}
		report.Chunks++
		report.Bytes += int64(len(data))
		if opt.Progress != nil && report.Chunks%1000 == 0 {
			opt.Progress(report)
		}
		if err := limit.WaitN(ctx, min(len(data), ChunkSize)); err != nil {
			return fmt.Errorf("scrub: %w", err)
		}
		return nil
	})
	if opt.Progress != nil {
		opt.Progress(report)
	}
	return report, err
}
