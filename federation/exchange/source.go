package exchange

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"net"
	"os"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// source is one stream of a fetch, from which its chunks come once the custodian has granted it.
type source struct {
	fetch   *fetch
	node    federation.NodeID
	conn    net.Conn
	binding [BindingSize]byte
	signed  []byte
	intent  uint64
	ruling  *Ruling   // that came before the answer
	pushed  int       // chunks that were to come unasked
	chunks  int       // received on this stream, verified
	bytes   int64     // of these
	hash    hash.Hash // of the chunk that is being received
	stop    func() bool
}

// errBadChunk is that a chunk was not what the manifest says.
var errBadChunk = fmt.Errorf("chunk does not match its digest: %w", ErrIntegrity)

// dial opens a stream and asks. start and push are as in Assertion. The caller finishes or aborts it.
func (f *fetch) dial(ctx context.Context, node federation.NodeID, stripe, start, push int) (*source, error) {
	c := f.client
	conn, err := c.cfg.Dialer.Dial(ctx, node, stripe)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", node.Short(), err)
	}
	s := &source{fetch: f, node: node, conn: conn, pushed: push}
	// A context that ends makes every read and write fail; without it a fetch would sit out its deadlines.
	s.stop = context.AfterFunc(ctx, func() { abort(conn, resetCancelled) })
	if err := s.ask(ctx, start, push); err != nil {
		s.abort()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	return s, nil
}

func (s *source) ask(ctx context.Context, start, push int) error {
	c := s.fetch.client
	peer, binding, err := c.cfg.Identify(s.conn)
	if err != nil {
		return err
	}
	if peer != s.node {
		return fmt.Errorf("dialled %s, got %s: %w", s.node.Short(), peer.Short(), ErrProtocol)
	}
	s.binding = binding
	a := s.fetch.assertion()
	a.Custodian, a.Binding, a.At, a.Start, a.Push = peer, binding, c.now(), start, push
	a.Have = s.fetch.known() != nil
	if _, err := io.ReadFull(c.cfg.Rand, a.Nonce[:]); err != nil {
		return fmt.Errorf("random nonce: %w", err)
	}
	if s.signed, err = SignAssertion(a, c.cfg.Key); err != nil {
		return err
	}
	if a.Emergency != "" {
		// The glass is not broken before both sides have it in writing.
		s.fetch.sent(s.signed)
		s.fetch.auditAsked(ctx, s.signed)
		if err := s.fetch.awaitAsked(ctx); err != nil {
			return err
		}
	}
	if err := s.conn.SetDeadline(time.Now().Add(c.limits.AnswerWithin)); err != nil {
		return s.explain(fmt.Errorf("deadline of a request: %w", err))
	}
	if _, err := s.conn.Write(append(appendFrame(nil, frameRequest, len(s.signed)), s.signed...)); err != nil {
		return s.explain(fmt.Errorf("ask %s: %w", peer.Short(), err))
	}
	s.fetch.auditAsked(ctx, s.signed)
	return s.answer()
}

// answer reads the grant, or the refusal.
func (s *source) answer() error {
	t, n, err := readHeader(s.conn)
	if err == nil && t == frameRuling {
		var signed []byte
		if signed, err = readPayload(s.conn, n); err == nil {
			if err := s.ruled(signed); err != nil {
				return err
			}
			t, n, err = readHeader(s.conn)
		}
	}
	if err != nil {
		return s.explain(fmt.Errorf("answer of %s: %w", s.node.Short(), err))
	}
	if t != frameGrant && t != frameRefusal {
		return fmt.Errorf("frame of type %d for an answer: %w", t, ErrProtocol)
	}
	// A manifest can be large: it may take as long as it would at 64 KiB a second.
	within := s.fetch.client.limits.AnswerWithin + time.Duration(n)*time.Second/(64<<10)
	if err := s.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return s.explain(fmt.Errorf("deadline of an answer: %w", err))
	}
	payload, err := readPayload(s.conn, n)
	if err != nil {
		return s.explain(fmt.Errorf("answer of %s: %w", s.node.Short(), err))
	}
	if t == frameRefusal {
		return s.refusal(payload)
	}
	g, err := decodeGrant(payload)
	if err != nil {
		return err
	}
	if s.ruling == nil || s.ruling.Outcome != policy.Permit || s.ruling.Entry != g.intent {
		return fmt.Errorf("grant without the ruling that it rests on: %w", ErrProtocol)
	}
	s.intent = g.intent
	s.fetch.client.paths.heard(s.node, s.binding, g.path)
	if g.digest != s.fetch.pointer.Manifest || len(g.manifest) == 0 && s.fetch.known() == nil {
		return fmt.Errorf("grant without the manifest that was asked for: %w", ErrProtocol)
	}
	if len(g.manifest) > 0 {
		return s.fetch.learn(g.manifest)
	}
	return nil
}

func (s *source) refusal(payload []byte) error {
	r, err := decodeRefusal(payload)
	if err != nil {
		return err
	}
	r.Node = s.node
	return r
}

// explain returns the custodian's refusal where an error of the stream stands for one.
func (s *source) explain(err error) error {
	if r, ok := refusalOfReset(err); ok {
		r.Node, r.Cause = s.node, err
		return r
	}
	return err
}

// want asks for a run of chunks.
func (s *source) want(first, count int) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.fetch.client.limits.Silence)); err != nil {
		return s.explain(fmt.Errorf("deadline of a want: %w", err))
	}
	if _, err := s.conn.Write(wantFrame(first, count)); err != nil {
		return s.explain(fmt.Errorf("ask for more: %w", err))
	}
	return nil
}

// next reads the chunk p into buf, which must be large enough, and verifies it. It fails with errBadChunk when the stream
// can go on, but not with these bytes.
func (s *source) next(p piece, buf []byte) error {
	n, err := s.header()
	if err != nil {
		return err
	}
	if n-chunkHeader != p.size {
		return fmt.Errorf("chunk of %d bytes, want %d: %w", n-chunkHeader, p.size, ErrProtocol)
	}
	var at [chunkHeader]byte
	if _, err := io.ReadFull(s.conn, at[:]); err != nil {
		return s.explain(fmt.Errorf("receive: %w", err))
	}
	if want := appendChunkHeader(nil, p, p.size)[frameHeader:]; string(want) != string(at[:]) {
		return fmt.Errorf("another chunk than was due: %w", ErrProtocol)
	}
	digest, err := s.receive(buf[:p.size])
	if err != nil {
		return s.explain(fmt.Errorf("receive: %w", err))
	}
	if digest != p.digest {
		return errBadChunk
	}
	s.chunks++
	s.bytes += int64(p.size)
	return nil
}

// receive fills b and returns its digest, which it computes while the rest is still on its way.
func (s *source) receive(b []byte) (federation.Digest, error) {
	if s.hash == nil {
		s.hash = sha256.New()
	}
	s.hash.Reset()
	for len(b) > 0 {
		n, err := io.ReadFull(s.conn, b[:min(len(b), sliceSize)])
		if err != nil {
			return federation.Digest{}, err
		}
		_, _ = s.hash.Write(b[:n]) // a hash never fails
		b = b[n:]
	}
	return federation.Digest(s.hash.Sum(nil)), nil
}

// header reads up to the header of the next chunk and returns its length.
func (s *source) header() (int, error) {
	if err := s.conn.SetReadDeadline(time.Now().Add(s.fetch.client.limits.Silence)); err != nil {
		return 0, s.explain(fmt.Errorf("deadline of a chunk: %w", err))
	}
	for {
		t, n, err := readHeader(s.conn)
		if err != nil {
			return 0, s.explain(fmt.Errorf("receive: %w", err))
		}
		if t == frameChunk && n >= chunkHeader {
			return n, nil
		}
		payload, err := readPayload(s.conn, n)
		if err != nil {
			return 0, s.explain(fmt.Errorf("receive: %w", err))
		}
		switch t {
		case framePath:
			p, err := decodePath(payload)
			if err != nil {
				return 0, err
			}
			s.fetch.client.paths.heard(s.node, s.binding, p)
		case frameRefusal:
			return 0, s.refusal(payload)
		default:
			return 0, fmt.Errorf("frame of type %d where a chunk belongs: %w", t, ErrProtocol)
		}
	}
}

// idle looks at a stream on which nothing is under way. It fails with what the custodian has ended it with.
func (s *source) idle() error {
	if err := s.conn.SetReadDeadline(time.Now()); err != nil {
		return s.explain(fmt.Errorf("look at an idle stream: %w", err))
	}
	var b [1]byte
	switch _, err := s.conn.Read(b[:]); {
	case err == nil:
		return fmt.Errorf("bytes that were not asked for: %w", ErrProtocol)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	default:
		return s.explain(fmt.Errorf("idle stream: %w", err))
	}
}

// finish sends the receipt and closes the stream in good order. That a receipt does not arrive is the custodian's to
// note; what was received stays received.
func (s *source) finish() {
	defer s.stop()
	c := s.fetch.client
	r := Receipt{
		Assertion: federation.Sum(s.signed), Manifest: s.fetch.pointer.Manifest, Intent: s.intent,
		Chunks: uint64(s.chunks), Bytes: uint64(s.bytes), At: c.now(),
	}
	signed := SignReceipt(r, c.cfg.Key)
	err := s.conn.SetWriteDeadline(time.Now().Add(c.limits.Silence))
	if err == nil {
		_, err = s.conn.Write(append(appendFrame(nil, frameReceipt, len(signed)), signed...))
	}
	if err != nil {
		s.abort()
		return
	}
	_ = s.conn.Close() // its error says only that it is closed
}

// abort ends the stream without a receipt.
func (s *source) abort() {
	s.stop()
	abort(s.conn, resetCancelled)
}

// retry says whether another stream may succeed where this error came from.
func retry(err error) bool {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Outcome == policy.Unavailable
	}
	return !isSinkOrContext(err) && !errors.Is(err, federation.ErrMalformed) && !errors.Is(err, ErrSelection) &&
		!errors.Is(err, ErrAudit) && !(errors.Is(err, ErrIntegrity) && !errors.Is(err, errBadChunk))
}

func isSinkOrContext(err error) bool {
	var s *sinkError
	return errors.As(err, &s) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// sinkError is an error that the sink returned.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return e.err.Error() }

// pause returns how long to wait before the n-th attempt after a failure.
func (l ClientLimits) pause(n int) time.Duration {
	return min(time.Duration(float64(l.Backoff)*math.Pow(2, float64(n-1))), 5*time.Second)
}
