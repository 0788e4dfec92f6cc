package testnet

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Event is something that happened to the network, or that a scenario noted.
type Event struct {
	At     time.Duration // since the network was made
	What   string        // listen, close, kill, link, cut, cut off, partition, heal, or what Note was given
	Where  string
	Detail string
}

// trace is the last events.
type trace struct {
	mu      sync.Mutex
	limit   int
	events  []Event // a ring once it is full
	next    int
	dropped int
}

func (t *trace) add(at time.Duration, what, where, detail string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := Event{At: at, What: what, Where: where, Detail: detail}
	if len(t.events) < t.limit {
		t.events = append(t.events, e)
		return
	}
	t.events[t.next] = e
	t.next = (t.next + 1) % t.limit
	t.dropped++
}

// Note adds an event of the caller's to the trace.
func (n *Network) Note(what, where, detail string) { n.trace.add(n.since(), what, where, detail) }

// Trace returns the last events, oldest first, and how many older ones were given up.
func (n *Network) Trace() (events []Event, dropped int) {
	t := &n.trace
	t.mu.Lock()
	defer t.mu.Unlock()
	events = append(append(events, t.events[t.next:]...), t.events[:t.next]...)
	return events, t.dropped
}

// WriteTrace writes the seed and the trace, for whoever has to find out why a run failed.
func (n *Network) WriteTrace(w io.Writer) error {
	events, dropped := n.Trace()
	if _, err := fmt.Fprintf(w, "network seed %d, %d events, %d older ones not kept\n", n.opts.Seed, len(events), dropped); err != nil {
		return err
	}
	for _, e := range events {
		if _, err := fmt.Fprintf(w, "%12s  %-10s %s %s\n", e.At.Round(time.Microsecond), e.What, e.Where, e.Detail); err != nil {
			return err
		}
	}
	return nil
}
