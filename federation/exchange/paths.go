package exchange

import (
	"math"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// paths remembers how lossy the way from each custodian is. Only the sending end of a connection sees what is lost, so
// custodians say so in their grants and while they send.
type paths struct {
	clock Clock
	mu    sync.Mutex
	peers map[federation.NodeID]*pathState
}

type pathState struct {
	last       map[[BindingSize]byte]Path // of each connection, as last heard of
	sent, lost float64                    // of late
	rtt        time.Duration
	heard      Instant
	turn       int
}

const (
	pathMemory   = 10 * time.Minute // after which a peer's path is unknown again
	pathPackets  = 20000            // from which older packets count for half
	fewPackets   = 300              // below which nothing is known, unless several were lost
	fewLost      = 3
	segmentBytes = 1400
	// mathis is the constant of the throughput of Reno on a lossy path, segment/RTT * C/sqrt(p) (Mathis et al. 1997).
	mathis = 1.22
)

func newPaths(clock Clock) *paths {
	return &paths{clock: clock, peers: map[federation.NodeID]*pathState{}}
}

// heard takes in what a custodian says of a connection.
func (p *paths) heard(peer federation.NodeID, binding [BindingSize]byte, now Path) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.clock.Now()
	s := p.peers[peer]
	if s == nil || at.Monotonic-s.heard.Monotonic > pathMemory {
		s = &pathState{last: map[[BindingSize]byte]Path{}}
		p.peers[peer] = s
	}
	before := s.last[binding]
	if now.Sent < before.Sent || now.Lost < before.Lost {
		return // out of order; streams of one connection overtake each other
	}
	if len(s.last) > 64 {
		clear(s.last) // connections that are gone; a count from zero is only a little off
	}
	s.last[binding] = now
	s.sent += float64(now.Sent - before.Sent)
	s.lost += float64(now.Lost - before.Lost)
	for s.sent > pathPackets {
		s.sent, s.lost = s.sent/2, s.lost/2
	}
	if now.RTT > 0 {
		s.rtt = now.RTT
	}
	s.heard = at
}

// stripes returns how many connections it takes to reach rate, from 1 to most: one, unless loss keeps one below it.
func (p *paths) stripes(peer federation.NodeID, rate float64, most int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.peers[peer]
	if s == nil || s.rtt <= 0 || s.lost < 1 || s.sent < fewPackets && s.lost < fewLost {
		return 1
	}
	one := mathis * segmentBytes / s.rtt.Seconds() / math.Sqrt(min(s.lost/s.sent, 1))
	return max(1, min(int(math.Ceil(rate/one)), most))
}

// spread returns the connection for a small fetch: on a lossy path they take turns, so that one lost packet holds up few.
func (p *paths) spread(peer federation.NodeID, rate float64, most int) int {
	n := p.stripes(peer, rate, most)
	if n == 1 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.peers[peer]
	if s == nil {
		return 0
	}
	s.turn = (s.turn + 1) % n
	return s.turn
}
