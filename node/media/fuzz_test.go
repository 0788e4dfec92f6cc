package media

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

func seeds(f *testing.F) {
	f.Helper()
	for _, b := range [][]byte{makePDF(2), jpegFile(f), pngFile(f), dicomFile("12"), dicomFile("")[132:], []byte(cda), makeTIFF(grayPage(1), grayPage(9))} {
		f.Add(b, "")
	}
	files, err := filepath.Glob("testdata/tiff/*.tif*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		if b, err := os.ReadFile(file); err == nil && len(b) < 5000 {
			f.Add(b, file)
		}
	}
}

// FuzzInspect checks that no bytes make Inspect panic, and that what it says is usable: pages that it maps can be asked for.
func FuzzInspect(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		info, err := Inspect(bytes.NewReader(b), int64(len(b)), name)
		if err != nil {
			return
		}
		if info.ContentType == "" || info.Pages < 0 || len(info.Spans) != 0 && len(info.Spans) != info.Pages {
			t.Fatalf("got %+v", info)
		}
		if FormatOf(info.ContentType) != info.Format {
			t.Fatalf("%v and %s", info.Format, info.ContentType)
		}
	})
}

// FuzzTIFF walks anything as a TIFF: extents lie within the file, and every mapped page can be cut out into a file that is read back
// as one page, unless it holds something that cannot be written.
func FuzzTIFF(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte, _ string) {
		size := int64(len(b))
		_, spans, err := inspectTIFF(bytes.NewReader(b), size)
		if err != nil {
			return
		}
		for i, s := range spans {
			end := int64(-1)
			for _, e := range s.Extents {
				if e.Offset <= end || e.Length <= 0 || endOf(e) > size {
					t.Fatalf("page %d: extents %v of %d", i+1, s.Extents, size)
				}
				end = endOf(e)
			}
			if i >= 4 {
				continue
			}
			var out bytes.Buffer
			src := Source{ContentType: "image/tiff", Spans: spans, Bytes: bytes.NewReader(b), Size: size}
			if err := Assemble(context.Background(), &out, src, []int{i + 1}); err != nil {
				t.Fatalf("page %d: %v", i+1, err)
			}
			if n, _, err := inspectTIFF(bytes.NewReader(out.Bytes()), int64(out.Len())); err != nil || n != 1 {
				t.Fatalf("page %d alone: %d pages, %v", i+1, n, err)
			}
		}
	})
}

// FuzzAssemble feeds spans that do not belong to the file, as a hostile custodian could.
func FuzzAssemble(f *testing.F) {
	b := makeTIFF(grayPage(1), grayPage(9))
	f.Add(b, int64(100), int64(0), int64(200))
	f.Fuzz(func(_ *testing.T, b []byte, dir, off, length int64) {
		spans := []federation.Page{{Directory: dir, Extents: []federation.Extent{{Offset: 0, Length: 8}, {Offset: off, Length: length}}}, {}}
		src := Source{ContentType: "image/tiff", Spans: spans, Bytes: bytes.NewReader(b), Size: int64(len(b))}
		_ = Assemble(context.Background(), io.Discard, src, []int{1, 2}) // only a panic counts
	})
}

func FuzzParsePages(f *testing.F) {
	f.Add("1-3,7", 9)
	f.Fuzz(func(t *testing.T, s string, count int) {
		pages, err := ParsePages(s, count)
		for i, p := range pages {
			if err != nil || p < 1 || count > 0 && p > count || i > 0 && p <= pages[i-1] {
				t.Fatalf("%q of %d: %v, %v", s, count, pages, err)
			}
		}
	})
}
