package web

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// The transfer syntaxes whose pixels are read: PS3.5 annex A. Every other is for a DICOM viewer.
const (
	implicitLittle = "1.2.840.10008.1.2"
	explicitLittle = "1.2.840.10008.1.2.1"
	jpegBaseline   = "1.2.840.10008.1.2.4.50"
	jpegExtended   = "1.2.840.10008.1.2.4.51" // of 8 bits
	jpegLossless   = "1.2.840.10008.1.2.4.57"
	jpegLossless1  = "1.2.840.10008.1.2.4.70" // of the first selection value, as nearly all are
	rleLossless    = "1.2.840.10008.1.2.5"
)

// packing is how the values of a picture are stored. The zero value is one that is not read.
type packing int

const (
	asStored packing = iota + 1 // as they are
	photo                       // as JPEG, which browsers show
	runs                        // RLE
	lossless                    // JPEG that loses nothing, which browsers do not show
)

func packingOf(syntax string) packing {
	switch syntax {
	case implicitLittle, explicitLittle:
		return asStored
	case jpegBaseline, jpegExtended:
		return photo
	case rleLossless:
		return runs
	case jpegLossless, jpegLossless1:
		return lossless
	default:
		return 0
	}
}

// radiograph is what the head of a file says of its pictures (the image pixel module, PS3.3 section C.7.6.3) and of where each lies.
// It holds nothing of the file's bytes.
type radiograph struct {
	syntax            string
	rows, columns     int
	samples, planar   int
	allocated, stored int
	high, padding     int // padding: a value that is no part of the picture; -1: there is none
	signed, inverted  bool
	photometric       string
	frames            int
	seen              []seen // one for all frames, or one each and one for those that say nothing
	presets           []preset
	subject           subject

	size       int64  // of the file
	sum        []byte // its SHA-256
	start, end int64  // where its pixels are
	packing    packing
	pieces     bool    // they are encapsulated
	offsets    []int64 // of frames, from start; nil: not known
}

// seen is how values become what is seen: what they mean, and the window onto that.
type seen struct {
	slope, intercept float64
	window
}

// unseenError is a kind of picture that is not shown, and why, in words for who wants to see it.
type unseenError struct{ why string }

// Error is why.
func (e *unseenError) Error() string { return e.why }

// Unwrap is ErrPicture.
func (*unseenError) Unwrap() error { return ErrPicture }

func unseen(format string, args ...any) error { return &unseenError{fmt.Sprintf(format, args...)} }

// readDICOM reads the head of a file of size bytes, of which data is the beginning. It fails with errMore when that is too little.
func readDICOM(data []byte, size int64) (*radiograph, error) {
	e, err := parseDICOM(data, size)
	if err != nil {
		return nil, err
	}
	r := &radiograph{
		syntax: e.word(tagSyntax), rows: e.short(tagRows, 0), columns: e.short(tagColumns, 0), samples: e.short(tagSamples, 1), planar: e.short(tagPlanar, 0),
		allocated: e.short(tagAllocated, 0), padding: e.short(tagPadding, -1), signed: e.short(tagSigned, 0) == 1, frames: int(max(e.decimal(tagFrames, 1), 1)),
		photometric: e.word(tagPhotometric), subject: e.subject(), size: size, start: e.pixels, end: e.pixels + e.length,
	}
	r.stored = e.short(tagStored, r.allocated)
	r.high = e.short(tagHighBit, r.stored-1)
	r.inverted = r.photometric == "MONOCHROME1"
	if r.syntax == "" {
		r.syntax = implicitLittle // a data set that was stored without its head
	}
	r.packing = packingOf(r.syntax)
	if e.length < 0 {
		r.end, r.pieces = size, true
		r.offsets = e.offsets(r.frames, r.end-r.start)
	}
	for i := range len(e.frames) + 1 {
		r.seen = append(r.seen, e.seen(i))
	}
	r.presets = e.presets()
	return r, nil
}

// seen is how a frame, counted from 0, is to be seen: as it says itself, or as all are.
func (e *elements) seen(i int) seen {
	own := e
	if i < len(e.frames) {
		own = &elements{values: e.frames[i]}
	}
	of := func(tag uint32, other float64) float64 { return own.decimal(tag, e.decimal(tag, other)) }
	return seen{slope: of(tagSlope, 1), intercept: of(tagIntercept, 0), window: window{level: of(tagWindowCentre, 0), width: of(tagWindowWidth, 0)}}
}

// how is how a frame, counted from 1, is to be seen.
func (r *radiograph) how(frame int) seen { return r.seen[min(frame, len(r.seen))-1] }

// offsets are where frames begin, as a table says; nil without one that can be right.
func (e *elements) offsets(frames int, within int64) []int64 {
	var out []int64
	switch long := e.values[tagOffsets]; {
	case frames > maxFrames:
	case len(long) == 8*frames:
		for b := range slices.Chunk(long, 8) {
			out = append(out, int64(binary.LittleEndian.Uint64(b)))
		}
	case len(e.table) == 4*frames:
		for b := range slices.Chunk(e.table, 4) {
			out = append(out, int64(binary.LittleEndian.Uint32(b)))
		}
	}
	for i, at := range out {
		if at < 0 || at >= within || i > 0 && at <= out[i-1] {
			return nil
		}
	}
	return out
}

// otherwiseWritten reports whether what follows the head of a file is in another order of bytes, or compressed as a whole.
func otherwiseWritten(syntax string) bool {
	return syntax == "1.2.840.10008.1.2.2" || syntax == "1.2.840.10008.1.2.1.99" || syntax == "1.2.840.10008.1.2.4.95"
}

// compression is what people call a transfer syntax (PS3.6 annex A).
func compression(syntax string) string {
	of, found := strings.CutPrefix(syntax, "1.2.840.10008.1.2.")
	switch {
	case !found:
		return "a form that only its maker knows"
	case of == "2":
		return "big-endian"
	case of == "4.80", of == "4.81":
		return "JPEG-LS"
	case of == "4.90", of == "4.91", of == "4.92", of == "4.93":
		return "JPEG 2000"
	case strings.HasPrefix(of, "4.10"):
		return "video"
	case strings.HasPrefix(of, "4.20"):
		return "high-throughput JPEG 2000"
	case strings.HasPrefix(of, "1.99"), strings.HasPrefix(of, "4.95"):
		return "a compressed file"
	default:
		return "a form that is rarely used"
	}
}

// check refuses what is not read here, and sizes that do not fit each other, before anything is made of them.
func (r *radiograph) check() error {
	switch {
	case r.packing == 0:
		return unseen("The picture is stored as %s, which cannot be shown here. Download it, and open it in a DICOM viewer.", compression(r.syntax))
	case r.start == 0:
		return unseen("This DICOM file has no picture, and what else it has cannot be shown here: it may be a report, measurements or a plan. Download it, and open it in a DICOM viewer.")
	case r.rows < 1 || r.columns < 1 || r.rows > 1<<16 || r.columns > maxPixels/r.rows:
		return fmt.Errorf("%w: %d x %d pixels", ErrPicture, r.columns, r.rows)
	case r.frames > maxFrames:
		return unseen("It has %d frames, which cannot be shown here: %d are the most. Download it, and open it in a DICOM viewer.", r.frames, maxFrames)
	case r.pieces != (r.packing != asStored):
		return fmt.Errorf("%w: %s does not lie so", ErrPicture, r.syntax)
	case r.allocated != 8 && r.allocated != 16 || r.stored < 1 || r.stored > r.allocated || r.high != r.stored-1:
		return unseen("Its values have %d of %d bits, which cannot be shown here. Download it, and open it in a DICOM viewer.", r.stored, r.allocated)
	case r.gray() && r.samples == 1:
	case r.samples == 3 && r.allocated == 8 && (r.packing == photo || r.photometric == "RGB" || r.photometric == "YBR_FULL"):
	default:
		return unseen("Its colours are stored in a way that cannot be shown here. Download it, and open it in a DICOM viewer.")
	}
	if length := r.end - r.start; r.packing == asStored && length/int64(r.frames) < r.frameSize() {
		return fmt.Errorf("%w: %d bytes for %d frames of %d", ErrPicture, length, r.frames, r.frameSize())
	}
	return nil
}

// gray reports whether its values are shades of gray, which are seen through a window.
func (r *radiograph) gray() bool {
	return r.photometric == "MONOCHROME1" || r.photometric == "MONOCHROME2"
}

// frameSize is how many bytes a frame has, unpacked.
func (r *radiograph) frameSize() int64 {
	return int64(r.rows) * int64(r.columns) * int64(r.samples) * int64(r.allocated) / 8
}

// lies is where a frame, counted from 1, is in the file; known is false where only the pieces before it tell.
func (r *radiograph) lies(frame int) (from, length int64, known bool) {
	switch {
	case !r.pieces:
		return r.start + int64(frame-1)*r.frameSize(), r.frameSize(), true
	case r.frames == 1:
		return r.start, r.end - r.start, true
	case r.offsets == nil:
		return 0, 0, false
	case frame < r.frames:
		return r.start + r.offsets[frame-1], r.offsets[frame] - r.offsets[frame-1], true
	default:
		return r.start + r.offsets[frame-1], r.end - r.start - r.offsets[frame-1], true
	}
}

// learn returns what is known once all pieces have come of a file whose table says nothing: there is one for each frame.
func (r *radiograph) learn(pixels []byte) (*radiograph, error) {
	_, offsets, err := fragments(pixels)
	if err == nil && len(offsets) != r.frames {
		err = fmt.Errorf("%d fragments for %d frames", len(offsets), r.frames)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPicture, err)
	}
	out := *r
	out.offsets = offsets
	return &out, nil
}
