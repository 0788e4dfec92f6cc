package web

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"

	"github.com/ridgeway-exchange/ridgeway/node/media"
)

// unpack returns the values of a frame as they would be stored without compression.
func (r *radiograph) unpack(raw []byte) ([]byte, error) {
	if r.packing == asStored {
		return raw, nil
	}
	data, err := whole(raw)
	if err != nil {
		return nil, err
	}
	frame := media.PixelFrame{Width: r.columns, Height: r.rows, Samples: r.samples, Bytes: r.allocated / 8}
	out := make([]byte, frame.Size())
	if r.packing == runs {
		err = media.UnpackRLE(data, frame, out)
	} else {
		err = media.UnpackLosslessJPEG(data, frame, out)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPicture, err)
	}
	return out, nil
}

// whole is the pieces of a frame as one.
func whole(raw []byte) ([]byte, error) {
	pieces, _, err := fragments(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrPicture, err)
	case len(pieces) == 1:
		return pieces[0], nil
	}
	return bytes.Join(pieces, nil), nil
}

// paintPhoto passes a frame on that is a JPEG already, unless browsers would show it otherwise than the file says: gray through another
// window than theirs or with white for the lowest, colours that are not what JPEG takes them for.
func (r *radiograph) paintPhoto(raw []byte, how seen, allow func(int64) error) (picture, error) {
	data, err := whole(raw)
	if err != nil {
		return picture{}, err
	}
	config, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil || config.Width <= 0 || config.Height <= 0 || config.Width > maxPixels/config.Height || (config.ColorModel == color.GrayModel) != (r.samples == 1) {
		return picture{}, fmt.Errorf("%w: a frame is no JPEG that can be shown", ErrPicture)
	}
	plain := window{level: 128, width: 256} // as browsers show it
	if r.samples == 1 && how.width < 1 {
		how = seen{slope: 1, window: plain}
	}
	asIs := picture{data: data, contentType: media.FormatJPEG.ContentType(), width: config.Width, height: config.Height}
	if r.samples == 1 {
		asIs.window = how.window
	}
	if r.samples == 1 && !r.inverted && how == (seen{slope: 1, window: plain}) || r.samples == 3 && r.photometric != "RGB" {
		return asIs, nil
	}
	// At worst it is progressive: four bytes for each value while it is read, and what is made of it.
	if err := allow(int64(len(raw)) + int64(config.Width)*int64(config.Height)*int64(8*r.samples)); err != nil {
		return picture{}, err
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return picture{}, fmt.Errorf("%w: %w", ErrPicture, err)
	}
	switch img := img.(type) {
	case *image.Gray:
		own := *r
		own.rows, own.columns, own.allocated, own.stored, own.signed = config.Height, config.Width, 8, 8, false
		values := make([]byte, 0, config.Width*config.Height)
		for y := range config.Height {
			values = append(values, img.Pix[y*img.Stride:][:config.Width]...)
		}
		return own.paintGray(values, len(values), how)
	case *image.YCbCr: // they are red, green and blue all the same
		out := picture{width: config.Width, height: config.Height}
		out.data, out.contentType, err = encode(unmixed(img))
		return out, err
	default: // which the JPEG itself says
		return asIs, nil
	}
}

// unmixed takes what was read as brightness and two colours for red, green and blue.
func unmixed(from *image.YCbCr) image.Image {
	b := from.Bounds()
	out := image.NewRGBA(b)
	for y := range b.Dy() {
		for x := range b.Dx() {
			at := from.COffset(b.Min.X+x, b.Min.Y+y)
			out.SetRGBA(b.Min.X+x, b.Min.Y+y, color.RGBA{R: from.Y[from.YOffset(b.Min.X+x, b.Min.Y+y)], G: from.Cb[at], B: from.Cr[at], A: 0xff})
		}
	}
	return out
}
