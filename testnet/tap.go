package testnet

import "time"

// Passage is a datagram that a link has taken up. It may still meet a host that has gone by then.
type Passage struct {
	At   time.Time // handed to the link
	Due  time.Time // arrives at the other end
	Size int
}

// Tap calls fn for each datagram that the direction from one host to another carries from now on: what leaves the one and
// reaches the other, and nothing that is lost. fn must be quick and must not call the Network. Nil ends it.
func (n *Network) Tap(from, to string, fn func(Passage)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.link(pair{n.addr(from), n.addr(to)}).tap = fn
}
