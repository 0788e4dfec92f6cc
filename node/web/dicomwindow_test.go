package web

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/suyashkumar/dicom/pkg/tag"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// The files of testdata/dicom that have a hyphen in their names were made by dcmtk out of those that have none: dcmcrle, dcmcjpeg.
func TestPackedImagesAreSeenAsTheyAreWithout(t *testing.T) {
	for name, frames := range map[string]int{"gray": 2, "colour": 1} {
		plain, err := os.ReadFile("testdata/dicom/" + name + ".dcm")
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob("testdata/dicom/" + name + "-*.dcm")
		if err != nil || len(files) != 7 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for _, file := range files {
			packed, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for frame := 1; frame <= frames; frame++ {
				want, err := paintDICOM(plain, frame, allowAll)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := paintDICOM(packed, frame, allowAll); err != nil || !bytes.Equal(got.data, want.data) {
					t.Errorf("%s: frame %d is another picture, %v", file, frame, err)
				}
			}
			if _, err := paintDICOM(packed, 1, func(n int64) error {
				if n < int64(len(plain))-1000 {
					t.Errorf("%s: %d bytes are asked for", file, n)
				}
				return errBusy
			}); err == nil {
				t.Errorf("%s is painted without room for it", file)
			}
		}
	}
}

func jpegOf(t *testing.T, img image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A JPEG passes as it is only where browsers show what the file says.
func TestJPEGIsSeenAsItsFileSays(t *testing.T) {
	gray := image.NewGray(image.Rect(0, 0, 9, 5))
	for i := range gray.Pix {
		gray.Pix[i] = 200
	}
	mixed := image.NewYCbCr(image.Rect(0, 0, 16, 16), image.YCbCrSubsampleRatio444)
	for i := range mixed.Y {
		mixed.Y[i], mixed.Cb[i], mixed.Cr[i] = 250, 20, 10 // red, where it is red, green and blue
	}
	colour := map[tag.Tag]any{tag.SamplesPerPixel: []int{3}, tag.BitsAllocated: []int{8}, tag.BitsStored: []int{8}, tag.HighBit: []int{7}}
	for _, c := range []struct {
		name   string
		img    image.Image
		change map[tag.Tag]any
		as     string
		want   color.RGBA
	}{
		{"plain", gray, nil, "image/jpeg", color.RGBA{200, 200, 200, 255}},
		{"white is low", gray, map[tag.Tag]any{tag.PhotometricInterpretation: []string{"MONOCHROME1"}}, "image/png", color.RGBA{55, 55, 55, 255}},
		{"a window", gray, map[tag.Tag]any{tag.WindowCenter: []string{"200.5"}, tag.WindowWidth: []string{"101"}}, "image/png", color.RGBA{128, 128, 128, 255}},
		{"mixed colours", mixed, map[tag.Tag]any{tag.PhotometricInterpretation: []string{"YBR_FULL_422"}}, "image/jpeg", color.RGBA{}},
		{"unmixed colours", mixed, map[tag.Tag]any{tag.PhotometricInterpretation: []string{"RGB"}}, "image/jpeg", color.RGBA{250, 20, 10, 255}},
	} {
		photo := jpegOf(t, c.img)
		change := map[tag.Tag]any{}
		if c.img == image.Image(mixed) {
			for k, v := range colour {
				change[k] = v
			}
		}
		for k, v := range c.change {
			change[k] = v
		}
		data := packed(t, [][]byte{photo}, nil, change)
		pic, err := paintDICOM(data, 1, allowAll)
		if err != nil || pic.contentType != c.as || pic.width != c.img.Bounds().Dx() {
			t.Errorf("%s: %s, %d wide, %v", c.name, pic.contentType, pic.width, err)
			continue
		}
		img, _, err := image.Decode(bytes.NewReader(pic.data))
		if err != nil {
			t.Fatal(err)
		}
		r, g, b, _ := img.At(4, 3).RGBA()
		near := func(got uint32, want uint8) bool { d := int(got>>8) - int(want); return d > -6 && d < 6 }
		if c.want.A != 0 && !(near(r, c.want.R) && near(g, c.want.G) && near(b, c.want.B)) {
			t.Errorf("%s: %d %d %d, want %v", c.name, r>>8, g>>8, b>>8, c.want)
		}
		if same := bytes.Equal(pic.data, photo); same != (c.name == "plain" || c.name == "mixed colours") {
			t.Errorf("%s: passes as it is: %v", c.name, same)
		}
	}
}

// through gets an image through a window and returns the grays of its first row.
func (b *browser) through(t *testing.T, address, window string, n int) []uint8 {
	t.Helper()
	got := b.get(address)
	got.wants(t, 200)
	if said := got.Header.Get("Ridgeway-Window"); said != window {
		t.Errorf("%s: through %q, want %q", address, said, window)
	}
	img, err := png.Decode(strings.NewReader(got.body))
	if err != nil {
		t.Fatal(err)
	}
	var out []uint8
	for x := range n {
		out = append(out, color.GrayModel.Convert(img.At(x, 0)).(color.Gray).Y)
	}
	return out
}

func TestTheReaderChangesTheWindow(t *testing.T) {
	head := headOf(t, map[tag.Tag]any{tag.Rows: []int{1}, tag.Columns: []int{4}, tag.NumberOfFrames: []string{"2"}, tag.WindowCenter: []string{"50.5", "1000"}, tag.WindowWidth: []string{"101", "500"}})
	head = append(head, explicit(tagWindowNames, "LO", []byte("SOFT\x07 <b>\\BONES "))...)
	var pixels []byte
	for _, v := range []uint16{0, 50, 100, 200, 100, 100, 100, 100} {
		pixels = binary.LittleEndian.AppendUint16(pixels, v)
	}
	b, _, doc, _ := opened(t, &admin.Located{Title: "CT", ContentType: "application/dicom", Pages: 2}, append(head, explicit(tagPixels, "OW", pixels)...))
	b.get(doc).wants(t, 200, `name="level" type="text" value="50.5"`, `name="width" type="text" value="101"`, ">SOFT &lt;b&gt;</a>", ">BONES</a>", `aria-current="true">The file&#39;s own`[:20], "/page?page=1&amp;part=1\"")
	if got := b.through(t, doc+"/page?part=1&page=1", "50.5 101", 4); !slices.Equal(got, []uint8{0, 128, 255, 255}) {
		t.Errorf("through the file's own: %v", got)
	}
	if b.region.fetches != 1 {
		t.Errorf("page and picture took %d releases, want 1", b.region.fetches)
	}
	page := b.get(doc + "?part=1&page=1&level=100.5&width=201")
	page.wants(t, 200, `value="100.5"`, `value="201"`, `name="level" value="100.5"`, "level=100.5&amp;page=2&amp;part=1&amp;width=201", "/page?level=100.5&amp;page=1&amp;part=1&amp;width=201\"")
	if got := b.through(t, doc+"/page?part=1&page=1&level=100.5&width=201", "100.5 201", 4); !slices.Equal(got, []uint8{0, 64, 128, 255}) {
		t.Errorf("through another: %v", got)
	}
	if b.region.fetches != 2 {
		t.Errorf("and through another %d, want 2", b.region.fetches)
	}
	b.get(doc).wants(t, 200) // whose picture waits to be taken, and is another
	if got := b.through(t, doc+"/page?part=1&page=1&level=100&width=1", "100 1", 4); !slices.Equal(got, []uint8{0, 0, 255, 255}) {
		t.Errorf("through the narrowest: %v", got)
	}
	preset := b.get(doc + "?part=1&page=2&level=1000&width=500")
	if !strings.Contains(preset.body, `data-rw-width="500" aria-current="true">BONES`) {
		t.Errorf("the preset in use is not marked: %.3000s", preset.body)
	}
	for query, want := range map[string]string{
		"level=10&width=0": "Enter a width", "level=10&width=-3": "Enter a width", "level=10&width=1e300": "Enter a width", "level=10&width=NaN": "Enter a width", "level=10": "Enter a width",
		"level=2e6&width=3": "Enter a level", "level=x&width=3": "Enter a level", "level=Inf&width=3": "Enter a level",
	} {
		b.get(doc+"?part=1&page=1&"+query).wants(t, 200, want, "through the file", `value="50.5"`)
		b.get(doc+"/page?part=1&page=1&"+query).wants(t, http.StatusBadRequest, want)
	}
}

// A file without a window is seen through one that spans its values, which the reader can move on from.
func TestTheWindowOfAFileThatHasNoneIsTold(t *testing.T) {
	b, _, doc, _ := opened(t, &admin.Located{Title: "CT", ContentType: "application/dicom", Pages: 1}, scan(t, native(16, []uint16{100, 150, 200, 300}), map[tag.Tag]any{tag.RescaleIntercept: []string{"-1024"}, tag.RescaleSlope: []string{"1"}}))
	b.get(doc).wants(t, 200, `name="level" type="text" value="-823.5"`, `name="width" type="text" value="201"`)
	b.through(t, doc+"/page?part=1&page=1", "-823.5 201", 2)
	for query, want := range map[string]string{"part=1&page=1": "0 0 -823.5 201", "part=1&page=2": "0 0"} {
		if got := b.get(doc + "/coming?" + query); got.body != want {
			t.Errorf("of %s it is told %q, want %q", query, got.body, want)
		}
	}
	colours, err := os.ReadFile("testdata/dicom/colour.dcm")
	if err != nil {
		t.Fatal(err)
	}
	b, _, doc, _ = opened(t, &admin.Located{Title: "Photo", ContentType: "application/dicom", Pages: 1}, colours)
	if page := b.get(doc); strings.Contains(page.body, `id="window`) || !strings.Contains(page.body, `id="picture"`) {
		t.Errorf("colours are seen through a window: %.2000s", page.body)
	}
}

func TestComputedTomographyHasTheWindowsInUse(t *testing.T) {
	r := func(modality string, slope bool) string {
		e := &elements{values: map[uint32][]byte{tagModality: []byte(modality), tagWindowCentre: []byte(`40\x`), tagWindowWidth: []byte(`400\-5`)}}
		if slope {
			e.values[tagSlope] = []byte("1")
		}
		return fmt.Sprint(e.presets())
	}
	if got, want := r("CT", true), "[{Window 1 {40 400}} {Lung {-600 1500}} {Bone {300 1500}} {Brain {40 80}}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := r("MR", true)+r("CT", false), "[{Window 1 {40 400}}][{Window 1 {40 400}}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Frames beyond those that a file describes one by one are seen as all are.
func TestFramesThatAreNotDescribedAreSeenAsAllAre(t *testing.T) {
	data := enhanced(t)
	r, err := readDICOM(data, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if a, b, c := r.how(1), r.how(2), r.how(3); a.level != 50.5 || b.level != 150.5 || c.width != 0 || r.how(9) != c {
		t.Errorf("%+v, %+v, %+v", a, b, c)
	}
}

// What comes is not always what was asked for.
func TestAFrameOfWhichAPieceIsMissingIsNotShown(t *testing.T) {
	piece := append(jpegOf(t, image.NewGray(image.Rect(0, 0, 8, 8))), make([]byte, 700<<10)...)
	for name, table := range map[string][]uint32{"known": {0, uint32(len(piece) + 8), uint32(2*len(piece) + 16)}, "learnt": nil} {
		b, _, doc, d := opened(t, &admin.Located{Title: "Echo", ContentType: "application/dicom", Pages: 3}, inPieces(t, [][]byte{piece, piece, piece}, table))
		b.get(doc).wants(t, 200, `id="picture"`)
		d.less = 300 << 10
		for page := 2; page <= 3; page++ {
			if got := b.get(fmt.Sprintf("%s/page?part=1&page=%d", doc, page)); got.StatusCode < 500 {
				t.Errorf("%s: page %d is answered with %d", name, page, got.StatusCode)
			}
		}
		d.less = 0
		b.get(doc+"/page?part=1&page=3").wants(t, 200)
		if strings.Contains(b.log.String(), "panic") {
			t.Errorf("%s: %s", name, b.log)
		}
	}
}
