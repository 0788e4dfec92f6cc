package endpoint

import (
	"fmt"
	"net"
	"sync"
)

// door is what a listener listens at.
type door struct {
	lane    Lane
	service Service
}

// listener hands the streams of one service to whoever accepts them.
type listener struct {
	ep   *Endpoint
	door door
	done chan struct{}

	mu     sync.Mutex
	closed bool
	queue  chan *Stream // sent to under mu, and only when that cannot block
}

// Listen starts to accept streams of a service. Accept returns each as a *Stream, proven and
// admitted. Streams that nobody accepts fill the backlog; further ones are reset with ResetBusy.
// It returns ErrInUse for a service that has a listener, ErrInvalid, or ErrClosed.
func (e *Endpoint) Listen(lane Lane, service Service) (net.Listener, error) {
	if !lane.valid() || service == 0 || service == serviceWarm {
		return nil, fmt.Errorf("listen on %s, service %d: %w", lane, service, ErrInvalid)
	}
	l := &listener{
		ep:    e,
		door:  door{lane, service},
		done:  make(chan struct{}),
		queue: make(chan *Stream, e.limits.Backlog),
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	if e.doors[l.door] != nil {
		return nil, fmt.Errorf("listen on %s, service %d: %w", lane, service, ErrInUse)
	}
	e.doors[l.door] = l
	return l, nil
}

// Accept waits for the next stream. After Close it returns net.ErrClosed.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case s := <-l.queue:
		return s, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Addr returns the address of the node's socket, which all listeners share.
func (l *listener) Addr() net.Addr { return l.ep.Addr() }

// Close stops accepting. Streams that were accepted go on, those in the backlog are reset.
func (l *listener) Close() error {
	l.ep.mu.Lock()
	if l.ep.doors[l.door] == l {
		delete(l.ep.doors, l.door)
	}
	l.ep.mu.Unlock()
	l.shut()
	return nil
}

// shut closes the listener without taking it from the endpoint.
func (l *listener) shut() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed = true
	close(l.done)
	l.mu.Unlock()
	for {
		select {
		case s := <-l.queue:
			s.Reset(ResetUnknownService)
		default:
			return
		}
	}
}

// deliver queues a stream, or says why it cannot.
func (l *listener) deliver(s *Stream) (refusal ResetCode, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ResetUnknownService, false
	}
	select {
	case l.queue <- s:
		return 0, true
	default:
		return ResetBusy, false
	}
}

// lookup returns the listener at a door, or nil.
func (e *Endpoint) lookup(d door) *listener {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.doors[d]
}

// serves reports whether anybody listens on a lane.
func (e *Endpoint) serves(lane Lane) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for d := range e.doors {
		if d.lane == lane {
			return true
		}
	}
	return false
}
