package synth

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"strings"

	"github.com/suyashkumar/dicom"
	"github.com/suyashkumar/dicom/pkg/frame"
	"github.com/suyashkumar/dicom/pkg/tag"
	"github.com/suyashkumar/dicom/pkg/uid"
)

const (
	slice       = 512 // pixels a side
	ctImageSOP  = "1.2.840.10008.5.1.4.1.1.2"
	hounsfieldZ = 1024 // the stored value of 0 HU
)

// ellipse of a head phantom: centre and half axes in pixels, and what it adds in Hounsfield units.
type ellipse struct{ cx, cy, rx, ry, add int }

// headSlice draws a slice through a head, in shades of the Hounsfield scale.
func headSlice(s *sheet) *frame.NativeFrame[uint16] {
	f := frame.NewNativeFrame[uint16](16, slice, slice, slice*slice, 1)
	j := func(n int) int { return n + s.between(-6, 6) }
	shapes := []ellipse{{256, 256, 186, 226, 1900}, {256, 258, 170, 208, -864}, // skull, and in it the brain
		{j(206), j(250), j(32), j(72), -28}, {j(310), j(250), j(26), j(68), -28}, // ventricles
		{256, j(150), 46, 40, 14}, {j(256), j(330), 12, 12, 60}, {j(190), j(370), 9, 9, -40}, {j(256), j(384), 14, 10, 34}}
	for y := range slice {
		for x := range slice {
			hu := -1000
			for _, e := range shapes {
				dx, dy := (x-e.cx)*1024/e.rx, (y-e.cy)*1024/e.ry
				if dx*dx+dy*dy <= 1<<20 {
					hu += e.add
				}
			}
			hu += int(s.next()>>59) - 16 // noise
			f.RawData[y*slice+x] = uint16(max(hu+hounsfieldZ, 0))
		}
	}
	burn(f.RawData, "SYNTHETIC")
	return f
}

// tomogram is one CT slice of a head phantom (after Shepp and Logan) with the notice burnt in.
func tomogram(p Patient, s *sheet) []byte {
	f := headSlice(s)
	instance := s.uid()
	e := elements{}
	e.add(tag.MediaStorageSOPClassUID, []string{ctImageSOP})
	e.add(tag.MediaStorageSOPInstanceUID, []string{instance})
	e.add(tag.TransferSyntaxUID, []string{uid.ExplicitVRLittleEndian})
	e.add(tag.ImageType, []string{"DERIVED", "SECONDARY", "AXIAL"})
	e.add(tag.SOPClassUID, []string{ctImageSOP})
	e.add(tag.SOPInstanceUID, []string{instance})
	e.add(tag.StudyDate, []string{s.doc.Date.Format("20060102")})
	e.add(tag.StudyTime, []string{s.doc.Date.Format("150405")})
	e.add(tag.AccessionNumber, []string{fmt.Sprintf("SYN%07d", s.n(10_000_000))})
	e.add(tag.Modality, []string{"CT"})
	e.add(tag.Manufacturer, []string{"SYNTHETIC"})
	e.add(tag.InstitutionName, []string{s.hospital})
	e.add(tag.StudyDescription, []string{"CT head, " + notice})
	e.add(tag.PatientName, []string{strings.ToUpper(p.Family) + "^" + p.Given})
	e.add(tag.PatientID, []string{p.NHSNumber})
	e.add(tag.PatientBirthDate, []string{p.Born.Format("20060102")})
	e.add(tag.PatientSex, []string{strings.ToUpper(p.Sex[:1])})
	e.add(tag.PatientComments, []string{notice})
	e.add(tag.SliceThickness, []string{"5.0"})
	e.add(tag.StudyInstanceUID, []string{s.uid()})
	e.add(tag.SeriesInstanceUID, []string{s.uid()})
	e.add(tag.InstanceNumber, []string{"1"})
	e.add(tag.SamplesPerPixel, []int{1})
	e.add(tag.PhotometricInterpretation, []string{"MONOCHROME2"})
	e.add(tag.Rows, []int{slice})
	e.add(tag.Columns, []int{slice})
	e.add(tag.PixelSpacing, []string{"0.45", "0.45"})
	e.add(tag.BitsAllocated, []int{16})
	e.add(tag.BitsStored, []int{12})
	e.add(tag.HighBit, []int{11})
	e.add(tag.PixelRepresentation, []int{0})
	e.add(tag.WindowCenter, []string{"40"})
	e.add(tag.WindowWidth, []string{"120"})
	e.add(tag.RescaleIntercept, []string{fmt.Sprint(-hounsfieldZ)})
	e.add(tag.RescaleSlope, []string{"1"})
	e.add(tag.PixelData, dicom.PixelDataInfo{Frames: []*frame.Frame{{NativeData: f}}})
	var b bytes.Buffer
	if err := dicom.Write(&b, dicom.Dataset{Elements: e.all}); err != nil {
		panic("a DICOM file in memory cannot be written: " + err.Error())
	}
	return b.Bytes()
}

// elements gathers data elements in ascending order of their tags.
type elements struct{ all []*dicom.Element }

func (e *elements) add(t tag.Tag, value any) {
	el, err := dicom.NewElement(t, value)
	if err != nil {
		panic("a DICOM element cannot be made: " + err.Error())
	}
	e.all = append(e.all, el)
}

// burn writes text into the lower left corner of the pixels, as bright as bone.
func burn(pixels []uint16, words string) {
	img := image.NewGray(image.Rect(0, 0, slice, 40))
	caption(img, 12, 30, 26, color.White, words)
	for y := range 40 {
		for x := range slice {
			if img.GrayAt(x, y).Y > 128 {
				pixels[(slice-44+y)*slice+x] = hounsfieldZ + 300
			}
		}
	}
}
