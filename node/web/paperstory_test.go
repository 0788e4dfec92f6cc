package web_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// printedSheet is one side of paper.
type printedSheet struct {
	Lines    []string // from top to bottom
	Pictures int
	Look     string // a PNG, as a URL
}

// printed is the page as a printer of paper of this height gets it. What the first sheet looks like is kept under the name, if there is one.
func (s *story) printed(name string, inches float64) []printedSheet {
	s.t.Helper()
	var pdf []byte
	if err := chromedp.Do(s.ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		out, err := cdp.Call(ctx, t, page.PrintToPDF, page.PrintToPDFParams{PaperWidth: 8.3, PaperHeight: inches})
		if err == nil {
			pdf = out.Data
		}
		return err
	})); err != nil {
		s.t.Fatal(err)
	}
	sheets := js[[]printedSheet](s, fmt.Sprintf(`(async () => { const lib = await import('/static/pdfjs/pdf.min.mjs'); lib.GlobalWorkerOptions.workerSrc = '/static/pdfjs/pdf.worker.min.mjs'
		const d = await lib.getDocument({ data: Uint8Array.from(atob(%q), (c) => c.charCodeAt(0)) }).promise, sheets = []
		for (let n = 1; n <= d.numPages; n++) {
			const rows = new Map()
			for (const i of (await (await d.getPage(n)).getTextContent()).items) { const y = Math.round(i.transform[5]); rows.set(y, (rows.get(y) ?? '') + i.str) }
			const paper = await d.getPage(n), canvas = document.createElement('canvas'), viewport = paper.getViewport({ scale: 1 })
			Object.assign(canvas, { width: viewport.width, height: viewport.height })
			await paper.render({ canvas, viewport }).promise
			const pictures = (await paper.getOperatorList()).fnArray.filter((f) => f === lib.OPS.paintImageXObject).length
			sheets.push({ Lines: [...rows].sort((a, b) => b[0] - a[0]).map(([, text]) => text), Pictures: pictures, Look: canvas.toDataURL() })
		}
		return sheets })()`, base64.StdEncoding.EncodeToString(pdf)))
	if name != "" && len(sheets) > 0 {
		look, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sheets[0].Look, "data:image/png;base64,"))
		if err != nil {
			s.t.Fatal(err)
		}
		s.keepShot(name, look)
	}
	return sheets
}

// Each sheet of a long list says whose it is and who printed it, and no line of the list lies under that.
func (s *story) printsAListOfSeveralSheets() {
	s.signOn("Dr Amara Okafor")
	s.find(s.patient.NHSNumber)
	newest := strings.TrimSpace(js[string](s, "document.querySelector('#results tbody .rw-date').textContent"))
	sheets := s.printed("", 5.8)
	if len(sheets) < 2 {
		s.t.Fatalf("%d sheets, at least 2 are wanted", len(sheets))
	}
	if !slices.ContainsFunc(sheets[0].Lines, func(line string) bool { return strings.HasPrefix(line, newest) }) {
		s.t.Errorf("the list does not begin on the first sheet: %q", sheets[0].Lines)
	}
	for n, sheet := range sheets {
		lines, foot := sheet.Lines, -1
		for i, line := range lines {
			if strings.Contains(line, "Printed by Dr Amara Okafor") {
				foot = i
			}
		}
		if !strings.Contains(strings.Join(lines[:min(3, len(lines))], " "), s.patient.SpacedNumber()) {
			s.t.Errorf("sheet %d does not begin with whose it is: %q", n+1, lines)
		}
		if foot < 0 || foot < len(lines)-2 { // it may be two lines itself
			s.t.Errorf("who printed sheet %d is not its last line: %q", n+1, lines)
		}
	}
}
