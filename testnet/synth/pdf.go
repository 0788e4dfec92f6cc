package synth

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// pdfWriter makes a plain PDF 1.4 of A4 pages with the standard fonts Helvetica (F1) and Helvetica-Bold (F2), which need no embedding.
// Streams are not compressed, so the bytes depend on no compressor. Positions are in points from the top left.
type pdfWriter struct {
	pages []*bytes.Buffer
}

const (
	pdfWidth  = 595
	pdfHeight = 842
	pdfMargin = 57
)

func (w *pdfWriter) newPage() { w.pages = append(w.pages, &bytes.Buffer{}) }

func (w *pdfWriter) page() *bytes.Buffer { return w.pages[len(w.pages)-1] }

// text sets a line in a font at a size, gray from 0 (black) to 9.
func (w *pdfWriter) text(x, y int, font string, size int, s string) {
	fmt.Fprintf(w.page(), "BT /%s %d Tf %d %d Td (%s) Tj ET\n", font, size, x, pdfHeight-y, pdfString(s))
}

// rule draws a line from x to the right margin.
func (w *pdfWriter) rule(x, y int) {
	fmt.Fprintf(w.page(), "0.6 w %d %d m %d %d l S\n", x, pdfHeight-y, pdfWidth-pdfMargin, pdfHeight-y)
}

func (w *pdfWriter) box(x, y, width, height int, fill string) {
	fmt.Fprintf(w.page(), "q %s %d %d %d %d re f Q\n", fill, x, pdfHeight-y-height, width, height)
}

// watermark sets large pale letters across the page.
func (w *pdfWriter) watermark() {
	fmt.Fprintf(w.page(), "q 0.93 g BT /F2 88 Tf 0.766 0.643 -0.643 0.766 110 210 Tm (SYNTHETIC) Tj ET Q\n")
}

func pdfString(s string) string {
	return strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`).Replace(s)
}

// bytes puts the file together: catalogue, pages, fonts, metadata, then two objects a page.
func (w *pdfWriter) bytes(title, author, subject string, at time.Time) []byte {
	var b bytes.Buffer
	var offsets []int
	object := func(s string) {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", len(offsets), s)
	}
	b.WriteString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
	var kids strings.Builder
	for i := range w.pages {
		fmt.Fprintf(&kids, "%d 0 R ", 6+2*i)
	}
	object("<< /Type /Catalog /Pages 2 0 R >>")
	object(fmt.Sprintf("<< /Type /Pages /Count %d /Kids [ %s] >>", len(w.pages), kids.String()))
	object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
	object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>")
	stamp := at.Format("D:20060102150405Z")
	object(fmt.Sprintf("<< /Title (%s) /Author (%s) /Subject (%s) /Keywords (SYNTHETIC) /Producer (synth) /CreationDate (%s) /ModDate (%s) >>",
		pdfString(title), pdfString(author), pdfString(subject), stamp, stamp))
	for i, p := range w.pages {
		object(fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> /Contents %d 0 R >>",
			pdfWidth, pdfHeight, 7+2*i))
		object(fmt.Sprintf("<< /Length %d >>\nstream\n%sendstream", p.Len(), p.String()))
	}
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(offsets)+1)
	for _, o := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R /Info 5 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(offsets)+1, xref)
	return b.Bytes()
}

// helveticaWidths are the advance widths of the characters 32 to 126 in thousandths of the size (Adobe's metrics).
const helveticaWidths = "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 584 584 584 556 " +
	"1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 " +
	"556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584"

// textWidth returns the width in points of a line in Helvetica.
func textWidth(widths []int, s string, size int) int {
	sum := 0
	for _, c := range []byte(s) {
		if c >= 32 && int(c-32) < len(widths) {
			sum += widths[c-32]
		} else {
			sum += 556
		}
	}
	return sum * size / 1000
}

func parseWidths() []int {
	var out []int
	for f := range strings.FieldsSeq(helveticaWidths) {
		n := 0
		for _, c := range f {
			n = n*10 + int(c-'0')
		}
		out = append(out, n)
	}
	return out
}
