package consensus

import (
	"bytes"
	"math/bits"
	"sort"
)

// memRun is a sorted list of rows in memory. It does not change once it is made, so a reader that holds it needs no lock.
type memRun struct {
	entries []entry // ascending, each key once
	filter  filter
}

// minFiltered is from how many rows on a filter is quicker than looking.
const minFiltered = 16

func newMemRun(entries []entry) *memRun {
	r := &memRun{entries: entries}
	if len(entries) >= minFiltered {
		r.filter = newFilter(len(entries))
		for _, e := range entries {
			r.filter.add(e.hash)
		}
	}
	return r
}

// find returns the row of a key, nil if there is none.
func (r *memRun) find(hash uint64, key []byte) row {
	if r.filter != nil && !r.filter.has(hash) {
		return nil
	}
	if i := r.seek(key); i < len(r.entries) && bytes.Equal(r.entries[i].row.key(), key) {
		return r.entries[i].row
	}
	return nil
}

// seek returns the place of the first key that is not before key.
func (r *memRun) seek(key []byte) int {
	first := front(key)
	return sort.Search(len(r.entries), func(i int) bool {
		if e := &r.entries[i]; e.front != first {
			return e.front > first
		}
		return bytes.Compare(r.entries[i].row.key(), key) >= 0
	})
}

// mergeRuns returns the rows of both, the newer one's where both have a key.
func mergeRuns(newer, older *memRun) []entry {
	a, b := newer.entries, older.entries
	out := make([]entry, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch c := compareEntries(a[0], b[0]); {
		case c < 0:
			out, a = append(out, a[0]), a[1:]
		case c > 0:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// fanIn is how many runs of about one size are merged into one.
const fanIn = 4

// pushRun puts a run on top of others, newest first, and merges runs of about one size, so that there are few of them and no
// row is merged often. It does not change runs.
func pushRun(runs []*memRun, r *memRun) []*memRun {
	out := append(make([]*memRun, 0, len(runs)+1), r)
	out = append(out, runs...)
	for {
		class, n := runClass(out[0]), 1
		for n < len(out) && runClass(out[n]) <= class {
			n++
		}
		if n < fanIn {
			return out
		}
		merged := mergeAll(out[:n])
		out = append([]*memRun{newMemRun(merged.entries)}, out[n:]...)
	}
}

func runClass(r *memRun) int { return bits.Len(uint(len(r.entries)/64)) / 2 }

// mergeAll merges neighbours in pairs, so that each row is compared a few times only. The result has no filter.
func mergeAll(runs []*memRun) *memRun {
	if len(runs) == 1 {
		return runs[0]
	}
	half := len(runs) / 2
	return &memRun{entries: mergeRuns(mergeAll(runs[:half]), mergeAll(runs[half:]))}
}

// findRow returns the newest row of a key, nil if there is none.
func findRow(runs []*memRun, hash uint64, key []byte) row {
	for _, run := range runs {
		if r := run.find(hash, key); r != nil {
			return r
		}
	}
	return nil
}
