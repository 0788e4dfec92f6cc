package exchange

import (
	"fmt"
	"slices"
	"sort"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

const (
	maxSelectedPages  = 2000
	maxSelectedRanges = 500
	maxPage           = 1 << 24
	maxOffset         = 1 << 50
)

// Selection says which bytes of a document are wanted. The zero value is all of it. What is delivered is whole chunks
// that cover what was selected, each once, in ascending order.
type Selection struct {
	Part   int                 // number of the part, starting at 1; 0 is every part
	Pages  []int               // pages of that part, starting at 1; at most 2,000
	Ranges []federation.Extent // byte ranges of that part, at most 500; Length 0 is up to the end
}

func (s Selection) encode(e *federation.Encoder) {
	e.Uvarint(uint64(s.Part))
	e.Uvarint(uint64(len(s.Pages)))
	for _, p := range s.Pages {
		e.Uvarint(uint64(p))
	}
	e.Uvarint(uint64(len(s.Ranges)))
	for _, x := range s.Ranges {
		e.Uvarint(uint64(x.Offset))
		e.Uvarint(uint64(x.Length))
	}
}

func decodeSelection(d *federation.Decoder) Selection {
	s := Selection{Part: int(d.Uvarint(1 << 16))}
	for range d.Count(maxSelectedPages, 1) {
		s.Pages = append(s.Pages, int(d.Uvarint(maxPage)))
	}
	for range d.Count(maxSelectedRanges, 2) {
		s.Ranges = append(s.Ranges, federation.Extent{Offset: int64(d.Uvarint(maxOffset)), Length: int64(d.Uvarint(maxOffset))})
	}
	return s
}

// check reports whether s could be of any document.
func (s Selection) check() error {
	if s.Part < 0 || len(s.Pages) > maxSelectedPages || len(s.Ranges) > maxSelectedRanges ||
		len(s.Pages)+len(s.Ranges) > 0 && s.Part == 0 || len(s.Pages) > 0 && len(s.Ranges) > 0 {
		return fmt.Errorf("part %d, %d pages, %d ranges: %w", s.Part, len(s.Pages), len(s.Ranges), ErrSelection)
	}
	return nil
}

// selectionError says in words for the user what the document does not have. It is told only to who may have the rest.
type selectionError string

func notThere(format string, args ...any) error { return selectionError(fmt.Sprintf(format, args...)) }

// Error returns the words.
func (e selectionError) Error() string { return string(e) }

// Unwrap returns ErrSelection.
func (e selectionError) Unwrap() error { return ErrSelection }

// run is a run of chunks of one part.
type run struct {
	part, first, count int // part starts at 0
	seq                int // number of the run's first chunk within the selection
}

// plan is the sequence of chunks that a selection of a manifest stands for. It is immutable.
type plan struct {
	manifest *federation.Manifest
	runs     []run
	total    int
}

// planOf returns the chunks that cover the selection. It fails with ErrSelection.
func planOf(m *federation.Manifest, s Selection) (*plan, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	p := &plan{manifest: m}
	if s.Part == 0 {
		for i := range m.Parts {
			p.add(i, 0, len(m.Parts[i].Chunks))
		}
		return p, nil
	}
	if s.Part > len(m.Parts) {
		return nil, notThere("There is no part %d: the document has %d.", s.Part, len(m.Parts))
	}
	part := &m.Parts[s.Part-1]
	extents, err := extentsOf(part, s)
	if err != nil {
		return nil, err
	}
	if extents == nil {
		p.add(s.Part-1, 0, len(part.Chunks))
		return p, nil
	}
	next := 0 // first chunk that is not in the plan yet
	for _, x := range extents {
		first := max(int(x.Offset/federation.ChunkSize), next)
		end := federation.ChunkCount(x.Offset + x.Length)
		p.add(s.Part-1, first, end-first)
		next = max(next, end)
	}
	return p, nil
}

// extentsOf returns what is selected of the part in ascending order; nil stands for the whole part.
func extentsOf(part *federation.Part, s Selection) ([]federation.Extent, error) {
	var extents []federation.Extent
	for _, n := range s.Pages {
		if n < 1 || n > max(part.PageCount, 1) {
			return nil, notThere("There is no page %d in part %d: it has %d.", n, s.Part, max(part.PageCount, 1))
		}
		if len(part.Pages) == 0 || len(part.Pages[n-1].Extents) == 0 {
			return nil, nil // the page cannot be shown without the whole part
		}
		extents = append(extents, part.Pages[n-1].Extents...)
	}
	for _, x := range s.Ranges {
		open := x.Length == 0
		if open {
			x.Length = part.Size - x.Offset
		}
		if x.Offset < 0 || x.Length <= 0 || x.Offset > part.Size-x.Length {
			if open {
				return nil, notThere("There is nothing from byte %d on in part %d: it has %d bytes.", x.Offset, s.Part, part.Size)
			}
			return nil, notThere("Part %d has %d bytes: a range of %d from byte %d on is beyond its end.", s.Part, part.Size, x.Length, x.Offset)
		}
		extents = append(extents, x)
	}
	slices.SortFunc(extents, func(a, b federation.Extent) int {
		switch {
		case a.Offset < b.Offset:
			return -1
		case a.Offset > b.Offset:
			return 1
		default:
			return 0
		}
	})
	return extents, nil
}

func (p *plan) add(part, first, count int) {
	if count <= 0 {
		return
	}
	if n := len(p.runs); n > 0 && p.runs[n-1].part == part && p.runs[n-1].first+p.runs[n-1].count == first {
		p.runs[n-1].count += count
	} else {
		p.runs = append(p.runs, run{part: part, first: first, count: count, seq: p.total})
	}
	p.total += count
}

// piece is one chunk of a plan.
type piece struct {
	seq, part, index int
	digest           federation.Digest
	offset           int64 // in the part
	size             int
}

// at returns the chunk with this number, which must be from 0 to total-1.
func (p *plan) at(seq int) piece {
	i := sort.Search(len(p.runs), func(i int) bool { return p.runs[i].seq > seq }) - 1
	r := p.runs[i]
	index := r.first + seq - r.seq
	part := &p.manifest.Parts[r.part]
	offset := int64(index) * federation.ChunkSize
	return piece{
		seq: seq, part: r.part, index: index, digest: part.Chunks[index], offset: offset,
		size: int(min(federation.ChunkSize, part.Size-offset)),
	}
}

// bytes returns how many bytes the chunks from start on have.
func (p *plan) bytes(start int) int64 {
	var n int64
	for _, r := range p.runs {
		if skip := max(0, min(start-r.seq, r.count)); skip < r.count {
			from, to := int64(r.first+skip)*federation.ChunkSize, int64(r.first+r.count)*federation.ChunkSize
			n += min(to, p.manifest.Parts[r.part].Size) - from
		}
	}
	return n
}
