package media

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Source is a document part from which pages are taken.
type Source struct {
	ContentType string            // as Inspect found it
	Pages       int               // number of pages; 0 when unknown
	Spans       []federation.Page // as Inspect found them; needed for a TIFF of several pages
	Bytes       io.ReaderAt       // the part; of a TIFF only the extents of the chosen pages need be readable
	Size        int64             // bytes of the whole part
}

// Assemble writes to w a file of its own that holds only the given pages (1-based) of src, of the same type.
//
// A TIFF of several pages is built from the extents of the pages, in the order given; all else of the file stays unread. Of a PDF
// the whole part is read, and the pages come in ascending order. Where all pages of another type are asked for in order, the part
// is copied as it is: types without pages have the one page 1.
//
// Outcomes: nil; ErrPages for a page that is not there or no page at all; ErrUnsupported where pages of that file cannot be cut out;
// ErrTooLarge; *CorruptError when the bytes are not what the spans say; ctx's error; an error of src.Bytes or w.
// After an error w may have received part of a file.
func Assemble(ctx context.Context, w io.Writer, src Source, pages []int) error {
	format := FormatOf(src.ContentType)
	count := src.Pages
	if len(src.Spans) > 0 {
		count = len(src.Spans)
	}
	if err := checkPages(pages, count); err != nil {
		return err
	}
	switch {
	case format == FormatTIFF && len(src.Spans) > 0:
		return assembleTIFF(ctx, w, src, pages)
	case count > 0 && wholeFile(pages, count):
		return copyWhole(ctx, w, src)
	case format == FormatPDF && count == 0:
		return fmt.Errorf("pages of a PDF whose number of pages is not known are %w: ask for the whole", ErrUnsupported)
	case format == FormatPDF:
		sorted := slices.Clone(pages)
		slices.Sort(sorted)
		return trimPDF(ctx, w, src, slices.Compact(sorted))
	default:
		return fmt.Errorf("single pages of this %s file are %w: ask for the whole", format, ErrUnsupported)
	}
}

func checkPages(pages []int, count int) error {
	if len(pages) == 0 {
		return fmt.Errorf("%w: no page was asked for", ErrPages)
	}
	if len(pages) > maxTIFFPages {
		return fmt.Errorf("%w: %d pages asked for, limit %d", ErrPages, len(pages), maxTIFFPages)
	}
	for _, p := range pages {
		if p < 1 || count > 0 && p > count {
			return outOfRange(p, count)
		}
	}
	return nil
}

func wholeFile(pages []int, count int) bool {
	if len(pages) != count {
		return false
	}
	for i, p := range pages {
		if p != i+1 {
			return false
		}
	}
	return true
}

func copyWhole(ctx context.Context, w io.Writer, src Source) error {
	n, err := io.Copy(w, io.NewSectionReader(&stoppableReaderAt{r: src.Bytes, stopped: ctx.Err}, 0, src.Size))
	if err == nil && n != src.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("copy the file after %d of %d bytes: %w", n, src.Size, err)
	}
	return nil
}
