package consensus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/hashicorp/raft"
)

const (
	// bulkWindow bounds the bulk entries and bytes that raft holds at a time: an urgent command waits for no more. One large
	// entry at a time is enough: with more, the same work waits in the replicas, where nothing can pass it.
	bulkWindow      = 256
	bulkWindowBytes = 128 << 10
	// queueLimit bounds the commands that wait at the leader, by number and bytes.
	queueLimit      = 16 << 10
	queueLimitBytes = 64 << 20
)

// barrier goes ahead like Urgent, but followers need not be told of its commit.
const barrier Priority = 255

// proposal is an entry on its way into the log.
type proposal struct {
	data     []byte
	priority Priority
	taken    atomic.Bool // by the dispatcher, or by a submitter that gave up
	done     chan struct{}

	index    uint64
	response []byte
	err      error
}

// queue orders proposals at the leader: urgent ones first, bulk ones within a window.
type queue struct {
	propose func(data []byte) raft.ApplyFuture
	dead    chan struct{} // closed once raft has ended

	mu      sync.Mutex
	urgent  []*proposal
	bulk    []*proposal
	waiting int // bytes
	out     int // bulk proposals in raft
	outSize int
	hurried map[*byte]struct{} // urgent entries in raft that are not known to be committed
	closed  bool

	wake  chan struct{}
	flush chan struct{}
	stop  chan struct{}
	ended sync.WaitGroup
}

func newQueue(propose func(data []byte) raft.ApplyFuture, dead chan struct{}) *queue {
	q := &queue{
		propose: propose, dead: dead, wake: make(chan struct{}, 1), flush: make(chan struct{}, 1), stop: make(chan struct{}),
		hurried: make(map[*byte]struct{}),
	}
	q.ended.Add(2)
	go q.run()
	go q.flusher()
	return q
}

// submit queues data and waits for its entry to be applied here. The error is nil, ErrNotLeader, ErrOverloaded or ErrNoQuorum when
// there is no entry, ErrOutcomeUnknown when there may be one.
func (q *queue) submit(ctx context.Context, data []byte, p Priority) (Result, error) {
	pr := &proposal{data: data, priority: p, done: make(chan struct{})}
	q.mu.Lock()
	switch {
	case q.closed:
		q.mu.Unlock()
		return Result{}, ErrNotLeader
	case len(q.urgent)+len(q.bulk) >= queueLimit || q.waiting+len(data) > queueLimitBytes:
		q.mu.Unlock()
		return Result{}, ErrOverloaded
	case p != Bulk:
		q.urgent = append(q.urgent, pr)
	default:
		q.bulk = append(q.bulk, pr)
	}
	q.waiting += len(data)
	q.mu.Unlock()
	q.kick()
	select {
	case <-pr.done:
	case <-ctx.Done():
		if pr.taken.CompareAndSwap(false, true) {
			return Result{}, fmt.Errorf("%w: %w", ErrNoQuorum, ctx.Err())
		}
		return Result{}, fmt.Errorf("%w: %w", ErrOutcomeUnknown, ctx.Err())
	}
	return Result{Index: pr.index, Response: pr.response}, pr.err
}

func (q *queue) kick() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) run() {
	defer q.ended.Done()
	for {
		select {
		case <-q.wake:
		case <-q.stop:
			q.drain()
			return
		}
		for pr := q.pop(); pr != nil; pr = q.pop() {
			future := q.propose(pr.data)
			q.ended.Add(1)
			go q.await(pr, future)
		}
	}
}

// pop takes the next proposal that may go; nil when none may.
func (q *queue) pop() *proposal {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		var pr *proposal
		switch {
		case len(q.urgent) > 0:
			pr, q.urgent = q.urgent[0], q.urgent[1:]
		case len(q.bulk) > 0 && (q.out == 0 || q.out < bulkWindow && q.outSize+len(q.bulk[0].data) <= bulkWindowBytes):
			pr, q.bulk = q.bulk[0], q.bulk[1:]
		default:
			return nil
		}
		q.waiting -= len(pr.data)
		if !pr.taken.CompareAndSwap(false, true) {
			continue
		}
		switch pr.priority {
		case Bulk:
			q.out++
			q.outSize += len(pr.data)
		case Urgent:
			q.hurried[&pr.data[0]] = struct{}{}
		default:
		}
		return pr
	}
}

// await takes in what raft says of a proposal.
func (q *queue) await(pr *proposal, future raft.ApplyFuture) {
	defer q.ended.Done()
	err := outcome(future, q.dead)
	switch pr.priority {
	case Bulk:
		q.mu.Lock()
		q.out--
		q.outSize -= len(pr.data)
		q.mu.Unlock()
		q.kick()
	case Urgent:
		q.mu.Lock()
		delete(q.hurried, &pr.data[0])
		q.mu.Unlock()
	default:
	}
	if err == nil {
		pr.index = future.Index()
		if result, ok := future.Response().(applyResult); ok {
			pr.response, pr.err = result.response, result.err
		}
	}
	pr.err = errors.Join(pr.err, proposeError(err))
	close(pr.done)
}

// committed is told of committed entries before they are applied here: followers are told of urgent ones at once.
func (q *queue) committed(logs []*raft.Log) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.hurried) == 0 {
		return
	}
	for _, l := range logs {
		if _, ok := q.hurried[unsafe.SliceData(l.Data)]; ok {
			delete(q.hurried, unsafe.SliceData(l.Data))
			q.flushSoon()
		}
	}
}

func (q *queue) flushSoon() {
	select {
	case q.flush <- struct{}{}:
	default:
	}
}

// flusher follows urgent entries with an empty one: followers apply an entry when the next message says that it is committed,
// and without traffic that is a tenth of a second away.
func (q *queue) flusher() {
	defer q.ended.Done()
	for {
		select {
		case <-q.flush:
			if err := outcome(q.propose([]byte{entryEmpty}), q.dead); err != nil {
				continue // no longer the leader: the next one tells the followers
			}
		case <-q.stop:
			return
		}
	}
}

// drain answers those that still wait once the queue is closed.
func (q *queue) drain() {
	q.mu.Lock()
	left := append(q.urgent, q.bulk...)
	q.urgent, q.bulk = nil, nil
	q.mu.Unlock()
	for _, pr := range left {
		if pr.taken.CompareAndSwap(false, true) {
			pr.err = ErrNotLeader
			close(pr.done)
		}
	}
}

// close stops the queue. Raft must have been shut down, so that what it holds comes back.
func (q *queue) close() {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		close(q.stop)
	}
	q.mu.Unlock()
	q.ended.Wait()
}

// proposeError maps raft's errors: those that leave no entry behind, and the rest.
func proposeError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress), errors.Is(err, raft.ErrEnqueueTimeout):
		return fmt.Errorf("%w: %w", ErrNotLeader, err)
	default:
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
}

// Submit has a command committed and applied, through whichever replica leads. It returns:
//
//  1. a Result: the command is committed, and applied on the leader.
//  2. ErrNoQuorum: no leader took it within the context's deadline and Config.CommandTimeout; it is in no log.
//  3. ErrOutcomeUnknown: a leader took it and did not say what became of it: not in time, or not before another one led.
//  4. ErrTooLarge, ErrRefused, ErrOverloaded, ErrStopped, ErrRemoved, ErrClosed: it is in no log.
//
// It does not mean that this replica has applied the command: see WaitApplied with Result.Index.
func (r *Replica) Submit(ctx context.Context, cmd []byte, p Priority) (Result, error) {
	if len(cmd) > MaxCommand {
		return Result{}, fmt.Errorf("command of %d bytes: %w", len(cmd), ErrTooLarge)
	}
	if p != Bulk && p != Urgent {
		return Result{}, fmt.Errorf("%w: priority %d", ErrConfig, p)
	}
	begin := time.Now()
	ctx, cancel := r.limited(ctx)
	defer cancel()
	var result Result
	err := r.atLeader(ctx, func(leader ID) (again bool, err error) {
		if leader == r.config.ID {
			result, err = r.submitHere(ctx, cmd, p)
			return errors.Is(err, ErrNotLeader), err
		}
		answer, sent, err := r.caller.do(ctx, leader, call{kind: frameSubmit, priority: p, command: cmd}, r.unseated(leader))
		if err != nil {
			if sent {
				return false, fmt.Errorf("submit to %s: %w: %w", leader, ErrOutcomeUnknown, err)
			}
			return true, fmt.Errorf("submit to %s: %w", leader, err)
		}
		result = Result{Index: answer.index, Response: answer.response}
		err = answer.err()
		return errors.Is(err, ErrNotLeader), err
	})
	r.metrics.submitted(p, time.Since(begin), err)
	if err != nil {
		return Result{}, err
	}
	return result, nil
}

// unseated watches for another leader than the one that is called.
func (r *Replica) unseated(leader ID) watcher {
	return func() (bool, <-chan struct{}) {
		changed := r.Notify()
		now := r.leader()
		return now != "" && now != leader, changed
	}
}

// submitHere submits on this replica, which must lead.
func (r *Replica) submitHere(ctx context.Context, cmd []byte, p Priority) (Result, error) {
	if len(cmd) > MaxCommand {
		return Result{}, ErrTooLarge
	}
	if r.raft.State() != raft.Leader {
		return Result{}, ErrNotLeader
	}
	data := append(append(make([]byte, 0, 1+len(cmd)), entryCommand), cmd...)
	if r.vet != nil {
		_, err := guarded(func() (struct{}, error) { return struct{}{}, r.vet(data[1:]) })
		if err != nil {
			r.guard.count(refusedUnfit)
			return Result{}, fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	result, err := r.queue.submit(ctx, data, p)
	if err == nil && len(result.Response) > maxPayload {
		return result, fmt.Errorf("response of %d bytes: %w", len(result.Response), ErrOutcomeUnknown)
	}
	return result, err
}

// limited bounds a context by Config.CommandTimeout.
func (r *Replica) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, r.config.CommandTimeout)
}

// atLeader calls fn with the leader's id until fn does not want to be called again, waiting for a leader as long as ctx allows.
func (r *Replica) atLeader(ctx context.Context, fn func(leader ID) (again bool, err error)) error {
	const pause = 20 * time.Millisecond
	var last error
	for {
		if err := r.stoppedErr(); err != nil {
			return err
		}
		changed := r.Notify()
		if leader := r.leader(); leader != "" {
			again, err := fn(leader)
			if !again {
				return err
			}
			last = err
			changed = nil // the same leader may take it in a moment
		}
		timer := time.NewTimer(pause)
		tick := timer.C
		if changed != nil {
			tick = nil
		}
		select {
		case <-changed:
		case <-tick:
		case <-r.stopped:
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(fmt.Errorf("%w: %w", ErrNoQuorum, ctx.Err()), last)
		}
		timer.Stop()
	}
}
