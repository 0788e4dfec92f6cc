package synth

import (
	"hash/fnv"
	"time"
)

// dice is a small generator (SplitMix64) whose sequence is fixed here for good, so that the bytes of a document never depend on a
// library's choice of algorithm.
type dice struct{ state uint64 }

// newDice returns a generator for one thing, named by a label and numbers, apart from all others of the same seed.
func newDice(seed uint64, label string, n ...uint64) *dice {
	h := fnv.New64a()
	h.Write([]byte(label))
	d := &dice{state: seed ^ h.Sum64()}
	for _, x := range n {
		d.state = d.next() ^ x
	}
	d.next()
	return d
}

func (d *dice) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	z := d.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// n returns a number from 0 to k-1.
func (d *dice) n(k int) int { return int(d.next() % uint64(k)) }

// between returns a number from low to high, both included.
func (d *dice) between(low, high int) int { return low + d.n(high-low+1) }

// chance is true in percent of 100 cases.
func (d *dice) chance(percent int) bool { return d.n(100) < percent }

func pick[T any](d *dice, from []T) T { return from[d.n(len(from))] }

// day returns a date from first to last.
func (d *dice) day(first, last time.Time) time.Time {
	days := int(last.Sub(first) / (24 * time.Hour))
	return first.AddDate(0, 0, d.n(max(days, 0)+1))
}
