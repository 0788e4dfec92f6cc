package media

import (
	"io"
)

// The tags that say how a black and white page is written.
const (
	tagPhotometric = 262
	tagFillOrder   = 266
	tagT6Options   = 293

	compressionG4 = 4
	maxStrips     = 1 << 16 // of a page
)

// LineArt is a page of a scan in black and white, compressed as faxes are (ITU-T T.6, TIFF 6.0 §11): its strips, one below the
// other, each of Rows lines but the last.
type LineArt struct {
	Width, Height, Rows int
	LSB                 bool // the first pixel of a byte is its lowest bit
	Strips              []Strip
}

// Strip is where a strip's bytes lie in the file.
type Strip struct{ Offset, Length int64 }

// ReadLineArt reads the first page of a TIFF file of size bytes. ok is false for a page of any other kind and for a file that is
// not as it should be: what is wrong with that is said by who decodes it in full.
func ReadLineArt(r io.ReaderAt, size int64) (_ LineArt, ok bool) {
	t, first, err := openTIFF(r, size)
	if err != nil {
		return LineArt{}, false
	}
	d, err := t.readDirectory(first)
	if err != nil || d.find(tagTileOffsets) != nil {
		return LineArt{}, false
	}
	whole := true
	number := func(tag uint16, missing uint32) uint32 {
		v, err := t.number(d, tag, missing)
		whole = whole && err == nil
		return v
	}
	if number(tagBitsPerSample, 1) != 1 || number(tagSamplesPerPixel, 1) != 1 || number(tagCompression, 0) != compressionG4 ||
		number(tagPhotometric, 9) > 1 || number(tagT6Options, 0) != 0 || !whole {
		return LineArt{}, false
	}
	width, height := number(tagImageWidth, 0), number(tagImageLength, 0)
	fill := number(tagFillOrder, 1)
	rows := min(number(tagRowsPerStrip, height), height)
	if !whole || width == 0 || rows == 0 || fill < 1 || fill > 2 || width > 1<<20 || height > 1<<24 {
		return LineArt{}, false
	}
	count := (height + rows - 1) / rows
	offsets, err := t.uints(d, tagStripOffsets, maxStrips)
	if err != nil || uint32(len(offsets)) != count {
		return LineArt{}, false
	}
	lengths, err := t.uints(d, tagStripCounts, maxStrips)
	if err != nil || len(lengths) != len(offsets) {
		return LineArt{}, false
	}
	out := LineArt{Width: int(width), Height: int(height), Rows: int(rows), LSB: fill == 2, Strips: make([]Strip, count)}
	for i := range out.Strips {
		s := Strip{int64(offsets[i]), int64(lengths[i])}
		if s.Offset+s.Length > size {
			return LineArt{}, false
		}
		out.Strips[i] = s
	}
	return out, true
}
