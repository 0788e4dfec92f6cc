package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

const (
	// speakPause is how long the speaker waits before it tries again what the region could not take.
	speakPause = 250 * time.Millisecond
	// refusedPause is how long it waits when the region does not hear this trust for now: each try is written down there.
	refusedPause = 5 * time.Second
	// keptOutcomes is how many outcomes are remembered for those who come to wait late.
	keptOutcomes = 4096
	// sayTimeout is how long somebody who waits is kept waiting for the region before they are told that it cannot agree now.
	sayTimeout = 5 * time.Second
	// manyTold is how many documents a statement publishes of which the speaker takes it that they come by the thousand: more than wait
	// for one another anywhere else.
	manyTold = 100
	// restMost is how long after such a statement was begun the next one is, and restStep how long none may come for it to be begun at once.
	restMost, restStep = 200 * time.Millisecond, 50 * time.Millisecond
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
	line    *index.Line
	logger  *slog.Logger
	wake    chan struct{} // capacity 1
	came    chan struct{} // capacity 1: documents were taken in
	taken   atomic.Uint64 // documents that were taken in

	// behind is told when the region has heard more of this trust than this node has said.
	behind func(ctx context.Context, said, heard uint64) error
	// crossed withdraws what is told for the first time and what a wish speaks against that was agreed on before.
	crossed func(ctx context.Context, told []federation.Pointer, before uint64) (crossing, error)
	spoken  atomic.Uint64 // the last number that this node may have signed a statement with; 0: not known

	complained map[record.EntryID]bool // of run only
	apart      map[record.EntryID]int  // of run only: how many may share a statement with an entry, where that is not as many as fit
	last       statementSaid           // of run only
	page       int                     // how many entries of the outbox are read at once
	passed     record.EntryID          // of run only: up to here nothing behind the first page can be told
	lookBack   time.Time               // of run only: when passed is forgotten

	mu      sync.Mutex
	settled map[record.EntryID]outcome
	moved   map[record.EntryID]record.EntryID   // entries that are said again under another id
	order   []record.EntryID                    // of settled and moved, oldest first
	held    map[federation.DocumentID]time.Time // that are not told, until when that is looked at again
	changed chan struct{}                       // closed and replaced when statements have been settled
}

// statementSaid is what is known of the statement that was said last.
type statementSaid struct {
	began     time.Time
	taken     uint64 // documents that had been taken in then
	documents int    // that it published
}

// errNotHeard is returned for a statement that the region does not accept for now, whatever it says.
var errNotHeard = errors.New("the region does not hear this trust now")

func newSpeaker(n *Node) *speaker {
	return &speaker{
		behind: n.foundBehind, crossed: n.crossed,
		trust: n.Trust(), records: n.records, replica: n.replica, logger: n.logger,
		line: &index.Line{Trust: n.Trust(), Region: n.replica, Now: time.Now},
		sign: func(place federation.Place, body federation.Body) (federation.Signed, error) {
			return federation.Compose(place, body, n.keys.statement)
		},
		wake: make(chan struct{}, 1), came: make(chan struct{}, 1), settled: make(map[record.EntryID]outcome), moved: make(map[record.EntryID]record.EntryID),
		changed: make(chan struct{}), complained: make(map[record.EntryID]bool), apart: make(map[record.EntryID]int),
		held: make(map[federation.DocumentID]time.Time), page: federation.MaxPointers,
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
			s.rest(ctx)
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
		case <-s.came:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// rest lets documents that are taken in by the thousand gather for the next statement: whatever one holds, every replica signs, writes
// or checks it once. Nobody waits for these. Something else to tell is told at once, and so are the last of them.
func (s *speaker) rest(ctx context.Context) {
	if s.last.documents < manyTold || s.last.documents >= federation.MaxPointers { // as much as that waits as well
		return
	}
	steps := time.NewTicker(restStep)
	defer steps.Stop()
	for before := s.taken.Load(); time.Since(s.last.began) < restMost; {
		select {
		case <-steps.C:
		case <-s.wake:
			return
		case <-ctx.Done():
			return
		}
		now := s.taken.Load()
		if now == before || now-s.last.taken >= federation.MaxPointers {
			return
		}
		before = now
	}
}

// step submits the statement in flight, or the next one. busy says that there was one.
func (s *speaker) step(ctx context.Context) (busy bool, err error) {
	s.last = statementSaid{began: time.Now(), taken: s.taken.Load()}
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
	response, at, err := s.line.Say(ctx, flight.Envelope, priorityOf(statement.Kind))
	if err != nil {
		return true, fmt.Errorf("submit %s: %w", statement.Kind, err)
	}
	if response.Outcome == index.Refused && notYet(response.Code) {
		return true, fmt.Errorf("%s: %s: %w", response.Code, response.Detail, errNotHeard)
	}
	// Until this node's own copy has applied the statement, what was recorded locally is what protects the patient.
	if err := s.replica.WaitApplied(ctx, at); err != nil {
		return true, fmt.Errorf("apply %s: %w", statement.Kind, err)
	}
	if err := s.looked(ctx, statement, response, at); err != nil {
		return true, err
	}
	// That copy is not synced, and what was recorded locally is: it goes when the copy would outlast a power cut too.
	if statement.Kind == federation.KindDirective {
		if err := s.replica.Sync(); err != nil {
			return true, fmt.Errorf("keep %s: %w", statement.Kind, err)
		}
	}
	if statement.Kind == federation.KindPublish && response.Outcome != index.Refused {
		s.last.documents = len(flight.Entries)
	}
	return true, s.settle(ctx, flight, record.Outcome{Statement: signed.ID(), Seq: statement.Seq, Refused: refusalText(response, len(flight.Entries))}, at, response.Code)
}

// looked has documents looked at that the region has just agreed on, now that all is here that it agreed on before.
func (s *speaker) looked(ctx context.Context, statement federation.Statement, response index.Response, at uint64) error {
	if statement.Kind != federation.KindPublish || response.Outcome == index.Refused {
		return nil
	}
	body, err := federation.DecodeBody(statement)
	if err != nil {
		return fmt.Errorf("statement in flight: %w", err)
	}
	if publish, ok := body.(federation.Publish); ok {
		_, err = s.crossed(ctx, publish.Pointers, at)
	}
	return err
}

// notYet reports whether a refusal may pass without the statement being changed: the region has not heard yet that this
// trust is a member, or has suspended it for now.
func notYet(c index.Code) bool {
	return c == index.NoRegion || c == index.UnknownTrust || c == index.TrustSuspended
}

// oneOf begins what is kept of a refusal that only one of several pointers has earned.
const oneOf = "one of "

func refusalText(r index.Response, entries int) string {
	switch {
	case r.Outcome != index.Refused:
		return ""
	case r.Code.AboutContent() && entries > 1:
		return fmt.Sprintf("%s%d: %s: %s", oneOf, entries, r.Code, r.Detail)
	default:
		return r.Code.String() + ": " + r.Detail
	}
}

// settle notes what became of a statement, first on disk and then for those who wait.
func (s *speaker) settle(ctx context.Context, flight record.InFlight, o record.Outcome, at uint64, code index.Code) error {
	if err := s.records.Complete(ctx, o); err != nil && !errors.Is(err, record.ErrInFlight) {
		return fmt.Errorf("note the outcome: %w", err)
	}
	if o.Refused != "" && code.AboutContent() && len(flight.Entries) > 1 {
		return s.divide(ctx, flight.Entries)
	}
	if o.Refused != "" && code.AboutPlace() {
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
		delete(s.apart, id)
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

// divide has entries said again by halves, since one of them is at fault: in the end that one is refused alone.
func (s *speaker) divide(ctx context.Context, entries []record.EntryID) error {
	for _, id := range entries {
		if err := s.again(ctx, id); err != nil {
			return err
		}
		delete(s.apart, id)
		s.mu.Lock()
		s.apart[s.moved[id]] = len(entries) / 2
		s.mu.Unlock()
	}
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

// recover says again what a crash has left refused for its place in the chain, or for what another entry said.
func (s *speaker) recover(ctx context.Context) error {
	rejected, err := s.records.Rejected(ctx, keptOutcomes)
	if err != nil {
		return fmt.Errorf("read what was refused: %w", err)
	}
	for _, r := range rejected {
		again := strings.HasPrefix(r.Reason, oneOf)
		for _, code := range []index.Code{index.Fork, index.Gap, index.BrokenChain} {
			again = again || strings.HasPrefix(r.Reason, code.String()+": ")
		}
		if again {
			if err := s.again(ctx, r.Entry.ID); err != nil {
				return err
			}
		}
	}
	return nil
}
