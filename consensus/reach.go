package consensus

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// errUnreached is returned for a request that was never sent, since there is no stream to the peer.
var errUnreached = errors.New("peer not reached")

// reach tells when a peer that nobody answered at can be reached again.
//
// After each failed request raft waits twice as long, in the end ten seconds, before it sends a peer what that lacks, and does not
// notice that the peer came up meanwhile: a newcomer, or a node that was restarted, would be told nothing for as long. Its
// heartbeats, though, are tried all the time. So a request that cannot be sent waits for one of them to get through.
type reach struct {
	mu sync.Mutex
	up map[ID]chan struct{} // closed by the next heartbeat that gets through
}

// next returns a channel that is closed by the next heartbeat that gets through to a peer.
func (r *reach) next(to ID) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.up[to] == nil {
		if r.up == nil {
			r.up = make(map[ID]chan struct{})
		}
		r.up[to] = make(chan struct{})
	}
	return r.up[to]
}

// reached notes a heartbeat that got through.
func (r *reach) reached(to ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if up := r.up[to]; up != nil {
		close(up)
		delete(r.up, to)
	}
}

// patiently sends a request of a term, and sends it again once the peer can be reached if it could not. It gives up when this
// replica does not lead in that term any more, when the peer is no member any more, and after limit; 0 is no limit.
func (t *transport) patiently(to ID, term uint64, limit time.Duration, send func() error) error {
	err := send()
	if !errors.Is(err, errUnreached) {
		return err
	}
	var end <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		end = timer.C
	}
	look := time.NewTicker(t.short)
	defer look.Stop()
	up := t.reach.next(to)
	for {
		select {
		case <-up:
			if err = send(); !errors.Is(err, errUnreached) {
				return err
			}
			up = t.reach.next(to)
		case <-look.C:
			if !t.leads(to, term) {
				return err
			}
		case <-end:
			return err
		case <-t.closed:
			return err
		}
	}
}

// leads reports whether this replica leads in a term, and a peer is a member.
func (t *transport) leads(peer ID, term uint64) bool {
	r := t.raft.Load()
	if r == nil || r.State() != raft.Leader || r.CurrentTerm() != term {
		return false
	}
	members := r.GetConfiguration().Configuration().Servers
	return slices.ContainsFunc(members, func(s raft.Server) bool { return s.ID == raft.ServerID(peer) })
}

// lifetime is a context that ends with a channel: raft hands none on.
type lifetime <-chan struct{}

func (l lifetime) Deadline() (time.Time, bool) { return time.Time{}, false }
func (l lifetime) Done() <-chan struct{}       { return l }
func (l lifetime) Value(any) any               { return nil }

func (l lifetime) Err() error {
	select {
	case <-l:
		return context.Canceled
	default:
		return nil
	}
}
