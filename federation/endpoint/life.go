package endpoint

import (
	"crypto/rand"
	"log/slog"
)

// life tells one run of a node from the next. Each endpoint draws its own; both ends say theirs when a connection begins. The
// zero life is that of a peer that says none.
//
// A connection whose peer has restarted looks open until the peer answers something sent on it with a stateless reset, and
// RFC 9000 §10.3 lets it answer nothing that is as short as most requests and every keep-alive. But a node that has
// restarted soon calls or is called on some lane; then all that is left of its last life is closed.
type life [3]byte

func newLife() life {
	var l life
	for l == (life{}) {
		// Read never fails: crypto/rand ends the program when the system has no randomness.
		_, _ = rand.Read(l[:])
	}
	return l
}

// bury closes the connections with the peer of s, both ways and on all lanes, that are of another of its lives. Of two the
// later wins: a process that has ended cannot finish a handshake.
func (e *Endpoint) bury(s *session) {
	if s.life == (life{}) || s.at.lane == LaneJoin {
		return
	}
	var dead []*session
	e.mu.Lock()
	if p := e.peers[s.peer]; p != nil {
		for _, side := range []map[slot]*session{p.in, p.out} {
			for _, other := range side {
				if other.life != s.life && other.life != (life{}) {
					other.failed.Store(true)
					dead = append(dead, other)
				}
			}
		}
	}
	e.mu.Unlock()
	closeAll(dead, closeRestarted, "")
	if len(dead) > 0 {
		e.log.Info("peer has restarted: its old connections are closed", slog.String("peer", s.peer.Short()), slog.Int("connections", len(dead)))
	}
}
