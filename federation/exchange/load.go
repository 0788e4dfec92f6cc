package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// ask is a run of the plan that the requester wants.
type ask struct{ first, count int }

// loaded is a chunk that was read.
type loaded struct {
	piece piece
	frame []byte  // headroom, and behind it the bytes; nil with err
	buf   *[]byte // that frame lies in
	err   error
}

// size returns how many bytes the chunk has.
func (l *loaded) size() int { return max(len(l.frame)-headroom, 0) }

// listen reads what the requester asks for, until it has sent its receipt or is gone.
func (s *stream) listen() {
	defer close(s.asks)
	total := s.plan.total
	allowed := 2*total + asksBeyond - max(s.pushed(), 0)
	for {
		t, n, err := readHeader(s.conn)
		if errors.Is(err, io.EOF) {
			return
		}
		var payload []byte
		if err == nil && t != frameWant && t != frameReceipt {
			err = fmt.Errorf("frame of type %d from a requester: %w", t, ErrProtocol)
		}
		if err == nil {
			payload, err = readPayload(s.conn, n)
		}
		if err == nil && t == frameReceipt {
			s.receipt <- payload
			return
		}
		var a ask
		if err == nil {
			a.first, a.count, err = decodeWant(payload, total)
		}
		if allowed -= a.count; err == nil && allowed < 0 {
			err = fmt.Errorf("more asked for than was selected: %w", ErrProtocol)
		}
		if err != nil {
			s.failed = err
			return
		}
		// Whoever writes wants while it is written to must not be kept waiting: both ends would wait for ever.
		select {
		case s.asks <- a:
		default:
			s.failed = fmt.Errorf("over %d wants that are not answered yet: %w", maxAsks, ErrProtocol)
			return
		}
	}
}

// load reads the chunks that are asked for, one ahead of the one that is being sent.
func (s *stream) load(ctx context.Context, out chan<- loaded) {
	defer func() {
		for range s.asks { // whoever listens must not be left waiting
		}
	}()
	defer close(out)
	for a := range s.asks {
		for seq := a.first; seq < a.first+a.count; seq++ {
			l := s.takeChunk(ctx, s.plan.at(seq))
			select {
			case out <- l:
			case <-ctx.Done():
				s.done(l)
				return
			}
			if l.err != nil {
				return
			}
		}
	}
}
