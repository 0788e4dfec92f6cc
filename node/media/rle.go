package media

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrPixels is returned for compressed pixels that are damaged, end early, or are not of the size that their file says.
var ErrPixels = errors.New("the compressed pixels cannot be read")

// PixelFrame is what a DICOM file says of each of its frames (PS3.3 section C.7.6.3), and what compressed pixels must come to.
type PixelFrame struct {
	Width, Height int
	Samples       int // of a pixel: 1 for gray, 3 for colour
	Bytes         int // of a sample: 1 or 2
}

// Size is how many bytes a frame has once it is unpacked: pixel by pixel, sample by sample, little-endian.
func (f PixelFrame) Size() int { return f.Width * f.Height * f.Samples * f.Bytes }

const (
	rleHead     = 64 // bytes: how many segments there are, and where 15 begin
	rleSegments = 15
)

// UnpackRLE unpacks a frame of the RLE Lossless transfer syntax (PS3.5 annex G) into out, which has f.Size bytes. Each byte of a
// pixel has a segment of its own, the highest of a sample first. It fails with ErrPixels unless all of the frame is there.
func UnpackRLE(data []byte, f PixelFrame, out []byte) error {
	planes := f.Samples * f.Bytes
	if f.Bytes < 1 || len(out) != f.Size() || len(data) < rleHead || planes > rleSegments || int(binary.LittleEndian.Uint32(data)) != planes {
		return fmt.Errorf("%w: another number of segments than %d", ErrPixels, planes)
	}
	offset := func(segment int) int { return int(binary.LittleEndian.Uint32(data[4+4*segment:])) }
	for segment := range planes {
		from, to := offset(segment), len(data)
		if segment+1 < planes {
			to = offset(segment + 1)
		}
		if from < rleHead || to < from || to > len(data) {
			return fmt.Errorf("%w: segment %d lies elsewhere", ErrPixels, segment+1)
		}
		sample, high := segment/f.Bytes, segment%f.Bytes
		if !unpackBits(data[from:to], out[sample*f.Bytes+f.Bytes-1-high:], planes) {
			return fmt.Errorf("%w: segment %d ends early", ErrPixels, segment+1)
		}
	}
	return nil
}

// unpackBits writes what data unpacks to into every step-th byte of out, and reports whether it filled them.
func unpackBits(data, out []byte, step int) bool {
	at := 0
	for i := 0; at < len(out); {
		if i >= len(data) {
			return false
		}
		n := int(data[i])
		i++
		switch {
		case n < 128: // so many and one more as they are
			n = min(n+1, len(data)-i)
			for _, v := range data[i : i+n] {
				if at >= len(out) {
					break
				}
				out[at] = v
				at += step
			}
			i += n
		case n > 128: // one, repeated
			if i >= len(data) {
				return false
			}
			for range 257 - n {
				if at >= len(out) {
					break
				}
				out[at] = data[i]
				at += step
			}
			i++
		}
	}
	return true
}
