package media

import (
	"errors"
	"fmt"
	"io"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// endOf returns the position after the last byte of e.
func endOf(e federation.Extent) int64 { return e.Offset + e.Length }

// Info is what Inspect learned about a file.
type Info struct {
	Format      Format
	ContentType string // media type without parameters
	Pages       int    // number of pages or frames; 0 when it could not be told
	// Spans are one a page for a TIFF of several pages whose pages can be sent alone; otherwise nil. Each lists what the page
	// needs of the file: header, directory, values and image data, ascending, disjoint and never adjacent.
	//
	//	file   [hdr]....[strips p1]..[IFD p1][values p1]....[strips p2]..[IFD p2]
	//	span 2 [hdr]........................................[strips p2]..[IFD p2]
	Spans []federation.Page
}

// Inspect says what the file of size bytes in r is. The name gives the extension that the content is compared with and may be empty.
//
// Outcomes:
//  1. nil: the type is known, or unknown and the name promised nothing (application/octet-stream, 1 page).
//  2. ErrEmpty: size is zero.
//  3. *MismatchError: the extension promises another type than the content is.
//  4. *CorruptError (ErrCorrupt): a known type that breaks off or contradicts itself.
//  5. ErrUnsupported or ErrTooLarge: a valid file beyond what is handled.
//  6. any other error is r's.
//
// It reads the head of the file, the structure of a TIFF, PNG or DICOM file, a JPEG or text to its end in small pieces, and a PDF
// by way of pdfcpu. It must not be taken for a check that every page can be decoded: pixels are not decompressed.
func Inspect(r io.ReaderAt, size int64, name string) (Info, error) {
	if size <= 0 {
		return Info{}, ErrEmpty
	}
	head := make([]byte, min(size, headBytes))
	if err := readFull(r, head, 0); err != nil {
		return Info{}, fmt.Errorf("read the head of the file: %w", err)
	}
	claimed := claimedBy(name)
	found, err := detect(r, size, head, claimed)
	if err != nil {
		return Info{}, err
	}
	format, agree := reconcile(claimed, found)
	if !agree {
		if allZero(head) {
			return Info{}, &CorruptError{Format: claimed, Offset: 0, What: "the file begins with nothing but zero bytes; it was not copied completely"}
		}
		return Info{}, &MismatchError{Name: name, Claimed: claimed, Found: found}
	}
	info := Info{Format: format, ContentType: format.ContentType(), Pages: 1}
	switch found {
	case FormatTIFF:
		info.Pages, info.Spans, err = inspectTIFF(r, size)
	case FormatPDF:
		info.Pages, err = countPDF(r, size)
	case FormatDICOM:
		info.Pages, err = countFrames(r, size)
	case FormatJPEG:
		err = checkJPEG(r, size)
	case FormatPNG:
		err = checkPNG(r, size)
	case FormatXML, FormatCDA:
		if format != FormatText {
			err = checkXML(r, size, found)
		}
	case FormatBinary, FormatGIF, FormatHTML, FormatRTF, FormatText, FormatZIP: // no structure that is checked
	}
	if err != nil {
		return Info{}, err
	}
	return info, nil
}

// readFull reads len(p) bytes at off; a short read is io.ErrUnexpectedEOF, never io.EOF.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func allZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}
