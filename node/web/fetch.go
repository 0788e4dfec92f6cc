package web

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// maxHeld is how many bytes of documents all requests together hold in memory.
const maxHeld = 512 << 20

var (
	// errTooLarge is returned when a piece of a document is more than the portal takes into memory.
	errTooLarge = errors.New("too large to be shown here")
	// errBusy is returned when other requests hold all the memory that there is for documents.
	errBusy = errors.New("too many documents are being opened")
	// errShort is returned when what came is not what the region has agreed on.
	errShort = admin.Errorf(admin.CodeUnavailable, "the document broke off")
)

// piece is a document's part, or some pages of it, all of it verified.
type piece struct {
	head    *admin.Head
	data    []byte
	retried bool  // it failed its check the first time
	held    int64 // bytes of what all requests may hold together: given back by drop
}

// drop gives back what a piece has taken of the portal's memory. It may be called for one that never came.
func (p *Portal) drop(x piece) { p.holding.Release(x.held) }

// collect fetches what is wanted into memory, up to limit bytes. What fails its check is fetched once more; until all of it
// is good there is nothing to show.
func (p *Portal) collect(ctx context.Context, q *admin.FetchRequest, limit int) (piece, error) {
	return p.collectTold(ctx, q, limit, nil)
}

// collectTold is collect with somebody who waits: told hears how much has come, and of how much.
func (p *Portal) collectTold(ctx context.Context, q *admin.FetchRequest, limit int, told func(came, of int64)) (piece, error) {
	if told == nil {
		told = func(int64, int64) {}
	}
	out, err := p.collectOnce(ctx, q, limit, told)
	if admin.CodeOf(err) == admin.CodeIntegrity {
		out, err = p.collectOnce(ctx, q, limit, told)
		out.retried = true
	}
	return out, err
}

func (p *Portal) collectOnce(ctx context.Context, q *admin.FetchRequest, limit int, told func(came, of int64)) (out piece, err error) {
	done := false
	err = p.config.Region.Fetch(ctx, q, func(step *admin.FetchReply) error {
		switch {
		case step.GetHead() != nil:
			out.head = step.GetHead()
			if out.head.GetSending() > int64(limit) {
				return errTooLarge
			}
		case step.GetDone() != nil:
			done = true
		default:
			n := int64(len(step.GetData()))
			switch {
			case int64(len(out.data))+n > int64(limit):
				return errTooLarge
			case !p.holding.TryAcquire(n):
				return errBusy
			}
			out.held += n
			out.data = append(out.data, step.GetData()...)
			told(int64(len(out.data)), out.head.GetSending())
		}
		return nil
	})
	if err == nil && (out.head == nil || !done) {
		err = errShort
	}
	if err != nil {
		p.drop(out)
		return piece{head: out.head}, err
	}
	return out, nil
}

// probe fetches the least that there is of a part: whether it may be opened, and what it is.
func (p *Portal) probe(ctx context.Context, q *admin.FetchRequest) (*admin.Head, error) {
	one := &admin.FetchRequest{Document: q.GetDocument(), Asker: q.GetAsker(), Part: q.GetPart(), Length: 1}
	out, err := p.collect(ctx, one, 64)
	p.drop(out)
	return out.head, err
}

const (
	shelfTime  = 10 * time.Second
	shelfPages = 2
)

// shelf hands a picture from the page that opened a document to the request of the browser that follows for the picture
// itself, so that both are one release. What is not taken at once is thrown away, and nothing is taken twice.
type shelf struct {
	mu    sync.Mutex
	items []shelved
}

type shelved struct {
	document   string
	part, page int
	window     window // through which it was wanted
	picture    picture
	until      time.Time
}

func (h *shelf) put(x shelved, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	x.until = now.Add(shelfTime)
	h.items = append(h.items, x)
	if len(h.items) > shelfPages {
		h.items = h.items[1:]
	}
	time.AfterFunc(shelfTime, func() { h.take(x, now) }) // memory, not safety: take looks at the time
}

// take takes the picture of the page that wanted names.
func (h *shelf) take(wanted shelved, now time.Time) (picture, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, x := range h.items {
		if x.document == wanted.document && x.part == wanted.part && x.page == wanted.page && x.window == wanted.window {
			h.items = append(h.items[:i:i], h.items[i+1:]...)
			return x.picture, now.Before(x.until)
		}
	}
	return picture{}, false
}

func (h *shelf) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.items = nil
}
