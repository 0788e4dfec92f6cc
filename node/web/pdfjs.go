package web

import (
	"errors"
	"fmt"
	"strings"
)

// pdfWorker is the part of pdf.js that reads a document. It is embedded as it was published, and goes out with the change below.
const pdfWorker = "/static/pdfjs/pdf.worker.min.mjs"

// errPDFWorker is returned when pdf.js is not the one that the change was made for.
var errPDFWorker = errors.New("pdf.js is another than was changed: look at pdfjs.go")

// pdfNotice says that the file was changed, as its licence wants (Apache-2.0 section 4b).
const pdfNotice = "/* Changed by Ridgeway: a page is found without its siblings. node/web/pdfjs.go has the change. */\n"

// To find a page, pdf.js reads every page before it in its list, and before the first one all of the uppermost list. When that is the
// only one, as most programs write it, and each page lies beside its content, this is the whole file.
//
// A list whose Count is the number of its Kids holds pages alone, but for one that has empty lists beside lists of several: the kid at the
// place of the wanted page is looked at first, and taken when it is a page (ISO 32000-2 section 7.7.3). A list in which one is not, or which
// says no such Count, is read as before, from then on for all of its pages. Before that is found, such a list with empty ones can give
// a page under another's number. Names are those of the published file: a the list, c its Count, h its Kids, e the index of the page that
// is wanted, l that of the list's first page, o, r and i what is known of kids, s the table of objects.
const (
	pdfWalk = `throw new FormatError("Page dictionary kids object is not an array.")}for(let e=h.length-1;e>=0;e--){`
	pdfJump = `throw new FormatError("Page dictionary kids object is not an array.")}` +
		`if(c===h.length&&!a.rwMixed){` +
		`const n=h[e-l],k=n instanceof Ref?await(o.get(n)||s.fetchAsync(n)):null;` +
		`if(k instanceof Dict&&!k.has("Kids")&&isName(k.getRaw("Type"),"Page")){r.has(n)||r.put(n,1);i.has(n)||i.put(n,e);return[k,n]}` +
		`a.rwMixed=!0}` +
		`for(let e=h.length-1;e>=0;e--){`
)

// changePDFWorker returns the worker as it goes out. What is to be changed must stand there once.
func changePDFWorker(published []byte) ([]byte, error) {
	code := string(published)
	if n := strings.Count(code, pdfWalk); n != 1 {
		return nil, fmt.Errorf("%w: %d places of one", errPDFWorker, n)
	}
	return []byte(pdfNotice + strings.Replace(code, pdfWalk, pdfJump, 1)), nil
}
