package exchange

import "time"

// Instant is one reading of three clocks. They differ when the process or the machine was stopped, or a clock was set.
type Instant struct {
	Monotonic time.Duration // since an arbitrary start; stands still while the machine sleeps
	Boot      time.Duration // since an arbitrary start; goes on while the machine sleeps
	Wall      time.Time     // can be set
}

// Clock reads the three clocks.
type Clock interface{ Now() Instant }

// since returns the longest time from earlier to i by any clock, and false when a clock went backwards: then nothing is
// known of how much time has passed.
func (i Instant) since(earlier Instant) (time.Duration, bool) {
	wall := i.Wall.Round(0).Sub(earlier.Wall.Round(0)) // Round takes Go's own monotonic reading away
	mono, boot := i.Monotonic-earlier.Monotonic, i.Boot-earlier.Boot
	return max(mono, boot, wall), min(mono, boot, wall) >= 0
}

// SystemClock returns the clocks of the machine.
func SystemClock() Clock { return systemClock{start: time.Now()} }

type systemClock struct{ start time.Time }

func (c systemClock) Now() Instant {
	t := time.Now()
	mono := t.Sub(c.start)
	boot, ok := bootTime()
	if !ok {
		boot = mono
	}
	return Instant{Monotonic: mono, Boot: boot, Wall: t}
}

// ProcessClock returns a clock that takes all three readings from package time, for simulations in which time is virtual.
func ProcessClock() Clock { return processClock{start: time.Now()} }

type processClock struct{ start time.Time }

func (c processClock) Now() Instant {
	t := time.Now()
	return Instant{Monotonic: t.Sub(c.start), Boot: t.Sub(c.start), Wall: t}
}
