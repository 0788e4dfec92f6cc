package web

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"golang.org/x/image/ccitt"

	"github.com/ridgeway-exchange/ridgeway/node/media"
)

// lineArtWidth is as many pixels as a line of the decoder can have.
const lineArtWidth = 1 << 20

// lineArtWeight is how many bytes paintLineArt holds at most: a page that does not compress, as it is packed and again in the file,
// and what the file is begun with.
func lineArtWeight(a media.LineArt, data []byte) int64 {
	return 2*int64(1+(a.Width+7)/8)*int64(a.Height) + 2*int64(len(data))
}

// paintLineArt writes a scanned page in black and white as PNG, line by line and with a bit a pixel all the way: through an image
// of a byte a pixel it takes five times as long. ok is false when the page is of another kind, or not whole.
func paintLineArt(a media.LineArt, data []byte) (_ []byte, ok bool) {
	if a.Width > lineArtWidth {
		return nil, false
	}
	out := bytes.NewBuffer(make([]byte, 0, len(data)*2))
	out.WriteString("\x89PNG\r\n\x1a\n")
	header := binary.BigEndian.AppendUint32(nil, uint32(a.Width))
	header = binary.BigEndian.AppendUint32(header, uint32(a.Height))
	chunk(out, "IHDR", append(header, 1, 0, 0, 0, 0)) // a bit a pixel, gray, and the only ways there are to compress and filter; not interlaced
	var packed bytes.Buffer
	z, err := zlib.NewWriterLevel(&packed, zlib.BestSpeed)
	if err != nil {
		return nil, false
	}
	order := ccitt.MSB
	if a.LSB {
		order = ccitt.LSB
	}
	line := make([]byte, 1+(a.Width+7)/8) // what a line is filtered by, none, and its pixels
	for i, s := range a.Strips {
		rows := min(a.Rows, a.Height-i*a.Rows)
		// Without Invert white is 1, as in PNG, whichever of the two the file calls zero.
		r := ccitt.NewReader(bytes.NewReader(data[s.Offset:s.Offset+s.Length]), order, ccitt.Group4, a.Width, rows, nil)
		for range rows {
			if _, err := io.ReadFull(r, line[1:]); err != nil {
				return nil, false
			}
			if _, err := z.Write(line); err != nil {
				return nil, false
			}
		}
		if _, err := r.Read(line[:1]); !errors.Is(err, io.EOF) {
			return nil, false
		}
	}
	if err := z.Close(); err != nil {
		return nil, false
	}
	chunk(out, "IDAT", packed.Bytes())
	chunk(out, "IEND", nil)
	return out.Bytes(), true
}

// chunk writes a chunk of a PNG file (PNG 3rd edition §5.3).
func chunk(out *bytes.Buffer, name string, data []byte) {
	out.Write(binary.BigEndian.AppendUint32(nil, uint32(len(data))))
	from := out.Len()
	out.WriteString(name)
	out.Write(data)
	out.Write(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(out.Bytes()[from:])))
}
