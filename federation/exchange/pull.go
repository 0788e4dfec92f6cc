package exchange

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

const (
	// firstPush is how many chunks the first stream of a bulk fetch gets unasked, to save a round trip.
	firstPush = 16
	// mostWant is the most chunks that one want frame asks for.
	mostWant = 4
	// stripeFrom is how many chunks must be left for each further connection.
	stripeFrom = 16
	// leastUnder is how many chunks a stream may have under way at any rate.
	leastUnder = 2 * mostWant
	// pullFrom is the size from which a bulk fetch asks for what it has room for. Less lies in the windows of the transport.
	pullFrom = 4 * federation.ChunkSize
	// leastWindow is how many chunks a bulk fetch may have under way, however many there are.
	leastWindow = 2
	// idleLook is how often a stream on which nothing is under way is looked at.
	idleLook = 200 * time.Millisecond
)

// errTurn is that a stream is given back because others wait for its place.
var errTurn = errors.New("others wait for the stream")

// puller fetches in bulk over several streams, each on a connection of its own. The streams take chunks from one list as
// they have room, so that a slow one takes fewer; the chunks are put in order again within a window. A stream has no more
// under way than it received in the last second: otherwise the first, which is alone until loss shows, would take the whole
// window, and those that come to its help would wait for it.
//
//	seq  0 ....... delivered | ready, ready, under way, ready, under way | not asked for ....... total
//	                         |<-------------- window ------------------->|
type puller struct {
	fetch *fetch
	plan  *plan
	node  federation.NodeID
	waits context.Context // for a next attempt, or a place: over when all has arrived, while streams end with their receipts

	mu      sync.Mutex
	moved   sync.Cond // something below has changed
	again   []int     // to be asked for once more, ascending
	head    int       // first that was never asked for
	next    int       // that is delivered next
	arrived int       // from the start on, delivered or ready
	total   int       // that are to arrive
	ready   map[int]*[]byte
	stripes int   // that are open or being opened
	quota   bool  // the custodian wants no more of them
	err     error // that ends the fetch
	stopped bool
	resumed int
	granted int       // streams that are open
	proven  time.Time // when the last of them was given back
	renew   bool      // one is wanted though there is no room for more
}

// pull fetches by as many streams as the path calls for.
func (f *fetch) pull(ctx context.Context) error {
	pctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.client.bulk.Add(1)
	defer f.client.bulk.Add(-1)
	first, at, err := f.lead(pctx)
	if err != nil {
		return err
	}
	plan := f.known()
	waits, wake := context.WithCancel(pctx)
	defer wake()
	p := &puller{
		fetch: f, plan: plan, node: first.node, waits: waits, head: min(f.next+first.pushed, plan.total), next: f.next,
		total: plan.total - f.next, ready: map[int]*[]byte{},
	}
	p.moved.L = &p.mu
	stop := context.AfterFunc(pctx, func() { p.end(pctx.Err()) })
	var workers sync.WaitGroup
	pushed := make([]int, 0, first.pushed)
	for seq := f.next; seq < p.head; seq++ {
		pushed = append(pushed, seq)
	}
	p.spawn(pctx, &workers, at, first, pushed)
	err = p.drain(pctx, &workers)
	p.end(err)
	wake()
	stop()
	if err != nil {
		cancel() // cuts the streams off; in good order they end with their receipts
	}
	workers.Wait()
	f.result.Resumed += p.resumed
	p.release()
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	}
	return err
}

// lead opens the first stream, which brings the manifest, when it has a place.
func (f *fetch) lead(ctx context.Context) (*source, *place, error) {
	c := f.client
	var backoff tries
	for {
		node := f.nodes[backoff.failed%len(f.nodes)]
		at, err := c.places.take(ctx, node)
		if err != nil {
			return nil, nil, err
		}
		// What one stream pushes comes at the pace of one: where many are needed it holds up what they bring.
		push := max(firstPush/c.paths.stripes(node, c.limits.Rate, c.limits.Stripes), mostWant)
		s, err := f.dial(ctx, node, at.stripe, f.next, min(push, c.window()))
		if err == nil {
			return s, at, nil
		}
		at.leave()
		if ctx.Err() != nil || !retry(err) {
			return nil, nil, err
		}
		if !backoff.again(ctx, c.limits) {
			return nil, nil, gaveUp(ctx, err)
		}
	}
}

// drain gives the chunks to the sink in order, and opens streams as the path calls for them.
func (p *puller) drain(ctx context.Context, workers *sync.WaitGroup) error {
	f := p.fetch
	for f.next < p.plan.total {
		p.widen(ctx, workers)
		buf, err := p.await(f.next)
		if err != nil {
			return err
		}
		piece := p.plan.at(f.next)
		err = f.deliver(ctx, piece, (*buf)[:piece.size])
		f.client.give(buf)
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.next = f.next
		p.moved.Broadcast()
		p.mu.Unlock()
	}
	return f.complete(ctx)
}

// widen opens more streams if the path is lossy and enough is left to make it worth it.
func (p *puller) widen(ctx context.Context, workers *sync.WaitGroup) {
	c := p.fetch.client
	if p.fetch.pointer.Bytes < c.limits.BulkFrom {
		return
	}
	wanted := c.paths.stripes(p.node, c.limits.Rate, c.limits.Stripes)
	for p.wants(wanted) {
		at := c.places.more(p.node)
		if at == nil {
			return
		}
		p.spawn(ctx, workers, at, nil, nil)
	}
}

// wants reports whether one more stream is of use, when so many would be right for the path.
func (p *puller) wants(wanted int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.quota && p.stripes < wanted && p.stripes*stripeFrom < p.total-p.arrived
}

// spawn starts a worker; s is its stream if there is one already, with these chunks under way on it.
func (p *puller) spawn(ctx context.Context, workers *sync.WaitGroup, at *place, s *source, under []int) {
	p.mu.Lock()
	p.stripes++
	p.fetch.result.Stripes = max(p.fetch.result.Stripes, p.stripes)
	p.mu.Unlock()
	workers.Go(func() {
		if err := p.work(ctx, at, s, under); !errors.Is(err, errTurn) {
			p.leave(err)
		}
	})
}

// work keeps one stripe going until everything has arrived or the fetch has ended. It fails with errTurn when it was taken off.
func (p *puller) work(ctx context.Context, at *place, s *source, under []int) (err error) {
	f := p.fetch
	var backoff tries
	defer func() { at.leave() }()
	for {
		if s == nil {
			s, err = f.dial(ctx, p.node, at.stripe, 0, 0)
		}
		if err == nil {
			gone := p.grant()
			var progress bool
			progress, err = p.stream(s, at, under)
			if err == nil || errors.Is(err, errTurn) {
				s.finish()
			} else {
				s.abort()
			}
			gone()
			if progress {
				backoff.failed = 0
			}
		}
		s, under = nil, nil
		turn := errors.Is(err, errTurn)
		switch {
		case err == nil:
			return nil
		case turn:
			if at.leave(); p.retire() {
				return err
			}
		case ctx.Err() != nil || !retry(err):
			return err
		case p.surplus(err):
			return errTurn // it is off already
		case !backoff.again(p.waits, f.client.limits):
			return err
		}
		if !p.need(at) {
			return nil
		}
		if !turn {
			p.mu.Lock()
			p.resumed++
			p.mu.Unlock()
			f.client.cfg.Logger.Debug("document stripe is taken up again", slog.Int("stripe", at.stripe), slog.Any("error", err))
		}
		err = nil
		if at.left {
			at, err = f.client.places.take(p.waits, p.node)
		}
		if err != nil {
			return err
		}
	}
}

// retire takes a worker off whose stream the fetch can do without, since another is open, and reports whether it was one.
func (p *puller) retire() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stripes == 1 || p.granted == 0 {
		return false
	}
	p.stripes--
	return true
}

// surplus takes a worker off that can be done without, since the custodian has no room for its stream and others are there, and
// reports whether it was one. Of two that are told so at once, one stays.
func (p *puller) surplus(err error) bool {
	if !errors.Is(err, ErrUnavailable) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quota = p.stripes > 1; p.quota {
		p.stripes--
		p.moved.Broadcast()
	}
	return p.quota
}

// leave takes a worker off; the last one takes the fetch with it, and so does one that was refused.
func (p *puller) leave(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stripes--
	if err != nil && p.err == nil && (p.stripes == 0 || !retry(err)) {
		p.err = asRefusal(err)
	}
	p.moved.Broadcast()
}

// stream asks for chunks and receives them. under are those that are on their way. It fails with errTurn when nothing is under way
// and the place is to be given to somebody else.
func (p *puller) stream(s *source, at *place, under []int) (progress bool, err error) {
	defer func() { p.giveBack(under) }()
	var pace pace
	for {
		over := at.over()
		for !over && p.room(len(under), pace.lately(time.Now())) {
			run, err := p.choose(s, at, len(under) == 0)
			if err != nil {
				return progress, err
			}
			if len(run) == 0 {
				break
			}
			under = append(under, run...)
			if err := s.want(run[0], len(run)); err != nil {
				return progress, err
			}
		}
		if len(under) == 0 && over && p.more() {
			return progress, errTurn
		}
		if len(under) == 0 {
			return progress, nil // everything has arrived
		}
		piece := p.plan.at(under[0])
		buf := p.fetch.client.take()
		err := s.next(piece, *buf)
		if err != nil {
			p.fetch.client.give(buf)
		}
		if errors.Is(err, errBadChunk) {
			if err = p.damaged(err, piece.seq); err == nil {
				p.giveBack(under[:1])
				under = under[1:]
				continue
			}
		}
		if err != nil {
			return progress, err
		}
		progress, under = true, under[1:]
		pace.arrived(time.Now())
		p.put(piece.seq, buf)
	}
}

// damaged counts a damaged chunk, and returns nil when it is to be asked for again.
func (p *puller) damaged(err error, seq int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.fetch.judge(err, seq); !errors.Is(err, errBadChunk) {
		return err
	}
	return nil
}

// more reports whether there is something left to ask for.
func (p *puller) more() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.over()
}

// end stops everybody.
func (p *puller) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.stopped = true
		if p.err == nil {
			p.err = err
		}
	}
	p.moved.Broadcast()
}

// release gives back the buffers of chunks that were not delivered.
func (p *puller) release() {
	for seq, buf := range p.ready {
		delete(p.ready, seq)
		p.fetch.client.give(buf)
	}
}
