package web

import (
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"math"
)

// faint is one of how many values, at either end, may be lost in black or white where a file says no window: a few that are far
// off, as of metal, would leave the rest in one gray.
const faint = 200

// paint makes a picture of the bytes of a frame, counted from 1, through a window; where that is zero, through its own or one that
// shows nearly all values. It is for reading reports by, not for diagnosis. allow is asked, once, for the memory that it takes.
func (r *radiograph) paint(frame int, raw []byte, through window, allow func(bytes int64) error) (picture, error) {
	how := r.how(frame)
	if through.width > 0 {
		how.window = through
	}
	if r.packing == photo {
		return r.paintPhoto(raw, how, allow)
	}
	n := r.rows * r.columns
	weight := int64(n) * int64(2+4*(r.samples-1)/2) // what is drawn, and what is made of it
	if r.packing != asStored {
		weight += r.frameSize() + int64(len(raw))
	}
	if err := allow(weight); err != nil {
		return picture{}, err
	}
	raw, err := r.unpack(raw)
	switch {
	case err != nil:
		return picture{}, err
	case int64(len(raw)) < r.frameSize():
		return picture{}, fmt.Errorf("%w: a frame of %d bytes", ErrPicture, len(raw))
	case r.samples == 3:
		planar := r.planar == 1 && r.packing == asStored // what is unpacked lies pixel by pixel
		out := picture{width: r.columns, height: r.rows}
		out.data, out.contentType, err = encode(r.colours(raw, n, planar))
		return out, err
	}
	return r.paintGray(raw, n, how)
}

// paintGray makes a picture of shades of gray.
func (r *radiograph) paintGray(raw []byte, n int, how seen) (picture, error) {
	if how.width < 1 {
		how.window = r.extent(raw, n, how)
	}
	shades := r.shades(how)
	img := image.NewGray(image.Rect(0, 0, r.columns, r.rows))
	for i := range img.Pix {
		img.Pix[i] = shades[r.stores(raw, i)]
	}
	out := picture{width: r.columns, height: r.rows, window: how.window}
	var err error
	out.data, out.contentType, err = encodePNG(img) // never a bit a pixel
	return out, err
}

// shades is the gray of each value that can be stored, through a window (PS3.3 section C.11.2.1.2).
func (r *radiograph) shades(how seen) []uint8 {
	bottom, top := how.level-0.5-(how.width-1)/2, how.level-0.5+(how.width-1)/2
	out := make([]uint8, 1<<r.stored)
	for stored := range out {
		y := 0.0
		switch v := how.means(r.value(stored)); {
		case v > top:
			y = 255
		case v > bottom:
			y = (v - bottom) / (top - bottom) * 255
		}
		if r.inverted {
			y = 255 - y
		}
		out[stored] = uint8(y + 0.5)
	}
	return out
}

func (r *radiograph) colours(raw []byte, n int, planar bool) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, r.columns, r.rows))
	for i := range n {
		a, b, c := 3*i, 3*i+1, 3*i+2
		if planar {
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

// extent is the window from which to which value a picture goes, without those that are faint in number and far off.
func (r *radiograph) extent(raw []byte, n int, how seen) window {
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
	bottom, top := how.means(r.value(low)), how.means(r.value(high))
	return window{level: (bottom+top)/2 + 0.5, width: math.Abs(top-bottom) + 1}
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
