package consensus

import "testing"

// fullCache returns a cache that is full of pages of table 1, and how many of them there are.
func fullCache() (*pageCache, int) {
	c := newPageCache(cacheParts * 32 * 2 * pageSize)
	n := 0
	for ; !full(c); n++ {
		if _, wanted := c.get(1, n); wanted {
			c.put(1, n, make([]byte, 2*pageSize))
		}
	}
	return c, n
}

func full(c *pageCache) bool {
	for i := range c.parts {
		if p := &c.parts[i]; p.bytes+2*pageSize <= p.limit {
			return false
		}
	}
	return true
}

func TestAPageThatIsWantedOftenComesIntoAFullCache(t *testing.T) {
	c, _ := fullCache()
	for n := range 100 {
		tries := 0
		for ; tries < 200; tries++ {
			if _, wanted := c.get(2, n); wanted {
				break
			}
		}
		c.put(2, n, make([]byte, 2*pageSize))
		if b, _ := c.get(2, n); b == nil || tries == 200 {
			t.Fatalf("page %d has not come in after it was wanted %d times", n, tries)
		}
	}
}

// TestReadsAllOverLeaveMostOfTheCacheAsItIs: little of what is wanted once in a long time comes in.
func TestReadsAllOverLeaveMostOfTheCacheAsItIs(t *testing.T) {
	c, pages := fullCache()
	in, asked := 0, 0
	for range 3 {
		for n := range 20 * pages {
			asked++
			if b, wanted := c.get(2, n); b == nil && wanted {
				in++
				c.put(2, n, make([]byte, 2*pageSize))
			}
		}
	}
	if in > asked/4 {
		t.Errorf("%d of %d came in", in, asked)
	}
}

// TestAWorkingSetThatFitsComesInWhole, though the cache was full of something else.
func TestAWorkingSetThatFitsComesInWhole(t *testing.T) {
	c, pages := fullCache()
	missed := 0
	for range 100 {
		missed = 0
		for n := range pages / 4 {
			b, wanted := c.get(2, n)
			if b == nil {
				missed++
			}
			if wanted {
				c.put(2, n, make([]byte, 2*pageSize))
			}
		}
	}
	if missed > pages/40 {
		t.Errorf("%d of %d pages are read from the disk again and again", missed, pages/4)
	}
}
