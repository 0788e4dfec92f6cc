package exchange

import (
	"context"
	"fmt"
	"io"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// Open gives the sink a document of this node for a user of this node's trust: the same decision and the same audit as a
// release to a peer, without a lease. It does not depend on the region being reachable. It fails with a *Refusal, with
// what the sink returned, or with ErrClosed.
func (c *Custodian) Open(ctx context.Context, q Request, sink Sink) (Result, error) {
	var res Result
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return res, ErrClosed
	}
	c.wg.Add(1)
	c.mu.Unlock()
	defer c.wg.Done()

	start := c.cfg.Clock.Now().Monotonic
	r, err := c.localRelease(ctx, q)
	if err != nil {
		return res, err
	}
	res.Transfer, res.Glass = r.assertion.Transfer, q.Emergency != ""
	defer r.end()
	refusal := r.begin(ctx)
	if refusal == nil {
		refusal = r.intend(ctx)
	}
	if refusal != nil {
		return res, refusal
	}
	res.Manifest = r.manifest
	res.Resume = Resume{Manifest: r.assertion.Manifest, Chunks: r.assertion.Start}
	if q.Begin != nil {
		err = q.Begin(r.manifest)
	}
	if err == nil {
		err = r.deliver(ctx, sink, func(s Segment) {
			if res.Bytes == 0 {
				res.FirstByte = c.cfg.Clock.Now().Monotonic - start
			}
			res.Bytes += int64(len(s.Data))
			res.Resume.Chunks++
		})
	}
	entry := r.event
	entry.Kind, entry.Outcome, entry.Bytes, entry.Chunks = Released, policy.Permit, res.Bytes, res.Resume.Chunks-r.assertion.Start
	if err != nil {
		entry.Kind, entry.Detail = Interrupted, err.Error()
	}
	c.metrics.released(entry.Outcome)
	if failed := r.close(ctx, entry); err == nil {
		err = failed
	}
	return res, err
}

// localRelease is the release that a peer's assertion would have led to.
func (c *Custodian) localRelease(ctx context.Context, q Request) (*release, error) {
	pointer, found, err := (&release{custodian: c, local: true}).pointer(ctx, q.Document)
	if err != nil {
		return nil, trouble("pointer", err)
	}
	a := Assertion{
		Trust: c.cfg.Trust, User: q.User, Role: q.Role, Purpose: q.Purpose, Relationship: q.Relationship,
		Emergency: q.Emergency, Subject: q.Subject, Document: q.Document, Node: c.cfg.Node, Custodian: c.cfg.Node,
		At: c.now(), Selection: q.Selection, Start: q.Resume.Chunks, Bulk: q.Bulk, Export: q.Export,
	}
	if found { // else the release is refused, and that is audited
		a.Manifest = pointer.Manifest
		if a.Subject.IsZero() {
			a.Subject = pointer.Subject
		}
	}
	if q.Resume != (Resume{}) && q.Resume.Manifest != a.Manifest {
		return nil, fmt.Errorf("resume %s: %w", q.Document, ErrChanged)
	}
	if _, err := io.ReadFull(c.cfg.Rand, a.Transfer[:]); err != nil {
		return nil, fmt.Errorf("random transfer id: %w", err)
	}
	return &release{custodian: c, local: true, assertion: a, event: Event{Local: true, Peer: c.cfg.Node, PeerTrust: c.cfg.Trust}}, nil
}

// pointer returns the pointer of the document, as agreed; for own staff also one that is not published yet.
func (r *release) pointer(ctx context.Context, id federation.DocumentID) (federation.Pointer, bool, error) {
	p, found, err := r.custodian.cfg.Ledger.Pointer(ctx, id)
	if u, ok := r.custodian.cfg.Records.(Unpublished); ok && err == nil && !found && r.local {
		return u.Unpublished(ctx, id)
	}
	return p, found, err
}

// deliver gives the sink every chunk of the plan; told hears of each that the sink has taken.
func (r *release) deliver(ctx context.Context, sink Sink, told func(Segment)) error {
	c := r.custodian
	for seq := r.assertion.Start; seq < r.plan.total; seq++ {
		p := r.plan.at(seq)
		data, err := r.chunk(ctx, nil, p)
		if err != nil {
			return err
		}
		if federation.Sum(data) != p.digest {
			return refuse(policy.Integrity, fmt.Errorf("chunk %d of part %d is not what was agreed on", p.index+1, p.part+1))
		}
		if _, refusal := r.guard.check(ctx); refusal != nil {
			return refusal
		}
		if c.isClosed() {
			return ErrClosed
		}
		s := Segment{Part: p.part + 1, Offset: p.offset, Data: data, Last: seq == r.plan.total-1}
		if err := sink(s); err != nil {
			return err
		}
		told(s)
	}
	return nil
}

func (c *Custodian) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}
