package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

const (
	// speakPause is how long the speaker waits before it tries again what the region could not take.
	speakPause = 250 * time.Millisecond
	// publishBudget keeps a statement of pointers below its limit with room for the rest of the envelope.
	publishBudget = federation.MaxStatement - 4096
	// refusedPause is how long it waits when the region does not hear this trust for now: each try is written down there.
	refusedPause = 5 * time.Second
	// keptOutcomes is how many outcomes are remembered for those who come to wait late.
	keptOutcomes = 4096
	// sayTimeout is how long somebody who waits is kept waiting for the region before they are told that it cannot agree now.
	sayTimeout = 5 * time.Second
)

// outcome is what became of an outbox entry.
type outcome struct {
	index   uint64 // place in the region's log
	refused string // why not, in words; empty when accepted
}

// speaker tells the region what this trust has to say: it turns the outbox into signed statements, one at a time, because
// they are one chain. A statement is kept on disk before it is submitted for the first time, so that after a crash the very
// same bytes are submitted again and never others with the same number.
type speaker struct {
	trust   federation.TrustID
	sign    func(place federation.Place, body federation.Body) (federation.Signed, error)
	records *record.Store
	replica *consensus.Replica
	logger  *slog.Logger
	now     func() time.Time
	wake    chan struct{} // capacity 1

	complained map[record.EntryID]bool // of run only

	mu      sync.Mutex
	settled map[record.EntryID]outcome
	moved   map[record.EntryID]record.EntryID // entries that are said again under another id
	order   []record.EntryID                  // of settled and moved, oldest first
	changed chan struct{}                     // closed and replaced when statements have been settled
}

// errNotHeard is returned for a statement that the region does not accept for now, whatever it says.
var errNotHeard = errors.New("the region does not hear this trust now")

func newSpeaker(n *Node) *speaker {
	return &speaker{
		trust: n.Trust(), records: n.records, replica: n.replica, logger: n.logger, now: time.Now,
		sign: func(place federation.Place, body federation.Body) (federation.Signed, error) {
			return federation.Compose(place, body, n.keys.statement)
		},
		wake: make(chan struct{}, 1), settled: make(map[record.EntryID]outcome), moved: make(map[record.EntryID]record.EntryID),
		changed: make(chan struct{}), complained: make(map[record.EntryID]bool),
	}
}

// run speaks until ctx ends.
func (s *speaker) run(ctx context.Context) {
	recovered := false
	for ctx.Err() == nil {
		var busy bool
		var err error
		if !recovered {
			err = s.recover(ctx)
			recovered = err == nil
		}
		if recovered {
			busy, err = s.step(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.logger.Debug("statement waits", slog.Any("error", err))
		}
		if busy && err == nil {
			continue
		}
		pause := time.Second
		switch {
		case errors.Is(err, errNotHeard):
			pause = refusedPause
		case err != nil:
			pause = speakPause
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// step submits the statement in flight, or the next one. busy says that there was one.
func (s *speaker) step(ctx context.Context) (busy bool, err error) {
	flight, found, err := s.records.InFlight(ctx)
	if err != nil {
		return false, fmt.Errorf("read the statement in flight: %w", err)
	}
	if !found {
		if flight, found, err = s.compose(ctx); err != nil || !found {
			return found, err
		}
	}
	signed, err := federation.DecodeSigned(flight.Envelope)
	if err != nil {
		return true, fmt.Errorf("statement in flight: %w", err)
	}
	statement, err := signed.Statement()
	if err != nil {
		return true, fmt.Errorf("statement in flight: %w", err)
	}
	result, err := s.replica.Submit(ctx, flight.Envelope, priorityOf(statement.Kind))
	if err != nil {
		return true, fmt.Errorf("submit %s: %w", statement.Kind, err)
	}
	response, err := index.DecodeResponse(result.Response)
	if err != nil {
		return true, fmt.Errorf("submit %s: %w", statement.Kind, err)
	}
	if response.Outcome == index.Refused && notYet(response.Code) {
		return true, fmt.Errorf("%s: %s: %w", response.Code, response.Detail, errNotHeard)
	}
	// Until this node's own copy has applied the statement, what was recorded locally is what protects the patient.
	if err := s.replica.WaitApplied(ctx, result.Index); err != nil {
		return true, fmt.Errorf("apply %s: %w", statement.Kind, err)
	}
	return true, s.settle(ctx, flight, record.Outcome{Statement: signed.ID(), Seq: statement.Seq, Refused: refusalText(response)}, result.Index, response.Code)
}

// notYet reports whether a refusal may pass without the statement being changed: the region has not heard yet that this
// trust is a member, or has suspended it for now.
func notYet(c index.Code) bool {
	return c == index.NoRegion || c == index.UnknownTrust || c == index.TrustSuspended
}

// outOfChain reports whether a refusal is about the statement's place and not about what it says.
func outOfChain(c index.Code) bool {
	return c == index.Fork || c == index.Gap || c == index.BrokenChain
}

func refusalText(r index.Response) string {
	if r.Outcome != index.Refused {
		return ""
	}
	return r.Code.String() + ": " + r.Detail
}

// settle notes what became of a statement, first on disk and then for those who wait.
func (s *speaker) settle(ctx context.Context, flight record.InFlight, o record.Outcome, at uint64, code index.Code) error {
	if err := s.records.Complete(ctx, o); err != nil && !errors.Is(err, record.ErrInFlight) {
		return fmt.Errorf("note the outcome: %w", err)
	}
	if outOfChain(code) {
		// Signed on an old head, by a folder that was restored from a backup: the same things are said again in the right place.
		s.logger.Warn("statement was out of its chain; saying it again", slog.Uint64("seq", o.Seq), slog.String("code", code.String()))
		for _, id := range flight.Entries {
			if err := s.again(ctx, id); err != nil {
				return err
			}
		}
		return nil
	}
	if o.Refused != "" {
		s.logger.Warn("the region refused a statement", slog.Uint64("seq", o.Seq), slog.String("code", code.String()))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range flight.Entries {
		// Nobody waits for a pointer by its entry, and there are so many that others would be forgotten.
		if !id.Publishes() {
			s.settled[id] = outcome{index: at, refused: o.Refused}
			s.remember(id)
		}
	}
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

// remember bounds what is kept for those who wait. The caller holds mu.
func (s *speaker) remember(id record.EntryID) {
	s.order = append(s.order, id)
	for len(s.order) > keptOutcomes {
		delete(s.settled, s.order[0])
		delete(s.moved, s.order[0])
		s.order = s.order[1:]
	}
}

// again puts an entry that was refused for its place, not for what it says, back into the outbox.
func (s *speaker) again(ctx context.Context, id record.EntryID) error {
	next, err := s.records.Retry(ctx, id)
	if isAbsent(err) {
		return nil // done before a crash
	}
	if err != nil {
		return fmt.Errorf("say again: %w", err)
	}
	if next != 0 {
		s.mu.Lock()
		s.moved[id] = next
		s.remember(id)
		s.mu.Unlock()
	}
	return nil
}

// recover says again what a crash has left refused for its place in the chain.
func (s *speaker) recover(ctx context.Context) error {
	rejected, err := s.records.Rejected(ctx, keptOutcomes)
	if err != nil {
		return fmt.Errorf("read what was refused: %w", err)
	}
	for _, r := range rejected {
		for _, code := range []index.Code{index.Fork, index.Gap, index.BrokenChain} {
			if strings.HasPrefix(r.Reason, code.String()+": ") {
				if err := s.again(ctx, r.Entry.ID); err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}

// free reports whether nothing of a kind waits in the outbox or is on its way.
func (s *speaker) free(ctx context.Context, kind federation.Kind) (bool, error) {
	waits, err := s.waits(ctx, func(k federation.Kind, _ []byte) bool { return k == kind })
	return !waits, err
}

// waits reports whether something that matches waits in the outbox or is on its way. What is about documents has no body.
func (s *speaker) waits(ctx context.Context, matches func(federation.Kind, []byte) bool) (bool, error) {
	flight, found, err := s.records.InFlight(ctx)
	if err != nil {
		return false, fmt.Errorf("read the statement in flight: %w", err)
	}
	if found {
		signed, err := federation.DecodeSigned(flight.Envelope)
		if err != nil {
			return false, fmt.Errorf("statement in flight: %w", err)
		}
		if statement, err := signed.Statement(); err != nil || matches(statement.Kind, statement.Body) {
			return true, err
		}
	}
	pending, err := s.records.Pending(ctx, federation.MaxPointers)
	if err != nil {
		return false, fmt.Errorf("read the outbox: %w", err)
	}
	return slices.ContainsFunc(pending, func(e record.OutboxEntry) bool { return matches(e.Kind, e.Body) }), nil
}

// compose makes the next statement of what waits and puts it in flight. The head of the chain is read with the region's
// consent, so that a node which is behind itself does not sign a second statement with a number that is taken.
func (s *speaker) compose(ctx context.Context) (record.InFlight, bool, error) {
	pending, err := s.records.Pending(ctx, federation.MaxPointers)
	if err != nil {
		return record.InFlight{}, false, fmt.Errorf("read the outbox: %w", err)
	}
	body, entries := s.gather(pending)
	if len(entries) == 0 {
		return record.InFlight{}, false, nil
	}
	place := federation.Place{Trust: s.trust, At: s.now().UTC()}
	err = s.replica.View(ctx, consensus.Linearizable(), func(r consensus.Reader) error {
		seq, digest, err := index.Head(r, s.trust)
		place.Seq, place.Prev = seq+1, digest
		return err
	})
	if err != nil {
		return record.InFlight{}, false, fmt.Errorf("read the head of the chain: %w", err)
	}
	signed, err := s.sign(place, body)
	if err != nil {
		return record.InFlight{}, false, fmt.Errorf("sign %s: %w", body.Kind(), err)
	}
	flight := record.InFlight{Envelope: signed.Encode(), Entries: entries}
	return flight, true, s.records.SetInFlight(ctx, flight)
}

// gather takes from what waits the first entry, and those after it that go into the same statement. What cannot be told is
// passed over: others must not wait for it.
func (s *speaker) gather(pending []record.OutboxEntry) (federation.Body, []record.EntryID) {
	var kind federation.Kind
	var entries []record.EntryID
	var publish federation.Publish
	var withdraw federation.Withdraw
	size := 0
	for _, e := range pending {
		if e.Err != nil {
			s.complain(e, e.Err)
			continue
		}
		if kind == 0 {
			kind = e.Kind
		}
		if e.Kind != kind {
			break
		}
		switch kind {
		case federation.KindPublish:
			if size += len(federation.EncodePointer(e.Pointer)); size > publishBudget {
				return publish, entries
			}
			publish.Pointers = append(publish.Pointers, e.Pointer)
		case federation.KindWithdraw:
			if len(entries) > 0 && e.Reason != withdraw.Reason {
				return withdraw, entries // a statement gives one reason
			}
			withdraw.Reason = e.Reason
			withdraw.Documents = append(withdraw.Documents, e.Document)
		default:
			body, err := federation.DecodeBody(federation.Statement{Trust: s.trust, Kind: kind, Body: e.Body})
			if err == nil {
				return body, []record.EntryID{e.ID}
			}
			s.complain(e, err)
			kind = 0
			continue
		}
		entries = append(entries, e.ID)
	}
	if kind == federation.KindWithdraw {
		return withdraw, entries
	}
	return publish, entries
}

// priorityOf says whether every copy must follow at once: what a patient has said, what must no longer be found, and who
// takes part. Replicas also refuse a consensus group with members that their copy of the roster does not have yet.
// complain reports an entry that cannot be told, once.
func (s *speaker) complain(e record.OutboxEntry, err error) {
	if !s.complained[e.ID] {
		s.complained[e.ID] = true
		s.logger.Error("an entry cannot be told to the region; run 'ridgeway scrub'", slog.String("kind", e.Kind.String()), slog.String("document", string(e.Document)), slog.Any("error", err))
	}
}

func priorityOf(k federation.Kind) consensus.Priority {
	switch k {
	case federation.KindDirective, federation.KindWithdraw, federation.KindEnrol, federation.KindSuspend, federation.KindApprove:
		return consensus.Urgent
	default:
		return consensus.Bulk
	}
}

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
		if admin.CodeOf(err) != admin.CodeNoQuorum {
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
