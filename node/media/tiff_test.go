package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hhrutter/tiff"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

func allSpans(t *testing.T, b []byte) []federation.Page {
	t.Helper()
	f, next, err := openTIFF(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	w := &tiffWalk{tiffFile: f, seen: map[int64]int{}, mappable: true, maxBlocks: maxTIFFBlocks}
	for next != 0 {
		if next, err = w.visit(next); err != nil {
			t.Fatal(err)
		}
	}
	return w.pages
}

func samePixels(t *testing.T, got, want image.Image) {
	t.Helper()
	if got.Bounds() != want.Bounds() {
		t.Fatalf("bounds %v, want %v", got.Bounds(), want.Bounds())
	}
	r := want.Bounds()
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if got.At(x, y) != want.At(x, y) {
				t.Fatalf("pixel %d,%d is %v, want %v", x, y, got.At(x, y), want.At(x, y))
			}
		}
	}
}

func TestEverySampleSplitsIntoPagesThatDecodeAlike(t *testing.T) {
	files, err := filepath.Glob("testdata/tiff/*.tif*")
	if err != nil || len(files) < 12 {
		t.Fatalf("samples: %d, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			info, err := Inspect(bytes.NewReader(b), int64(len(b)), file)
			if err != nil {
				t.Fatal(err)
			}
			spans := allSpans(t, b)
			if info.Format != FormatTIFF || info.Pages != len(spans) {
				t.Fatalf("got %v with %d pages, want TIFF with %d", info.Format, info.Pages, len(spans))
			}
			for i, span := range spans {
				var out bytes.Buffer
				src := Source{ContentType: "image/tiff", Spans: spans, Bytes: bytes.NewReader(sparse(t, b, span)), Size: int64(len(b))}
				if err := Assemble(context.Background(), &out, src, []int{i + 1}); err != nil {
					t.Fatal(err)
				}
				again, err := Inspect(bytes.NewReader(out.Bytes()), int64(out.Len()), "page.tif")
				if err != nil || again.Pages != 1 {
					t.Fatalf("page %d alone: %d pages, %v", i+1, again.Pages, err)
				}
				sameBlocks(t, out.Bytes(), b, span.Directory)
				want, err := tiff.DecodeAt(bytes.NewReader(b), span.Directory)
				if strings.Contains(file, "tiled-jpeg") || strings.Contains(file, "fillbits") {
					continue // the decoder knows neither YCbCr nor fill bits; the data was compared byte for byte
				}
				if err != nil {
					t.Fatalf("decode original page %d: %v", i+1, err)
				}
				got, err := tiff.Decode(bytes.NewReader(out.Bytes()))
				if err != nil {
					t.Fatalf("decode page %d alone: %v", i+1, err)
				}
				samePixels(t, got, want)
			}
		})
	}
}

// sameBlocks compares the image data of the one page of got with the page of want whose directory is at dir.
func sameBlocks(t *testing.T, got, want []byte, dir int64) {
	t.Helper()
	read := func(b []byte, at int64) (blocks [][]byte) {
		f, first, err := openTIFF(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if at == 0 {
			at = first
		}
		d, err := f.readDirectory(at)
		if err != nil {
			t.Fatal(err)
		}
		data, err := f.imageData(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range data {
			for _, e := range a.blocks {
				blocks = append(blocks, b[e.Offset:endOf(e)])
			}
		}
		return blocks
	}
	g, w := read(got, 0), read(want, dir)
	if len(g) != len(w) {
		t.Fatalf("%d blocks, want %d", len(g), len(w))
	}
	for i := range g {
		if !bytes.Equal(g[i], w[i]) {
			t.Fatalf("block %d differs", i)
		}
	}
}

func TestPagesOfTIFFAreCutInTheOrderAskedFor(t *testing.T) {
	b := makeTIFF(grayPage(10), grayPage(30), grayPage(50), grayPage(70))
	info, err := Inspect(bytes.NewReader(b), int64(len(b)), "note.tif")
	if err != nil || info.Pages != 4 || len(info.Spans) != 4 {
		t.Fatalf("got %+v, %v", info, err)
	}
	src := Source{
		ContentType: info.ContentType, Spans: info.Spans, Size: int64(len(b)),
		Bytes: bytes.NewReader(sparse(t, b, info.Spans[3], info.Spans[1])),
	}
	var out bytes.Buffer
	if err := Assemble(context.Background(), &out, src, []int{4, 2}); err != nil {
		t.Fatal(err)
	}
	cut := allSpans(t, out.Bytes())
	if len(cut) != 2 {
		t.Fatalf("%d pages, want 2", len(cut))
	}
	for i, first := range []uint8{70, 30} {
		img, err := tiff.DecodeAt(bytes.NewReader(out.Bytes()), cut[i].Directory)
		if err != nil {
			t.Fatal(err)
		}
		if got := img.(*image.Gray).GrayAt(0, 0).Y; got != first {
			t.Errorf("page %d begins with %d, want %d", i+1, got, first)
		}
	}
}

func TestExtentsOfAPageHoldNothingOfAnother(t *testing.T) {
	secret := []byte("BELONGS TO PAGE TWO")
	two := grayPage(30, testTag{270, 2, uint32(len(secret)), secret, nil})
	b := makeTIFF(grayPage(10), two, grayPage(50))
	info, err := Inspect(bytes.NewReader(b), int64(len(b)), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []int{0, 2} {
		if bytes.Contains(sparse(t, b, info.Spans[page]), secret) {
			t.Errorf("the extents of page %d carry a value of page 2", page+1)
		}
	}
	if !bytes.Contains(sparse(t, b, info.Spans[1]), secret) {
		t.Error("the extents of page 2 lack its own value")
	}
}

func TestPageThatReachesOutsideItsExtentsIsRefused(t *testing.T) {
	b := makeTIFF(grayPage(10), grayPage(30))
	info, _ := Inspect(bytes.NewReader(b), int64(len(b)), "")
	spans := []federation.Page{info.Spans[0], {Directory: info.Spans[1].Directory, Extents: info.Spans[0].Extents}}
	err := Assemble(context.Background(), &bytes.Buffer{}, Source{ContentType: "image/tiff", Spans: spans, Bytes: bytes.NewReader(b), Size: int64(len(b))}, []int{2})
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
}

func TestPointersToOtherStructuresAreDropped(t *testing.T) {
	sub := testTag{330, 13, 1, u32(8), nil}
	exif := testTag{34665, 4, 1, u32(8), nil}
	b := makeTIFF(grayPage(10, sub, exif), grayPage(30))
	info, err := Inspect(bytes.NewReader(b), int64(len(b)), "")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Assemble(context.Background(), &out, Source{ContentType: "image/tiff", Spans: info.Spans, Bytes: bytes.NewReader(b), Size: int64(len(b))}, []int{1}); err != nil {
		t.Fatal(err)
	}
	f, first, _ := openTIFF(bytes.NewReader(out.Bytes()), int64(out.Len()))
	d, err := f.readDirectory(first)
	if err != nil || d.find(330) != nil || d.find(34665) != nil || d.find(273) == nil {
		t.Errorf("directory %+v, %v", d, err)
	}
}

func TestWildTIFFIsTolerated(t *testing.T) {
	missingCounts := grayPage(10)[:8]
	swapped := grayPage(10)
	swapped[0], swapped[3] = swapped[3], swapped[0]
	thumbnail := grayPage(90, testTag{254, 4, 1, u32(1), nil})
	noNext := makeTIFF(grayPage(10))
	for _, c := range []struct {
		name  string
		file  []byte
		pages int
	}{
		{"strip lengths left out", makeTIFF(missingCounts, missingCounts), 2},
		{"tags out of order", makeTIFF(swapped), 1},
		{"thumbnail in the chain is no page", makeTIFF(grayPage(10), thumbnail, grayPage(30)), 2},
		{"thumbnails only", makeTIFF(thumbnail), 1},
		{"tag of unknown type", makeTIFF(grayPage(10, testTag{60000, 99, 1 << 31, u32(1 << 31), nil})), 1},
		{"pointer after the last directory left out", noNext[:len(noNext)-4], 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			info, err := Inspect(bytes.NewReader(c.file), int64(len(c.file)), "x.TIFF")
			if err != nil || info.Pages != c.pages {
				t.Fatalf("got %d pages, %v; want %d", info.Pages, err, c.pages)
			}
			for i := range info.Spans {
				var out bytes.Buffer
				src := Source{ContentType: "image/tiff", Spans: info.Spans, Bytes: bytes.NewReader(c.file), Size: int64(len(c.file))}
				if err := Assemble(context.Background(), &out, src, []int{i + 1}); err != nil {
					t.Fatal(err)
				}
				if _, err := tiff.Decode(&out); err != nil {
					t.Errorf("page %d alone: %v", i+1, err)
				}
			}
		})
	}
}

func TestHostileTIFFIsRefused(t *testing.T) {
	loop := makeTIFF(grayPage(10), grayPage(30))
	spans := allSpans(t, loop)
	binary.LittleEndian.PutUint32(loop[spans[1].Directory+2+9*12:], uint32(spans[0].Directory))
	huge := func(tag uint16) []byte {
		return makeTIFF(grayPage(10, testTag{tag, 4, 1<<32 - 1, u32(8), nil}))
	}
	far := grayPage(10)
	far[8].value = u32(1 << 30)
	for _, c := range []struct {
		name string
		file []byte
		want error
		says string
	}{
		{"header only", []byte("II*\x00"), ErrCorrupt, "header"},
		{"no page", append([]byte("II*\x00"), 0, 0, 0, 0), ErrCorrupt, "no page"},
		{"directory beyond the file", append([]byte("II*\x00"), u32(1<<31)...), ErrCorrupt, "outside the file"},
		{"directory within the header", append([]byte("II*\x00"), u32(4)...), ErrCorrupt, "outside the file"},
		{"chain in a circle", loop, ErrCorrupt, "circle"},
		{"2^32-1 strips", huge(273)[:], ErrCorrupt, "outside the file"},
		{"2^32-1 values of a private tag", huge(65000), ErrCorrupt, "outside the file"},
		{"cut off in the image data", makeTIFF(far), ErrCorrupt, "cut off"},
		{"no image data", makeTIFF([]testTag{{256, 3, 1, u16(4), nil}, {257, 3, 1, u16(4), nil}}), ErrCorrupt, "no image data"},
		{"no width", makeTIFF(grayPage(10)[1:]), ErrCorrupt, "no width"},
		{"BigTIFF", append([]byte("II+\x00\x08\x00\x00\x00"), u32(16, 0, 0, 0)...), ErrUnsupported, "BigTIFF"},
		{"truncated directory", makeTIFF(grayPage(10))[:60], ErrCorrupt, "beyond the end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Inspect(bytes.NewReader(c.file), int64(len(c.file)), "x.tif")
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v that says %q", err, c.want, c.says)
			}
		})
	}
}

func TestTooManyBlocksInAllPagesAreRefused(t *testing.T) {
	// 60 pages that share one array of 100 strips: cheap to write, dear to read.
	const strips = 100
	b := append([]byte("II*\x00"), 0, 0, 0, 0)
	arrayAt := uint32(len(b))
	for range strips {
		b = append(b, u32(8)...)
	}
	lenAt := uint32(len(b))
	for range strips {
		b = append(b, u32(1)...)
	}
	link := 4
	for range 60 {
		dir := u16(4)
		for _, e := range [][3]uint32{{256, 1, 4}, {257, 1, 4}, {273, strips, arrayAt}, {279, strips, lenAt}} {
			dir = append(append(dir, u16(uint16(e[0]), 4)...), u32(e[1], e[2])...)
		}
		binary.LittleEndian.PutUint32(b[link:], uint32(len(b)))
		link = len(b) + len(dir)
		b = append(append(b, dir...), 0, 0, 0, 0)
	}
	f, next, err := openTIFF(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	w := &tiffWalk{tiffFile: f, seen: map[int64]int{}, mappable: true, maxBlocks: 50 * strips}
	for next != 0 && err == nil {
		next, err = w.visit(next)
	}
	if !errors.Is(err, ErrTooLarge) || len(w.seen) != 51 {
		t.Errorf("got %v after %d pages, want ErrTooLarge after 51", err, len(w.seen))
	}
}
