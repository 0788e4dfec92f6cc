package consensus

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Tables by their size in MiB, the newest first, and those that are merged next.
func TestTablesThatAreMergedNext(t *testing.T) {
	t.Parallel()
	young := func(n int, more ...int64) []int64 { return append(slices.Repeat([]int64{24}, n), more...) }
	for name, c := range map[string]struct {
		busy     bool
		sizes    []int64
		first, n int
	}{
		"one":                       {false, young(1, 100, 400), 0, 0},
		"two, nothing comes":        {false, young(2, 100, 400), 0, 2},
		"two, rows come":            {true, young(2, 100, 400), 0, 0},
		"fifteen, rows come":        {true, young(15, 400, 400, 400), 0, 0},
		"sixteen, rows come":        {true, young(16, 400), 0, 16},
		"larger ones, rows come":    {true, young(5, slices.Repeat([]int64{400}, 8)...), 5, 8},
		"seven, rows come":          {true, young(5, slices.Repeat([]int64{400}, 7)...), 0, 0},
		"a small one between them":  {true, young(2, 400, 400, 400, 400, 24, 400, 400, 400, 400, 2500), 2, 9},
		"of different sizes":        {false, []int64{24, 100, 400, 1600, 6400}, 0, 0},
		"merged while rows came":    {false, []int64{24, 400, 400, 1600}, 1, 2},
		"none":                      {true, nil, 0, 0},
		"a larger one in their way": {false, []int64{24, 100, 24}, 0, 0},
	} {
		s := &stateDB{busy: c.busy, size: Storage{MemTable: 32 << 20}}
		var tables []*table
		for _, mib := range c.sizes {
			tables = append(tables, &table{tableInfo: tableInfo{pages: mib << 20}})
		}
		if first, n := s.ripe(tables); n != c.n || n > 0 && first != c.first {
			t.Errorf("%s: %d from %d on, want %d from %d on", name, n, first, c.n, c.first)
		}
	}
}

func TestTablesAreMergedOnceNothingComes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stateDB{}
		s.moved = sync.NewCond(&s.mu)
		freeze := func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.work()
		}
		busy := func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.busy
		}
		freeze()
		synctestSleep(idleAfter - time.Second)
		freeze()
		synctestSleep(idleAfter - time.Second)
		if !busy() {
			t.Error("it counts as idle although rows came")
		}
		synctestSleep(2 * time.Second)
		if busy() {
			t.Error("it never counts as idle")
		}
	})
}

func TestMergeThatTheDiskHasNoRoomForIsPutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		free := uint64(mergeSpare + 47<<20)
		s := &stateDB{size: Storage{MemTable: 32 << 20}, log: newSilent(), free: func(string) (uint64, error) { return free, nil }}
		s.moved = sync.NewCond(&s.mu)
		two := []*table{{tableInfo: tableInfo{pages: 24 << 20}}, {tableInfo: tableInfo{pages: 24 << 20}}}
		next := func() int {
			s.mu.Lock()
			defer s.mu.Unlock()
			_, n := s.ripe(two)
			return n
		}
		if next() != 2 || s.roomFor(two) || next() != 0 {
			t.Error("a merge is begun that the disk has no room for")
		}
		synctestSleep(crampedFor + time.Second)
		free++
		if next() != 2 || s.roomFor(two) {
			t.Error("it is not looked at again")
		}
		synctestSleep(crampedFor + time.Second)
		free += 1 << 20
		if next() != 2 || !s.roomFor(two) {
			t.Error("a merge that there is room for is put off")
		}
	})
}

func TestFilterHasAllThatWasAddedAtOnce(t *testing.T) {
	t.Parallel()
	const n = 10*filterLot + 7
	one, many := newFilter(n), newFilter(n)
	hashes := make([]uint64, n)
	for i := range hashes {
		hashes[i] = rand.Uint64()
		one.add(hashes[i])
	}
	many.addAll(hashes)
	if !slices.Equal(one, many) {
		t.Error("the filters differ")
	}
}

func TestNestedMergeIsInOrder(t *testing.T) {
	t.Parallel()
	const runs, rows = 19, 200
	var cursors []cursor
	type last struct {
		run     byte
		deleted bool
	}
	newest := make(map[string]last)
	for i := range runs {
		var room arena
		tx := newTx(NewMemoryStore(), 0, &room, 0)
		for range rows {
			key := []byte{byte(rand.IntN(40)), byte(rand.IntN(40))}
			now := last{byte(i), rand.IntN(4) == 0}
			if now.deleted {
				tx.Delete(key)
			} else {
				tx.Set(key, []byte{now.run})
			}
			if known, there := newest[string(key)]; !there || known.run == now.run { // the first run is the newest
				newest[string(key)] = now
			}
		}
		cursors = append(cursors, newMemRun(tx.entries()).cursor(nil))
	}
	all, before, seen := merge(nested(cursors)), "", 0
	for all.next() {
		key, value, deleted := all.row()
		want, there := newest[string(key)]
		if string(key) <= before || !there || deleted != want.deleted || !deleted && value[0] != want.run {
			t.Fatalf("%x after %x is %x, deleted %v; want %+v", key, before, value, deleted, want)
		}
		before, seen = string(key), seen+1
	}
	if all.err() != nil || seen != len(newest) {
		t.Errorf("%d rows of %d, %v", seen, len(newest), all.err())
	}
}
