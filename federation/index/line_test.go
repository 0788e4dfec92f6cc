package index

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

// heldRegion is a region of one replica that agrees on a statement when it is let.
type heldRegion struct {
	*testRegion
	release chan error // one for each submission: what becomes of it
	mu      sync.Mutex
	sizes   []int // pointers of each statement
}

func (h *heldRegion) View(_ context.Context, _ consensus.Consistency, fn func(consensus.Reader) error) error {
	return fn(h.store)
}

func (h *heldRegion) Submit(ctx context.Context, cmd []byte, _ consensus.Priority) (consensus.Result, error) {
	var lost error
	select {
	case lost = <-h.release:
	case <-ctx.Done():
		return consensus.Result{}, ctx.Err()
	}
	h.mu.Lock()
	h.sizes = append(h.sizes, pointersIn(cmd))
	h.mu.Unlock()
	response, err := h.apply(cmd)
	return consensus.Result{Index: h.index, Response: EncodeResponse(response)}, errors.Join(err, lost)
}

// pointersIn returns how many pointers a statement has.
func pointersIn(cmd []byte) int {
	signed, err := federation.DecodeSigned(cmd)
	if err != nil {
		return -1
	}
	s, err := signed.Statement()
	if err != nil {
		return -1
	}
	body, err := federation.DecodeBody(s)
	if p, ok := body.(federation.Publish); ok && err == nil {
		return len(p.Pointers)
	}
	return -1
}

// lineOf starts RAX's line.
func lineOf(t *testing.T) (*Line, *heldRegion) {
	t.Helper()
	h := &heldRegion{testRegion: grown(t, Config{}), release: make(chan error)}
	l := NewLine(LineConfig{Trust: "RAX", Region: h, Now: func() time.Time { return h.now }, Sign: func(place federation.Place, body federation.Body) (federation.Signed, error) {
		return federation.Compose(place, body, h.trust("RAX").statement)
	}})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { l.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		if _, err := l.Publish(context.Background(), pointerOf("RAX", alice, 99)); !errors.Is(err, ErrLineEnded) {
			t.Errorf("publish when it has ended: %v", err)
		}
	})
	return l, h
}

// publishAll publishes at once; results come in the order of the pointers.
func publishAll(ctx context.Context, l *Line, pointers ...federation.Pointer) func() []error {
	errs := make([]error, len(pointers))
	var group sync.WaitGroup
	for i, p := range pointers {
		group.Go(func() { _, errs[i] = l.Publish(ctx, p) })
	}
	return func() []error {
		group.Wait()
		return errs
	}
}

func many(n, from int) []federation.Pointer {
	var out []federation.Pointer
	for i := range n {
		out = append(out, pointerOf("RAX", alice, from+i))
	}
	return out
}

func TestWhatArrivesMeanwhileGoesIntoOneStatement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, h := lineOf(t)
		first := publishAll(t.Context(), l, many(1, 1)...)
		synctest.Wait() // it is on its way
		rest := publishAll(t.Context(), l, many(20, 2)...)
		synctest.Wait()
		h.release <- nil
		synctest.Wait()
		if err := first()[0]; err != nil {
			t.Fatal(err)
		}
		h.release <- nil
		for _, err := range rest() {
			if err != nil {
				t.Error(err)
			}
		}
		if !slices.Equal(h.sizes, []int{1, 20}) {
			t.Errorf("statements of %v pointers, want 1 and 20", h.sizes)
		}
		if n := h.counts().Pointers; n != 21 {
			t.Errorf("%d pointers, want 21", n)
		}
	})
}

func TestNobodyIsToldBeforeTheRegionHasAgreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, h := lineOf(t)
		told := make(chan error, 1)
		go func() {
			_, err := l.Publish(t.Context(), pointerOf("RAX", alice, 1))
			told <- err
		}()
		synctest.Wait()
		select {
		case err := <-told:
			t.Errorf("told %v", err)
		default:
		}
		h.release <- consensus.ErrOutcomeUnknown // it was agreed on, and the answer was lost
		synctest.Wait()
		h.release <- nil // the same again
		if err := <-told; err != nil {
			t.Error(err)
		}
		if h.head("RAX").seq != 1 || h.counts().Refusals != 0 {
			t.Errorf("%d statements, %d refused; want one said twice", h.head("RAX").seq, h.counts().Refusals)
		}
	})
}

func TestBadPointerFailsAloneAmongItsNeighbours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, h := lineOf(t)
		hold := publishAll(t.Context(), l, many(1, 1)...)
		synctest.Wait()
		pointers := many(9, 2)
		pointers[5].Supersedes = pointers[5].Document // no region takes that
		rest := publishAll(t.Context(), l, pointers...)
		synctest.Wait()
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for {
				select {
				case h.release <- nil:
				case <-stop:
					return
				}
			}
		}()
		hold()
		for i, err := range rest() {
			var refused *RefusedError
			if bad := errors.As(err, &refused) && refused.Code == BadPointer; bad != (i == 5) || err != nil != bad {
				t.Errorf("pointer %d: %v", i, err)
			}
		}
		if n := h.counts().Pointers; n != 9 {
			t.Errorf("%d pointers, want 9", n)
		}
	})
}

func TestPointerOfAnotherTrustIsNotSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := lineOf(t)
		if _, err := l.Publish(t.Context(), pointerOf("RYJ", alice, 1)); !errors.Is(err, ErrPointer) {
			t.Errorf("got %v", err)
		}
		if _, err := l.Publish(t.Context(), federation.Pointer{Document: pointerOf("RAX", alice, 1).Document}); !errors.Is(err, ErrPointer) {
			t.Errorf("an empty one: %v", err)
		}
	})
}

func TestCallerWhoLeavesDoesNotHoldUpTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, h := lineOf(t)
		ctx, leave := context.WithCancel(t.Context())
		gone := publishAll(ctx, l, many(1, 1)...)
		synctest.Wait()
		stays := publishAll(t.Context(), l, many(1, 2)...)
		leave()
		if err := gone()[0]; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		h.release <- nil
		h.release <- nil
		if err := stays()[0]; err != nil {
			t.Error(err)
		}
	})
}

func TestStatementHoldsNoMoreThanItMay(t *testing.T) {
	l := NewLine(LineConfig{})
	for range federation.MaxPointers + 1 {
		l.waiting = append(l.waiting, &caller{size: 10})
	}
	if n := len(l.take()); n != federation.MaxPointers {
		t.Errorf("%d pointers", n)
	}
	l.waiting = []*caller{{size: PublishBudget - 10}, {size: 10}, {size: 1}}
	if n := len(l.take()); n != 2 || len(l.waiting) != 1 {
		t.Errorf("%d pointers, %d wait; want 2 and 1", n, len(l.waiting))
	}
}
