package media

import (
	"context"
	"fmt"
	"io"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// assembleTIFF writes a new file, page after page, without holding image data:
//
//	header | IFD 1 | values 1 | data 1 | IFD 2 | values 2 | data 2 | ...
//
// Everything begins on an even byte, as TIFF 6.0 §2 asks. The byte order of the source is kept, so values are copied untouched;
// only positions are rewritten.
func assembleTIFF(ctx context.Context, w io.Writer, src Source, pages []int) error {
	out := &tiffWriter{stopped: ctx.Err, w: w}
	for i, p := range pages {
		span := src.Spans[p-1]
		window := &spanReaderAt{r: src.Bytes, extents: span.Extents}
		t, _, err := openTIFF(window, src.Size)
		if err != nil {
			return fmt.Errorf("page %d: %w", p, err)
		}
		t.page = p
		if i == 0 {
			out.order = t.order
			out.header()
		}
		d, err := t.readDirectory(span.Directory)
		if err != nil {
			return fmt.Errorf("page %d: %w", p, err)
		}
		data, err := t.imageData(d)
		if err != nil {
			return fmt.Errorf("page %d: %w", p, err)
		}
		if err := out.page(t, d, data, i == len(pages)-1); err != nil {
			return fmt.Errorf("page %d: %w", p, err)
		}
	}
	return out.err
}

// spanReaderAt lets through only reads that lie within one of the extents of a page. Extents are merged, so what belongs together
// lies in one.
type spanReaderAt struct {
	r       io.ReaderAt
	extents []federation.Extent
}

// ReadAt refuses to read what does not belong to the page.
func (s *spanReaderAt) ReadAt(p []byte, off int64) (int, error) {
	for _, e := range s.extents {
		if off >= e.Offset && off+int64(len(p)) <= endOf(e) {
			return s.r.ReadAt(p, off)
		}
	}
	return 0, &CorruptError{Format: FormatTIFF, Offset: off, What: "the page refers to bytes that are not listed as its own"}
}
