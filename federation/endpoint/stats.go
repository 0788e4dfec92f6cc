package endpoint

import (
	"bytes"
	"slices"
	"time"
)

// Stats is what is known about the path to a peer, from one connection or from several added up.
// Counts begin with the connection: take differences to see what happens now.
//
// A sender knows what was lost, a receiver does not. Whoever fetches in bulk has to ask the sending
// end for its Loss to choose a number of stripes.
type Stats struct {
	Connections      int
	RTT              time.Duration // smoothed; the lowest of several connections
	MinRTT           time.Duration // lowest ever seen
	CongestionWindow uint64        // bytes that may be in flight
	BytesSent        uint64
	BytesReceived    uint64
	PacketsSent      uint64
	PacketsReceived  uint64
	PacketsLost      uint64 // of those sent; late packets may be counted until they arrive
}

// Loss returns the share of sent packets that were lost, from 0 to 1.
func (s Stats) Loss() float64 {
	if s.PacketsSent == 0 {
		return 0
	}
	return min(float64(s.PacketsLost)/float64(s.PacketsSent), 1)
}

func (s Stats) add(t Stats) Stats {
	lower := func(a, b time.Duration) time.Duration {
		if a == 0 || (b != 0 && b < a) {
			return b
		}
		return a
	}
	return Stats{
		Connections:      s.Connections + t.Connections,
		RTT:              lower(s.RTT, t.RTT),
		MinRTT:           lower(s.MinRTT, t.MinRTT),
		CongestionWindow: s.CongestionWindow + t.CongestionWindow,
		BytesSent:        s.BytesSent + t.BytesSent,
		BytesReceived:    s.BytesReceived + t.BytesReceived,
		PacketsSent:      s.PacketsSent + t.PacketsSent,
		PacketsReceived:  s.PacketsReceived + t.PacketsReceived,
		PacketsLost:      s.PacketsLost + t.PacketsLost,
	}
}

func (s *session) stats() Stats {
	c := s.conn.ConnectionStats()
	return Stats{
		Connections:      1,
		RTT:              c.SmoothedRTT,
		MinRTT:           c.MinRTT,
		CongestionWindow: c.CongestionWindow,
		BytesSent:        c.BytesSent,
		BytesReceived:    c.BytesReceived,
		PacketsSent:      c.PacketsSent,
		PacketsReceived:  c.PacketsReceived,
		PacketsLost:      c.PacketsLost,
	}
}

// Stats adds up the open connections of a lane with a peer, in both directions and of all stripes.
// It returns false if there is none.
func (e *Endpoint) Stats(id PeerID, lane Lane) (Stats, bool) {
	var sum Stats
	for _, c := range e.Connections() {
		if c.Peer == id && c.Lane == lane {
			sum = sum.add(c.Stats)
		}
	}
	return sum, sum.Connections > 0
}

// RTT returns the round trip time to a peer, smoothed, and false if no connection of the lane is
// open.
func (e *Endpoint) RTT(id PeerID, lane Lane) (time.Duration, bool) {
	s, ok := e.Stats(id, lane)
	return s.RTT, ok
}

// Connection describes an open connection, for the operator.
type Connection struct {
	Peer     PeerID
	Lane     Lane
	Stripe   int
	Outgoing bool
	Remote   string
	Since    time.Time
	Streams  int // open incoming streams
	Stats    Stats
}

// Connections lists the open connections, ordered by peer, lane, direction and stripe.
func (e *Endpoint) Connections() []Connection {
	e.mu.Lock()
	var sessions []*session
	for _, p := range e.peers {
		for _, side := range []map[slot]*session{p.in, p.out} {
			for _, s := range side {
				sessions = append(sessions, s)
			}
		}
	}
	for s := range e.joins {
		sessions = append(sessions, s)
	}
	e.mu.Unlock()
	list := make([]Connection, 0, len(sessions))
	for _, s := range sessions {
		if !s.alive() {
			continue
		}
		list = append(list, Connection{
			Peer: s.peer, Lane: s.at.lane, Stripe: int(s.at.stripe), Outgoing: s.outgoing,
			Remote: s.conn.RemoteAddr().String(), Since: s.since, Streams: int(s.open.Load()), Stats: s.stats(),
		})
	}
	slices.SortFunc(list, func(a, b Connection) int {
		if c := bytes.Compare(a.Peer[:], b.Peer[:]); c != 0 {
			return c
		}
		return a.order() - b.order()
	})
	return list
}

func (c Connection) order() int {
	n := int(c.Lane)<<16 | c.Stripe
	if c.Outgoing {
		n |= 1 << 12
	}
	return n
}
