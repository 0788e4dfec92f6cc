package media

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// inspectTIFF walks the chain of directories and returns the number of pages and, when there are several that can be sent alone,
// what each needs.
func inspectTIFF(r io.ReaderAt, size int64) (int, []federation.Page, error) {
	t, next, err := openTIFF(r, size)
	if err != nil {
		return 0, nil, err
	}
	w := &tiffWalk{tiffFile: t, seen: map[int64]int{}, mappable: true, maxBlocks: maxTIFFBlocks}
	if next == 0 {
		return 0, nil, t.bad(4, "it has no page")
	}
	for next != 0 {
		if next, err = w.visit(next); err != nil {
			return 0, nil, err
		}
	}
	spans := w.pages
	if len(spans) == 0 {
		spans = w.others // a file of thumbnails only: they are its pages
	}
	if len(spans) == 1 || !w.mappable {
		return len(spans), nil, nil
	}
	return len(spans), spans, nil
}

// tiffWalk gathers the pages of a file.
type tiffWalk struct {
	*tiffFile
	seen     map[int64]int // directory position to its place in the chain
	pages    []federation.Page
	others   []federation.Page // reduced images and masks that belong to a page
	blocks   int               // strips and tiles so far
	extents  int               // extents so far
	mappable bool

	maxBlocks int // strips and tiles in all: arrays may be shared by pages, so the size of the file bounds nothing
}

// visit adds the directory at off and returns the position of the one after it.
func (w *tiffWalk) visit(off int64) (next int64, err error) {
	w.page = len(w.seen) + 1
	if before, again := w.seen[off]; again {
		return 0, w.bad(off, "the chain of pages runs in a circle: directory %d follows itself", before)
	}
	if w.page > maxTIFFPages {
		return 0, fmt.Errorf("a TIFF of more than %d pages is %w", maxTIFFPages, ErrTooLarge)
	}
	w.seen[off] = w.page
	d, err := w.readDirectory(off)
	if err != nil {
		return 0, err
	}
	data, err := w.imageData(d)
	if err != nil {
		return 0, err
	}
	for _, a := range data {
		w.blocks += len(a.blocks)
		w.mappable = w.mappable && !a.unknown
	}
	if w.blocks > w.maxBlocks {
		return 0, fmt.Errorf("a TIFF of more than %d strips is %w", w.maxBlocks, ErrTooLarge)
	}
	span := federation.Page{Directory: off}
	if w.mappable {
		span.Extents = pageExtents(d, data)
		if w.extents += len(span.Extents); w.extents > maxTIFFExtents {
			w.mappable = false
		}
	}
	kind, err := w.number(d, tagSubfileType, 0)
	if err != nil {
		return 0, err
	}
	if kind&(1|4) != 0 { // reduced-resolution version or transparency mask of another image
		w.others = append(w.others, span)
	} else {
		w.pages = append(w.pages, span)
	}
	return d.next, nil
}

// pageExtents merges everything a page needs. Values of tags that are dropped on assembly are not needed.
func pageExtents(d *directory, data []dataTag) []federation.Extent {
	all := []federation.Extent{{Offset: 0, Length: tiffHeaderBytes}, {Offset: d.offset, Length: d.length}}
	for _, e := range d.entries {
		if e.offset >= 0 && !dropped(e.tag) {
			all = append(all, federation.Extent{Offset: e.offset, Length: e.bytes})
		}
	}
	for _, a := range data {
		all = append(all, a.blocks...)
	}
	return mergeExtents(all)
}

// mergeExtents sorts the extents and joins those that touch or overlap; empty ones vanish.
func mergeExtents(all []federation.Extent) []federation.Extent {
	slices.SortFunc(all, func(a, b federation.Extent) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Length, b.Length))
	})
	out := make([]federation.Extent, 0, 4)
	for _, e := range all {
		switch last := len(out) - 1; {
		case e.Length <= 0:
		case last >= 0 && e.Offset <= endOf(out[last]):
			out[last].Length = max(endOf(out[last]), endOf(e)) - out[last].Offset
		default:
			out = append(out, e)
		}
	}
	return slices.Clip(out)
}

// dropped reports whether a tag is left out of a page that is cut off its file: it points at structures elsewhere (further images,
// camera data, free space), which would be other bytes in the new file.
func dropped(tag uint16) bool {
	switch tag {
	case tagSubIFDs, tagEXIF, tagGPS, tagInterop, tagGlobalParams, tagFreeOffsets, tagFreeCounts:
		return true
	default:
		return false
	}
}
