package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// wait returns what became of an entry. When the region cannot agree in time it fails with CodeNoQuorum; the entry stays in
// the outbox and is told later.
func (s *speaker) wait(ctx context.Context, id record.EntryID) (outcome, error) {
	var o outcome
	err := s.told(ctx, func() (bool, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for next, ok := s.moved[id]; ok; next, ok = s.moved[id] {
			id = next
		}
		var ok bool
		o, ok = s.settled[id]
		return ok, nil
	})
	return o, err
}

// waitLong is wait without patience's end: it goes on until the region has agreed, or ctx ends.
func (s *speaker) waitLong(ctx context.Context, id record.EntryID) (outcome, error) {
	for {
		o, err := s.wait(ctx, id)
		if admin.CodeOf(err) != admin.CodeNoQuorum || ctx.Err() != nil {
			return o, err
		}
	}
}

// told returns once done says so; it is asked again whenever statements have been settled. It fails as wait does.
func (s *speaker) told(ctx context.Context, done func() (bool, error)) error {
	signal(s.wake)
	ctx, cancel := context.WithTimeout(ctx, sayTimeout)
	defer cancel()
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return admin.Errorf(admin.CodeNoQuorum, "the region cannot agree now: too few of its voters can be reached. What was said is kept here and is told as soon as they can; 'ridgeway status' shows who is missing")
			}
			return ctx.Err()
		}
	}
}

// say queues a body and waits until the region has agreed on it. A refusal is CodeBadInput.
func (s *speaker) say(ctx context.Context, body federation.Body) error {
	id, err := s.records.Enqueue(ctx, body)
	if err != nil {
		return fmt.Errorf("queue %s: %w", body.Kind(), err)
	}
	o, err := s.wait(ctx, id)
	if err == nil && o.refused != "" {
		err = admin.Errorf(admin.CodeBadInput, "the region refused: %s", o.refused)
	}
	return err
}
