package web_test

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/node/media"
)

const (
	pdfPages = 400
	pdfWide  = 7 // a page on its side
	pdfBytes = 1 << 15
)

// longPDF is a document of many pages, each of pdfBytes.
func longPDF() []byte {
	var b bytes.Buffer
	var at []int
	object := func(s string) {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", len(at), s)
	}
	b.WriteString("%PDF-1.4\n")
	kids := func(first, n, step int) string { // a tree of two levels, as most programs write it
		var out strings.Builder
		for i := range n {
			fmt.Fprintf(&out, "%d 0 R ", first+i*step)
		}
		return out.String()
	}
	object("<< /Type /Catalog /Pages 2 0 R >>")
	object(fmt.Sprintf("<< /Type /Pages /Count %d /Kids [ %s] >>", pdfPages, kids(4, pdfPages/20, 1)))
	object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
	for i := range pdfPages / 20 {
		object(fmt.Sprintf("<< /Type /Pages /Parent 2 0 R /Count 20 /Kids [ %s] >>", kids(4+pdfPages/20+40*i, 20, 2)))
	}
	for i := range pdfPages {
		box := "0 0 595 842"
		if i+1 == pdfWide {
			box = "0 0 842 595"
		}
		object(fmt.Sprintf("<< /Type /Page /Parent %d 0 R /MediaBox [%s] /Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>", 4+i/20, box, len(at)+2))
		text := fmt.Sprintf("BT /F1 40 Tf 60 400 Td (Invented page %d) Tj ET\n", i+1)
		text += strings.Repeat("% an invented filling\n", (pdfBytes-len(text))/22)
		object(fmt.Sprintf("<< /Length %d >>\nstream\n%sendstream", len(text), text))
	}
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, o := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, xref)
	return b.Bytes()
}

// takenPDF takes the long PDF in at the holder.
func (s *story) takenPDF() federation.DocumentID {
	s.t.Helper()
	return s.takenPDFOf(longPDF(), pdfPages)
}

func (s *story) takenPDFOf(data []byte, pages int) federation.DocumentID {
	s.t.Helper()
	receipt, err := s.region.Take(s.t.Context(), holder, ingest.Item{
		Patient: s.patient.NHSNumber, Type: "373942005", Category: "823651000000106", Title: "A long report", Date: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), Confidentiality: "N", Language: "en-GB",
		Parts: []ingest.Part{{Name: "report.pdf", Info: media.Info{Format: media.FormatPDF, ContentType: "application/pdf", Pages: pages}, Size: int64(len(data)), Content: bytes.NewReader(data)}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return receipt.Document
}

func pdfShown(page int) string {
	return fmt.Sprintf("(document.getElementById('picture')?.getAttribute('aria-label') || '').startsWith('Page %d of %d of A long report. Invented page %[1]d') && document.getElementById('picture').width > 100 && document.getElementById('page').value === '%[1]d'", page, pdfPages)
}

// A PDF lies in one scroll as a scan does: drawn where it is read, by ranges, and let go of.
func (s *story) pdfScrolled() {
	s.t.Helper()
	s.until(pdfShown(1) + " && document.getElementById('total').textContent === 'of 400'")
	s.check("36-pdf-scroll")
	turnTo := func(page int) {
		s.t.Helper()
		js[bool](s, fmt.Sprintf("(document.getElementById('page').value = '%d', document.getElementById('jump').requestSubmit(), true)", page))
		s.until(pdfShown(page))
	}
	flown := js[map[string]int](s, `new Promise(async (done) => { const st = document.getElementById('stage'); let drawn = 0, pixels = 0
		for (const way of [1, -1]) for (let i = 0; i <= 100; i++) {
			st.scrollTop = st.scrollHeight * (way > 0 ? i : 100 - i) / 100
			await new Promise(requestAnimationFrame)
			const all = [...document.querySelectorAll('#stage canvas')]; drawn = Math.max(drawn, all.length); pixels = Math.max(pixels, all.reduce((n, c) => n + c.width * c.height, 0))
		}
		done({ drawn, pixels }) })`)
	if flown["drawn"] > 8 || flown["pixels"] > 40e6 {
		s.t.Errorf("a scroll through a PDF of %d pages is not bounded: %v", pdfPages, flown)
	}
	js[bool](s, "("+inStage+".scrollTop = "+inStage+".scrollHeight, true)")
	s.until(pdfShown(pdfPages) + " && location.search.includes('page=400') && document.getElementById('next').classList.contains('rw-off')")
	turnTo(200)
	came := js[int](s, "performance.getEntriesByType('resource').filter((e) => e.name.includes('/file?')).reduce((n, e) => n + e.encodedBodySize, 0)")
	s.t.Logf("a PDF of %d pages and %d MB: at most %v, %d MB have come", pdfPages, pdfPages*pdfBytes>>20, flown, came>>20)
	if came == 0 || came > pdfPages*pdfBytes/3 {
		s.t.Errorf("%d bytes have come of a PDF of which a few pages were read", came)
	}
	turnTo(pdfWide) // is as wide as it is
	s.until("document.getElementById('picture').width > document.getElementById('picture').height")
	turnTo(200)
	js[bool](s, "("+inStage+".scrollTop += 40, true)")
	for _, tool := range []string{"zoom-in", "rotate", "fit-page", "fit-width", "rotate", "rotate", "rotate", "zoom-out"} {
		js[bool](s, "(document.getElementById('"+tool+"').click(), true)")
		s.until(pdfShown(200))
	}
	s.tabTo("#stage")
	for _, k := range []struct {
		key  string
		page int
	}{{kb.PageDown, 201}, {kb.ArrowLeft, 200}, {kb.Home, 1}, {kb.End, pdfPages}} {
		s.key(k.key)
		s.until(pdfShown(k.page))
	}
	if err := reload(s); err != nil { // its address says which page is read
		s.t.Fatal(err)
	}
	s.until(pdfShown(pdfPages))
}

// pdfLetGo looks whether what has come is let go of once it is too much: what is read after that is asked for anew.
func (s *story) pdfLetGo() {
	s.t.Helper()
	js[bool](s, `(async () => { const { Source } = await import(performance.getEntriesByType('resource').find((e) => e.name.includes('ranges')).name)
		const real = window.fetch; window.asked = []; window.fetch = (url, o) => { if (String(url).includes('/file?')) asked.push(o.headers.Range); return real(url, o) }
		const drawn = Source.prototype.drawn; window.more = 0; Source.prototype.drawn = function () { drawn.call(this); this.came += more; if (more) this.cost = 1 }
		return true })()`)
	const twice = "asked.length - new Set(asked).size"
	for i, more := range []int{0, 60 << 20, 5 << 20} { // bytes that seem to have come with each page
		js[bool](s, fmt.Sprintf("(more = %d, asked.length = 0, true)", more))
		for page := 40 + 60*i; page < 70+60*i; page += 10 {
			js[bool](s, fmt.Sprintf("(document.getElementById('page').value = '%d', document.getElementById('jump').requestSubmit(), true)", page))
			s.until(pdfShown(page))
			js[bool](s, "("+inStage+".scrollTop += 10, true)")
			js[bool](s, atRest)
		}
		if got := js[int](s, twice); more == 0 && got != 0 || more > 50<<20 && got == 0 {
			s.t.Errorf("with %d MB more a page, %d ranges were asked for twice: %v", more>>20, got, js[[]string](s, "asked"))
		}
	}
	if err := reload(s); err != nil {
		s.t.Fatal(err)
	}
	s.until("document.getElementById('picture')?.width > 100")
}

// pdfFails looks at what is said of a range that fails its check, of one that does not come, and of a document that is refused.
func (s *story) pdfFails() {
	s.t.Helper()
	js[bool](s, `(() => { const real = window.fetch; window.fail = ''; window.fetch = async (url, o) => {
		if (!String(url).includes('/file?') || !fail) return real(url, o)
		const how = fail
		if (how === 'hangs') return new Promise((_, fail) => { window.waits = o.signal; o.signal.addEventListener('abort', () => fail(o.signal.reason)) })
		if (how === 'retried') { fail = ''; const a = await real(url, o); return new Response(await a.blob(), { status: 206, headers: { 'Ridgeway-Check': 'retried' } }) }
		return new Response(how === 'refused' ? 'You cannot open this document.' : 'What was sent is not what was published.', { status: how === 'refused' ? 403 : 502 }) }; return true })()`)
	for _, k := range []struct {
		how        string
		page       int
		says, then string
	}{
		{"retried", 100, "was fetched again", pdfShown(100)},
		{"gone", 150, "not what was published", "!document.getElementById('picture').width"},
		{"", 150, "", pdfShown(150)}, // what did not come is asked for again
		{"hangs", 350, "Fetching page 350", "window.waits && !waits.aborted"},
		{"refused", 300, "cannot open", "document.querySelectorAll('.rw-drawn').length === 0 && [...document.querySelectorAll('#stage canvas')].every(c => !c.width) && waits.aborted"}, // and what was on its way is not waited for
	} {
		js[bool](s, fmt.Sprintf("(fail = '%s', document.getElementById('page').value = '%d', document.getElementById('jump').requestSubmit(), true)", k.how, k.page))
		s.until(fmt.Sprintf("document.getElementById('status').textContent.includes('%s') && %s", k.says, k.then))
	}
	s.axe("a PDF that is refused")
	s.shot("37-pdf-refused", 1920)
}

func (s *story) readsALongPDF() {
	id := s.takenPDF()
	s.settled()
	s.signOn("Dr Amara Okafor")
	s.find(s.patient.NHSNumber)
	s.click("a[href$='"+string(id)+"']", "Held by")
	s.pdfScrolled()
	s.pdfLetGo()
	s.pdfFails()
}
