package web

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/png"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hhrutter/tiff"
	"golang.org/x/sync/semaphore"

	"github.com/ridgeway-exchange/ridgeway/node/media"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

// lineArtOf paints a file as a scan in black and white.
func lineArtOf(data []byte) ([]byte, bool) {
	art, ok := media.ReadLineArt(bytes.NewReader(data), int64(len(data)))
	if !ok {
		return nil, false
	}
	return paintLineArt(art, data)
}

// sameAsDecoded fails unless a picture shows what the decoder of all TIFF files sees in the file.
func sameAsDecoded(t *testing.T, file, picture []byte) {
	t.Helper()
	want, err := tiff.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatalf("painted, and the decoder of all files says %v", err)
	}
	got, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	if got.Bounds() != want.Bounds() {
		t.Fatalf("%v, want %v", got.Bounds(), want.Bounds())
	}
	gray, ok := want.(*image.Gray)
	if !ok {
		t.Fatalf("painted in black and white what is %T", want)
	}
	for y := range gray.Rect.Dy() {
		for x := range gray.Rect.Dx() {
			if r, _, _, _ := got.At(x, y).RGBA(); uint8(r>>8) != gray.GrayAt(x, y).Y {
				t.Fatalf("pixel %d, %d is %d, want %d", x, y, r>>8, gray.GrayAt(x, y).Y)
			}
		}
	}
}

// edited returns a little-endian TIFF file of one directory with the values of a tag changed.
func edited(t *testing.T, file []byte, tag uint16, values ...uint32) []byte {
	t.Helper()
	out := slices.Clone(file)
	entry := entryOf(t, out, tag)
	le := binary.LittleEndian
	le.PutUint32(entry[4:], uint32(len(values)))
	le.PutUint16(entry[2:], 4)
	le.PutUint32(entry[8:], values[0])
	if len(values) > 1 {
		le.PutUint32(entry[8:], uint32(len(out)))
		for _, v := range values {
			out = le.AppendUint32(out, v)
		}
	}
	return out
}

func entryOf(t *testing.T, file []byte, tag uint16) []byte {
	t.Helper()
	at := binary.LittleEndian.Uint32(file[4:])
	for i := range binary.LittleEndian.Uint16(file[at:]) {
		if entry := file[at+2+12*uint32(i):][:12]; binary.LittleEndian.Uint16(entry) == tag {
			return entry
		}
	}
	t.Fatalf("no tag %d", tag)
	return nil
}

func scanned(t *testing.T) []byte {
	t.Helper()
	source := synth.New(3)
	return source.CaseNote(source.Patients(1)[0], 1).Bytes()
}

const (
	scanHeight      = 257
	scanBits        = 258
	scanCompression = 259
	scanPhotometric = 262
	scanFillOrder   = 266
	scanStrips      = 273
	scanRows        = 278
	scanLengths     = 279
	scanOptions     = 293
)

func TestAScanIsPaintedAsItIsDecoded(t *testing.T) {
	page := scanned(t)
	strip, length := binary.LittleEndian.Uint32(entryOf(t, page, scanStrips)[8:]), binary.LittleEndian.Uint32(entryOf(t, page, scanLengths)[8:])
	height := binary.LittleEndian.Uint32(entryOf(t, page, scanHeight)[8:])
	reversed := edited(t, page, scanFillOrder, 2)
	for i := range length {
		reversed[strip+i] = bits.Reverse8(reversed[strip+i])
	}
	strips := edited(t, edited(t, edited(t, edited(t, page, scanHeight, 2*height), scanRows, height), scanStrips, strip, strip), scanLengths, length, length)
	for name, file := range map[string][]byte{
		"white is zero": page, "black is zero": edited(t, page, scanPhotometric, 1), "bits the other way": reversed, "two strips": strips,
		"a strip with more lines than the page": edited(t, edited(t, page, scanHeight, height-9), scanRows, height-9),
	} {
		t.Run(name, func(t *testing.T) {
			picture, ok := lineArtOf(file)
			if !ok {
				t.Fatal("not painted")
			}
			sameAsDecoded(t, file, picture)
		})
	}
	for name, file := range map[string][]byte{
		"fewer lines than strips say": edited(t, page, scanRows, height/2), "a strip cut short": edited(t, page, scanLengths, length/2), "more lines than there are": edited(t, edited(t, page, scanHeight, height+9), scanRows, height+9),
		"a strip outside the file": edited(t, page, scanStrips, 1<<31), "a strip past the end": edited(t, page, scanLengths, 1<<31),
		"another compression": edited(t, page, scanCompression, 3), "gray": edited(t, page, scanBits, 8), "uncompressed mode": edited(t, page, scanOptions, 2), "no lines": edited(t, page, scanHeight, 0), "cut off": page[:len(page)/2], "no file": nil,
	} {
		if _, ok := lineArtOf(file); ok {
			t.Errorf("%s: painted", name)
		}
	}
}

func TestTheScansOfOtherProgramsArePaintedAsTheyAreDecoded(t *testing.T) {
	for _, name := range []string{"fax4.tiff", "imagemagick_group4.tiff"} {
		file, err := os.ReadFile(filepath.Join("../media/testdata/tiff", name))
		if err != nil {
			t.Fatal(err)
		}
		picture, ok := lineArtOf(file)
		if !ok {
			t.Fatalf("%s: not painted", name)
		}
		sameAsDecoded(t, file, picture)
	}
}

// FuzzLineArt: what is painted is what the decoder of all TIFF files sees.
func FuzzLineArt(f *testing.F) {
	small, err := os.ReadFile("../media/testdata/tiff/imagemagick_group4.tiff")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(small)
	f.Add(small[:len(small)/2])
	f.Fuzz(func(t *testing.T, file []byte) {
		if c, err := tiff.DecodeConfig(bytes.NewReader(file)); err != nil || c.Width*c.Height > 1<<22 {
			return
		}
		if picture, ok := lineArtOf(file); ok {
			sameAsDecoded(t, file, picture)
		}
	})
}

func TestAScanIsWeighedAsWhatItHolds(t *testing.T) {
	g := newRig(t)
	file := scanned(t)
	art, ok := media.ReadLineArt(bytes.NewReader(file), int64(len(file)))
	if !ok {
		t.Fatal("no scan")
	}
	page := picture{data: file, width: art.Width, height: art.Height}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond) // by which there is still no room
	defer cancel()
	raw := int64(art.Width) * int64(art.Height) / 8
	g.portal.painting = semaphore.NewWeighted(2*raw + 2*int64(len(file)) - 1)
	if _, _, err := g.portal.paintScan(ctx, page); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("painted in less room than the packed page and the file take: %v", err)
	}
	g.portal.painting = semaphore.NewWeighted(maxPainting)
	if _, ok, err := g.portal.paintScan(t.Context(), page); !ok || err != nil {
		t.Errorf("not painted: %v", err)
	}
	if most := lineArtWeight(media.LineArt{Width: maxPixels, Height: 1}, make([]byte, maxPage)); most > maxPainting {
		t.Errorf("a page can weigh %d, more than all pages may", most)
	}
}
