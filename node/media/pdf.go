package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/types"
)

const (
	maxPDF      = 256 << 20 // bytes: pdfcpu keeps the objects of a file in memory
	maxPDFPages = 1 << 20
	pdfTail     = 2048 // bytes at the end in which startxref or %%EOF must stand
)

// countPDF returns the number of pages, or 0 when the file is too large for it to be told.
func countPDF(r io.ReaderAt, size int64) (int, error) {
	tail := make([]byte, min(size, pdfTail))
	if err := readFull(r, tail, size-int64(len(tail))); err != nil {
		return 0, fmt.Errorf("read the end of the PDF: %w", err)
	}
	if !bytes.Contains(tail, []byte("%%EOF")) && !bytes.Contains(tail, []byte("startxref")) {
		return 0, &CorruptError{Format: FormatPDF, Offset: size, What: "the end of the file is missing; it is cut off"}
	}
	if size > maxPDF {
		return 0, nil
	}
	var n int
	err := withPDF(func() error {
		ctx, err := pdfcpu.Read(newPDFReader(r, size), pdfConfiguration())
		if err != nil {
			return err
		}
		if err := ctx.EnsurePageCount(); err != nil {
			return err
		}
		n = ctx.PageCount
		return nil
	})
	switch {
	case errors.Is(err, pdfcpu.ErrWrongPassword):
		return 0, fmt.Errorf("a PDF that is locked with a password is %w: save it without one", ErrUnsupported)
	case err != nil:
		return 0, &CorruptError{Format: FormatPDF, Offset: -1, What: "the structure cannot be read", Err: err}
	case n < 1 || n > maxPDFPages:
		return 0, &CorruptError{Format: FormatPDF, Offset: -1, What: fmt.Sprintf("it says that it has %d pages", n)}
	}
	return n, nil
}

// trimPDF writes the chosen pages, in ascending order, of the whole file.
func trimPDF(ctx context.Context, w io.Writer, src Source, pages []int) error {
	if src.Size > maxPDF {
		return fmt.Errorf("cut pages from a PDF of %d bytes (limit %d): %w", src.Size, maxPDF, ErrTooLarge)
	}
	want := make([]string, len(pages))
	for i, p := range pages {
		want[i] = strconv.Itoa(p)
	}
	in := newPDFReader(&stoppableReaderAt{r: src.Bytes, stopped: ctx.Err}, src.Size)
	err := withPDF(func() error { return api.Trim(in, w, want, pdfConfiguration()) })
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("cut pages from the PDF: %w", cause)
	}
	if err != nil {
		return &CorruptError{Format: FormatPDF, Offset: -1, What: "pages cannot be cut from it", Err: err}
	}
	return nil
}

// withPDF turns a panic of the PDF library into an error: a hostile file must not stop a node.
func withPDF(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the PDF reader broke off: %v", p)
		}
	}()
	return f()
}

// pdfConfiguration is spelled out because the library's default writes a configuration folder into the user's home.
func pdfConfiguration() *model.Configuration {
	const mb = 1 << 20
	return &model.Configuration{
		Version:           model.VersionStr,
		Reader15:          true,
		ValidationMode:    model.ValidationRelaxed,
		Eol:               types.EolLF,
		WriteObjectStream: true,
		WriteXRefStream:   true,
		Offline:           true,
		TimestampFormat:   "2006-01-02 15:04",
		DateFormat:        "2006-01-02",
		Limits: model.ResourceLimits{
			MaxStreamBytes: maxPDF, MaxDecodeBytes: 64 * mb, MaxImagePixels: 100 * mb, MaxImageBytes: 64 * mb,
			MaxObjectCount: 2_000_000, MaxObjectStreamCount: 200_000, MaxObjectStreamFirst: 4 * mb,
			MaxXRefEntries: 2_000_000, MaxRecursionDepth: 64,
		},
	}
}

// errPDFWork is returned to the PDF library when it has read the file so often that it must be going in circles.
var errPDFWork = errors.New("reading it takes unreasonably much work")

// pdfReader counts what is read. The library's repair of a broken file rereads it; the budget ends a repair that does not end itself.
type pdfReader struct {
	*io.SectionReader
	budget int64
}

func newPDFReader(r io.ReaderAt, size int64) *pdfReader {
	return &pdfReader{SectionReader: io.NewSectionReader(r, 0, size), budget: 64*size + 64<<20}
}

func (p *pdfReader) Read(b []byte) (int, error) {
	n, err := p.SectionReader.Read(b)
	if p.budget -= int64(n) + 64; p.budget < 0 {
		return 0, errPDFWork
	}
	return n, err
}

// stoppableReaderAt reads until stopped returns an error, which it then returns.
type stoppableReaderAt struct {
	r       io.ReaderAt
	stopped func() error
}

// ReadAt reads from the file unless the work was called off.
func (s *stoppableReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if err := s.stopped(); err != nil {
		return 0, err
	}
	return s.r.ReadAt(p, off)
}
