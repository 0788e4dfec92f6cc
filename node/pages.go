package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/media"
)

const (
	// assembleLimit is how many bytes of parts are held in memory to cut pages out of them, by all fetches together.
	assembleLimit = 512 << 20
	// assembleWait is how long a fetch waits for others to give memory back. Its custodian waits meanwhile.
	assembleWait = 3 * time.Second
	// pagesAtOnce is how many pages a request for a release may name.
	pagesAtOnce = 2000
)

// errHeadOnly ends a transfer of which only the head was wanted.
var errHeadOnly = errors.New("only the head was wanted")

// pages fetches what the pages need and nothing else, and sends a file of only these.
func (d *delivery) pages(ctx context.Context) error {
	pages, err := d.chosen(ctx)
	if err != nil {
		return err
	}
	cutting := &cutting{budget: d.node.cutting}
	defer cutting.end()
	var m federation.Manifest
	begin := func(got federation.Manifest) error {
		m = got
		if count := m.Parts[d.part-1].PageCount; count > 0 && pages[len(pages)-1] > count {
			return admin.Errorf(admin.CodeBadInput, "--pages: %s", noSuchPage(d.id, d.part, pages, count))
		}
		return cutting.begin(ctx, m.Parts[d.part-1], pages)
	}
	result, err := d.open(ctx, exchange.Selection{Part: d.part, Pages: pages}, begin, cutting.add)
	if admin.CodeOf(err) == admin.CodeNotFound {
		if count, failed := d.pageCount(ctx); failed == nil && count > 0 && pages[len(pages)-1] > count {
			return admin.Errorf(admin.CodeBadInput, "--pages: %s", noSuchPage(d.id, d.part, pages, count))
		}
	}
	if err != nil {
		return err
	}
	if err := d.head(m, -1); err != nil {
		return err
	}
	p := m.Parts[d.part-1]
	source := media.Source{ContentType: p.ContentType, Pages: p.PageCount, Spans: p.Pages, Bytes: &cutting.have, Size: p.Size}
	if err := media.Assemble(ctx, d, source, pages); err != nil {
		if errors.Is(err, media.ErrUnsupported) || errors.Is(err, media.ErrPages) {
			return admin.Errorf(admin.CodeBadInput, "--pages: part %d of %s: %v", d.part, d.id, err)
		}
		return fmt.Errorf("cut pages out of %s: %w", d.id, err)
	}
	return d.done(result)
}

func noSuchPage(id federation.DocumentID, part int, pages []int, count int) string {
	i, _ := slices.BinarySearch(pages, count+1)
	if count == 1 {
		return fmt.Sprintf("there is no page %d: part %d of %s has one page", pages[i], part, id)
	}
	return fmt.Sprintf("there is no page %d: part %d of %s has pages 1 to %d", pages[i], part, id, count)
}

// chosen returns the pages that were asked for. A range without an end needs the number of pages there are, which only the
// manifest has: then the head is asked for first, by itself, so that the evidence of the release names the very pages.
func (d *delivery) chosen(ctx context.Context) ([]int, error) {
	pages, err := media.ParsePages(d.asked.GetPages(), 0)
	if errors.Is(err, media.ErrOpenRange) {
		count, failed := d.pageCount(ctx)
		switch {
		case failed != nil:
			return nil, failed
		case count == 0:
			return nil, admin.Errorf(admin.CodeBadInput, "--pages: how many pages part %d of %s has is not known: give the last one, or fetch the whole", d.part, d.id)
		}
		pages, err = media.ParsePages(d.asked.GetPages(), count)
	}
	switch {
	case err != nil:
		return nil, admin.Errorf(admin.CodeBadInput, "--pages: %v", err)
	case len(pages) > pagesAtOnce:
		return nil, admin.Errorf(admin.CodeBadInput, "--pages: %d pages are more than the %d that can be asked for at a time: ask for fewer, or fetch the whole", len(pages), pagesAtOnce)
	}
	return pages, nil
}

// pageCount asks the custodian for the head of the document only and returns how many pages the part has; 0 when that is
// not recorded.
func (d *delivery) pageCount(ctx context.Context) (count int, err error) {
	known := false
	_, err = d.open(ctx, exchange.Selection{Part: d.part, Pages: []int{1}}, func(m federation.Manifest) error {
		count, known = m.Parts[d.part-1].PageCount, true
		return errHeadOnly
	}, func(exchange.Segment) error { return errHeadOnly })
	if known {
		return count, nil
	}
	return 0, err
}

// cutting holds what pages are cut out of, within what all such fetches may hold together.
type cutting struct {
	budget *semaphore.Weighted
	taken  int64
	have   patchwork
}

// begin takes from the budget what the pages need.
func (c *cutting) begin(ctx context.Context, p federation.Part, pages []int) error {
	need := bytesFor(p, pages)
	switch {
	case len(p.Pages) == 0 && need > assembleLimit:
		return admin.Errorf(admin.CodeBadInput, "pages cannot be cut out of a %s of %d MiB: fetch the whole", p.ContentType, p.Size>>20)
	case need > assembleLimit:
		return admin.Errorf(admin.CodeBadInput, "these pages need more than %d MiB: ask for fewer at a time", assembleLimit>>20)
	}
	wait, cancel := context.WithTimeout(ctx, assembleWait)
	defer cancel()
	if err := c.budget.Acquire(wait, need); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return admin.Errorf(admin.CodeUnavailable, "other fetches by page hold all of the %d MiB of memory that this node sets aside for them: try again in a moment, or fetch the whole, which needs none", assembleLimit>>20)
	}
	c.taken = need
	return nil
}

// bytesFor returns how many bytes come for the pages of a part: what is sent is whole chunks.
func bytesFor(p federation.Part, pages []int) int64 {
	chunks := make(map[int64]bool)
	for _, n := range pages {
		if n < 1 || n > len(p.Pages) || len(p.Pages[n-1].Extents) == 0 {
			return p.Size // such a page needs the whole
		}
		for _, x := range p.Pages[n-1].Extents {
			for at := x.Offset / federation.ChunkSize; at*federation.ChunkSize < x.Offset+x.Length; at++ {
				chunks[at] = true
			}
		}
	}
	return min(int64(len(chunks))*federation.ChunkSize, p.Size)
}

func (c *cutting) add(s exchange.Segment) error {
	if c.have.size += int64(len(s.Data)); c.have.size > c.taken {
		return fmt.Errorf("%d bytes have come for pages that need %d", c.have.size, c.taken)
	}
	c.have.pieces = append(c.have.pieces, piece{s.Offset, slices.Clone(s.Data)})
	return nil
}

// end gives back what was taken.
func (c *cutting) end() {
	c.have = patchwork{}
	c.budget.Release(c.taken)
	c.taken = 0
}

// patchwork is a part of which only some pieces are there, in ascending order.
type patchwork struct {
	pieces []piece
	size   int64
}

type piece struct {
	at   int64
	data []byte
}

// ReadAt reads what is there; a gap is an error, never zeros.
func (w *patchwork) ReadAt(b []byte, off int64) (int, error) {
	n := 0
	for n < len(b) {
		at := off + int64(n)
		i, found := slices.BinarySearchFunc(w.pieces, at, func(p piece, at int64) int {
			switch {
			case p.at+int64(len(p.data)) <= at:
				return -1
			case p.at > at:
				return 1
			default:
				return 0
			}
		})
		if !found {
			if i == len(w.pieces) {
				return n, io.EOF
			}
			return n, fmt.Errorf("byte %d was not fetched", at)
		}
		n += copy(b[n:], w.pieces[i].data[at-w.pieces[i].at:])
	}
	return n, nil
}
