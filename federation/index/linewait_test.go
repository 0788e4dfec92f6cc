package index

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// timedLine is a line whose statements take a time, and are all agreed on.
func timedLine(t *testing.T, onItsWay time.Duration) (*Line, *heldRegion) {
	t.Helper()
	l, h := lineOf(t)
	l.cfg.Keep = func(context.Context, federation.Signed) error {
		time.Sleep(onItsWay)
		return nil
	}
	close(h.release)
	return l, h
}

func TestThoseWhoWereToldComeAlongWithThoseWhoWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, h := timedLine(t, 2*time.Millisecond)
		opener := publishAll(t.Context(), l, many(1, 1)...)
		time.Sleep(time.Millisecond)
		one := publishAll(t.Context(), l, many(10, 2)...) // they go when the opener has not come back
		time.Sleep(2 * time.Millisecond)
		other := publishAll(t.Context(), l, many(10, 12)...) // and these wait meanwhile
		opener()
		one()
		time.Sleep(100 * time.Microsecond)
		again := publishAll(t.Context(), l, many(10, 22)...)
		for _, err := range slices.Concat(other(), again()) {
			if err != nil {
				t.Error(err)
			}
		}
		if !slices.Equal(h.sizes, []int{1, 10, 20}) {
			t.Errorf("statements of %v pointers, want 1, 10 and 20", h.sizes)
		}
	})
}

func TestWhoDoesNotComeBackIsNotWaitedForLong(t *testing.T) {
	for _, test := range []struct{ onItsWay, wait time.Duration }{
		{2 * time.Millisecond, 500 * time.Microsecond}, // a quarter of it
		{40 * time.Millisecond, time.Millisecond},      // and no more than this
	} {
		synctest.Test(t, func(t *testing.T) {
			l, _ := timedLine(t, test.onItsWay)
			began := time.Now()
			gone := publishAll(t.Context(), l, many(1, 1)...)
			time.Sleep(time.Millisecond)
			waits := publishAll(t.Context(), l, many(1, 2)...)
			gone()
			waits()
			if took, want := time.Since(began), 2*test.onItsWay+test.wait; took != want {
				t.Errorf("statements of %v: the second was told after %v, want %v", test.onItsWay, took, want)
			}
		})
	}
}

func TestWhoComesAloneGoesAtOnce(t *testing.T) {
	const onItsWay = 2 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		l, _ := timedLine(t, onItsWay)
		for i, pause := range []time.Duration{0, 0, 100 * time.Microsecond, time.Millisecond, time.Second} {
			time.Sleep(pause)
			began := time.Now()
			publishAll(t.Context(), l, many(1, 1+i)...)()
			if took := time.Since(began); took != onItsWay {
				t.Errorf("after a pause of %v: told after %v, want %v", pause, took, onItsWay)
			}
		}
	})
}
