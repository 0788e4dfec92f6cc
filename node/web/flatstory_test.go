package web_test

import (
	"bytes"
	"fmt"
	"strings"
)

// flatPDF is a document of n pages of so many bytes each, all in one list, as scanners and word processors write it.
func flatPDF(n, size int) []byte {
	var b bytes.Buffer
	objects := 0
	object := func(s string) {
		objects++
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", objects, s)
	}
	b.WriteString("%PDF-1.4\n")
	var kids strings.Builder
	for i := range n {
		fmt.Fprintf(&kids, "%d 0 R ", 4+2*i)
	}
	object("<< /Type /Catalog /Pages 2 0 R >>")
	object(fmt.Sprintf("<< /Type /Pages /Count %d /Kids [ %s] >>", n, kids.String()))
	object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
	for i := range n {
		object(fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>", objects+2))
		text := fmt.Sprintf("BT /F1 40 Tf 60 400 Td (Invented page %d) Tj ET\n", i+1)
		text += strings.Repeat("% an invented filling\n", max(0, size-len(text))/22)
		object(fmt.Sprintf("<< /Length %d >>\nstream\n%sendstream", len(text), text))
	}
	return endPDF(b.Bytes(), objects)
}

// endPDF puts the table of its objects, which have numbers from 1 on, behind a document.
func endPDF(data []byte, objects int) []byte {
	xref := len(data)
	data = fmt.Appendf(data, "xref\n0 %d\n0000000000 65535 f \n", objects+1)
	from := 0
	for n := 1; n <= objects; n++ {
		from += bytes.Index(data[from:], fmt.Appendf(nil, "\n%d 0 obj\n", n)) + 1
		data = fmt.Appendf(data, "%010d 00000 n \n", from)
	}
	return fmt.Appendf(data, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", objects+1, xref)
}

func drawnPage(page int) string {
	return fmt.Sprintf("(document.getElementById('picture')?.getAttribute('aria-label') || '').endsWith(' Invented page %d') && document.getElementById('picture').width > 100 && document.getElementById('page').value === '%[1]d'", page)
}

// A page of a document whose pages all stand in one list is shown without the others, and one in whose list are lists is read as it
// stands: kids of several pages and of none, as many as there are pages.
func (s *story) readsAFlatPDF() {
	const pages, size = 2000, 20_000
	flat := s.takenPDFOf(flatPDF(pages, size), pages)
	mixed := s.takenPDFOf(mixedPDF(), 5)
	s.settled()
	s.signOn("Dr Amara Okafor")
	s.find(s.patient.NHSNumber)
	list := js[string](s, "location.href")
	for _, page := range []int{1, pages / 2, pages} {
		s.goTo(fmt.Sprintf("%s/documents/%s?page=%d", list, flat, page))
		s.until(drawnPage(page))
		came := js[int](s, "performance.getEntriesByType('resource').filter((e) => e.name.includes('/file?')).reduce((n, e) => n + e.encodedBodySize, 0)")
		s.t.Logf("page %d of a flat list: %d KB of %d MB have come", page, came>>10, pages*size>>20)
		if came == 0 || came > 4<<20 {
			s.t.Errorf("%d bytes have come for page %d of a document whose pages stand in one list", came, page)
		}
	}
	s.goTo(list + "/documents/" + string(mixed))
	for page := 1; page <= 5; page++ {
		js[bool](s, fmt.Sprintf("(document.getElementById('page').value = '%d', document.getElementById('jump').requestSubmit(), true)", page))
		s.until(drawnPage(page))
	}
}

// mixedPDF has five pages: in its list stand a list of two, a page, a list of none, and two pages.
func mixedPDF() []byte {
	data := flatPDF(5, 2000) // pages are the objects 4, 6, 8, 10 and 12
	data = bytes.Replace(data, []byte("/Kids [ 4 0 R 6 0 R 8 0 R 10 0 R 12 0 R ]"), []byte("/Kids [ 14 0 R 8 0 R 15 0 R 10 0 R 12 0 R ]"), 1)
	data = data[:bytes.Index(data, []byte("xref\n"))]
	data = append(data, "14 0 obj\n<< /Type /Pages /Parent 2 0 R /Count 2 /Kids [ 4 0 R 6 0 R ] >>\nendobj\n15 0 obj\n<< /Type /Pages /Parent 2 0 R /Count 0 /Kids [ ] >>\nendobj\n"...)
	return endPDF(data, 15)
}
