package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
)

// makePDF writes a plain PDF 1.4 of n empty pages.
func makePDF(n int) []byte {
	var b bytes.Buffer
	var at []int
	object := func(s string) {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", len(at), s)
	}
	b.WriteString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
	object("<< /Type /Catalog /Pages 2 0 R >>")
	var kids strings.Builder
	for i := range n {
		fmt.Fprintf(&kids, "%d 0 R ", i+3)
	}
	object(fmt.Sprintf("<< /Type /Pages /Count %d /Kids [%s] >>", n, kids.String()))
	for i := range n {
		object(fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d 842] /Resources << >> >>", 500+i))
	}
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, o := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, xref)
	return b.Bytes()
}

func encoded(t testing.TB, encode func(io.Writer, image.Image) error) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 40, 30))
	for i := range img.Pix {
		img.Pix[i] = byte(i * 7)
	}
	img.SetGray(1, 1, color.Gray{Y: 255})
	var b bytes.Buffer
	if err := encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jpegFile(t testing.TB) []byte {
	return encoded(t, func(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, nil) })
}

func pngFile(t testing.TB) []byte { return encoded(t, png.Encode) }

// dicomFile is explicit little-endian with a few elements; frames "" leaves the element out.
func dicomFile(frames string) []byte {
	element := func(b []byte, group, elem uint16, vr, value string) []byte {
		if len(value)%2 != 0 {
			value += " "
		}
		b = binary.LittleEndian.AppendUint16(b, group)
		b = binary.LittleEndian.AppendUint16(b, elem)
		b = append(b, vr...)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
		return append(b, value...)
	}
	meta := element(nil, 2, 0x10, "UI", "1.2.840.10008.1.2.1\x00")
	b := append(make([]byte, 128), "DICM"...)
	b = element(b, 2, 0, "UL", string(binary.LittleEndian.AppendUint32(nil, uint32(len(meta)))))
	b = append(b, meta...)
	b = element(b, 8, 0x60, "CS", "CT")
	b = element(b, 0x28, 0x2, "US", "\x01\x00")
	if frames != "" {
		b = element(b, 0x28, 0x8, "IS", frames)
	}
	return element(b, 0x28, 0x10, "US", "\x10\x00")
}

const cda = `<?xml version="1.0" encoding="UTF-8"?><!-- c --><ClinicalDocument xmlns="urn:hl7-org:v3"><title>x</title></ClinicalDocument>`

func TestContentIsRecognised(t *testing.T) {
	utf16cda := []byte{0xff, 0xfe}
	for _, c := range strings.Replace(cda, "UTF-8", "UTF-16", 1) {
		utf16cda = binary.LittleEndian.AppendUint16(utf16cda, uint16(c))
	}
	for _, c := range []struct {
		name, file string
		content    []byte
		want       Info
	}{
		{"pdf", "a.PDF", makePDF(3), Info{FormatPDF, "application/pdf", 3, nil}},
		{"pdf with junk before it", "a.pdf", append([]byte("\x00\x01mail gateway\r\n"), makePDF(2)...), Info{FormatPDF, "application/pdf", 2, nil}},
		{"pdf without an extension", "a", makePDF(1), Info{FormatPDF, "application/pdf", 1, nil}},
		{"jpeg", "a.jpg", jpegFile(t), Info{FormatJPEG, "image/jpeg", 1, nil}},
		{"jpeg with a film behind it", "a.jpg", append(jpegFile(t), make([]byte, 200_000)...), Info{FormatJPEG, "image/jpeg", 1, nil}},
		{"png", "a.png", pngFile(t), Info{FormatPNG, "image/png", 1, nil}},
		{"dicom", "a.dcm", dicomFile(""), Info{FormatDICOM, "application/dicom", 1, nil}},
		{"dicom of 12 frames", "a", dicomFile("12"), Info{FormatDICOM, "application/dicom", 12, nil}},
		{"dicom without its preamble", "a.dcm", dicomFile("5")[132:], Info{FormatDICOM, "application/dicom", 5, nil}},
		{"cda", "a.xml", []byte(cda), Info{FormatCDA, "text/xml", 1, nil}},
		{"cda with a prefix", "", []byte(`<h:ClinicalDocument xmlns:h="urn:hl7-org:v3"/>`), Info{FormatCDA, "text/xml", 1, nil}},
		{"cda in UTF-16", "a.xml", utf16cda, Info{FormatCDA, "text/xml", 1, nil}},
		{"cda in latin-1", "a.xml", []byte("<?xml version='1.0' encoding='ISO-8859-1'?><ClinicalDocument xmlns='urn:hl7-org:v3'>caf\xe9</ClinicalDocument>"), Info{FormatCDA, "text/xml", 1, nil}},
		{"other xml", "a.xml", []byte(`<a xmlns="urn:b"/>`), Info{FormatXML, "application/xml", 1, nil}},
		{"ClinicalDocument of nobody", "a.xml", []byte(`<ClinicalDocument/>`), Info{FormatXML, "application/xml", 1, nil}},
		{"html", "a.htm", []byte("\n<!DOCTYPE HTML><p>x"), Info{FormatHTML, "text/html", 1, nil}},
		{"html named as text stays text", "a.txt", []byte("<html><script>"), Info{FormatText, "text/plain", 1, nil}},
		{"rtf", "a.rtf", []byte(`{\rtf1 x}`), Info{FormatRTF, "application/rtf", 1, nil}},
		{"text", "a.txt", []byte("Dear Dr Example,\r\n\tnaïve ✓"), Info{FormatText, "text/plain", 1, nil}},
		{"text with a mark", "a.txt", []byte("\xef\xbb\xbfx"), Info{FormatText, "text/plain", 1, nil}},
		{"text in windows-1252", "a.txt", []byte("caf\xe9 \x96 open"), Info{FormatText, "text/plain", 1, nil}},
		{"unknown", "ecg.xyz", []byte{1, 2, 3, 0, 5}, Info{FormatBinary, "application/octet-stream", 1, nil}},
		{"zip", "a.docx", []byte("PK\x03\x04rest"), Info{FormatZIP, "application/zip", 1, nil}},
		{"windows path", `C:\scans\a.v2\noext`, []byte{1, 0}, Info{FormatBinary, "application/octet-stream", 1, nil}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Inspect(bytes.NewReader(c.content), int64(len(c.content)), c.file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestSamplesOfCDAAreRecognised(t *testing.T) {
	files, _ := filepath.Glob("testdata/cda/*.xml")
	if len(files) == 0 {
		t.Fatal("no samples")
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		info, err := Inspect(bytes.NewReader(b), int64(len(b)), file)
		if err != nil || info.Format != FormatCDA {
			t.Errorf("%s: %v, %v", file, info.Format, err)
		}
		_, err = Inspect(bytes.NewReader(b), int64(len(b)*2/3), file)
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s cut off: %v, want ErrCorrupt", file, err)
		}
	}
}

func TestDamagedOrMisnamedFilesAreRefused(t *testing.T) {
	whole := jpegFile(t)
	for _, c := range []struct {
		name, file string
		content    []byte
		want       error
		says       string
	}{
		{"empty", "a.pdf", nil, ErrEmpty, ""},
		{"pdf named tif", "scan.tif", makePDF(1), ErrMismatch, "name says TIFF, the content is PDF; if that is right, name it .pdf"},
		{"html error page named pdf", "letter.pdf", []byte("<html><body>502 Bad Gateway"), ErrMismatch, "the content is HTML"},
		{"binary named pdf", "letter.pdf", []byte{9, 0, 1, 2}, ErrMismatch, "of no known type"},
		{"binary named txt", "a.txt", []byte{'a', 0, 1, 2}, ErrMismatch, "name says plain text"},
		{"text named xml", "a.xml", []byte("hello"), ErrMismatch, "name says XML"},
		{"jpeg named png", "a.png", whole, ErrMismatch, "the content is JPEG"},
		{"zeros", "a.tif", make([]byte, 5000), ErrCorrupt, "nothing but zero bytes"},
		{"pdf cut off", "a.pdf", append(makePDF(5)[:300], make([]byte, 3000)...), ErrCorrupt, "cut off"},
		{"pdf of rubbish", "a.pdf", []byte("%PDF-1.7\nrubbish\nstartxref\n5\n%%EOF"), ErrCorrupt, "structure"},
		{"jpeg cut off", "a.jpg", whole[:len(whole)-40], ErrCorrupt, "end-of-image"},
		{"jpeg of headers", "a.jpg", whole[:30], ErrCorrupt, "before the image data"},
		{"png cut off", "a.png", pngFile(t)[:60], ErrCorrupt, ""},
		{"xml cut off", "a.xml", []byte(cda[:len(cda)-9]), ErrCorrupt, "well-formed"},
		{"xml too deep", "a.xml", []byte(strings.Repeat("<a>", 5000)), ErrCorrupt, "nested"},
		{"dicom without elements", "a.dcm", dicomFile("3")[:140], ErrCorrupt, ""},
		{"dicom with a silly number of frames", "a.dcm", dicomFile("-3"), ErrCorrupt, "frames"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Inspect(bytes.NewReader(c.content), int64(len(c.content)), c.file)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v that says %q", err, c.want, c.says)
			}
		})
	}
	var mismatch *MismatchError
	_, err := Inspect(bytes.NewReader(whole), int64(len(whole)), "x.pdf")
	if !errors.As(err, &mismatch) || mismatch.Claimed != FormatPDF || mismatch.Found != FormatJPEG || mismatch.Name != "x.pdf" {
		t.Errorf("got %#v", err)
	}
}

func TestReadErrorsAreNotTakenForDamage(t *testing.T) {
	broken := errors.New("disk")
	for _, b := range [][]byte{jpegFile(t), pngFile(t), makeTIFF(grayPage(1), grayPage(2)), bytes.Repeat([]byte("text "), 3000)} {
		r := &stoppableReaderAt{r: bytes.NewReader(b)}
		n := 0
		r.stopped = func() error {
			if n++; n > 1 {
				return broken
			}
			return nil
		}
		if _, err := Inspect(r, int64(len(b)), ""); !errors.Is(err, broken) || errors.Is(err, ErrCorrupt) {
			t.Errorf("got %v, want the reader's error", err)
		}
	}
}

func TestPagesOfPDFAreTrimmed(t *testing.T) {
	b := makePDF(9)
	src := Source{ContentType: "application/pdf", Pages: 9, Bytes: bytes.NewReader(b), Size: int64(len(b))}
	var out bytes.Buffer
	if err := Assemble(context.Background(), &out, src, []int{7, 2, 2}); err != nil {
		t.Fatal(err)
	}
	info, err := Inspect(bytes.NewReader(out.Bytes()), int64(out.Len()), "a.pdf")
	if err != nil || info.Pages != 2 {
		t.Fatalf("got %d pages, %v; want 2", info.Pages, err)
	}
	dims, err := api.PageDims(bytes.NewReader(out.Bytes()), pdfConfiguration())
	if err != nil || len(dims) != 2 || dims[0].Width != 501 || dims[1].Width != 506 { // makePDF gives page n a width of 499 + n
		t.Errorf("got pages of %v, %v", dims, err)
	}
}

func TestLockedPDFIsRefusedAndOwnersLockIsNot(t *testing.T) {
	for _, c := range []struct {
		password string
		want     error
	}{{"secret", ErrUnsupported}, {"", nil}} {
		conf := pdfConfiguration()
		conf.Cmd, conf.EncryptUsingAES, conf.EncryptKeyLength = model.ENCRYPT, true, 256
		conf.UserPW, conf.OwnerPW = c.password, "owner"
		var out bytes.Buffer
		if err := api.Encrypt(bytes.NewReader(makePDF(2)), &out, conf); err != nil {
			t.Fatal(err)
		}
		info, err := Inspect(bytes.NewReader(out.Bytes()), int64(out.Len()), "a.pdf")
		if !errors.Is(err, c.want) || err == nil && info.Pages != 2 {
			t.Errorf("password %q: got %d pages, %v", c.password, info.Pages, err)
		}
	}
}

func TestPDFLibraryLeavesNoConfigurationBehind(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "config"))
	b := makePDF(3)
	src := Source{ContentType: "application/pdf", Pages: 3, Bytes: bytes.NewReader(b), Size: int64(len(b))}
	if err := Assemble(context.Background(), io.Discard, src, []int{2}); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(home); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestAssembleRefusesWhatIsNotThere(t *testing.T) {
	jpg := jpegFile(t)
	one := Source{ContentType: "image/jpeg", Pages: 1, Bytes: bytes.NewReader(jpg), Size: int64(len(jpg))}
	var out bytes.Buffer
	if err := Assemble(context.Background(), &out, one, []int{1}); err != nil || !bytes.Equal(out.Bytes(), jpg) {
		t.Fatalf("page 1 of a picture: %v", err)
	}
	frames := Source{ContentType: "application/dicom", Pages: 9, Bytes: bytes.NewReader(jpg), Size: int64(len(jpg))}
	large := Source{ContentType: "application/pdf", Bytes: bytes.NewReader(jpg), Size: 1 << 40}
	short := Source{ContentType: "image/jpeg", Pages: 1, Bytes: bytes.NewReader(jpg[:50]), Size: int64(len(jpg))}
	for _, c := range []struct {
		name  string
		src   Source
		pages []int
		want  error
	}{
		{"page 2 of a picture", one, []int{2}, ErrPages},
		{"page 0", one, []int{0}, ErrPages},
		{"no page", one, nil, ErrPages},
		{"one frame of many", frames, []int{3}, ErrUnsupported},
		{"PDF of unknown length", large, []int{1}, ErrUnsupported},
		{"source that ends early", short, []int{1}, io.ErrUnexpectedEOF},
	} {
		if err := Assemble(context.Background(), io.Discard, c.src, c.pages); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	pdf := makePDF(3)
	for _, src := range []Source{one, {ContentType: "application/pdf", Pages: 3, Bytes: bytes.NewReader(pdf), Size: int64(len(pdf))}} {
		if err := Assemble(ctx, io.Discard, src, []int{1}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: got %v", err)
		}
	}
}

func TestParsePages(t *testing.T) {
	for _, c := range []struct {
		in    string
		count int
		want  []int
	}{
		{"1-3,7", 9, []int{1, 2, 3, 7}},
		{" 7 , 1 - 2 ", 9, []int{1, 2, 7}},
		{"8-", 9, []int{8, 9}},
		{"3,3,2-4", 9, []int{2, 3, 4}},
		{"40000", 0, []int{40000}},
	} {
		got, err := ParsePages(c.in, c.count)
		if err != nil || !cmp.Equal(got, c.want) {
			t.Errorf("%q: got %v, %v; want %v", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{"", ",", "0", "10", "3-1", "-3", "a", "1-2-3", "1-99999999999", "+1", "1;2", "10-", "١"} {
		if got, err := ParsePages(in, 9); !errors.Is(err, ErrPages) {
			t.Errorf("%q: got %v, %v; want ErrPages", in, got, err)
		}
	}
	for in, open := range map[string]bool{"5-": true, "1,3-,2": true, " 5 - ": true, "5-,x": false, "5-,3-1": false, "0-": false, "70000-": false} {
		if got, err := ParsePages(in, 0); !errors.Is(err, ErrPages) || errors.Is(err, ErrOpenRange) != open {
			t.Errorf("%q without a count: got %v, %v", in, got, err)
		}
	}
	if _, err := ParsePages(strings.Repeat("1-65536,", 50)+"1", 0); !errors.Is(err, ErrPages) {
		t.Errorf("many ranges: %v", err)
	}
}

func TestFormatAndContentTypeMatch(t *testing.T) {
	for f := FormatBinary; f <= FormatZIP; f++ {
		if got := FormatOf(strings.ToUpper(f.ContentType()) + "; charset=utf-8"); got != f {
			t.Errorf("%v: got %v", f, got)
		}
	}
}
