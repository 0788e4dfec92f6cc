package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

const (
	// sliceSize is how much is handed to the stream between two looks at the guard.
	sliceSize = 32 << 10
	// pathEvery is after how many chunks the requester is told of the path.
	pathEvery = 4
	// asksBeyond is how many chunks more than its selection has a requester may ask for on one stream.
	asksBeyond = 64
	// maxAsks is how many wants may wait for their answers on one stream.
	maxAsks = 1024

	urgencyInteractive, urgencyBulk = 1, 5
)

// handle serves one stream and closes it.
func (c *Custodian) handle(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }() // its error says only that it is closed
	start := c.cfg.Clock.Now().Monotonic
	node, binding, err := c.cfg.Identify(conn)
	if err != nil {
		c.cfg.Logger.Warn("document stream without an identity", slog.Any("error", err))
		abort(conn, resetCode(policy.Denied))
		return
	}
	from := caller{node: node, binding: binding}
	leave, err := c.gate.enter(node)
	if err != nil {
		// Not audited: writing a line for each would let a peer fill the disk.
		c.metrics.turnedAway.Inc()
		c.answer(conn, refuse(policy.Unavailable, err))
		return
	}
	defer leave()
	signed, err := c.readRequest(conn)
	if err != nil {
		var reset *endpoint.ResetError
		if errors.Is(err, errNoRequest) || errors.As(err, &reset) && reset.Remote {
			return // the user went away before anything was asked
		}
		c.turnDown(ctx, conn, from, Event{}, refuse(policy.Denied, err))
		return
	}
	a, refusal := c.believe(from, signed)
	if refusal != nil {
		e := Event{Assertion: signed}
		e.describe(a)
		c.turnDown(ctx, conn, from, e, refusal)
		return
	}
	_, trust, _ := c.cfg.Ledger.Roster().Node(node) // believe has found it
	r := &release{
		custodian: c, assertion: a, signed: signed, key: trust.StatementKey,
		event: Event{Peer: node, PeerTrust: trust.ID},
	}
	done := c.cfg.Lease.use()
	defer done()
	defer r.end()
	if refusal := r.begin(ctx); refusal != nil {
		c.gate.refused(node)
		c.report(node, refusal)
		c.answer(conn, refusal)
		return
	}
	s := &stream{release: r, conn: conn, asks: make(chan ask, maxAsks), receipt: make(chan []byte, 1)}
	s.serve(ctx, start)
}

// ask is a run of the plan that the requester wants.
type ask struct{ first, count int }

// loaded is a chunk that was read.
type loaded struct {
	piece piece
	data  []byte
	err   error
}

// stream is a release to a peer.
type stream struct {
	*release
	conn    net.Conn
	asks    chan ask    // closed when no more will come
	receipt chan []byte // has the receipt when asks is closed, if one came
	sent    atomic.Int64
	chunks  int
	failed  error // of reading from the peer; set before asks is closed
}

// serve sends what was granted and writes down what became of it.
func (s *stream) serve(ctx context.Context, start time.Duration) {
	c := s.custodian
	ctx, cancel := context.WithCancel(ctx)
	stop := func(r *Refusal) {
		cancel()
		abort(s.conn, resetCode(r.Outcome))
	}
	var helpers sync.WaitGroup
	helpers.Go(func() { s.guard.watch(ctx, stop) })
	helpers.Go(func() { s.listen() })
	if p, ok := s.conn.(interface{ SetPriority(int) }); ok {
		urgency := urgencyInteractive
		if s.assertion.Bulk {
			urgency = urgencyBulk
		}
		p.SetPriority(urgency)
	}
	chunks := make(chan loaded)
	helpers.Go(func() { s.load(ctx, chunks) })
	err := s.grant(ctx)
	if err == nil {
		c.metrics.firstByte.Observe((c.cfg.Clock.Now().Monotonic - start).Seconds())
		err = s.send(ctx, chunks)
	}
	s.conclude(ctx, err)
	cancel()
	_ = s.conn.Close() // wakes the listener
	helpers.Wait()
}

// grant tells the requester that it may, and what the document is made of.
func (s *stream) grant(ctx context.Context) error {
	g := grant{intent: s.intent, digest: s.assertion.Manifest, manifest: s.encoded}
	if s.assertion.Have {
		g.manifest = nil
	}
	g.path, _ = s.custodian.cfg.Path(s.conn)
	s.encoded = nil // it can be large, and the stream can last
	return s.write(ctx, g.append(nil), func(int) {})
}

// listen reads what the requester asks for, until it has sent its receipt or is gone.
func (s *stream) listen() {
	defer close(s.asks)
	total := s.plan.total
	allowed := 2*total + asksBeyond
	if push := min(s.assertion.Push, total-s.assertion.Start); push > 0 {
		s.asks <- ask{s.assertion.Start, push}
		allowed -= push
	}
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
			l := loaded{piece: s.plan.at(seq)}
			l.data, l.err = s.chunk(ctx, l.piece)
			s.custodian.hold(len(l.data))
			select {
			case out <- l:
			case <-ctx.Done():
				s.custodian.hold(-len(l.data))
				return
			}
			if l.err != nil {
				return
			}
		}
	}
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
			s.custodian.hold(-len(l.data))
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
		return l.err
	}
	b := make([]byte, 0, frameHeader+pathSize+frameHeader+chunkHeader+sliceSize)
	if s.chunks++; s.chunks%pathEvery == 0 {
		if p, ok := s.custodian.cfg.Path(s.conn); ok {
			b = p.append(appendFrame(b, framePath, pathSize))
		}
	}
	b = appendChunkHeader(b, l.piece, len(l.data))
	head := min(len(l.data), sliceSize)
	if err := s.slice(ctx, append(b, l.data[:head]...)); err != nil {
		return err
	}
	s.count(head)
	return s.write(ctx, l.data[head:], s.count)
}

func (s *stream) count(n int) {
	s.sent.Add(int64(n))
	s.custodian.metrics.bytes.Add(float64(n))
}

// write sends b slice by slice; done hears of each.
func (s *stream) write(ctx context.Context, b []byte, done func(int)) error {
	for len(b) > 0 {
		n := min(len(b), sliceSize)
		if err := s.slice(ctx, b[:n]); err != nil {
			return err
		}
		done(n)
		b = b[n:]
	}
	return nil
}

// slice sends b if the guard lets it, and gives up when the guard's word runs out.
func (s *stream) slice(ctx context.Context, b []byte) error {
	left, refusal := s.guard.check(ctx)
	if refusal != nil {
		return refusal
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(min(s.custodian.limits.SliceTimeout, left))); err != nil {
		return fmt.Errorf("deadline of a slice: %w", err)
	}
	if _, err := s.conn.Write(b); err != nil {
		if left < s.custodian.limits.SliceTimeout && errors.Is(err, os.ErrDeadlineExceeded) {
			return s.guard.fail(refuse(policy.StalePolicy, err))
		}
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// conclude ends the stream as err says and writes the last audit entry.
func (s *stream) conclude(ctx context.Context, err error) {
	entry := s.event
	entry.Kind, entry.Outcome, entry.Bytes, entry.Chunks = Released, policy.Permit, s.sent.Load(), s.chunks
	if refusal := s.guard.fail(nil); refusal != nil {
		err = refusal // it is the reason for whatever else went wrong
	}
	if err == nil {
		err = s.verify(&entry)
	}
	if err != nil {
		entry.Kind, entry.Outcome, entry.Detail = Interrupted, policy.Unavailable, err.Error()
		var refusal *Refusal
		if errors.As(err, &refusal) {
			entry.Outcome = refusal.Outcome
		}
		abort(s.conn, resetCode(entry.Outcome))
		s.custodian.cfg.Logger.Info("document stream ended early", slog.String("peer", s.event.Peer.Short()),
			slog.String("outcome", entry.Outcome.String()), slog.Int64("bytes", entry.Bytes), slog.Any("error", err))
	}
	s.custodian.metrics.released(entry.Outcome)
	if err := s.close(ctx, entry); err != nil {
		s.custodian.cfg.Logger.Error("what became of a release could not be written down", slog.Any("error", err))
	}
}

// verify takes the receipt into the entry if it is one for this release.
func (s *stream) verify(entry *Event) error {
	select {
	case signed := <-s.receipt:
		receipt, err := VerifyReceipt(signed, s.key)
		if err != nil {
			return err
		}
		if receipt.Assertion != federation.Sum(s.signed) || receipt.Intent != s.intent || receipt.Manifest != s.assertion.Manifest {
			return fmt.Errorf("receipt for another release: %w", ErrProtocol)
		}
		if receipt.Bytes != uint64(entry.Bytes) {
			entry.Detail = fmt.Sprintf("%d bytes were sent, the receipt is for %d", entry.Bytes, receipt.Bytes)
		}
		entry.Receipt = signed
		return nil
	default:
		return fmt.Errorf("the requester left without a receipt: %w", io.ErrUnexpectedEOF)
	}
}
