package web

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"

	"github.com/ridgeway-exchange/ridgeway/node/media"
)

// faint is one of how many values, at either end, may be lost in black or white where a file says no window: a few that are far
// off, as of metal, would leave the rest in one gray.
const faint = 200

// paint makes a picture of the bytes of a frame, counted from 1, through its window where the file has one. It is for reading
// reports by, not for diagnosis. allow is asked for the memory that it takes.
func (r *radiograph) paint(frame int, raw []byte, allow func(bytes int64) error) (picture, error) {
	if r.jpeg {
		return r.passJPEG(raw)
	}
	out := picture{width: r.columns, height: r.rows}
	n := r.rows * r.columns
	if int64(len(raw)) < r.frameSize() {
		return picture{}, fmt.Errorf("%w: a frame of %d bytes", ErrPicture, len(raw))
	}
	if r.samples == 3 {
		if err := allow(int64(n) * 6); err != nil { // what is drawn, and what is made of it
			return picture{}, err
		}
		var err error
		out.data, out.contentType, err = encode(r.colours(raw, n))
		return out, err
	}
	if err := allow(int64(n) * 2); err != nil {
		return picture{}, err
	}
	how := r.seen[min(frame, len(r.seen))-1]
	shades := r.shades(raw, n, how)
	img := image.NewGray(image.Rect(0, 0, r.columns, r.rows))
	for i := range img.Pix {
		img.Pix[i] = shades[r.stores(raw, i)]
	}
	var err error
	out.data, out.contentType, err = encodePNG(img) // never a bit a pixel
	return out, err
}

// passJPEG passes a frame on that is a JPEG already, in one piece or several.
func (r *radiograph) passJPEG(raw []byte) (picture, error) {
	pieces, _, err := fragments(raw)
	data := bytes.Join(pieces, nil)
	if err == nil && len(pieces) == 1 {
		data = pieces[0]
	}
	config, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil || config.Width <= 0 || config.Height <= 0 || config.Width > maxPixels/config.Height {
		return picture{}, fmt.Errorf("%w: a frame is no JPEG that can be shown", ErrPicture)
	}
	return picture{data: data, contentType: media.FormatJPEG.ContentType(), width: config.Width, height: config.Height}, nil
}

func (r *radiograph) colours(raw []byte, n int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, r.columns, r.rows))
	for i := range n {
		a, b, c := 3*i, 3*i+1, 3*i+2
		if r.planar == 1 {
			a, b, c = i, n+i, 2*n+i
		}
		red, green, blue := raw[a], raw[b], raw[c]
		if r.photometric == "YBR_FULL" {
			red, green, blue = color.YCbCrToRGB(red, green, blue)
		}
		copy(img.Pix[4*i:], []byte{red, green, blue, 0xff})
	}
	return img
}

// shades is the gray of each value that can be stored.
func (r *radiograph) shades(raw []byte, n int, how seen) []uint8 {
	// PS3.3 section C.11.2.1.2: the window maps centre and width onto the screen; without one, nearly all values do.
	bottom, top := how.centre-0.5-(how.width-1)/2, how.centre-0.5+(how.width-1)/2
	if how.width <= 1 {
		bottom, top = r.extent(raw, n, how)
	}
	out := make([]uint8, 1<<r.stored)
	for stored := range out {
		y := 0.0
		if top > bottom {
			y = min(max((how.means(r.value(stored))-bottom)/(top-bottom), 0), 1) * 255
		}
		if r.inverted {
			y = 255 - y
		}
		out[stored] = uint8(y + 0.5)
	}
	return out
}

// extent is from which to which value a picture goes, without those that are faint in number and far off.
func (r *radiograph) extent(raw []byte, n int, how seen) (bottom, top float64) {
	counts := make([]int, 1<<r.stored)
	all := 0
	padding := r.padding & (len(counts) - 1)
	for i := range n {
		if v := r.stores(raw, i); r.padding < 0 || v != padding {
			counts[v]++
			all++
		}
	}
	half := 0
	if r.signed {
		half = len(counts) / 2 // the lowest value is stored in the middle
	}
	end := func(step, left int) (v int) {
		for k := range counts {
			v = (half + step*k + len(counts)) % len(counts)
			if step < 0 {
				v = (half - 1 - k + 2*len(counts)) % len(counts)
			}
			if left -= counts[v]; left < 0 {
				break
			}
		}
		return v
	}
	low, high := end(1, all/faint), end(-1, all/faint)
	if low == high { // but for a few values it is empty: they are all that there is
		low, high = end(1, 0), end(-1, 0)
	}
	bottom, top = how.means(r.value(low)), how.means(r.value(high))
	return min(bottom, top), max(bottom, top)
}

// means is what a value stands for.
func (s seen) means(v int) float64 { return float64(v)*s.slope + s.intercept }

// stores is the bits of a value as they are stored.
func (r *radiograph) stores(raw []byte, i int) int {
	v := int(raw[i*r.allocated/8])
	if r.allocated == 16 {
		v = int(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return v & (1<<r.stored - 1) // what lies above may be an overlay
}

// value is what stored bits are as a number.
func (r *radiograph) value(stored int) int {
	if r.signed && stored >= 1<<(r.stored-1) {
		return stored - 1<<r.stored
	}
	return stored
}
