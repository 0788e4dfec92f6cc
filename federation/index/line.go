package index

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

// PublishBudget is how many bytes of encoded pointers go into one statement, with room for the rest of it.
const PublishBudget = federation.MaxStatement - 4096

var (
	// ErrPointer is returned by Line.Publish for a pointer that this trust cannot publish.
	ErrPointer = errors.New("not a pointer of this trust")
	// ErrLineEnded is returned by Line.Publish when Run has ended. Nothing was said.
	ErrLineEnded = errors.New("the line to the region has ended")
)

// RefusedError is returned by Line.Publish for a pointer that the region does not accept.
type RefusedError struct{ Response }

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the region refused: %s: %s", e.Code, e.Detail)
}

// Region is what a Line needs of this node's replica; *consensus.Replica is one.
type Region interface {
	Submit(ctx context.Context, cmd []byte, p consensus.Priority) (consensus.Result, error)
	View(ctx context.Context, c consensus.Consistency, fn func(consensus.Reader) error) error
}

// LineConfig says whose a Line is. Trust, Region and Now are required; Publish and Run need Sign besides. Keep may be nil.
type LineConfig struct {
	Trust  federation.TrustID
	Region Region
	Sign   func(place federation.Place, body federation.Body) (federation.Signed, error)
	Now    func() time.Time
	// Keep makes a statement of Publish durable before it is submitted for the first time. Whoever opens the line again after
	// a crash says the last one again before anything else: with Say, and the same bytes.
	Keep func(ctx context.Context, signed federation.Signed) error
}

// Line is how one trust speaks to the region: one statement after the other, since they are one chain. Nobody else speaks for the
// trust meanwhile.
//
// A statement carries many pointers for the price of one: it is signed once, verified once at each replica and written once
// to each log. So what arrives while a statement is on its way goes into the next one, which leaves when that is agreed on.
//
// Who was told publishes again, as a rule, and at once. Did the next statement not wait for them, callers would fall into two halves
// for good: one in the statement on its way, one waiting for the next. So it waits until as many have come as were told, for a
// quarter of the time at most that the statement before took, and a millisecond at most. Otherwise nothing waits for others to
// arrive: the pointer that finds the line free goes alone.
//
//	Publish -\                    /- told
//	Publish ---> waiting -> statement -> region
//	Publish -/                    \- told
//
// Methods are safe for concurrent use.
type Line struct {
	cfg  LineConfig
	wake chan struct{} // capacity 1

	next     federation.Place // of Run only; after the statement accepted last. Zero: the region has to be asked
	expected uint64           // of Run only; what arrived will be when as many have come as were told last

	mu      sync.Mutex
	waiting []*caller
	arrived uint64 // callers so far
	ended   bool
}

// caller waits for what becomes of its pointer.
type caller struct {
	pointer federation.Pointer
	size    int
	done    chan verdict // capacity 1
}

type verdict struct {
	index uint64
	err   error
}

// NewLine returns a line. Publish needs Run beside it.
func NewLine(cfg LineConfig) *Line { return &Line{cfg: cfg, wake: make(chan struct{}, 1)} }

// Place returns the place of the trust's next statement. The region is asked, so that a node which is behind itself does not sign
// a second statement with a number that is taken.
func (l *Line) Place(ctx context.Context) (federation.Place, error) {
	place := federation.Place{Trust: l.cfg.Trust, At: l.cfg.Now().UTC()}
	err := l.cfg.Region.View(ctx, consensus.Linearizable(), func(r consensus.Reader) error {
		seq, digest, err := Head(r, l.cfg.Trust)
		place.Seq, place.Prev = seq+1, digest
		return err
	})
	if err != nil {
		return federation.Place{}, fmt.Errorf("read the head of the chain: %w", err)
	}
	return place, nil
}

// Say submits a signed statement, and returns the region's answer and the statement's place in the log. After an error the same
// bytes may be said again: what was accepted before is answered with Duplicate.
func (l *Line) Say(ctx context.Context, envelope []byte, p consensus.Priority) (Response, uint64, error) {
	result, err := l.cfg.Region.Submit(ctx, envelope, p)
	if err != nil {
		return Response{}, 0, err
	}
	response, err := DecodeResponse(result.Response)
	return response, result.Index, err
}

// Publish has one pointer agreed on, and returns the index of the command that did it. It shares a statement with others that
// wait at the same time, and none of their fate. It returns:
//
//  1. nil: the region has agreed on the pointer.
//  2. ErrPointer, ErrLineEnded: it was not said.
//  3. a RefusedError: the region does not accept it.
//  4. that of ctx, or of the replica: it may be agreed on all the same. Publishing it again does no harm.
func (l *Line) Publish(ctx context.Context, p federation.Pointer) (uint64, error) {
	encoded := federation.EncodePointer(p)
	if _, err := federation.DecodePointer(l.cfg.Trust, encoded); err != nil || p.Document.Custodian() != l.cfg.Trust {
		return 0, errors.Join(fmt.Errorf("%s: %w", p.Document, ErrPointer), err)
	}
	w := &caller{pointer: p, size: len(encoded), done: make(chan verdict, 1)}
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return 0, ErrLineEnded
	}
	l.waiting = append(l.waiting, w)
	l.arrived++
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	select {
	case v := <-w.done:
		return v.index, v.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Run says what Publish brings until ctx ends.
func (l *Line) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if group := l.take(); len(group) > 0 {
			began := time.Now()
			l.publish(ctx, group)
			l.gather(ctx, min(time.Since(began)/4, patience))
			continue
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
		}
	}
	l.mu.Lock()
	left := l.waiting
	l.waiting, l.ended = nil, true
	l.mu.Unlock()
	l.tellAll(left, verdict{err: ErrLineEnded})
}

// patience is how long a statement waits at most for those who were told last.
const patience = time.Millisecond

// gather waits until as many have come as were told last.
func (l *Line) gather(ctx context.Context, most time.Duration) {
	late := time.NewTimer(most)
	defer late.Stop()
	for l.missing() {
		select {
		case <-l.wake:
		case <-late.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (l *Line) missing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.arrived < l.expected
}

// take returns what waits, as much as one statement holds.
func (l *Line) take() []*caller {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, size := 0, 0
	for n < min(len(l.waiting), federation.MaxPointers) {
		if size += l.waiting[n].size; size > PublishBudget {
			break
		}
		n++
	}
	group := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	return group
}

// publish says a group in one statement. When the region does not accept what it says, each half is said by itself, so that in the
// end only those are refused that are at fault.
func (l *Line) publish(ctx context.Context, group []*caller) {
	body := federation.Publish{Pointers: make([]federation.Pointer, len(group))}
	for i, w := range group {
		body.Pointers[i] = w.pointer
	}
	response, index, err := l.tell(ctx, body)
	switch {
	case err != nil:
		l.tellAll(group, verdict{err: err})
	case response.Outcome != Refused:
		l.tellAll(group, verdict{index: index})
	case len(group) > 1 && response.Code.AboutContent():
		l.publish(ctx, group[:len(group)/2])
		l.publish(ctx, group[len(group)/2:])
	default:
		l.tellAll(group, verdict{err: &RefusedError{response}})
	}
}

// tell makes the next statement and says it until it is known what became of it. The place after the last one is known without
// asking. Should it be taken all the same, somebody else has spoken for the trust: the region says where it stands.
func (l *Line) tell(ctx context.Context, body federation.Body) (Response, uint64, error) {
	for asked := false; ; asked = true {
		place := l.next
		place.At = l.cfg.Now().UTC()
		if l.next = (federation.Place{}); place.Seq == 0 {
			asked = true
			var err error
			if place, err = l.Place(ctx); err != nil {
				return Response{}, 0, err
			}
		}
		signed, err := l.cfg.Sign(place, body)
		if err != nil {
			return Response{}, 0, fmt.Errorf("sign %s: %w", body.Kind(), err)
		}
		response, index, err := l.settle(ctx, signed)
		switch {
		case err != nil:
			return Response{}, 0, err
		case response.Outcome != Refused:
			l.next = federation.Place{Trust: place.Trust, Seq: place.Seq + 1, Prev: signed.ID()}
		case response.Code.AboutPlace() && !asked:
			continue
		}
		return response, index, nil
	}
}

// settle keeps a statement and says it until there is an answer.
func (l *Line) settle(ctx context.Context, signed federation.Signed) (Response, uint64, error) {
	if l.cfg.Keep != nil {
		if err := l.cfg.Keep(ctx, signed); err != nil {
			return Response{}, 0, fmt.Errorf("keep a statement: %w", err)
		}
	}
	envelope := signed.Encode()
	for {
		response, index, err := l.Say(ctx, envelope, consensus.Bulk)
		if ctx.Err() != nil || !errors.Is(err, consensus.ErrOutcomeUnknown) && !errors.Is(err, consensus.ErrNoQuorum) {
			return response, index, err
		}
	}
}

// tellAll tells a group, and expects it back.
func (l *Line) tellAll(group []*caller, v verdict) {
	l.mu.Lock()
	l.expected = l.arrived + uint64(len(group))
	l.mu.Unlock()
	for _, w := range group {
		w.done <- v
	}
}
