package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// packRLE packs a frame as PS3.5 annex G says: runs of three and more, and what is between.
func packRLE(f PixelFrame, pixels []byte) []byte {
	planes := f.Samples * f.Bytes
	head := binary.LittleEndian.AppendUint32(nil, uint32(planes))
	var body []byte
	for segment := range planes {
		head = binary.LittleEndian.AppendUint32(head, uint32(rleHead+len(body)))
		var plane []byte
		for at := segment/f.Bytes*f.Bytes + f.Bytes - 1 - segment%f.Bytes; at < len(pixels); at += planes {
			plane = append(plane, pixels[at])
		}
		for i := 0; i < len(plane); {
			n := 1
			for i+n < len(plane) && plane[i+n] == plane[i] && n < 128 {
				n++
			}
			if n >= 3 {
				body = append(body, byte(257-n), plane[i])
			} else {
				body = append(append(body, byte(n-1)), plane[i:i+n]...)
			}
			i += n
		}
		if len(body)%2 != 0 {
			body = append(body, 0x80)
		}
	}
	return append(append(head, make([]byte, rleHead-len(head))...), body...)
}

// bitWriter writes the coded data of a JPEG.
type bitWriter struct {
	out   []byte
	held  uint64
	count int
}

func (w *bitWriter) put(v, n int) {
	w.held, w.count = w.held<<n|uint64(v)&(1<<n-1), w.count+n
	for w.count >= 8 {
		w.count -= 8
		b := byte(w.held >> w.count)
		if w.out = append(w.out, b); b == 0xff {
			w.out = append(w.out, 0)
		}
	}
}

func (w *bitWriter) align() {
	for w.count%8 != 0 {
		w.put(1, 1)
	}
}

// packLosslessJPEG packs a frame as T.81 annex H says, with codes of five bits for each number of bits.
func packLosslessJPEG(f PixelFrame, precision, predictor, shift, rows int, pixels []byte) []byte {
	out := []byte{0xff, markSOI, 0xff, markSOF3, 0, byte(8 + 3*f.Samples), byte(precision), byte(f.Height >> 8), byte(f.Height), byte(f.Width >> 8), byte(f.Width), byte(f.Samples)}
	for i := range f.Samples {
		out = append(out, byte(i+1), 0x11, 0)
	}
	out = append(out, 0xff, markDHT, 0, 19+17, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	for i := range 17 {
		out = append(out, byte(16-i))
	}
	if rows > 0 {
		out = append(out, 0xff, markDRI, 0, 4, byte(rows*f.Width>>8), byte(rows*f.Width))
	}
	out = append(out, 0xff, markSOS, 0, byte(6+2*f.Samples), byte(f.Samples))
	for i := range f.Samples {
		out = append(out, byte(i+1), 0)
	}
	out = append(out, byte(predictor), 0, byte(shift))
	value := func(x, y, c int) int {
		at := ((y*f.Width+x)*f.Samples + c) * f.Bytes
		v := int(pixels[at])
		if f.Bytes == 2 {
			v |= int(pixels[at+1]) << 8
		}
		return v >> shift
	}
	w := &bitWriter{}
	for y := range f.Height {
		first := y == 0
		if rows > 0 && y > 0 && y%rows == 0 {
			w.align()
			w.out, first = append(w.out, 0xff, markRST0+byte(y/rows-1)%8), true
		}
		for x := range f.Width {
			for c := range f.Samples {
				var want int
				switch {
				case first && x == 0:
					want = 1 << (precision - shift - 1)
				case first:
					want = value(x-1, y, c)
				case x == 0:
					want = value(x, y-1, c)
				default:
					a, b, d := value(x-1, y, c), value(x, y-1, c), value(x-1, y-1, c)
					want = []int{0, a, b, d, a + b - d, a + (b-d)>>1, b + (a-d)>>1, (a + b) >> 1}[predictor]
				}
				difference := int(int16(value(x, y, c) - want))
				size := bits.Len(uint(max(difference, -difference)))
				w.put(16-size, 5)
				if size == 16 {
					continue
				}
				if difference < 0 {
					difference--
				}
				w.put(difference, size)
			}
		}
	}
	w.align()
	return append(append(out, w.out...), 0xff, markEOI)
}

func someFrame(f PixelFrame, precision int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(precision)))
	out := make([]byte, f.Size())
	for i := range f.Width * f.Height * f.Samples {
		v := (i*i/7 + r.IntN(1<<(precision/2)) + i%3<<(precision-2)) & (1<<precision - 1)
		if i%50 < 20 {
			v = 1<<precision - 1 - i%2*(1<<precision-1) // and edges as sharp as can be
		}
		out[i*f.Bytes] = byte(v)
		if f.Bytes == 2 {
			out[2*i+1] = byte(v >> 8)
		}
	}
	return out
}

func TestPackedPixelsAreUnpackedToTheByte(t *testing.T) {
	for _, f := range []PixelFrame{{31, 17, 1, 1}, {31, 17, 1, 2}, {16, 9, 3, 1}, {1, 1, 1, 2}, {300, 2, 1, 1}} {
		pixels, out := someFrame(f, 8*f.Bytes), make([]byte, f.Size())
		if err := UnpackRLE(packRLE(f, pixels), f, out); err != nil || !bytes.Equal(out, pixels) {
			t.Errorf("%+v as runs: %v", f, err)
		}
		for predictor := 1; predictor <= 7; predictor++ {
			for _, how := range []struct{ precision, shift, rows int }{{8 * f.Bytes, 0, 0}, {8*f.Bytes - 3, 0, 0}, {8 * f.Bytes, 2, 0}, {8 * f.Bytes, 0, 1}, {8 * f.Bytes, 0, 4}} {
				pixels := someFrame(f, how.precision)
				for i := 0; i < len(pixels); i += f.Bytes {
					pixels[i] &^= 1<<how.shift - 1
				}
				clear(out)
				if err := UnpackLosslessJPEG(packLosslessJPEG(f, how.precision, predictor, how.shift, how.rows, pixels), f, out); err != nil || !bytes.Equal(out, pixels) {
					t.Errorf("%+v as lossless JPEG, predictor %d, %+v: %v", f, predictor, how, err)
				}
			}
		}
	}
}

func TestPackedPixelsThatAreNotAllThereAreRefused(t *testing.T) {
	f := PixelFrame{40, 30, 1, 2}
	pixels := someFrame(f, 16)
	runs, photo := packRLE(f, pixels), packLosslessJPEG(f, 16, 1, 0, 0, pixels)
	for name, data := range map[string][]byte{
		"nothing": nil, "cut off": runs[:len(runs)-4], "its head alone": runs[:rleHead], "a photograph": photo,
		"other segments": append([]byte{3}, runs[1:]...), "segments elsewhere": append(append(bytes.Clone(runs[:4]), 255, 255, 255, 255), runs[8:]...), "segments in the head": append(append(bytes.Clone(runs[:4]), 4, 0, 0, 0), runs[8:]...),
	} {
		if err := UnpackRLE(data, f, make([]byte, f.Size())); !errors.Is(err, ErrPixels) {
			t.Errorf("runs, %s: %v", name, err)
		}
	}
	table := bytes.Index(photo, []byte{0xff, markDHT})
	change := func(at int, to ...byte) []byte { out := bytes.Clone(photo); copy(out[at:], to); return out }
	for name, data := range map[string][]byte{
		"nothing": nil, "cut off": photo[:len(photo)-9], "its head alone": photo[:20], "runs": runs, "ends at once": {0xff, markSOI, 0xff, markEOI, 0, 0},
		"other rows": change(7, 0, 29), "other columns": change(9, 0, 41), "no columns": change(9, 0, 0), "more bits": change(6, 17), "one bit": change(6, 1), "baseline": change(3, 0xc0), "arithmetic": change(3, 0xcb),
		"too many codes of a length": change(table+5, 3), "a symbol that there is not": change(table+21, 17), "no table": change(table+1, 0xfe), "more tables": change(table+4, 9),
		"no such predictor": change(bytes.Index(photo, []byte{0xff, markSOS})+7, 8), "no prediction": change(bytes.Index(photo, []byte{0xff, markSOS})+7, 0),
		"another component": change(bytes.Index(photo, []byte{0xff, markSOS})+5, 9), "a restart that does not come": append(append(bytes.Clone(photo[:table]), 0xff, markDRI, 0, 4, 0, 40), photo[table:]...),
		"restarts in a row": append(append(bytes.Clone(photo[:table]), 0xff, markDRI, 0, 4, 0, 41), photo[table:]...),
	} {
		if err := UnpackLosslessJPEG(data, f, make([]byte, f.Size())); !errors.Is(err, ErrPixels) {
			t.Errorf("lossless JPEG, %s: %v", name, err)
		}
	}
	restarts := packLosslessJPEG(f, 16, 1, 0, 10, pixels)
	restarts[bytes.LastIndex(restarts, []byte{0xff, markRST0})+1] = markRST0 + 1 // one was lost
	if err := UnpackLosslessJPEG(restarts, f, make([]byte, f.Size())); !errors.Is(err, ErrPixels) {
		t.Errorf("restarts out of order: %v", err)
	}
	if err := UnpackRLE(runs, f, make([]byte, f.Size()-1)); !errors.Is(err, ErrPixels) {
		t.Errorf("into too little: %v", err)
	}
	if err := UnpackLosslessJPEG(photo, PixelFrame{}, nil); !errors.Is(err, ErrPixels) {
		t.Errorf("a frame of nothing: %v", err)
	}
}

// FuzzPixels unpacks anything: nothing panics or writes beyond its frame.
func FuzzPixels(f *testing.F) {
	for _, frame := range []PixelFrame{{9, 7, 1, 2}, {5, 4, 3, 1}} {
		pixels := someFrame(frame, 8*frame.Bytes)
		f.Add(packRLE(frame, pixels), uint8(frame.Width), uint8(frame.Samples), uint8(frame.Bytes))
		f.Add(packLosslessJPEG(frame, 8*frame.Bytes, 4, 0, 2, pixels), uint8(frame.Width), uint8(frame.Samples), uint8(frame.Bytes))
	}
	f.Fuzz(func(t *testing.T, data []byte, width, samples, size uint8) {
		frame := PixelFrame{Width: int(width), Height: 7, Samples: 1 + int(samples%4), Bytes: 1 + int(size%2)}
		room := bytes.Repeat([]byte{0xa5}, frame.Size()+8)
		for name, unpack := range map[string]func([]byte, PixelFrame, []byte) error{"runs": UnpackRLE, "lossless JPEG": UnpackLosslessJPEG} {
			if err := unpack(data, frame, room[:frame.Size():frame.Size()]); err != nil && !errors.Is(err, ErrPixels) {
				t.Errorf("%s: %v", name, err)
			}
			if fmt.Sprintf("%x", room[frame.Size():]) != "a5a5a5a5a5a5a5a5" {
				t.Errorf("%s: written beyond the frame", name)
			}
		}
	})
}
