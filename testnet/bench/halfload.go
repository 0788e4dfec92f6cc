package main

import (
	"fmt"
	"slices"
	"time"
)

// slow is the 99th percentile of calls, run by run, in milliseconds.
type slow struct {
	call series // from the call to its answer
	due  series // from when the request was due: the wait for a processor, and the waking of who calls, are in it
}

// add has requests arrive at fn for a run.
func (s *slow) add(e *env, rate float64, fn func(client, call int) error) error {
	var inside [locators]series
	due, err := arriving(e.last(), locators, rate, func(client, call int) error {
		began := monotonic()
		err := fn(client, call)
		inside[client] = append(inside[client], milliseconds(monotonic()-began))
		return err
	})
	s.call = append(s.call, slices.Concat(inside[:]...).quantile(0.99))
	s.due = append(s.due, due.quantile(0.99))
	return err
}

// halfLoad measures the slowest calls at half of what can be served of requests that arrive, which is less than clients that never wait
// can call (inside, a second): to wait for a request and be woken takes of the same processors. Beside them stand calls that only
// compute for as long and calls that are answered at once: what the machine adds of itself, and of whatever else runs on it, is in all
// three. Where there is a peer the slowest calls are measured at its whole rate too.
func (e *env) halfLoad(fn func(client, call int) error, inside, peer float64) ([]row, error) {
	busy, rate, err := e.half(fn, inside)
	if err != nil {
		return nil, err
	}
	var tail, calm, computing, nothing slow
	var taken series
	turns := []struct {
		to *slow
		fn func(client, call int) error
	}{
		{&tail, fn},
		{&computing, func(int, int) error {
			for began := time.Now(); time.Since(began) < busy; {
			}
			return nil
		}},
		{&nothing, func(int, int) error { return nil }},
	}
	for i := range e.runs {
		before := processors()
		for k := range turns {
			t := turns[(i+k)%len(turns)]
			if err := t.to.add(e, rate, t.fn); err != nil {
				return nil, fmt.Errorf("run %d: %w", i, err)
			}
		}
		taken = append(taken, processors().since(before).stolen())
		if peer > 0 {
			if err := calm.add(e, peer, fn); err != nil {
				return nil, fmt.Errorf("run %d: %w", i, err)
			}
		}
	}
	call := row{Operation: opLocateHalf, Unit: "ms"}.compared(tail.call, computing.call, "calls that only compute", true)
	call = call.judged("<= 1 ms", call.Ours <= 1).noted("%s a second, evenly spread", thousands(int64(rate)))
	due := row{Operation: opLocateDue, Unit: "ms"}.compared(tail.due, computing.due, "calls that only compute", true)
	due = due.judged("<= 1 ms", due.Ours <= 1)
	if peer > 0 {
		due = due.noted("%s at the %s a second that PostgreSQL does at most", figure(calm.due.median(), "ms"), thousands(int64(peer)))
	}
	due = due.noted("calls that are answered at once: %s; the host took %.1f %% of the processors", figure(nothing.due.median(), "ms"), taken.median())
	return []row{call, due}, nil
}

// half returns how long a call takes by itself, and half of how many are served a second.
func (e *env) half(fn func(client, call int) error, inside float64) (alone time.Duration, rate float64, err error) {
	_, took, err := during(e.last()/3, 1, fn)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	served, err := arriving(e.last()/3, locators, inside, fn)
	rate = float64(len(served)) / (time.Since(began) - lead).Seconds() / 2
	return time.Duration(took.median() * float64(time.Millisecond)), rate, err
}
