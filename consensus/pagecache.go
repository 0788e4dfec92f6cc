package consensus

import "sync"

// pageCache keeps pages in clear, bounded by bytes. It is in parts with a lock each. Within a part the pages stand in a ring:
// one that was used since the hand last passed stays, one that was not makes room. Of what is read while a part is full one page in
// admitOne comes in: what is wanted often is in soon, and reads all over a state that is larger than the cache do not throw out a page,
// and leave it to the collector, for each page that they bring.
type pageCache struct {
	parts   [cacheParts]cachePart
	scratch sync.Pool // of *scratch
}

// scratch is room for a page that is read, and for a page and a key that are looked at.
type scratch struct{ sealed, packed, page, key []byte }

// largestScratch is what is not kept: few rows are so large.
const largestScratch = 16 * pageSize

func (c *pageCache) borrow() *scratch {
	if s, ok := c.scratch.Get().(*scratch); ok {
		return s
	}
	return &scratch{}
}

func (c *pageCache) giveBack(s *scratch) {
	if max(cap(s.sealed), cap(s.packed), cap(s.page)) <= largestScratch {
		c.scratch.Put(s)
	}
}

const cacheParts = 16

const admitOne = 8

type pageID struct {
	table uint64
	page  int
}

type cachedPage struct {
	id   pageID
	page []byte
	used bool
}

type cachePart struct {
	mu    sync.Mutex
	limit int64
	bytes int64
	at    map[pageID]int // place in ring
	ring  []cachedPage
	hand  int
	full  uint64 // how many were read while it was full
}

func newPageCache(limit int64) *pageCache {
	c := &pageCache{}
	for i := range c.parts {
		c.parts[i].limit, c.parts[i].at = limit/cacheParts, make(map[pageID]int)
	}
	return c
}

func (c *pageCache) part(id pageID) *cachePart {
	return &c.parts[mix(id.table*hashA^uint64(id.page), hashB)%cacheParts]
}

// get returns a page; or nil, and whether put is to be called with it.
func (c *pageCache) get(table uint64, page int) (b []byte, wanted bool) {
	id := pageID{table, page}
	p := c.part(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	if i, ok := p.at[id]; ok {
		p.ring[i].used = true
		return p.ring[i].page, false
	}
	if p.bytes+2*pageSize <= p.limit {
		return nil, true
	}
	p.full++
	return nil, mix(p.full, hashB)%admitOne == 0 // each its own way: those who read in turns must not meet the same pages
}

func (c *pageCache) put(table uint64, page int, b []byte) {
	id := pageID{table, page}
	p := c.part(id)
	if int64(len(b)) > p.limit/8 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.at[id]; ok {
		return
	}
	for p.bytes+int64(cap(b)) > p.limit && len(p.ring) > 0 {
		p.evict()
	}
	p.at[id] = len(p.ring)
	p.ring = append(p.ring, cachedPage{id: id, page: b})
	p.bytes += int64(cap(b))
}

// evict makes room by one page.
func (p *cachePart) evict() {
	for {
		p.hand %= len(p.ring)
		if c := &p.ring[p.hand]; c.used {
			c.used = false
			p.hand++
			continue
		}
		p.remove(p.hand)
		return
	}
}

// remove takes a page out; the last of the ring takes its place.
func (p *cachePart) remove(i int) {
	last := len(p.ring) - 1
	p.bytes -= int64(cap(p.ring[i].page))
	delete(p.at, p.ring[i].id)
	if i != last {
		p.ring[i] = p.ring[last]
		p.at[p.ring[i].id] = i
	}
	p.ring[last] = cachedPage{}
	p.ring = p.ring[:last]
}

// drop takes out all pages of a table.
func (c *pageCache) drop(table uint64) {
	for i := range c.parts {
		p := &c.parts[i]
		p.mu.Lock()
		for at := len(p.ring) - 1; at >= 0; at-- {
			if p.ring[at].id.table == table {
				p.remove(at)
			}
		}
		p.mu.Unlock()
	}
}
