package exchange

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

const (
	// sliceSize is how much is handed to the stream between two looks at the guard. Each makes the transport wait. So behind
	// quickRow slices in a row that were each taken within quickSlice, which no window takes in before the path has proven to be
	// fast, the next may be largeSlice, a chunk with all that goes before it: by time the looks are as close together as on a slow
	// stream.
	sliceSize  = 32 << 10
	largeSlice = headroom + federation.ChunkSize
	// headroom is what a chunk has before it in its buffer, so that it is sent in one piece with its headers, and the first with
	// the grant.
	headroom   = sliceSize/2 + frameHeader + pathSize + frameHeader + chunkHeader
	quickSlice = 20 * time.Millisecond
	quickRow   = 32
	// pathEvery is after how many chunks the requester is told of the path.
	pathEvery = 4
	// asksBeyond is how many chunks more than its selection has a requester may ask for on one stream.
	asksBeyond = 64
	// maxAsks is how many wants may wait for their answers on one stream.
	maxAsks = 1024

	urgencyInteractive, urgencyBulk = 1, 5
)

// stream is a release to a peer.
//
//	listen ── asks ──► load ── chunks ──► send ──► peer
//
// The first chunk is read while the intent is being made durable; nothing is sent before it is.
type stream struct {
	*release
	conn    net.Conn
	start   time.Duration // monotonic, when the stream was accepted
	opening []byte        // the grant, as long as it has not been sent
	asks    chan ask      // closed when no more will come
	receipt chan []byte   // has the receipt when asks is closed, if one came
	sent    atomic.Int64
	quick   int // how many slices in a row were taken within quickSlice
	chunks  int
	failed  error // of reading from the peer; set before asks is closed
}

// newStream returns the stream of a release that was decided on. What the requester wants unasked is asked for already.
func newStream(r *release, conn net.Conn, start time.Duration) *stream {
	s := &stream{release: r, conn: conn, start: start, asks: make(chan ask, maxAsks), receipt: make(chan []byte, 1)}
	if n := s.pushed(); n > 0 {
		s.asks <- ask{s.assertion.Start, n}
	}
	return s
}

// pushed returns how many chunks the requester wants without asking for them.
func (s *stream) pushed() int { return min(s.assertion.Push, s.plan.total-s.assertion.Start) }

// serve writes down the intent, sends what was granted, and writes down what became of it. It returns a refusal when the
// intent could not be written: then nothing was sent, and the requester is still to be answered.
func (s *stream) serve(ctx context.Context) *Refusal {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var helpers sync.WaitGroup
	defer helpers.Wait()
	chunks := make(chan loaded)
	helpers.Go(func() { s.load(ctx, chunks) })
	if refusal := s.intend(ctx); refusal != nil {
		cancel()
		close(s.asks)
		return refusal
	}
	stop := func(r *Refusal) {
		cancel()
		abort(s.conn, resetCode(r.Outcome))
	}
	s.guard.sending(stop)
	defer s.guard.sending(nil)
	helpers.Go(func() { s.guard.watch(ctx, stop) })
	helpers.Go(func() { s.listen() })
	s.prioritise()
	err := s.grant(ctx)
	if err == nil {
		err = s.send(ctx, chunks)
	}
	s.conclude(ctx, err)
	cancel()
	_ = s.conn.Close() // wakes the listener
	return nil
}

func (s *stream) prioritise() {
	p, ok := s.conn.(interface{ SetPriority(int) })
	if !ok {
		return
	}
	urgency := urgencyInteractive
	if s.assertion.Bulk {
		urgency = urgencyBulk
	}
	p.SetPriority(urgency)
}

// grant tells the requester that it may, and what the document is made of. A short grant is kept until the first chunk is
// sent, if one is on its way: what is written together costs the transport half as much.
func (s *stream) grant(ctx context.Context) error {
	g := grant{intent: s.intent, digest: s.assertion.Manifest, manifest: s.encoded}
	if s.assertion.Have {
		g.manifest = nil
	}
	g.path, _ = s.custodian.cfg.Path(s.conn)
	s.encoded = nil // it can be large, and the stream can last
	s.opening = g.append(s.ruling(policy.Permit, s.plan.bytes(s.assertion.Start)))
	if s.pushed() > 0 && len(s.opening) <= sliceSize/2 {
		return nil
	}
	return s.open(ctx)
}

// open sends the grant, if it was not sent.
func (s *stream) open(ctx context.Context) error {
	b := s.take()
	return s.write(ctx, b, func(int) {})
}

// take returns the grant to be sent now; nothing if it was sent.
func (s *stream) take() []byte {
	b := s.opening
	if s.opening = nil; b != nil {
		s.custodian.metrics.firstByte.Observe((s.custodian.cfg.Clock.Now().Monotonic - s.start).Seconds())
	}
	return b
}

// send sends chunks as they are loaded, until the requester wants no more.
func (s *stream) send(ctx context.Context, chunks <-chan loaded) error {
	idle := time.NewTimer(s.custodian.limits.IdleTimeout)
	defer idle.Stop()
	for {
		idle.Reset(s.custodian.limits.IdleTimeout)
		select {
		case l, ok := <-chunks:
			if !ok {
				if ctx.Err() != nil {
					return ctx.Err() // nobody has asked for the end, and s.failed may still be written
				}
				return s.failed
			}
			err := s.sendChunk(ctx, l)
			s.done(l)
			if err != nil {
				return err
			}
		case <-idle.C:
			return fmt.Errorf("the requester neither asked for more nor sent a receipt: %w", os.ErrDeadlineExceeded)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *stream) sendChunk(ctx context.Context, l loaded) error {
	if l.err != nil {
		return errors.Join(l.err, s.open(ctx))
	}
	head := s.take()
	if s.chunks++; s.chunks%pathEvery == 0 {
		if p, ok := s.custodian.cfg.Path(s.conn); ok {
			head = p.append(appendFrame(head, framePath, pathSize))
		}
	}
	head = appendChunkHeader(head, l.piece, l.size())
	b := l.frame[headroom-len(head):]
	left := copy(b, head)
	return s.write(ctx, b, func(n int) {
		of := min(left, n)
		left -= of
		s.count(n - of)
	})
}

func (s *stream) count(n int) {
	s.sent.Add(int64(n))
	s.custodian.metrics.bytes.Add(float64(n))
}

// write sends b slice by slice; done hears of each how much of it was taken.
func (s *stream) write(ctx context.Context, b []byte, done func(int)) error {
	for len(b) > 0 {
		n := min(len(b), sliceSize)
		if s.quick >= quickRow {
			n = min(len(b), largeSlice)
		}
		sent, err := s.slice(ctx, b[:n])
		done(sent)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// slice sends b if the guard lets it. When the guard's word runs out while a slow requester takes the bytes, the rest goes
// only on a newer word: that of a lease which was renewed meanwhile, or of a decision made anew. It returns how much the transport took.
func (s *stream) slice(ctx context.Context, b []byte) (sent int, err error) {
	began := time.Now()
	for rest := b; len(rest) > 0; {
		left, refusal := s.guard.check(ctx)
		if refusal != nil {
			return sent, refusal
		}
		patience := time.Until(began.Add(s.custodian.limits.SliceTimeout))
		if err := s.conn.SetWriteDeadline(time.Now().Add(min(patience, left))); err != nil {
			return sent, fmt.Errorf("deadline of a slice: %w", err)
		}
		n, err := s.conn.Write(rest)
		sent += n
		if err == nil {
			break
		}
		if left >= patience || !errors.Is(err, os.ErrDeadlineExceeded) {
			return sent, fmt.Errorf("send: %w", err)
		}
		if left <= 0 {
			return sent, s.guard.fail(refuse(policy.StalePolicy, err))
		}
		rest = rest[n:]
	}
	if len(b) < sliceSize {
		return sent, nil // the transport may only have kept it
	}
	if s.quick++; time.Since(began) >= quickSlice {
		s.quick = 0
	}
	return sent, nil
}
