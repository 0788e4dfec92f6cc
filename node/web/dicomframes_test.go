package web

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/suyashkumar/dicom/pkg/tag"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// element is a data element, explicit and little-endian.
func explicit(of uint32, vr string, value []byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(of>>16))
	b = append(binary.LittleEndian.AppendUint16(b, uint16(of)), vr...)
	if strings.Contains("OB OW SQ UN OV", vr) {
		return append(binary.LittleEndian.AppendUint32(append(b, 0, 0), uint32(len(value))), value...)
	}
	return append(binary.LittleEndian.AppendUint16(b, uint16(len(value))), value...)
}

func piecesItem(value []byte) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte{0xfe, 0xff, 0, 0xe0}, uint32(len(value))), value...)
}

// headOf is a file up to its pixels.
func headOf(t testing.TB, change map[tag.Tag]any) []byte {
	data := scan(t, native(16, []uint16{1, 2, 3, 4}), change)
	return data[:bytes.Index(data, []byte{0xe0, 0x7f, 0x10, 0})]
}

// inPieces is a file of JPEG frames, with a table of where they begin or without.
func inPieces(t testing.TB, pieces [][]byte, table []uint32) []byte {
	t.Helper()
	return packed(t, pieces, table, map[tag.Tag]any{})
}

// packed is inPieces with changes to the elements.
func packed(t testing.TB, pieces [][]byte, table []uint32, change map[tag.Tag]any) []byte {
	t.Helper()
	change[tag.TransferSyntaxUID], change[tag.NumberOfFrames] = []string{jpegBaseline}, []string{fmt.Sprint(len(pieces))}
	data := append(headOf(t, change), 0xe0, 0x7f, 0x10, 0, 'O', 'B', 0, 0, 0xff, 0xff, 0xff, 0xff)
	var offsets []byte
	for _, at := range table {
		offsets = binary.LittleEndian.AppendUint32(offsets, at)
	}
	data = append(data, piecesItem(offsets)...)
	for _, p := range pieces {
		data = append(data, piecesItem(p)...)
	}
	return append(data, 0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0)
}

// enhanced is a file of two frames that are seen through windows of their own.
func enhanced(t testing.TB) []byte {
	window := func(centre string) []byte {
		own := append(explicit(tagWindowCentre, "DS", []byte(centre)), explicit(tagWindowWidth, "DS", []byte("100 "))...)
		return piecesItem(explicit(tagWindows, "SQ", piecesItem(own)))
	}
	data := append(headOf(t, map[tag.Tag]any{tag.NumberOfFrames: []string{"2"}}), explicit(tagShared, "SQ", piecesItem(explicit(tagMeaning, "SQ", piecesItem(explicit(tagIntercept, "DS", []byte("-10 "))))))...)
	data = append(data, explicit(tagPerFrame, "SQ", append(window("50.5"), window("150.5 ")...))...)
	var pixels []byte
	for range 2 {
		for _, v := range []uint16{10, 60, 110, 210} {
			pixels = binary.LittleEndian.AppendUint16(pixels, v)
		}
	}
	return append(data, explicit(tagPixels, "OW", pixels)...)
}

// Angiogram is a file of large frames in which a bar moves on, of a patient as DICOM names them. Stored as another syntax, its pixels
// are what they are.
func Angiogram(t testing.TB, number, name, syntax string, frames int) []byte {
	const width, height = 1200, 1000
	head := append(headOf(t, map[tag.Tag]any{
		tag.PatientID: []string{number}, tag.PatientName: []string{name}, tag.TransferSyntaxUID: []string{syntax}, tag.Rows: []int{height}, tag.Columns: []int{width}, tag.NumberOfFrames: []string{fmt.Sprint(frames)},
	}), explicit(tagPixels, "OW", nil)...)
	binary.LittleEndian.PutUint32(head[len(head)-4:], uint32(frames*width*height*2))
	for f := range frames {
		frame := make([]byte, width*height*2)
		for y := range height {
			for x := range width {
				v := 200 + (x*y)%300 // and a bar
				if at := width * f / frames; x >= at && x < at+120 {
					v = 3000
				}
				binary.LittleEndian.PutUint16(frame[2*(y*width+x):], uint16(v))
			}
		}
		head = append(head, frame...)
	}
	return head
}

func TestEachFrameIsSeenThroughItsOwnWindow(t *testing.T) {
	data := enhanced(t)
	for frame, want := range map[int][]uint8{1: {0, 128, 255, 255}, 2: {0, 0, 0, 255}} {
		if got := grays(t, data, frame); !bytes.Equal(got, want) {
			t.Errorf("frame %d: %v, want %v", frame, got, want)
		}
	}
}

func TestAFewValuesFarOffLeaveTheRestItsShades(t *testing.T) {
	const side = 40
	pixels := make([]byte, 2*side*side)
	for i := range side * side {
		binary.LittleEndian.PutUint16(pixels[2*i:], uint16(1000+i%101))
	}
	binary.LittleEndian.PutUint16(pixels, 4000)  // metal
	binary.LittleEndian.PutUint16(pixels[2:], 0) // what is no part of the picture
	change := map[tag.Tag]any{tag.Rows: []int{side}, tag.Columns: []int{side}}
	data := append(headOf(t, change), explicit(tagPixels, "OW", pixels)...)
	pic, err := paintDICOM(data, 1, allowAll)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(pic.data))
	if err != nil {
		t.Fatal(err)
	}
	if got := color.GrayModel.Convert(img.At(5+50-5, 0)).(color.Gray).Y; got > 200 { // 1050: the middle
		t.Errorf("the middle of most values is %d", got)
	}
	low, high := color.GrayModel.Convert(img.At(2, 0)).(color.Gray).Y, color.GrayModel.Convert(img.At(39, 2)).(color.Gray).Y
	if low > 20 || high < 20 {
		t.Errorf("values from 1002 to %d are %d to %d", 1000+(2*side+39)%101, low, high)
	}
}

// ranges are what was asked for of documents, in order.
func (b *browser) ranges() []string {
	b.region.mu.Lock()
	defer b.region.mu.Unlock()
	var out []string
	for _, q := range b.region.asked {
		out = append(out, fmt.Sprintf("%d+%d", q.GetOffset(), q.GetLength()))
	}
	b.region.asked = nil
	return out
}

func (b *browser) asksFor(t *testing.T, what string, want ...string) {
	t.Helper()
	if got := b.ranges(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: asks for %v, want %v", what, got, want)
	}
}

func TestFramesOfANativeFileAreRanges(t *testing.T) {
	const side, frames = 1024, 3
	size := 2 * side * side
	head := append(headOf(t, map[tag.Tag]any{tag.Rows: []int{side}, tag.Columns: []int{side}, tag.NumberOfFrames: []string{fmt.Sprint(frames)}}), explicit(tagPixels, "OW", nil)...)
	binary.LittleEndian.PutUint32(head[len(head)-4:], uint32(frames*size))
	data := append(bytes.Clone(head), make([]byte, frames*size)...)
	for f := range frames {
		data[len(head)+f*size+2*f] = 1 // one value of each frame is white, in another place
	}
	b, _, doc, d := opened(t, &admin.Located{Title: "Angiogram", ContentType: "application/dicom", Pages: frames}, data)
	b.get(doc).wants(t, 200, `id="picture"`, `width="1024" height="1024"`, "It has 3 images", "2.1 MB", "Not for diagnosis")
	b.asksFor(t, "the page", "0+1048576") // and shows at once what it is
	for _, f := range []int{1, 3} {
		got := b.get(fmt.Sprintf("%s/page?part=1&page=%d", doc, f))
		got.wants(t, 200)
		b.asksFor(t, "a frame", fmt.Sprintf("%d+%d", len(head)+(f-1)*size, size))
		img, err := png.Decode(strings.NewReader(got.body))
		if err != nil || color.GrayModel.Convert(img.At(f-1, 0)).(color.Gray).Y != 255 {
			t.Errorf("frame %d is another: %v", f, err)
		}
	}
	b.get(doc+"/page?part=1&page=4").wants(t, 415, "no image 4")
	b.asksFor(t, "a frame that is not there", "0+1") // whether that may be told
	d.fail = admin.Errorf(admin.CodeDenied, "RYJ refuses to release it: not any more")
	b.get(doc+"/page?part=1&page=2").wants(t, 403)
	b.get(doc+"/page?part=1&page=4").wants(t, 403) // nor how many there are
	b.get(doc).wants(t, 403)
	if page := b.get(doc); strings.Contains(page.body, "3 images") {
		t.Error("what was read of a file before is told to somebody who may not open it")
	}
}

func TestSmallFilesAreOneRelease(t *testing.T) {
	b, _, doc, _ := opened(t, &admin.Located{Title: "CT", ContentType: "application/dicom", Pages: 1}, scan(t, native(16, []uint16{1, 2, 3, 4}), nil))
	b.get(doc).wants(t, 200, `id="picture"`)
	b.get(doc+"/page?part=1&page=1").wants(t, 200)
	if got := b.ranges(); len(got) != 1 {
		t.Errorf("page and picture asked for %v", got)
	}
}

func TestALongHeadIsReadOn(t *testing.T) {
	head := headOf(t, nil)
	at := bytes.Index(head, []byte{0x28, 0, 2, 0}) // before the image pixel module
	long := append(bytes.Clone(head[:at]), explicit(0x0021_1010, "UN", make([]byte, 3<<20))...)
	data := append(append(long, head[at:]...), explicit(tagPixels, "OW", make([]byte, 8))...)
	b, _, doc, _ := opened(t, &admin.Located{Title: "MR", ContentType: "application/dicom", Pages: 1}, data)
	b.get(doc).wants(t, 200, `id="picture"`)
	b.asksFor(t, "the page", "0+1048576", fmt.Sprintf("1048576+%d", len(data)-1<<20))

	endless := append(bytes.Clone(head[:at]), explicit(0x0021_1010, "UN", make([]byte, 17<<20))...)
	b, _, doc, _ = opened(t, &admin.Located{Title: "MR", ContentType: "application/dicom", Pages: 1}, append(endless, data[len(data)-20:]...))
	b.get(doc).wants(t, 200, "cannot be shown here", "Download")
	if got := b.ranges(); len(got) > 4 {
		t.Errorf("a head without end is asked for in %v", got)
	}
}

func TestFramesInPiecesAreRangesOnceTheyAreKnown(t *testing.T) {
	var pieces [][]byte
	var table []uint32
	at := uint32(0)
	for side := range 3 {
		var photo bytes.Buffer
		if err := jpeg.Encode(&photo, image.NewGray(image.Rect(0, 0, 8+side, 8)), nil); err != nil {
			t.Fatal(err)
		}
		whole := photo.Bytes()
		padded := append(bytes.Clone(whole[:len(whole)-2]), make([]byte, 600<<10)...) // the browser does not mind
		pieces, table = append(pieces, append(padded, 0xff, 0xd9)), append(table, at)
		at += uint32(len(padded) + 2 + 8)
	}
	for name, table := range map[string][]uint32{"a table": table, "none": nil, "a false one": {0, 5, 3}} {
		data := inPieces(t, pieces, table)
		b, _, doc, _ := opened(t, &admin.Located{Title: "Echo", ContentType: "application/dicom", Pages: 3}, data)
		b.get(doc).wants(t, 200, `id="picture"`, "It has 3 images")
		got := b.get(doc + "/page?part=1&page=1")
		got.wants(t, 200)
		b.ranges()
		for _, frame := range []int{3, 2} {
			got := b.get(fmt.Sprintf("%s/page?part=1&page=%d", doc, frame))
			got.wants(t, 200)
			if config, err := jpeg.DecodeConfig(strings.NewReader(got.body)); err != nil || config.Width != 7+frame {
				t.Errorf("%s: frame %d is %+v, %v", name, frame, config, err)
			}
			if got := b.ranges(); len(got) != 1 || !strings.HasSuffix(got[0], fmt.Sprint(len(pieces[0])+8)) && frame == 2 {
				t.Errorf("%s: frame %d asked for %v", name, frame, got)
			}
		}
	}
}

func TestWhatIsNotShownIsNamed(t *testing.T) {
	for syntax, want := range map[string]string{
		"1.2.840.10008.1.2.2": "big-endian", "1.2.840.10008.1.2.4.81": "JPEG-LS", "1.2.840.10008.1.2.4.90": "JPEG 2000",
		"1.2.840.10008.1.2.4.102": "video", "1.2.840.10008.1.2.4.202": "high-throughput JPEG 2000", "1.2.840.10008.1.2.1.99": "a compressed file", "1.3.46.670589.33.1.4.1": "a form that only its maker knows",
	} {
		data := append(make([]byte, 128), "DICM"...)
		data = append(data, explicit(tagSyntax, "UI", []byte(syntax+strings.Repeat("\x00", len(syntax)%2)))...)
		data = append(data, explicit(tagPatientID, "LO", []byte(numberA))...)
		r, err := readDICOM(data, int64(len(data)))
		if err == nil {
			err = r.check()
		}
		var kind *unseenError
		if !errors.As(err, &kind) || !strings.Contains(kind.why, " "+want+",") || !strings.Contains(kind.why, "Download") {
			t.Errorf("%s: %v, want %q", syntax, err, want)
		}
	}
	b, _, doc, _ := opened(t, &admin.Located{Title: "X", ContentType: "application/dicom", Pages: 1}, headOf(t, map[tag.Tag]any{tag.PatientID: []string{numberA}, tag.PatientName: []string{"HART^Ann"}}))
	b.region.people = map[string]Person{numberA: {Number: numberA, Family: "Hart", Given: "Ann"}}
	b.get(doc).wants(t, 200, "has no picture", "Download", "NHS number and name are those of your patient")
	b, _, doc, _ = opened(t, &admin.Located{Title: "X", ContentType: "application/dicom", Pages: 1}, headOf(t, map[tag.Tag]any{tag.TransferSyntaxUID: []string{"1.2.840.10008.1.2.4.80"}, tag.PatientID: []string{numberB}}))
	b.get(doc).wants(t, 200, "This document may be about another patient")
	b.get(doc+"/page").wants(t, 409)
}

func TestHeadsThatAreKeptAreFew(t *testing.T) {
	var h heads
	for i := range 3 * keptHeads {
		h.put(headKey{fmt.Sprint(i), 1}, &radiograph{frames: i})
	}
	if len(h.byKey) != keptHeads || len(h.order) != keptHeads || h.get(headKey{"0", 1}) != nil || h.get(headKey{fmt.Sprint(3*keptHeads - 1), 1}) == nil {
		t.Errorf("%d heads are kept", len(h.byKey))
	}
	h.forget(headKey{fmt.Sprint(3*keptHeads - 1), 1})
	if len(h.byKey) != keptHeads-1 || len(h.order) != keptHeads-1 {
		t.Error("one that was forgotten is kept")
	}
}

func TestHowMuchHasComeIsToldToTheSessionThatWaits(t *testing.T) {
	b, _, doc, _ := opened(t, &admin.Located{Title: "Chart", ContentType: "image/png", Pages: 1}, pngOf(t))
	b.get(doc+"/coming?part=1&page=1").wants(t, 200)
	if got := b.get(doc + "/coming?part=1&page=1"); got.body != "0 0" {
		t.Errorf("of a page that nobody waits for: %q", got.body)
	}
	var c coming
	told, over := c.begin(reading{document: "d", part: 1, page: 2})
	told(5, 10)
	during := fmt.Sprint(c.of(reading{document: "d", part: 1, page: 2}), c.of(reading{document: "d", part: 1, page: 1}))
	over()
	if during != "{5 10} {0 0}" || len(c.pages) != 0 {
		t.Errorf("%s, and %d are left", during, len(c.pages))
	}
}
