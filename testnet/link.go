package testnet

import (
	"math/rand/v2"
	"time"
)

// LinkStats counts what one direction of a link did.
type LinkStats struct {
	Sent       int64 // datagrams handed to the link
	Bytes      int64 // bytes of those that were carried
	Carried    int64 // datagrams on their way to the other end, or there
	Cut        int64 // lost because the link was cut
	Lost       int64 // lost at random
	Queued     int64 // lost because the link's queue was full
	Overflowed int64 // lost because the receiver did not read
	Nowhere    int64 // lost because the host has no socket, or the datagram is too large
}

// link is one direction between two hosts. The Network's mutex guards it.
type link struct {
	opts  LinkOptions
	cut   bool
	rand  *rand.Rand
	free  time.Time // when the last byte that waits will have been sent
	stats LinkStats
	tap   func(Passage) // nil: nobody looks
}

// pass decides on one datagram of size bytes: when it arrives, or that it does not.
func (l *link) pass(now time.Time, size int, open bool) (due time.Time, ok bool) {
	l.stats.Sent++
	// The random numbers are drawn for every datagram, so that a cut does not shift those that come after it.
	lost, jitter := l.rand.Float64() < l.opts.Loss, time.Duration(0)
	if l.opts.Jitter > 0 {
		jitter = time.Duration(l.rand.Int64N(int64(l.opts.Jitter) + 1))
	}
	switch {
	case !open:
		l.stats.Nowhere++
		return due, false
	case l.cut:
		l.stats.Cut++
		return due, false
	case lost:
		l.stats.Lost++
		return due, false
	}
	leaves := now
	if l.opts.Rate > 0 {
		leaves = l.free
		if leaves.Before(now) {
			leaves = now
		}
		buffer := l.opts.Buffer
		if buffer == 0 {
			buffer = defaultQueue
		}
		if waiting := int64(leaves.Sub(now).Seconds() * float64(l.opts.Rate)); waiting+int64(size) > int64(buffer) {
			l.stats.Queued++
			return due, false
		}
		leaves = leaves.Add(time.Duration(float64(size) / float64(l.opts.Rate) * float64(time.Second)))
		l.free = leaves
	}
	l.stats.Carried++
	l.stats.Bytes += int64(size)
	due = leaves.Add(l.opts.Latency + jitter)
	if l.tap != nil {
		l.tap(Passage{At: now, Due: due, Size: size})
	}
	return due, true
}

// SetLink sets both directions between two hosts. A cut stays as it is.
func (n *Network) SetLink(a, b string, opts LinkOptions) {
	n.SetOneWay(a, b, opts)
	n.SetOneWay(b, a, opts)
}

// SetOneWay sets the direction from one host to another.
func (n *Network) SetOneWay(from, to string, opts LinkOptions) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.link(pair{n.addr(from), n.addr(to)}).opts = opts
	n.trace.add(n.since(), "link", from+" > "+to, opts.String())
}

// Stats returns what the direction from one host to another did.
func (n *Network) Stats(from, to string) LinkStats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.link(pair{n.addr(from), n.addr(to)}).stats
}
