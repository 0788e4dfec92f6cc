package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// relabelWorkers is how many documents are changed at once: they share what is waited for on the disk.
const relabelWorkers = 64

// Relabel changes the labels of documents that this trust holds, or says who would gain and lose by that. Each change is in the
// audit log before it is made, is in force here when it returns, and is told to the region in place of what it knew. It can be cut
// off and asked for again: what is labelled so already is passed over.
func (n *Node) Relabel(ctx context.Context, q *admin.RelabelRequest) (*admin.RelabelReply, error) {
	if err := n.governs(ctx, q.GetBy(), "labels documents", inquirerRoles); err != nil {
		return nil, err
	}
	if len(q.GetReason()) > maxNote {
		return nil, admin.Errorf(admin.CodeBadInput, "--reason has %d bytes, at most %d", len(q.GetReason()), maxNote)
	}
	change, err := readChange(q)
	if err != nil {
		return nil, err
	}
	p, err := n.planLabels(ctx, q.GetChoice(), change)
	if err != nil {
		return nil, err
	}
	what := "previewed a change of labels of"
	if q.GetConfirm() {
		what = "changes the labels of"
	}
	err = n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Admin, Trust: n.Trust(), Node: n.ID(), User: q.GetBy().GetUser(), Role: q.GetBy().GetRole(),
		Detail: clipText(fmt.Sprintf("%s %d documents, plan %s: %s", what, len(p.changes), p.reply.GetPlan(), q.GetReason()), audit.MaxDetail),
	})
	if err != nil {
		return nil, err
	}
	if !q.GetConfirm() {
		examples := int(q.GetExamples())
		if examples == 0 {
			examples = policy.MaxExamples
		}
		return p.reply, p.impact(ctx, examples)
	}
	if q.GetPlan() != "" && q.GetPlan() != p.reply.GetPlan() {
		return nil, admin.Errorf(admin.CodeBadInput, "documents were taken in, withdrawn or labelled since the preview, so that something else would be done: nothing was changed. Look at the preview again")
	}
	if err := p.apply(ctx, q.GetBy(), q.GetReason()); err != nil {
		return nil, err
	}
	return p.reply, nil
}

// apply makes the changes and waits a while for the region.
func (p *labelPlan) apply(ctx context.Context, by *admin.Asker, reason string) error {
	var mu sync.Mutex // guards p.reply
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(relabelWorkers)
	for _, c := range p.changes {
		if within.Err() != nil {
			break
		}
		g.Go(func() error {
			err := p.n.relabel(within, c, by, reason)
			if errors.Is(err, record.ErrWithdrawn) || errors.Is(err, record.ErrDocument) {
				mu.Lock()
				defer mu.Unlock()
				p.reply.Changed--
				p.problem(string(c.id), admin.CodeBadInput, "%v", err)
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	p.reply.Done = true
	waiting := p.changes
	err := p.n.speaker.told(ctx, func() (bool, error) {
		for len(waiting) > 0 {
			doc, err := p.n.records.Document(ctx, waiting[0].id)
			if err == nil && doc.State.Pending() {
				return false, nil
			}
			if err != nil && !errors.Is(err, record.ErrErased) {
				return false, p.n.storeProblem(err)
			}
			waiting = waiting[1:]
		}
		return true, nil
	})
	p.reply.Committed = err == nil
	if admin.CodeOf(err) == admin.CodeNoQuorum {
		err = nil
	}
	return err
}

// relabel changes one document.
func (n *Node) relabel(ctx context.Context, c relabelling, by *admin.Asker, reason string) error {
	err := n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Admin, Trust: n.Trust(), Node: n.ID(), User: by.GetUser(), Role: by.GetRole(), Subject: c.subject, Document: c.id,
		Outcome: policy.Permit.String(), Detail: clipText(fmt.Sprintf("labels %s, were %s: %s", marksText(c.will), marksText(c.was), reason), audit.MaxDetail),
	})
	if err != nil {
		return err
	}
	err = n.records.Relabel(ctx, c.id, c.will)
	switch {
	case err == nil:
		n.custodian.Load().DocumentChanged(c.id) // what is on its way is decided anew
		return nil
	case errors.Is(err, record.ErrWithdrawn), errors.Is(err, record.ErrDocument):
		return err
	default:
		return n.storeProblem(err)
	}
}
