package exchange

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

const (
	// mostBeside is how many bulk streams one connection carries while others have room: half of what it can, so that what somebody
	// waits for finds a place.
	mostBeside = 16
	// turnTime is how long a bulk fetch keeps its place while others wait for one.
	turnTime = 3 * time.Second
	// patience is how long it keeps it while its sink takes nothing.
	patience = time.Second
)

// places shares out the bulk streams that may be open to each node, first come first served. Who holds one while others wait gives
// it back after its turn, or when its sink is what everything waits for, and stands in line again: a slow reader holds up nobody, and
// readers beyond the places wait seconds and not for the end of a document.
type places struct {
	most, stripes int

	mu    sync.Mutex
	nodes map[federation.NodeID]*crowd
}

// crowd is who wants bulk streams to one node.
type crowd struct {
	held  int
	load  []int         // bulk streams by stripe
	queue []chan *place // of those that wait, in their order
}

// place is leave to have one bulk stream open. It is one worker's.
type place struct {
	of     *places
	node   federation.NodeID
	stripe int
	since  time.Time
	left   bool
}

func newPlaces(l ClientLimits) *places {
	return &places{most: l.BulkStreams, stripes: l.Stripes, nodes: map[federation.NodeID]*crowd{}}
}

// take waits for a place. It fails with the error of ctx.
func (p *places) take(ctx context.Context, node federation.NodeID) (*place, error) {
	p.mu.Lock()
	c := p.crowd(node)
	if c.held < p.most && len(c.queue) == 0 {
		defer p.mu.Unlock()
		return p.seat(c, node, false), nil
	}
	turn := make(chan *place, 1)
	c.queue = append(c.queue, turn)
	p.mu.Unlock()
	select {
	case x := <-turn:
		return x, nil
	case <-ctx.Done():
		p.mu.Lock()
		c.queue = slices.DeleteFunc(c.queue, func(other chan *place) bool { return other == turn })
		p.mu.Unlock()
		select {
		case x := <-turn: // it came in the same moment
			x.leave()
		default:
		}
		return nil, ctx.Err()
	}
}

// more takes a further place for a fetch that has one already, on the connection that carries least; nil when somebody waits.
func (p *places) more(node federation.NodeID) *place {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.crowd(node)
	if c.held >= p.most || len(c.queue) > 0 {
		return nil
	}
	return p.seat(c, node, true)
}

func (p *places) crowd(node federation.NodeID) *crowd {
	c := p.nodes[node]
	if c == nil { // nodes are those of the roster, so that the map cannot grow without bound
		c = &crowd{load: make([]int, p.stripes)}
		p.nodes[node] = c
	}
	return c
}

// seat gives a place. Fetches share connections, so that few have to be opened; the streams of one fetch do not.
func (p *places) seat(c *crowd, node federation.NodeID, apart bool) *place {
	at := slices.Index(c.load, slices.Min(c.load))
	for i, n := range c.load {
		if !apart && n < mostBeside {
			at = i
			break
		}
	}
	c.held++
	c.load[at]++
	return &place{of: p, node: node, stripe: at, since: time.Now()}
}

// leave gives the place to whoever has waited longest. It may be called for none, and twice.
func (x *place) leave() {
	if x == nil || x.left {
		return
	}
	x.left = true
	p := x.of
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.nodes[x.node]
	c.held--
	c.load[x.stripe]--
	if len(c.queue) > 0 {
		turn := c.queue[0]
		c.queue = c.queue[1:]
		turn <- p.seat(c, x.node, false) // it has room for one
	}
}

// wanted reports whether somebody waits for a place.
func (x *place) wanted() bool {
	x.of.mu.Lock()
	defer x.of.mu.Unlock()
	return len(x.of.nodes[x.node].queue) > 0
}

// over reports whether the turn has come to its end.
func (x *place) over() bool { return time.Since(x.since) >= turnTime && x.wanted() }
