package media

import (
	"encoding/binary"
	"fmt"
)

// The markers of a lossless JPEG (T.81 table B.1).
const (
	markSOF3 = 0xc3
	markDHT  = 0xc4
	markRST0 = 0xd0
	markSOI  = 0xd8
	markEOI  = 0xd9
	markSOS  = 0xda
	markDRI  = 0xdd
)

// lossless is a JPEG of process 14 as it is decoded (T.81 annex H): each value is what its neighbours let expect, and a difference.
type lossless struct {
	data      []byte
	at        int
	frame     PixelFrame
	out       []byte
	precision int
	ids       []byte // of components, in the order of samples; nil before the frame's head
	tables    [4]*huffman
	restart   int // values of a component from one restart to the next; 0: there is none
	read      int // components that have been
}

// losslessScan is some components whose values lie side by side.
type losslessScan struct {
	samples   []int
	tables    []*huffman
	predictor int
	shift     int
}

// UnpackLosslessJPEG unpacks a frame of JPEG Lossless, process 14 with any selection value (PS3.5 section 8.2.1, T.81 annex H), into
// out, which has f.Size bytes. It fails with ErrPixels for any other JPEG, for one of another size than f, and unless all of it is there.
func UnpackLosslessJPEG(data []byte, f PixelFrame, out []byte) error {
	d := &lossless{data: data, frame: f, out: out}
	if f.Width < 1 || f.Bytes < 1 || len(out) != f.Size() || len(data) < 2 || data[0] != 0xff || data[1] != markSOI {
		return fmt.Errorf("%w: no JPEG", ErrPixels)
	}
	d.at = 2
	for d.read < f.Samples {
		mark, body, err := d.segment()
		if err != nil {
			return err
		}
		switch {
		case mark == markSOF3 && d.ids == nil:
			err = d.frameHead(body)
		case mark == markDHT:
			err = d.huffmanTables(body)
		case mark == markDRI && len(body) == 2:
			d.restart = int(binary.BigEndian.Uint16(body))
		case mark == markSOS:
			err = d.scan(body)
		case mark == markEOI, mark >= 0xc0 && mark <= 0xcf: // of another process, or arithmetic
			err = fmt.Errorf("%w: marker %02x of no lossless JPEG", ErrPixels, mark)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// segment reads the next marker with its parameters.
func (d *lossless) segment() (mark byte, body []byte, err error) {
	for d.at+4 <= len(d.data) && d.data[d.at] == 0xff && d.data[d.at+1] == 0xff { // filling
		d.at++
	}
	if d.at+4 > len(d.data) || d.data[d.at] != 0xff {
		return 0, nil, fmt.Errorf("%w: no marker at %d", ErrPixels, d.at)
	}
	mark = d.data[d.at+1]
	length := int(binary.BigEndian.Uint16(d.data[d.at+2:]))
	from := d.at + 4
	if mark == markEOI {
		return mark, nil, nil
	}
	if length < 2 || d.at+2+length > len(d.data) {
		return 0, nil, fmt.Errorf("%w: marker %02x ends early", ErrPixels, mark)
	}
	d.at += 2 + length
	return mark, d.data[from:d.at], nil
}

// frameHead reads the size of the picture (T.81 section B.2.2), which must be the one that is wanted.
func (d *lossless) frameHead(b []byte) error {
	if len(b) < 6 || len(b) != 6+3*int(b[5]) {
		return fmt.Errorf("%w: the frame's head", ErrPixels)
	}
	d.precision = int(b[0])
	height, width, samples := int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:])), int(b[5])
	if width != d.frame.Width || height != d.frame.Height || samples != d.frame.Samples || d.precision < 2 || d.precision > 8*d.frame.Bytes {
		return fmt.Errorf("%w: %d x %d of %d times %d bits", ErrPixels, width, height, samples, d.precision)
	}
	for i := range samples {
		if samples > 1 && b[6+3*i+1] != 0x11 {
			return fmt.Errorf("%w: components of different sizes", ErrPixels)
		}
		d.ids = append(d.ids, b[6+3*i])
	}
	return nil
}

// scan reads the head of a scan (T.81 section B.2.3) and its values.
func (d *lossless) scan(b []byte) error {
	if d.ids == nil || len(b) < 1 || len(b) != 4+2*int(b[0]) || b[0] == 0 {
		return fmt.Errorf("%w: a scan's head", ErrPixels)
	}
	n := int(b[0])
	s := losslessScan{predictor: int(b[1+2*n]), shift: int(b[3+2*n] & 0xf)}
	for i := range n {
		sample, table := -1, d.tables[b[2+2*i]>>4&3]
		for k, id := range d.ids {
			if id == b[1+2*i] && k >= d.read+i && sample < 0 {
				sample = k
			}
		}
		if sample != d.read+i || table == nil || b[2+2*i]>>4 > 3 { // in their order, each once
			return fmt.Errorf("%w: a component that is not there", ErrPixels)
		}
		s.samples, s.tables = append(s.samples, sample), append(s.tables, table)
	}
	if s.predictor < 1 || s.predictor > 7 || s.shift >= d.precision || d.restart%d.frame.Width != 0 {
		return fmt.Errorf("%w: a way of predicting that there is not", ErrPixels)
	}
	d.read += n
	return d.values(s)
}

// values reads the rows of a scan.
func (d *lossless) values(s losslessScan) error {
	bits := &jpegBits{data: d.data, at: d.at}
	width, n := d.frame.Width, len(s.samples)
	above, row := make([]uint16, width*n), make([]uint16, width*n)
	first := true // since the beginning, or a restart
	for y := range d.frame.Height {
		if rows := d.restart / width; rows > 0 && y > 0 && y%rows == 0 {
			if !bits.restarted(y/rows - 1) {
				return fmt.Errorf("%w: no restart at row %d", ErrPixels, y)
			}
			first = true
		}
		for x := range width {
			for c := range n {
				difference, ok := s.tables[c].difference(bits)
				if !ok {
					return fmt.Errorf("%w: they end in row %d of %d", ErrPixels, y+1, d.frame.Height)
				}
				i := x*n + c
				row[i] = s.expected(row, above, i, n, first, d.precision) + difference
				d.put(y*width+x, s.samples[c], row[i]<<s.shift)
			}
		}
		above, row, first = row, above, false
	}
	d.at = bits.end()
	return nil
}

// expected is what a value is expected to be (T.81 table H.1); first is the first row.
func (s *losslessScan) expected(row, above []uint16, i, n int, first bool, precision int) uint16 {
	switch {
	case first && i < n:
		return 1 << (precision - s.shift - 1)
	case first:
		return row[i-n]
	case i < n:
		return above[i]
	}
	a, b, c := int(row[i-n]), int(above[i]), int(above[i-n])
	switch s.predictor {
	case 1:
		return uint16(a)
	case 2:
		return uint16(b)
	case 3:
		return uint16(c)
	case 4:
		return uint16(a + b - c)
	case 5:
		return uint16(a + (b-c)>>1)
	case 6:
		return uint16(b + (a-c)>>1)
	default:
		return uint16((a + b) >> 1)
	}
}

func (d *lossless) put(pixel, sample int, v uint16) {
	at := (pixel*d.frame.Samples + sample) * d.frame.Bytes
	d.out[at] = byte(v)
	if d.frame.Bytes == 2 {
		d.out[at+1] = byte(v >> 8)
	}
}
