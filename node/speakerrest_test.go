package node

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// How long the speaker rests after a statement, by what that held and what comes meanwhile.
func TestTheSpeakerRestsWhileDocumentsComeByTheThousand(t *testing.T) {
	tests := []struct {
		name      string
		documents int
		ago       time.Duration // when it was begun
		each      time.Duration // a document is taken in; 0: none is
		at        uint64        // how many at once
		woken     time.Duration // by something else to tell; 0: not
		want      time.Duration
	}{
		{name: "few", documents: manyTold - 1, each: time.Millisecond, at: 1, want: 0},
		{name: "none", each: time.Millisecond, at: 1, want: 0},
		{name: "as many as fit: more wait", documents: federation.MaxPointers, each: time.Millisecond, at: 1, want: 0},
		{name: "many, and more come", documents: manyTold, each: time.Millisecond, at: 1, want: restMost},
		{name: "many, some time ago", documents: manyTold, ago: restMost - restStep, each: time.Millisecond, at: 1, want: restStep},
		{name: "many, long ago", documents: manyTold, ago: restMost, each: time.Millisecond, at: 1, want: 0},
		{name: "the last of many", documents: manyTold, want: restStep},
		{name: "many, and something else", documents: manyTold, each: time.Millisecond, at: 1, woken: 20 * time.Millisecond, want: 20 * time.Millisecond},
		{name: "a full statement", documents: manyTold, each: time.Millisecond, at: federation.MaxPointers, want: restStep},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSpeaker(&Node{})
				ctx, cancel := context.WithCancel(t.Context())
				var taking sync.WaitGroup
				began := time.Now()
				s.last = statementSaid{began: began.Add(-tt.ago), documents: tt.documents}
				if tt.each > 0 {
					taking.Go(func() {
						for ctx.Err() == nil {
							time.Sleep(tt.each)
							s.taken.Add(tt.at)
						}
					})
				}
				if tt.woken > 0 {
					time.AfterFunc(tt.woken, func() { signal(s.wake) })
				}
				if s.rest(ctx); time.Since(began) != tt.want {
					t.Errorf("rested for %s, want %s", time.Since(began), tt.want)
				}
				cancel()
				taking.Wait()
			})
		})
	}
}

// TestDocumentsTakenInTogetherAreToldTogether has two hundred documents told in one statement, and more come: the statement after it
// begins later, and one document by itself, before and after, is told at once.
func TestDocumentsTakenInTogetherAreToldTogether(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	type composed struct {
		at        time.Time
		documents int
	}
	var mu sync.Mutex
	var all []composed
	held := make(chan struct{})
	real := n.speaker.crossed
	n.speaker.mu.Lock() // it has settled all, and looks at nothing
	n.speaker.crossed = func(ctx context.Context, told []federation.Pointer, before uint64) (crossing, error) {
		if before == math.MaxUint64 {
			<-held
			mu.Lock()
			all = append(all, composed{time.Now(), len(told)})
			mu.Unlock()
		}
		return real(ctx, told, before)
	}
	n.speaker.mu.Unlock()
	seen := func(count int) bool {
		mu.Lock()
		defer mu.Unlock()
		return len(all) >= count
	}
	mustTake(t, n, "First", "first", nil)
	var taking sync.WaitGroup
	for i := range 2 * manyTold {
		taking.Go(func() { _, _ = takeOne(t, n, fmt.Sprint("Letter ", i), fmt.Sprint(i), nil) })
	}
	taking.Wait()
	if got := n.speaker.taken.Load(); got != 2*manyTold+1 {
		t.Errorf("%d documents count as taken in", got)
	}
	close(held)
	eventually(t, "a statement of many", func() bool { return seen(2) })
	stop := make(chan struct{})
	taking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				n.speaker.taken.Add(1) // as if they came all the time
				time.Sleep(time.Millisecond)
			}
		}
	})
	mustTake(t, n, "Next", "next", nil)
	eventually(t, "the next statement", func() bool { return seen(3) })
	close(stop)
	taking.Wait()
	eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
	mu.Lock()
	defer mu.Unlock()
	if all[1].documents < manyTold {
		t.Fatalf("statements of %v documents, want many in the second", all)
	}
	if gap := all[2].at.Sub(all[1].at); gap < restMost/2 {
		t.Errorf("the next statement was begun %s after that of %d documents, want about %s", gap, all[1].documents, restMost)
	}
}
