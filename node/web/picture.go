package web

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"github.com/hhrutter/tiff"

	"github.com/ridgeway-exchange/ridgeway/node/media"
)

const (
	maxPage     = 64 << 20    // bytes of a page
	maxPixels   = 100_000_000 // of a page
	maxPainting = 400 << 20   // bytes of all pages that are decoded at once, so that of one page too
	jpegQuality = 85
)

// picture is a page as browsers can show it.
type picture struct {
	data          []byte
	contentType   string
	width, height int
	retried       bool   // the first copy failed its check
	window        window // through which it is seen; zero: there is none
	agrees        string // what of the file's own words about its patient was compared, and is right
}

// paint makes a picture of a page that browsers cannot show, and checks one that they can. The size that a file claims is
// looked at before anything is decoded, and how much is decoded at once is bounded.
func (p *Portal) paint(ctx context.Context, contentType string, data []byte) (out picture, err error) {
	defer func() {
		// A decoder that fails on hostile bytes must not take the node with it.
		if recover() != nil {
			out, err = picture{}, ErrPicture
		}
	}()
	format := media.FormatOf(contentType)
	config, err := claimedSize(format, data)
	if err != nil {
		return picture{}, fmt.Errorf("%w: %w", ErrPicture, err)
	}
	if config.Width <= 0 || config.Height <= 0 || config.Width > maxPixels/config.Height {
		return picture{}, fmt.Errorf("%w: %d x %d pixels", ErrPicture, config.Width, config.Height)
	}
	out = picture{data: data, contentType: contentType, width: config.Width, height: config.Height}
	if format != media.FormatTIFF {
		return out, nil
	}
	if pic, ok, err := p.paintScan(ctx, out); ok || err != nil {
		return pic, err
	}
	weight := int64(config.Width) * int64(config.Height) * bytesOf(config.ColorModel)
	if weight > maxPainting {
		return picture{}, fmt.Errorf("%w: %d x %d pixels take %d bytes", ErrPicture, config.Width, config.Height, weight)
	}
	if err := p.painting.Acquire(ctx, weight); err != nil {
		return picture{}, err
	}
	defer p.painting.Release(weight)
	img, err := tiff.Decode(bytes.NewReader(data))
	if err != nil {
		return picture{}, fmt.Errorf("%w: %w", ErrPicture, err)
	}
	out.data, out.contentType, err = encode(img)
	return out, err
}

// paintScan makes the picture of a TIFF page in black and white, as most scans are. ok is false when it is another.
func (p *Portal) paintScan(ctx context.Context, page picture) (_ picture, ok bool, err error) {
	art, ok := media.ReadLineArt(bytes.NewReader(page.data), int64(len(page.data)))
	if !ok || art.Width != page.width || art.Height != page.height {
		return picture{}, false, nil
	}
	weight := lineArtWeight(art, page.data)
	if err := p.painting.Acquire(ctx, weight); err != nil {
		return picture{}, false, err
	}
	defer p.painting.Release(weight)
	if page.data, ok = paintLineArt(art, page.data); !ok {
		return picture{}, false, nil
	}
	page.contentType = media.FormatPNG.ContentType()
	return page, true, nil
}

// paintFrame makes a picture of the bytes of the frame of a DICOM file that is wanted.
func (p *Portal) paintFrame(ctx context.Context, r *radiograph, x reading, raw []byte) (out picture, err error) {
	defer func() {
		if recover() != nil { // as in paint
			out, err = picture{}, ErrPicture
		}
	}()
	held := int64(0)
	defer func() { p.painting.Release(held) }()
	return r.paint(x.page, raw, x.window, func(n int64) error {
		if n > maxPainting {
			return fmt.Errorf("%w: %d bytes", ErrPicture, n)
		}
		if err := p.painting.Acquire(ctx, n); err != nil {
			return err
		}
		held = n
		return nil
	})
}

func claimedSize(format media.Format, data []byte) (image.Config, error) {
	switch format {
	case media.FormatTIFF:
		return tiff.DecodeConfig(bytes.NewReader(data))
	case media.FormatJPEG:
		return jpeg.DecodeConfig(bytes.NewReader(data))
	case media.FormatPNG:
		return png.DecodeConfig(bytes.NewReader(data))
	default:
		return image.Config{}, fmt.Errorf("%s has no pages", format)
	}
}

// bytesOf is how many bytes of memory a pixel takes, decoded and on its way to be encoded.
func bytesOf(m color.Model) int64 {
	switch m {
	case color.GrayModel:
		return 2 // and what bilevel makes of it
	case color.Gray16Model:
		return 2
	case color.RGBA64Model, color.NRGBA64Model:
		return 8
	case color.RGBAModel, color.NRGBAModel, color.CMYKModel, color.YCbCrModel:
		return 4
	}
	if _, ok := m.(color.Palette); ok {
		return 1
	}
	return 8
}

// encode writes a page as PNG where it is line art, and as JPEG where it is a photograph.
func encode(img image.Image) ([]byte, string, error) {
	var out bytes.Buffer
	switch img := img.(type) {
	case *image.Gray:
		if two, ok := bilevel(img); ok {
			return encodePNG(two)
		}
		return encodePNG(img)
	case *image.Paletted, *image.Gray16:
		return encodePNG(img)
	default:
		if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: jpegQuality}); err != nil {
			return nil, "", fmt.Errorf("%w: %w", ErrPicture, err)
		}
		return out.Bytes(), media.FormatJPEG.ContentType(), nil
	}
}

func encodePNG(img image.Image) ([]byte, string, error) {
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&out, img); err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrPicture, err)
	}
	return out.Bytes(), media.FormatPNG.ContentType(), nil
}

// bilevel returns an image of black and white with a bit a pixel, which is encoded in a fraction of the time and size. ok is
// false when there is any gray in it.
func bilevel(img *image.Gray) (_ *image.Paletted, ok bool) {
	b := img.Bounds()
	out := image.NewPaletted(b, color.Palette{color.Black, color.White})
	for y := range b.Dy() {
		from := img.Pix[y*img.Stride : y*img.Stride+b.Dx()]
		to := out.Pix[y*out.Stride:]
		for x, v := range from {
			switch v {
			case 0:
			case 0xff:
				to[x] = 1
			default:
				return nil, false
			}
		}
	}
	return out, true
}
