package exchange

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The guard is asked before each write. More than a slice goes out on one word of it only behind many that were taken at once.
func TestSlicesAreLargeOnlyBehindManyThatWereTakenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.publish(noise(5*mib, 1))
		type write struct {
			size int
			at   time.Time
		}
		var mu sync.Mutex
		var writes []write
		w.onWrite = func(_ *end, p []byte) {
			mu.Lock()
			defer mu.Unlock()
			writes = append(writes, write{len(p), time.Now()})
		}
		if _, err := w.client.Fetch(t.Context(), requestFor(id), func(s Segment) error {
			if s.Offset >= 2*mib && s.Offset < 3*mib {
				time.Sleep(2 * quickSlice) // virtual: the reader becomes slow
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		w.close()
		const one = sliceSize + frameHeader + pathSize + frameHeader + chunkHeader // the first of a chunk has its headers too
		large, slow, row := 0, 0, 0
		for i, now := range writes {
			last := i - 1
			for last >= 0 && writes[last].size < sliceSize {
				last--
			}
			if last < 0 {
				continue
			}
			took := writes[last+1].at.Sub(writes[last].at)
			if last == i-1 {
				row++
			}
			if took >= quickSlice {
				slow, row = slow+1, 0
			}
			switch {
			case now.size > largeSlice, now.size > one && row < quickRow:
				t.Errorf("write %d has %d bytes behind %d quick ones; the last took %s", i, now.size, row, took)
			case now.size > one:
				large++
			}
		}
		if large == 0 || slow == 0 {
			t.Errorf("%d large slices and %d slow ones of %d: the test proves nothing", large, slow, len(writes))
		}
	})
}
