package node

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// takingsMost is how many documents one entry names: so many ids fit its detail.
const takingsMost = 60

// takings writes down which documents were taken in, before that is acknowledged: one audit entry for all that come while the one
// before is being written. It names them by their ids, which say nothing of whose they are.
type takings struct {
	node *Node

	mu      sync.Mutex
	waiting []*taking
	writing bool
}

type taking struct {
	id      federation.DocumentID
	subject federation.Subject
	held    bool // it was here already
	done    chan error
}

// wait returns when the taking in of a document is in the audit log. One that was here already is written down again: the entry of
// the first time may have been lost with the power.
func (t *takings) wait(ctx context.Context, id federation.DocumentID, subject federation.Subject, held bool) error {
	one := &taking{id: id, subject: subject, held: held, done: make(chan error, 1)}
	t.mu.Lock()
	t.waiting = append(t.waiting, one)
	lead := !t.writing
	t.writing = true
	t.mu.Unlock()
	if lead {
		t.node.tasks.Go(func() { t.write(context.WithoutCancel(ctx)) })
	}
	select {
	case err := <-one.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write writes entries until nobody waits.
func (t *takings) write(ctx context.Context) {
	for {
		t.mu.Lock()
		group := t.waiting[:min(len(t.waiting), takingsMost)]
		t.waiting = t.waiting[len(group):]
		t.writing = len(group) > 0
		t.mu.Unlock()
		if len(group) == 0 {
			return
		}
		err := t.node.note(ctx, takingsEntry(t.node, group))
		for _, one := range group {
			one.done <- err
		}
	}
}

func takingsEntry(n *Node, group []*taking) audit.Entry {
	e := audit.Entry{Time: time.Now().UTC(), Kind: audit.Ingest, Trust: n.Trust(), Node: n.ID(), Outcome: policy.Permit.String()}
	if len(group) == 1 {
		e.Document, e.Subject = group[0].id, group[0].subject
	}
	e.Detail = clipText(takingsWords(group), audit.MaxDetail)
	return e
}

// takingsWords says what was taken in and what was held already.
func takingsWords(group []*taking) string {
	var taken, held []string
	for _, one := range group {
		if one.held {
			held = append(held, string(one.id))
		} else {
			taken = append(taken, string(one.id))
		}
	}
	var parts []string
	if len(taken) > 0 {
		noun := "documents"
		if len(taken) == 1 {
			noun = "document"
		}
		parts = append(parts, fmt.Sprintf("took in %d %s: %s", len(taken), noun, strings.Join(taken, " ")))
	}
	if len(held) > 0 {
		parts = append(parts, fmt.Sprintf("offered again, %d held already: %s", len(held), strings.Join(held, " ")))
	}
	return strings.Join(parts, "; ")
}
