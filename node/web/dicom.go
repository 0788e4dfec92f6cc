package web

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"

	"github.com/ridgeway-exchange/ridgeway/node/media"
)

// The transfer syntaxes whose pixels are read: PS3.5 annex A. Big-endian and every other compression are for a DICOM viewer.
const (
	implicitLittle = "1.2.840.10008.1.2"
	explicitLittle = "1.2.840.10008.1.2.1"
	jpegBaseline   = "1.2.840.10008.1.2.4.50"
)

// radiograph is what the image pixel module (PS3.3 section C.7.6.3) says of a file's pixels.
type radiograph struct {
	syntax            string
	rows, columns     int
	samples, planar   int
	allocated, stored int
	high              int
	signed, inverted  bool
	slope, intercept  float64
	centre, width     float64 // of the window; width 0: not said
	frames            int
	pixels            []byte   // native, of all frames
	fragments         [][]byte // encapsulated
	photometric       string
	subject           subject
}

// paint makes a picture of a frame, counted from 1, through its window where the file has one. It is for reading reports by, not
// for diagnosis. allow is asked for the memory that it takes.
func (r *radiograph) paint(frame int, allow func(bytes int64) error) (picture, error) {
	if frame < 1 || frame > r.frames {
		return picture{}, fmt.Errorf("%w: there is no frame %d", ErrPicture, frame)
	}
	if r.syntax == jpegBaseline {
		return r.jpegFrame(frame)
	}
	img, err := r.render(frame, allow)
	if err != nil {
		return picture{}, err
	}
	out := picture{width: r.columns, height: r.rows}
	if gray, ok := img.(*image.Gray); ok { // never a bit a pixel
		out.data, out.contentType, err = encodePNG(gray)
	} else {
		out.data, out.contentType, err = encode(img)
	}
	return out, err
}

func readDICOM(data []byte) (*radiograph, error) {
	e, err := parseDICOM(data)
	if err != nil {
		return nil, err
	}
	r := &radiograph{
		syntax: e.word(tagSyntax), rows: e.short(tagRows, 0), columns: e.short(tagColumns, 0), samples: e.short(tagSamples, 1), planar: e.short(tagPlanar, 0),
		allocated: e.short(tagAllocated, 0), signed: e.short(tagSigned, 0) == 1, frames: int(max(e.decimal(tagFrames, 1), 1)),
		slope: e.decimal(tagSlope, 1), intercept: e.decimal(tagIntercept, 0), centre: e.decimal(tagWindowCentre, 0), width: e.decimal(tagWindowWidth, 0),
		photometric: e.word(tagPhotometric), pixels: e.values[tagPixels], fragments: e.fragments, subject: e.subject(),
	}
	r.stored = e.short(tagStored, r.allocated)
	r.high = e.short(tagHighBit, r.stored-1)
	r.inverted = r.photometric == "MONOCHROME1"
	if r.syntax == "" {
		r.syntax = implicitLittle // a data set that was stored without its head
	}
	return r, r.check()
}

// check refuses what is not read here, and sizes that do not fit each other, before anything is made of them.
func (r *radiograph) check() error {
	switch {
	case r.syntax != implicitLittle && r.syntax != explicitLittle && r.syntax != jpegBaseline:
		return fmt.Errorf("transfer syntax %s is for a DICOM viewer", r.syntax)
	case r.rows < 1 || r.columns < 1 || r.rows > 1<<16 || r.columns > maxPixels/r.rows:
		return fmt.Errorf("%d x %d pixels", r.columns, r.rows)
	case r.syntax == jpegBaseline:
		if len(r.fragments) < r.frames || r.frames > 1 && len(r.fragments) != r.frames {
			return fmt.Errorf("%d fragments for %d frames", len(r.fragments), r.frames)
		}
		return nil
	case r.allocated != 8 && r.allocated != 16 || r.stored < 1 || r.stored > r.allocated || r.high != r.stored-1:
		return fmt.Errorf("%d of %d bits", r.stored, r.allocated)
	case r.samples == 1 && (r.photometric == "MONOCHROME1" || r.photometric == "MONOCHROME2"):
	case r.samples == 3 && r.allocated == 8 && r.photometric == "RGB":
	default:
		return fmt.Errorf("photometric interpretation %.16q is for a DICOM viewer", r.photometric)
	}
	if r.frames > len(r.pixels) || len(r.pixels)/r.frames < r.size() {
		return fmt.Errorf("%d bytes for %d frames of %d", len(r.pixels), r.frames, r.size())
	}
	return nil
}

// size is how many bytes a native frame has.
func (r *radiograph) size() int { return r.rows * r.columns * r.samples * r.allocated / 8 }

// jpegFrame passes a frame on that is a JPEG already.
func (r *radiograph) jpegFrame(frame int) (picture, error) {
	data := r.fragments[frame-1]
	if r.frames == 1 {
		data = bytes.Join(r.fragments, nil) // one frame may lie in several fragments
	}
	config, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil || config.Width <= 0 || config.Height <= 0 || config.Width > maxPixels/config.Height {
		return picture{}, fmt.Errorf("%w: a frame is no JPEG that can be shown", ErrPicture)
	}
	return picture{data: data, contentType: media.FormatJPEG.ContentType(), width: config.Width, height: config.Height}, nil
}

func (r *radiograph) render(frame int, allow func(bytes int64) error) (image.Image, error) {
	n := r.rows * r.columns
	if err := allow(int64(n) * 6); err != nil { // what is drawn, and the values on the way to it
		return nil, err
	}
	raw := r.pixels[(frame-1)*r.size():][:r.size()]
	if r.samples == 3 {
		img := image.NewRGBA(image.Rect(0, 0, r.columns, r.rows))
		for i := range n {
			var c color.RGBA
			if r.planar == 1 {
				c = color.RGBA{raw[i], raw[n+i], raw[2*n+i], 0xff}
			} else {
				c = color.RGBA{raw[3*i], raw[3*i+1], raw[3*i+2], 0xff}
			}
			copy(img.Pix[4*i:], []byte{c.R, c.G, c.B, c.A})
		}
		return img, nil
	}
	values := make([]float32, n)
	low, high := float32(math.Inf(1)), float32(math.Inf(-1))
	for i := range values {
		v := float32(float64(r.sample(raw, i))*r.slope + r.intercept)
		values[i], low, high = v, min(low, v), max(high, v)
	}
	// PS3.3 section C.11.2.1.2: the window maps centre and width onto the screen; without one, all values do.
	bottom, top := float64(low), float64(high)
	if r.width > 1 {
		bottom, top = r.centre-0.5-(r.width-1)/2, r.centre-0.5+(r.width-1)/2
	}
	img := image.NewGray(image.Rect(0, 0, r.columns, r.rows))
	for i, v := range values {
		y := 0.0
		if top > bottom {
			y = min(max((float64(v)-bottom)/(top-bottom), 0), 1) * 255
		}
		if r.inverted {
			y = 255 - y
		}
		img.Pix[i] = uint8(y + 0.5)
	}
	return img, nil
}

func (r *radiograph) sample(raw []byte, i int) int {
	v := int(raw[i*r.allocated/8])
	if r.allocated == 16 {
		v = int(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	v &= 1<<r.stored - 1 // what lies above may be an overlay
	if r.signed && v >= 1<<(r.stored-1) {
		v -= 1 << r.stored
	}
	return v
}
