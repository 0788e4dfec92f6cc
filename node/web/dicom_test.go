package web

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/suyashkumar/dicom"
	dicomframe "github.com/suyashkumar/dicom/pkg/frame"
	"github.com/suyashkumar/dicom/pkg/tag"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// scan makes a DICOM file; change is done to its elements.
func scan(t testing.TB, pixels dicom.PixelDataInfo, change map[tag.Tag]any) []byte {
	t.Helper()
	elements := map[tag.Tag]any{
		tag.MediaStorageSOPClassUID: []string{"1.2.840.10008.5.1.4.1.1.2"}, tag.MediaStorageSOPInstanceUID: []string{"1.2.3"}, tag.TransferSyntaxUID: []string{explicitLittle},
		tag.PatientID: []string{numberA}, tag.SamplesPerPixel: []int{1}, tag.PhotometricInterpretation: []string{"MONOCHROME2"}, tag.Rows: []int{2}, tag.Columns: []int{2},
		tag.BitsAllocated: []int{16}, tag.BitsStored: []int{12}, tag.HighBit: []int{11}, tag.PixelRepresentation: []int{0},
	}
	for k, v := range change {
		elements[k] = v
	}
	var set dicom.Dataset
	order := []tag.Tag{
		tag.MediaStorageSOPClassUID, tag.MediaStorageSOPInstanceUID, tag.TransferSyntaxUID, tag.PatientName, tag.PatientID, tag.PatientBirthDate, tag.SamplesPerPixel, tag.PhotometricInterpretation, tag.PlanarConfiguration, tag.NumberOfFrames,
		tag.Rows, tag.Columns, tag.BitsAllocated, tag.BitsStored, tag.HighBit, tag.PixelRepresentation, tag.WindowCenter, tag.WindowWidth, tag.RescaleIntercept, tag.RescaleSlope,
	}
	for _, k := range order {
		if v := elements[k]; v != nil {
			e, err := dicom.NewElement(k, v)
			if err != nil {
				t.Fatal(err)
			}
			set.Elements = append(set.Elements, e)
		}
	}
	e, err := dicom.NewElement(tag.PixelData, pixels)
	if err != nil {
		t.Fatal(err)
	}
	set.Elements = append(set.Elements, e)
	var out bytes.Buffer
	if err := dicom.Write(&out, set, dicom.SkipVRVerification(), dicom.SkipValueTypeVerification()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func native(bits int, frames ...[]uint16) dicom.PixelDataInfo {
	var info dicom.PixelDataInfo
	for _, values := range frames {
		f := dicomframe.NewNativeFrame[uint16](bits, 2, 2, len(values), 1)
		copy(f.RawData, values)
		info.Frames = append(info.Frames, &dicomframe.Frame{NativeData: f})
	}
	return info
}

// paintDICOM paints a frame of a file that is there whole, found where its head says.
func paintDICOM(data []byte, frame int, allow func(int64) error) (picture, error) {
	r, err := readDICOM(data, int64(len(data)))
	if err == nil {
		err = r.check()
	}
	if err == nil && frame > r.frames {
		err = ErrPicture
	}
	if err != nil {
		return picture{}, err
	}
	from, length, known := r.lies(frame)
	if !known {
		if r, err = r.learn(data[r.start:r.end]); err != nil {
			return picture{}, err
		}
		from, length, _ = r.lies(frame)
	}
	return r.paint(frame, data[from:][:length], window{}, allow)
}

func allowAll(int64) error { return nil }

func grays(t *testing.T, data []byte, frame int) []uint8 {
	t.Helper()
	pic, err := paintDICOM(data, frame, allowAll)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(pic.data))
	if err != nil || pic.width != 2 || pic.height != 2 || pic.contentType != "image/png" {
		t.Fatalf("%+v, %v", pic.contentType, err)
	}
	var out []uint8
	for y := range 2 {
		for x := range 2 {
			out = append(out, color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y)
		}
	}
	return out
}

func TestDICOMIsSeenThroughItsWindow(t *testing.T) {
	values := []uint16{0, 1024, 1064, 4095}
	window := map[tag.Tag]any{tag.WindowCenter: []string{"40"}, tag.WindowWidth: []string{"120"}, tag.RescaleIntercept: []string{"-1024"}, tag.RescaleSlope: []string{"1"}}
	if got, want := grays(t, scan(t, native(16, values), window), 1), []uint8{0, 43, 129, 255}; !bytes.Equal(got, want) {
		t.Errorf("through the window: %v, want %v", got, want)
	}
	if got, want := grays(t, scan(t, native(16, values), nil), 1), []uint8{0, 64, 66, 255}; !bytes.Equal(got, want) {
		t.Errorf("without a window: %v, want %v", got, want)
	}
	window[tag.PhotometricInterpretation] = []string{"MONOCHROME1"}
	if got, want := grays(t, scan(t, native(16, values), window), 1), []uint8{255, 212, 126, 0}; !bytes.Equal(got, want) {
		t.Errorf("white is low: %v, want %v", got, want)
	}
	signed := map[tag.Tag]any{tag.PixelRepresentation: []int{1}}
	if got, want := grays(t, scan(t, native(16, []uint16{0x800, 0x7ff, 0, 0xfff}), signed), 1), []uint8{0, 255, 128, 127}; !bytes.Equal(got, want) {
		t.Errorf("signed: %v, want %v", got, want)
	}
	if got := grays(t, scan(t, native(16, []uint16{0, 0, 0, 0}, []uint16{0, 9, 9, 9}), map[tag.Tag]any{tag.NumberOfFrames: []string{"2"}}), 2); !bytes.Equal(got, []uint8{0, 255, 255, 255}) {
		t.Errorf("the second frame: %v", got)
	}
}

func TestJPEGInsideDICOMPassesThrough(t *testing.T) {
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	data := scan(t, native(16, []uint16{1, 2, 3, 4}), map[tag.Tag]any{tag.TransferSyntaxUID: []string{jpegBaseline}})
	data = append(data[:bytes.Index(data, []byte{0xe0, 0x7f, 0x10, 0})], 0xe0, 0x7f, 0x10, 0, 'O', 'B', 0, 0, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0, 0xe0, 0, 0, 0, 0)
	data = binary.LittleEndian.AppendUint32(append(data, 0xfe, 0xff, 0, 0xe0), uint32(photo.Len()))
	data = append(append(data, photo.Bytes()...), 0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0)
	pic, err := paintDICOM(data, 1, allowAll)
	if err != nil || pic.contentType != "image/jpeg" || pic.width != 8 {
		t.Errorf("%s, %d, %v", pic.contentType, pic.width, err)
	}
}

func TestHostileDICOMIsRefused(t *testing.T) {
	good := scan(t, native(16, []uint16{1, 2, 3, 4}), nil)
	for name, data := range map[string][]byte{
		"claims more rows":    scan(t, native(16, []uint16{1, 2, 3, 4}), map[tag.Tag]any{tag.Rows: []int{60000}, tag.Columns: []int{1000}}),
		"a bomb":              scan(t, native(16, []uint16{1, 2, 3, 4}), map[tag.Tag]any{tag.Rows: []int{65535}, tag.Columns: []int{65535}}),
		"more frames":         scan(t, native(16, []uint16{1, 2, 3, 4}), map[tag.Tag]any{tag.NumberOfFrames: []string{"99999999"}}),
		"another compression": scan(t, native(16, []uint16{1, 2, 3, 4}), map[tag.Tag]any{tag.TransferSyntaxUID: []string{"1.2.840.10008.1.2.4.90"}}),
		"palette":             scan(t, native(16, []uint16{1, 2, 3, 4}), map[tag.Tag]any{tag.PhotometricInterpretation: []string{"PALETTE COLOR"}}),
		"cut off":             good[:len(good)-6], "no pixels": good[:200], "noise": bytes.Repeat([]byte{0xff}, 400),
	} {
		b, _, doc, _ := opened(t, &admin.Located{Title: "X", ContentType: "application/dicom", Pages: 1}, data)
		b.get(doc).wants(t, 200, "cannot be shown here", "Download")
		if strings.Contains(b.log.String(), "panic") {
			t.Errorf("%s: %s", name, b.log)
		}
	}
}

func TestDICOMOfAnotherPatientIsNotShown(t *testing.T) {
	b, _, doc, _ := opened(t, &admin.Located{Title: "CT", ContentType: "application/dicom", Pages: 1}, scan(t, native(16, []uint16{1, 2, 3, 4}), nil))
	b.get(doc).wants(t, 200, `id="picture"`, "Not for diagnosis", "Check whose it is", "make sure that the name")
	theirs := map[tag.Tag]any{tag.PatientID: []string{numberA}, tag.PatientName: []string{"HART^Ann"}, tag.PatientBirthDate: []string{"19990101"}}
	b, _, doc, _ = opened(t, &admin.Located{Title: "CT", ContentType: "application/dicom", Pages: 1}, scan(t, native(16, []uint16{1, 2, 3, 4}), theirs))
	b.region.people = map[string]Person{numberA: {Number: numberA, Family: "Hart", Given: "Ann", Born: "1999-01-01"}}
	b.get(doc).wants(t, 200, `id="picture"`, "NHS number, name and date of birth are those of your patient")
	b, _, doc, _ = opened(t, &admin.Located{Title: "CT", ContentType: "application/dicom", Pages: 1}, scan(t, native(16, []uint16{1, 2, 3, 4}), map[tag.Tag]any{tag.PatientID: []string{numberB}}))
	got := b.get(doc)
	got.wants(t, 200, "This document may be about another patient", "999 000 0018", "999 000 0026")
	if page := b.get(doc + "/page"); page.StatusCode == 200 {
		t.Error("the picture of another patient is sent all the same")
	}
}

func FuzzDICOM(f *testing.F) {
	files, err := filepath.Glob("testdata/dicom/*.dcm")
	if err != nil || len(files) == 0 {
		f.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(scan(f, native(16, []uint16{1, 2, 3, 4}), nil))
	f.Add(enhanced(f))
	f.Add(inPieces(f, [][]byte{{1}, {2, 3}}, []uint32{0, 10}))
	f.Fuzz(func(t *testing.T, data []byte) {
		pic, err := paintDICOM(data, 1, func(n int64) error {
			if n > 24*maxPixels {
				t.Errorf("%d bytes are wanted", n)
			}
			return nil
		})
		if err == nil && (pic.width < 1 || pic.height < 1 || len(pic.data) == 0) {
			t.Errorf("a picture of nothing: %d x %d", pic.width, pic.height)
		}
	})
}
