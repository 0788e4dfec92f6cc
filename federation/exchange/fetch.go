package exchange

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// maxRejected is how many damaged chunks a fetch takes before it gives up.
const maxRejected = 64

// fetch is one call of Client.Fetch.
type fetch struct {
	client  *Client
	request Request
	sink    Sink
	pointer federation.Pointer
	nodes   []federation.NodeID
	start   time.Duration // monotonic

	audited   sync.Once
	asked     chan struct{} // closed when the audit entry is durable, or has failed
	askedErr  error
	delivered bool

	mu      sync.Mutex
	plan    *plan   // nil until the manifest has come
	ruling  *Ruling // of the first stream, or the first that permitted
	ruledBy []byte  // as signed by the custodian
	signed  []byte  // the request that was ruled on, or the first

	next    int          // chunk that the sink gets next
	suspect map[int]bool // chunks that have come damaged once
	part    int          // of hash
	hash    hash.Hash
	result  Result
}

// run fetches, by one stream or several.
func (f *fetch) run(ctx context.Context) error {
	c := f.client
	f.asked = make(chan struct{})
	if f.request.Bulk && f.pointer.Bytes >= min(pullFrom, c.limits.BulkFrom) {
		return f.pull(ctx)
	}
	return f.push(ctx)
}

// push fetches by one stream at a time, on which the custodian sends everything unasked.
func (f *fetch) push(ctx context.Context) error {
	c := f.client
	var backoff tries
	for {
		before := f.next
		err := f.pushOnce(ctx, f.nodes[backoff.failed%len(f.nodes)])
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err = f.judge(err, f.next); err != nil && !retry(err) {
			return err
		}
		if f.next > before {
			backoff.failed = 0
		}
		if !backoff.again(ctx, c.limits) {
			return gaveUp(ctx, err)
		}
		if f.known() != nil {
			f.result.Resumed++
		}
		c.cfg.Logger.Debug("document stream is taken up again", slog.Int("chunk", f.next), slog.Any("error", err))
	}
}

func (f *fetch) pushOnce(ctx context.Context, node federation.NodeID) error {
	c := f.client
	f.result.Stripes = max(f.result.Stripes, 1)
	s, err := f.dial(ctx, node, c.paths.spread(node, c.limits.Rate, c.limits.Stripes), f.next, maxSequence)
	if err != nil {
		return err
	}
	buf := c.take()
	defer c.give(buf)
	plan := f.known()
	for f.next < plan.total {
		p := plan.at(f.next)
		if err := s.next(p, *buf); err != nil {
			s.abort()
			return err
		}
		if err := f.deliver(ctx, p, (*buf)[:p.size]); err != nil {
			s.abort()
			return err
		}
	}
	if err := f.complete(ctx); err != nil {
		s.abort()
		return err
	}
	s.finish()
	return nil
}

// judge counts a damaged chunk. One that comes damaged twice is not asked for again.
func (f *fetch) judge(err error, seq int) error {
	if !errors.Is(err, errBadChunk) {
		return err
	}
	f.result.Rejected++
	f.client.cfg.Logger.Warn("a chunk failed its check and was not delivered", slog.Int("chunk", seq), slog.String("custodian", string(f.pointer.Custodian())))
	if f.suspect[seq] || f.result.Rejected > maxRejected {
		return refuse(policy.Integrity, fmt.Errorf("chunk %d came damaged again, or too many did: %w", seq, ErrIntegrity))
	}
	f.suspect[seq] = true
	return err
}

// deliver gives a verified chunk to the sink.
func (f *fetch) deliver(ctx context.Context, p piece, data []byte) error {
	if !f.delivered {
		if err := f.awaitAsked(ctx); err != nil {
			return err
		}
		f.result.FirstByte = f.client.cfg.Clock.Now().Monotonic - f.start
		if err := f.announce(); err != nil {
			return err
		}
	}
	if err := f.sum(p, data); err != nil {
		return err
	}
	if err := f.sink(Segment{Part: p.part + 1, Offset: p.offset, Data: data, Last: p.seq == f.known().total-1}); err != nil {
		return &sinkError{err}
	}
	f.next++
	f.result.Bytes += int64(len(data))
	f.result.Resume.Chunks = f.next
	return nil
}

// sum checks whole parts, where the request wants it and all of the part comes by in this fetch.
func (f *fetch) sum(p piece, data []byte) error {
	if !f.request.Whole {
		return nil
	}
	if p.index == 0 {
		f.part, f.hash = p.part, sha256.New()
	}
	if f.hash == nil || f.part != p.part {
		return nil
	}
	f.hash.Write(data)
	part := &f.known().manifest.Parts[p.part]
	if p.index != len(part.Chunks)-1 {
		return nil
	}
	whole := f.hash.Sum(nil)
	f.hash = nil
	if p.seq-f.known().seqOf(p.part) == len(part.Chunks)-1 && !bytes.Equal(whole, part.SHA256[:]) {
		return refuse(policy.Integrity, fmt.Errorf("part %d as a whole does not match its digest: %w", p.part+1, ErrIntegrity))
	}
	return nil
}

// seqOf returns the number of the part's first chunk within the plan, when the plan has all of the part's chunks; a number
// that none of its chunks can have otherwise.
func (p *plan) seqOf(part int) int {
	for _, r := range p.runs {
		if r.part == part && r.first == 0 && r.count == len(p.manifest.Parts[part].Chunks) {
			return r.seq
		}
	}
	return -1 - p.total
}

// complete is called when everything was delivered, before the receipt is signed.
func (f *fetch) complete(ctx context.Context) error {
	if err := f.awaitAsked(ctx); err != nil {
		return err
	}
	return f.announce() // an empty selection has had no first byte
}

// announce tells the caller of the manifest, once.
func (f *fetch) announce() error {
	if f.delivered {
		return nil
	}
	f.delivered = true
	if f.request.Begin == nil {
		return nil
	}
	if err := f.request.Begin(*f.known().manifest); err != nil {
		return &sinkError{err}
	}
	return nil
}

// known returns the plan once the manifest has come.
func (f *fetch) known() *plan {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.plan
}

// learn checks the manifest against the digest that the region has agreed on.
func (f *fetch) learn(encoded []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.plan != nil {
		return nil
	}
	if federation.Sum(encoded) != f.pointer.Manifest {
		return refuse(policy.Integrity, fmt.Errorf("manifest is not the one that was agreed on: %w", ErrIntegrity))
	}
	m, err := federation.DecodeManifest(encoded)
	if err != nil {
		return refuse(policy.Integrity, err)
	}
	if m.Document != f.pointer.Document || m.Subject != f.pointer.Subject {
		return refuse(policy.Integrity, fmt.Errorf("manifest is of another document: %w", ErrIntegrity))
	}
	p, err := planOf(&m, f.request.Selection)
	if err != nil {
		return err
	}
	if f.request.Resume.Chunks < 0 || f.request.Resume.Chunks > p.total {
		return fmt.Errorf("resume at chunk %d of %d: %w", f.request.Resume.Chunks, p.total, ErrSelection)
	}
	f.plan = p
	return nil
}

// assertion returns what all assertions of the fetch have in common.
func (f *fetch) assertion() Assertion {
	q, c := f.request, f.client
	return Assertion{
		Trust: c.cfg.Trust, User: q.User, Role: q.Role, Purpose: q.Purpose, Relationship: q.Relationship,
		Emergency: q.Emergency, Subject: f.pointer.Subject, Document: q.Document, Manifest: f.pointer.Manifest,
		Node: c.cfg.Node, Transfer: f.result.Transfer, Selection: q.Selection, Bulk: q.Bulk, Export: q.Export, Vouch: q.Vouch,
	}
}

// auditAsked begins to write the entry that the user is about to get bytes; at most once. It goes on beside the request's
// way to the custodian, and no byte is shown before it is durable.
func (f *fetch) auditAsked(ctx context.Context, signed []byte) {
	f.audited.Do(func() {
		e := f.event(Asked)
		e.Assertion = signed
		go func() {
			defer close(f.asked)
			ctx, cancel := settle(ctx)
			defer cancel()
			if _, err := f.client.cfg.Audit.Append(ctx, e); err != nil {
				f.askedErr = fmt.Errorf("%s: %w: %w", Asked, ErrAudit, err)
			}
		}()
	})
}

func (f *fetch) awaitAsked(ctx context.Context) error {
	select {
	case <-f.asked:
		return f.askedErr
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fetch) event(kind EventKind) Event {
	e := Event{Kind: kind, At: f.client.now(), Peer: f.nodes[0], PeerTrust: f.pointer.Custodian(), Outcome: policy.Permit}
	e.describe(f.assertion())
	return e
}

// finish writes the last audit entry and returns the result.
func (f *fetch) finish(ctx context.Context, err error) (Result, error) {
	if p := f.known(); p != nil {
		f.result.Manifest = *p.manifest
	}
	var refusal *Refusal
	var sink *sinkError
	e := f.event(Received)
	switch {
	case err == nil:
	case errors.As(err, &refusal):
		e.Kind, e.Outcome, e.Detail = Failed, refusal.Outcome, err.Error()
	case errors.As(err, &sink):
		e.Kind, e.Outcome, e.Detail, err = Failed, policy.Unavailable, "what was received could not be taken: "+err.Error(), sink.err
	default:
		e.Kind, e.Outcome, e.Detail = Failed, policy.Unavailable, err.Error()
	}
	e.Bytes, e.Chunks = f.result.Bytes, f.next-f.request.Resume.Chunks
	f.describeRuling(&e)
	f.audited.Do(func() { close(f.asked) }) // nothing was asked
	<-f.asked                               // entries stand in their order
	ctx, cancel := settle(ctx)
	defer cancel()
	if _, failed := f.client.cfg.Audit.Append(ctx, e); failed != nil && err == nil {
		err = fmt.Errorf("%s: %w: %w", e.Kind, ErrAudit, failed)
	}
	return f.result, err
}

// tries counts attempts that have failed one after another.
type tries struct{ failed int }

// again waits before the next attempt, and reports whether there is to be one.
func (t *tries) again(ctx context.Context, l ClientLimits) bool {
	if t.failed++; t.failed >= l.Attempts {
		return false
	}
	timer := time.NewTimer(l.pause(t.failed))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// gaveUp makes the refusal that a fetch ends with when no further attempt is made.
func gaveUp(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return asRefusal(err)
}

// asRefusal returns err as a refusal: one that says nothing of its own is that the custodian is out of reach.
func asRefusal(err error) error {
	var r *Refusal
	if errors.As(err, &r) || !retry(err) {
		return err
	}
	return refuse(policy.Unavailable, err)
}
