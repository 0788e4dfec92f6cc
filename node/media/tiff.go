package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A classic TIFF file (TIFF 6.0 §2):
//
//	0   "II" or "MM", 42, position of the first directory (4 bytes)
//	    directory: count (2) | entries (12 each, ascending by tag) | position of the next directory (4), 0 at the end
//	    entry:     tag (2) | type (2) | number of values (4) | the values if they fit in 4 bytes, otherwise their position
const (
	tiffHeaderBytes = 8
	tiffEntryBytes  = 12

	maxTIFFPages   = 1 << 16
	maxTIFFTags    = 4096
	maxTIFFBlocks  = 1 << 22 // strips and tiles in the whole file
	maxTIFFExtents = 1 << 20 // of all pages; beyond, pages are not sent alone
)

// The tags that matter for finding and moving a page's data.
const (
	tagSubfileType     = 254
	tagImageWidth      = 256
	tagImageLength     = 257
	tagBitsPerSample   = 258
	tagCompression     = 259
	tagStripOffsets    = 273
	tagSamplesPerPixel = 277
	tagRowsPerStrip    = 278
	tagStripCounts     = 279
	tagPlanarConfig    = 284
	tagFreeOffsets     = 288
	tagFreeCounts      = 289
	tagTileOffsets     = 324
	tagTileCounts      = 325
	tagSubIFDs         = 330
	tagGlobalParams    = 400
	tagJPEGProc        = 512
	tagJPEGStream      = 513
	tagJPEGStreamBytes = 514
	tagJPEGQTables     = 519
	tagJPEGDCTables    = 520
	tagJPEGACTables    = 521
	tagEXIF            = 34665
	tagGPS             = 34853
	tagInterop         = 40965
)

const (
	compressionNone    = 1
	compressionOldJPEG = 6
)

// typeBytes returns the length of one value of a TIFF field type, or 0 for a type that is not known and must be skipped.
func typeBytes(t uint16) int64 {
	switch t {
	case 1, 2, 6, 7: // BYTE, ASCII, SBYTE, UNDEFINED
		return 1
	case 3, 8: // SHORT, SSHORT
		return 2
	case 4, 9, 11, 13: // LONG, SLONG, FLOAT, IFD
		return 4
	case 5, 10, 12: // RATIONAL, SRATIONAL, DOUBLE
		return 8
	default:
		return 0
	}
}

// tiffEntry is one tag of a directory.
type tiffEntry struct {
	tag, kind uint16
	count     uint32
	inline    [4]byte // the values, or their position
	bytes     int64   // length of all values
	offset    int64   // position of the values; -1 when they are inline
}

// directory is one image file directory.
type directory struct {
	offset  int64
	length  int64 // bytes with the count and the next pointer
	next    int64
	entries []tiffEntry // ascending, each tag once
}

func (d *directory) find(tag uint16) *tiffEntry {
	i, ok := slices.BinarySearchFunc(d.entries, tag, func(e tiffEntry, t uint16) int { return int(e.tag) - int(t) })
	if !ok {
		return nil
	}
	return &d.entries[i]
}

// byteOrder is binary.LittleEndian or binary.BigEndian.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// tiffFile reads the structure of a TIFF file.
type tiffFile struct {
	r     io.ReaderAt
	size  int64
	order byteOrder
	page  int // for error messages; 0 outside a page
}

func (t *tiffFile) bad(at int64, format string, args ...any) error {
	return &CorruptError{Format: FormatTIFF, Page: t.page, Offset: at, What: fmt.Sprintf(format, args...)}
}

func openTIFF(r io.ReaderAt, size int64) (t *tiffFile, first int64, err error) {
	t = &tiffFile{r: r, size: size, order: binary.LittleEndian}
	if size < tiffHeaderBytes {
		return nil, 0, t.bad(size, "the file ends within its header")
	}
	var h [tiffHeaderBytes]byte
	if err := readFull(r, h[:], 0); err != nil {
		return nil, 0, fmt.Errorf("read TIFF header: %w", err)
	}
	switch {
	case isBigTIFF(h[:]):
		return nil, 0, fmt.Errorf("BigTIFF is %w", ErrUnsupported)
	case string(h[:4]) == "MM\x00*":
		t.order = binary.BigEndian
	case string(h[:4]) != "II*\x00":
		return nil, 0, t.bad(0, "the header is not that of a TIFF")
	}
	return t, int64(t.order.Uint32(h[4:])), nil
}

// readDirectory reads the directory at off. Entries of unknown type are left out, as TIFF 6.0 asks of readers; entries out of order,
// which exist in the wild, are sorted, and of a repeated tag the first counts.
func (t *tiffFile) readDirectory(off int64) (*directory, error) {
	if off < tiffHeaderBytes || off+2 > t.size {
		return nil, t.bad(off, "the page directory lies outside the file of %d bytes", t.size)
	}
	var b [4]byte
	if err := readFull(t.r, b[:2], off); err != nil {
		return nil, fmt.Errorf("read TIFF directory at byte %d: %w", off, err)
	}
	n := int64(t.order.Uint16(b[:]))
	switch {
	case n == 0:
		return nil, t.bad(off, "the page directory is empty")
	case n > maxTIFFTags:
		return nil, t.bad(off, "the page directory claims %d tags (limit %d)", n, maxTIFFTags)
	}
	d := &directory{offset: off, length: 2 + n*tiffEntryBytes + 4}
	raw := make([]byte, d.length-2)
	if off+d.length > t.size {
		if off+d.length-4 > t.size {
			return nil, t.bad(off, "the page directory goes beyond the end of the file")
		}
		d.length, raw = d.length-4, raw[:len(raw)-4] // some writers leave out the pointer after the last directory
	}
	if err := readFull(t.r, raw, off+2); err != nil {
		return nil, fmt.Errorf("read TIFF directory at byte %d: %w", off, err)
	}
	for i := range n {
		e, err := t.parseEntry(raw[i*tiffEntryBytes:][:tiffEntryBytes], off+2+i*tiffEntryBytes)
		if err != nil {
			return nil, err
		}
		if e.bytes > 0 {
			d.entries = append(d.entries, e)
		}
	}
	if int64(len(raw)) == n*tiffEntryBytes+4 {
		d.next = int64(t.order.Uint32(raw[n*tiffEntryBytes:]))
	}
	slices.SortStableFunc(d.entries, func(a, b tiffEntry) int { return int(a.tag) - int(b.tag) })
	d.entries = slices.CompactFunc(d.entries, func(a, b tiffEntry) bool { return a.tag == b.tag })
	return d, nil
}

func (t *tiffFile) parseEntry(p []byte, at int64) (tiffEntry, error) {
	e := tiffEntry{tag: t.order.Uint16(p), kind: t.order.Uint16(p[2:]), count: t.order.Uint32(p[4:]), offset: -1}
	copy(e.inline[:], p[8:])
	e.bytes = int64(e.count) * typeBytes(e.kind)
	if e.bytes <= 4 {
		return e, nil
	}
	e.offset = int64(t.order.Uint32(p[8:]))
	if e.offset < tiffHeaderBytes || e.offset+e.bytes > t.size {
		return e, t.bad(at, "the %d values of tag %d lie outside the file of %d bytes", e.count, e.tag, t.size)
	}
	return e, nil
}

// raw returns the bytes of the values of e. Only what lies within the file is ever allocated.
func (t *tiffFile) raw(e *tiffEntry) ([]byte, error) {
	if e.offset < 0 {
		return e.inline[:e.bytes], nil
	}
	b := make([]byte, e.bytes)
	if err := readFull(t.r, b, e.offset); err != nil {
		return nil, fmt.Errorf("read TIFF tag %d at byte %d: %w", e.tag, e.offset, err)
	}
	return b, nil
}

// uints returns the values of an entry of unsigned whole numbers; a missing entry has none.
func (t *tiffFile) uints(d *directory, tag uint16, limit uint32) ([]uint32, error) {
	e := d.find(tag)
	if e == nil {
		return nil, nil
	}
	if e.count > limit {
		return nil, fmt.Errorf("TIFF tag %d has %d values, limit %d: %w", tag, e.count, limit, ErrTooLarge)
	}
	b, err := t.raw(e)
	if err != nil {
		return nil, err
	}
	v := make([]uint32, e.count)
	for i := range v {
		switch e.kind {
		case 1, 7:
			v[i] = uint32(b[i])
		case 3:
			v[i] = uint32(t.order.Uint16(b[2*i:]))
		case 4, 13:
			v[i] = t.order.Uint32(b[4*i:])
		default:
			return nil, t.bad(d.offset, "tag %d is not of a whole-number type", tag)
		}
	}
	return v, nil
}

// number returns the first value of a tag, or missing when there is none.
func (t *tiffFile) number(d *directory, tag uint16, missing uint32) (uint32, error) {
	v, err := t.uints(d, tag, 64)
	if err != nil || len(v) == 0 {
		if errors.Is(err, ErrTooLarge) {
			return 0, t.bad(d.offset, "tag %d has too many values", tag)
		}
		return missing, err
	}
	return v[0], nil
}
