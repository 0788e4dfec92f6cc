package endpoint

import (
	"io"

	"github.com/quic-go/quic-go"
)

// A connection sends what it has in flight for each round trip, and spreads it over one: a path that has carried small documents
// only takes longer for the next one than the path itself does. So the end that fetches asks once on each connection, when its first
// stream is over and nobody waits, for bytes that mean nothing. The other end sends them behind everything else, until
// the window is wide enough or the path shows that it is not.
const (
	serviceWarm Service = 0xFF    // of the document lane; a peer that does not know it resets the stream
	warmWindow          = 1 << 19 // bytes in flight from which a document of 100 KB is not spread
	warmMost            = 1 << 20 // bytes that are sent for it
	warmPiece           = 64 << 10
	leastUrgent         = 7
)

// warmUp asks for what widens the congestion window of an outgoing connection, the first time that it is called.
func (e *Endpoint) warmUp(s *session) {
	if !s.outgoing || s.at != (slot{lane: LaneDocument}) || s.warmed.Swap(true) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.running.Go(func() {
		str, err := s.conn.OpenStream() // when there is no place at once, somebody uses the connection well
		if err != nil {
			return
		}
		defer abort(str, ResetClosed)
		if str.SetDeadline(soon(e.limits.IdleTimeout)) != nil {
			return
		}
		header := encodeHeader(serviceWarm)
		if _, err := str.Write(header[:]); err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(str, warmMost)) // what cannot be read is missed by nobody
	})
}

// warm sends what widens the congestion window, once on each connection.
func (e *Endpoint) warm(s *session, str *quic.Stream) {
	if s.warmed.Swap(true) || str.SetWriteDeadline(soon(e.limits.IdleTimeout)) != nil {
		return
	}
	str.SetPriority(leastUrgent, true)
	piece := make([]byte, warmPiece)
	for sent := 0; sent < warmMost; sent += len(piece) {
		if now := s.stats(); now.CongestionWindow >= warmWindow || now.PacketsLost > 0 {
			return
		}
		if _, err := str.Write(piece); err != nil {
			return
		}
	}
}
