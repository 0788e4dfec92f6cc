package consensus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Calls are what replicas ask of each other besides raft: many at a time over one stream, answered in any order.
//
//	frameSubmit       uvarint call | uvarint timeout ms | priority 1 | command
//	frameReadIndex    uvarint call | uvarint timeout ms
//	frameWaitApplied  uvarint call | uvarint timeout ms | uvarint index
//	frameMember       uvarint call | uvarint timeout ms | uvarint index of the configuration the asker knows
//	frameReply        uvarint call | code 1 | uvarint index | response
type call struct {
	kind     frameKind
	timeout  time.Duration
	priority Priority
	command  []byte
	index    uint64
}

// replyCode is what became of a call. Do not reorder: the values go over the wire.
type replyCode byte

const (
	replyDone replyCode = iota + 1
	replyNotLeader
	replyNoQuorum
	replyUnknown
	replyOverloaded
	replyTooLarge
	replyStopped
	replyGone    // the asker is not in the configuration
	replyRefused // by the Machine; the response says why
)

type reply struct {
	code     replyCode
	index    uint64
	response []byte
}

// err maps a reply to what the caller of Submit or ReadIndex gets.
func (r reply) err() error {
	switch r.code {
	case replyDone:
		return nil
	case replyNotLeader, replyStopped:
		return ErrNotLeader
	case replyNoQuorum:
		return ErrNoQuorum
	case replyOverloaded:
		return ErrOverloaded
	case replyTooLarge:
		return ErrTooLarge
	case replyGone:
		return ErrRemoved
	case replyRefused:
		return fmt.Errorf("%w: %s", ErrRefused, safeText(r.response))
	case replyUnknown:
	}
	return ErrOutcomeUnknown
}

func replyOf(index uint64, response []byte, err error) reply {
	switch {
	case err == nil:
		return reply{code: replyDone, index: index, response: response}
	case errors.Is(err, ErrNotLeader):
		return reply{code: replyNotLeader}
	case errors.Is(err, ErrNoQuorum):
		return reply{code: replyNoQuorum}
	case errors.Is(err, ErrOverloaded):
		return reply{code: replyOverloaded}
	case errors.Is(err, ErrTooLarge):
		return reply{code: replyTooLarge}
	case errors.Is(err, ErrRefused):
		return reply{code: replyRefused, response: []byte(safeText([]byte(err.Error())))}
	case errors.Is(err, ErrRemoved):
		return reply{code: replyGone}
	case errors.Is(err, ErrOutcomeUnknown):
		return reply{code: replyUnknown}
	}
	return reply{code: replyStopped}
}

func (c call) encode(number uint64) []byte {
	e := &encoder{b: make([]byte, 0, len(c.command)+32)}
	e.uint(number)
	e.uint(uint64(max(c.timeout, 0) / time.Millisecond))
	switch c.kind {
	case frameSubmit:
		e.b = append(e.b, byte(c.priority))
		e.bytes(c.command)
	case frameWaitApplied, frameMember:
		e.uint(c.index)
	default:
	}
	return e.b
}

func decodeCall(kind frameKind, body []byte) (number uint64, c call, err error) {
	d := &decoder{b: body}
	number = d.uint()
	c = call{kind: kind, timeout: time.Duration(min(d.uint(), uint64(time.Hour/time.Millisecond))) * time.Millisecond}
	switch kind {
	case frameSubmit:
		c.priority = Priority(d.byte())
		c.command = d.bytes()
		if d.err == nil && c.priority != Bulk && c.priority != Urgent {
			d.err = fmt.Errorf("%w: priority %d", errFrame, c.priority)
		}
	case frameReadIndex:
	case frameWaitApplied, frameMember:
		c.index = d.uint()
	default:
		d.err = fmt.Errorf("%w: kind %d for a call", errFrame, kind)
	}
	return number, c, d.end()
}

func (r reply) encode(number uint64) []byte {
	e := &encoder{b: make([]byte, 0, len(r.response)+32)}
	e.uint(number)
	e.b = append(e.b, byte(r.code))
	e.uint(r.index)
	e.bytes(r.response)
	return e.b
}

func decodeReply(body []byte) (number uint64, r reply, err error) {
	d := &decoder{b: body}
	number = d.uint()
	r = reply{code: replyCode(d.byte()), index: d.uint(), response: d.bytes()}
	return number, r, d.end()
}

// caller keeps one stream of calls to each peer it was asked to call.
type caller struct {
	t *transport

	mu    sync.Mutex
	lines map[ID]*line
}

// line is one stream of calls and those under way on it.
type line struct {
	ready chan struct{} // closed once s or err is set
	s     *stream
	err   error

	frames chan frame    // to the goroutine that writes
	dead   chan struct{} // closed by hangUp

	mu      sync.Mutex
	number  uint64
	waiting map[uint64]chan reply // nil once the line is dead
}

// frame is a call as it is written.
type frame struct {
	kind frameKind
	body []byte
}

// errMoved is returned for a call that is of no use any more, since another replica leads.
var errMoved = errors.New("another replica leads")

// watcher tells whether a call is of no use any more. It is asked again when the channel is closed.
type watcher func() (moved bool, changed <-chan struct{})

// do makes a call. It waits no longer than ctx, whatever the peer does: one that is away takes no bytes. When moved, which may
// be nil, says that the call is of no use any more, it ends; the answer to what was sent has a moment to come in all the
// same. sent is false when the peer cannot have seen it.
func (c *caller) do(ctx context.Context, to ID, what call, moved watcher) (r reply, sent bool, err error) {
	if deadline, ok := ctx.Deadline(); ok {
		what.timeout = time.Until(deadline)
	}
	l, err := c.line(ctx, to)
	if err != nil {
		return reply{}, false, err
	}
	number, answers := l.begin()
	if answers == nil {
		return reply{}, false, net.ErrClosed
	}
	defer l.end(number)
	frames, body := l.frames, frame{kind: what.kind, body: what.encode(number)}
	var late <-chan time.Time
	for {
		var changed <-chan struct{}
		if moved != nil && late == nil {
			var gone bool
			if gone, changed = moved(); gone && !sent {
				return reply{}, false, errMoved
			} else if gone {
				timer := time.NewTimer(c.t.short / 4)
				defer timer.Stop()
				late, changed = timer.C, nil
			}
		}
		select {
		case frames <- body:
			sent, frames = true, nil
		case r, ok := <-answers:
			if !ok {
				return reply{}, sent, net.ErrClosed
			}
			return r, true, nil
		case <-changed:
		case <-late:
			return reply{}, sent, errMoved
		case <-ctx.Done():
			return reply{}, sent, ctx.Err()
		}
	}
}

// line returns the line to a peer, dialing if there is none.
func (c *caller) line(ctx context.Context, to ID) (*line, error) {
	c.mu.Lock()
	l := c.lines[to]
	if l == nil {
		l = &line{ready: make(chan struct{}), frames: make(chan frame), dead: make(chan struct{}), waiting: make(map[uint64]chan reply)}
		if c.lines == nil {
			c.lines = make(map[ID]*line)
		}
		c.lines[to] = l
		go c.connect(to, l)
	}
	c.mu.Unlock()
	select {
	case <-l.ready:
		return l, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// connect dials and then reads replies until the stream ends.
func (c *caller) connect(to ID, l *line) {
	s, err := c.t.dial(to, serviceCalls)
	if err != nil {
		l.err = err
		c.remove(to, l)
		close(l.ready)
		return
	}
	l.s = s
	close(l.ready)
	go c.write(to, l)
	for c.receive(l) {
	}
	c.hangUp(to, l)
}

// write writes calls until the line is dead. Nobody waits for it: a peer that is away lets no more be written, and then whoever
// calls it can still give up.
func (c *caller) write(to ID, l *line) {
	for {
		select {
		case f := <-l.frames:
			if l.s.SetWriteDeadline(time.Now().Add(rpcTimeout)) != nil || writeFrame(l.s.w, f.kind, f.body) != nil {
				c.hangUp(to, l)
				return
			}
		case <-l.dead:
			return
		}
	}
}

// receive takes in one reply. A line that is silent for long while calls wait is dead; one without calls is closed.
func (c *caller) receive(l *line) bool {
	kind, body, err := l.s.next()
	if err != nil || kind != frameReply {
		return false
	}
	number, r, err := decodeReply(body)
	if err != nil {
		return false
	}
	l.mu.Lock()
	answers := l.waiting[number]
	delete(l.waiting, number)
	l.mu.Unlock()
	if answers != nil {
		answers <- r // buffered, and the only reply to this number
	}
	return true
}

func (c *caller) remove(to ID, l *line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lines[to] == l {
		delete(c.lines, to)
	}
}

// hangUp ends a line; the calls under way on it have no answer.
func (c *caller) hangUp(to ID, l *line) {
	c.remove(to, l)
	c.t.drop(l.s.Conn)
	l.mu.Lock()
	waiting := l.waiting
	l.waiting = nil
	if waiting != nil {
		close(l.dead)
	}
	l.mu.Unlock()
	for _, answers := range waiting {
		close(answers)
	}
}

func (l *line) begin() (uint64, chan reply) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		return 0, nil
	}
	l.number++
	answers := make(chan reply, 1)
	l.waiting[l.number] = answers
	return l.number, answers
}

func (l *line) end(number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.waiting, number)
}

// callsAtOnce is how many calls of one stream are served at a time; more wait in the stream.
const callsAtOnce = 256

// serveCalls answers a peer's calls until its stream ends.
func (r *Replica) serveCalls(peer ID, s *stream) {
	ctx, cancel := context.WithCancel(lifetime(r.transport.closed))
	defer cancel()
	var under sync.WaitGroup
	defer under.Wait()
	var writing sync.Mutex
	slots := make(chan struct{}, callsAtOnce)
	for {
		kind, body, err := s.next()
		if err != nil || !r.config.Member(peer) {
			break
		}
		number, c, err := decodeCall(kind, body)
		if err != nil {
			r.guard.count(refusedMalformed)
			break
		}
		slots <- struct{}{}
		under.Add(1)
		go func() {
			defer under.Done()
			defer func() { <-slots }()
			answer := r.answerCall(ctx, peer, c)
			writing.Lock()
			defer writing.Unlock()
			if s.SetWriteDeadline(time.Now().Add(rpcTimeout)) != nil || writeFrame(s.w, frameReply, answer.encode(number)) != nil {
				_ = s.Close() // the peer sees the line end, and so does the loop above
			}
		}()
	}
	cancel()
}

func (r *Replica) answerCall(ctx context.Context, peer ID, c call) reply {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	switch c.kind {
	case frameSubmit:
		result, err := r.submitHere(ctx, c.command, c.priority)
		return replyOf(result.Index, result.Response, err)
	case frameReadIndex:
		index, err := r.readIndexHere(ctx)
		return replyOf(index, nil, err)
	case frameWaitApplied:
		return replyOf(r.machine.applied.get().index, nil, r.WaitApplied(ctx, c.index))
	case frameMember:
		return r.answerMember(peer, c.index)
	default:
		return reply{code: replyStopped}
	}
}
