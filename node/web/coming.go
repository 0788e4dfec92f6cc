package web

import (
	"fmt"
	"net/http"
	"sync"
)

// coming is how much has come of the pages that a session waits for. It is safe for concurrent use.
type coming struct {
	mu      sync.Mutex
	pages   map[comingPage]comingBytes
	last    comingPage // that was sent, through a window
	through window
}

type comingPage struct {
	document   string
	part, page int
}

type comingBytes struct{ came, of int64 }

// begin notes that a page is fetched: told hears how much of it has come, and over that nobody waits any more.
func (c *coming) begin(x reading) (told func(came, of int64), over func()) {
	key := comingPage{x.document, x.part, x.page}
	put := func(b comingBytes) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.pages == nil {
			c.pages = make(map[comingPage]comingBytes)
		}
		c.pages[key] = b
	}
	return func(came, of int64) { put(comingBytes{came, of}) }, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.pages, key)
	}
}

func (c *coming) of(x reading) comingBytes {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pages[comingPage{x.document, x.part, x.page}]
}

// sent notes through which window a page went out: of one that stands in an address of its own, the viewer sees no header.
func (c *coming) sent(x reading, through window) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.through = comingPage{x.document, x.part, x.page}, through
}

func (c *coming) sentThrough(x reading) window {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != (comingPage{x.document, x.part, x.page}) {
		return window{}
	}
	return c.through
}

// sendComing tells the viewer how much has come of a page that it waits for: two numbers of bytes, 0 where nothing is known, and through
// which window it was sent, if it was the last. It is the session's own asking that it hears of, and nothing that it was not sent.
func (p *Portal) sendComing(w http.ResponseWriter, r *http.Request, s *session, _ *patient) {
	x := reading{document: r.PathValue("document"), part: number(r, "part"), page: number(r, "page")}
	b := s.coming.of(x)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	through := ""
	if w := s.coming.sentThrough(x); w.width > 0 {
		through = " " + w.String()
	}
	_, _ = fmt.Fprintf(w, "%d %d%s", b.came, b.of, through) // a browser that has gone needs nothing
}
