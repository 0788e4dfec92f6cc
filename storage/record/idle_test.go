package record

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// TestAnyWaitingFollowsEveryChange: what is remembered of a quiet store does not outlive a change of it, whoever reads meanwhile.
func TestAnyWaitingFollowsEveryChange(t *testing.T) {
	s := fresh(t)
	want := func(want bool) {
		t.Helper()
		for range 2 { // read, and remembered
			if got, err := s.AnyWaiting(ctx); err != nil || got != want {
				t.Fatalf("waiting: %v, %v; want %v", got, err, want)
			}
		}
	}
	var stop atomic.Bool
	var readers sync.WaitGroup
	defer readers.Wait()
	defer stop.Store(true)
	readers.Go(func() {
		for !stop.Load() {
			if _, err := s.AnyWaiting(ctx); err != nil {
				t.Error(err)
				return
			}
		}
	})
	want(false)
	for n := range 20 {
		add(t, s, patient, letter(n))
		want(true)
		settle(t, s, uint64(n)+2, federation.KindPublish)
		want(false)
		if s.idle.Load() == 0 {
			t.Fatal("nothing is remembered of a quiet store")
		}
	}
}
