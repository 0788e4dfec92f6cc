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
)

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

	mu      sync.Mutex
	moved   sync.Cond // something below has changed
	again   []int     // to be asked for once more, ascending
	head    int       // first that was never asked for
	next    int       // that is delivered next
	arrived int       // from the start on, delivered or ready
	total   int       // that are to arrive
	ready   map[int]*[]byte
	stripes int   // that are open or being opened
	opened  int   // that were ever begun
	quota   bool  // the custodian wants no more of them
	err     error // that ends the fetch
	stopped bool
	resumed int
}

// pull fetches by as many streams as the path calls for.
func (f *fetch) pull(ctx context.Context) error {
	pctx, cancel := context.WithCancel(ctx)
	defer cancel()
	first, err := f.lead(pctx)
	if err != nil {
		return err
	}
	plan := f.known()
	p := &puller{
		fetch: f, plan: plan, node: first.node, head: min(f.next+first.pushed, plan.total), next: f.next,
		total: plan.total - f.next, ready: map[int]*[]byte{},
	}
	p.moved.L = &p.mu
	f.client.bulk.Add(1)
	defer f.client.bulk.Add(-1)
	stop := context.AfterFunc(pctx, func() { p.end(pctx.Err()) })
	var workers sync.WaitGroup
	pushed := make([]int, 0, first.pushed)
	for seq := f.next; seq < p.head; seq++ {
		pushed = append(pushed, seq)
	}
	p.spawn(pctx, &workers, first, pushed)
	err = p.drain(pctx, &workers)
	p.end(err)
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

// lead opens the first stream, which brings the manifest.
func (f *fetch) lead(ctx context.Context) (*source, error) {
	var backoff tries
	for {
		node := f.nodes[backoff.failed%len(f.nodes)]
		// What one stream pushes comes at the pace of one: where many are needed it holds up what they bring.
		push := max(firstPush/f.client.paths.stripes(node, f.client.limits.Rate, f.client.limits.Stripes), mostWant)
		s, err := f.dial(ctx, node, 0, f.next, push)
		if err == nil {
			return s, nil
		}
		if ctx.Err() != nil || !retry(err) {
			return nil, err
		}
		if !backoff.again(ctx, f.client.limits) {
			return nil, gaveUp(ctx, err)
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

// await returns the chunk when it is ready.
func (p *puller) await(seq int) (*[]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if buf := p.ready[seq]; buf != nil {
			delete(p.ready, seq)
			return buf, nil
		}
		if p.err != nil {
			return nil, p.err
		}
		p.moved.Wait()
	}
}

// widen opens more streams if the path is lossy and enough is left to make it worth it.
func (p *puller) widen(ctx context.Context, workers *sync.WaitGroup) {
	l := p.fetch.client.limits
	wanted := p.fetch.client.paths.stripes(p.node, l.Rate, l.Stripes)
	for p.wants(wanted) {
		p.spawn(ctx, workers, nil, nil)
	}
}

// wants reports whether one more stream is of use, when so many would be right for the path.
func (p *puller) wants(wanted int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.quota && p.stripes < wanted && p.stripes*stripeFrom < p.total-p.arrived
}

// spawn starts a worker; s is its stream if there is one already, with these chunks under way on it.
func (p *puller) spawn(ctx context.Context, workers *sync.WaitGroup, s *source, under []int) {
	p.mu.Lock()
	stripe := p.opened % p.fetch.client.limits.Stripes
	p.opened++
	p.stripes++
	p.fetch.result.Stripes = max(p.fetch.result.Stripes, p.stripes)
	p.mu.Unlock()
	workers.Go(func() { p.work(ctx, stripe, s, under) })
}

// work keeps one stripe going until everything has arrived or the fetch has ended.
func (p *puller) work(ctx context.Context, stripe int, s *source, under []int) {
	f := p.fetch
	var backoff tries
	var err error
	for {
		if s == nil {
			s, err = f.dial(ctx, p.node, stripe, 0, 0)
		}
		if err == nil {
			var progress bool
			progress, err = p.stream(s, under)
			if err == nil {
				s.finish()
				p.leave(nil)
				return
			}
			s.abort()
			if progress {
				backoff.failed = 0
			}
		}
		s, under = nil, nil
		if ctx.Err() != nil || !retry(err) || p.surplus(err) || !backoff.again(ctx, f.client.limits) {
			p.leave(err)
			return
		}
		p.mu.Lock()
		p.resumed++
		p.mu.Unlock()
		f.client.cfg.Logger.Debug("document stripe is taken up again", slog.Int("stripe", stripe), slog.Any("error", err))
	}
}

// surplus reports whether the stripe can be done without: the custodian has no room for it and others are there.
func (p *puller) surplus(err error) bool {
	if !errors.Is(err, ErrUnavailable) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.quota = p.stripes > 1
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

// stream asks for chunks and receives them. under are those that are on their way.
func (p *puller) stream(s *source, under []int) (progress bool, err error) {
	defer func() { p.giveBack(under) }()
	var pace pace
	for {
		for p.room(len(under), pace.lately(time.Now())) {
			run := p.choose(len(under) == 0)
			if len(run) == 0 {
				break
			}
			under = append(under, run...)
			if err := s.want(run[0], len(run)); err != nil {
				return progress, err
			}
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
