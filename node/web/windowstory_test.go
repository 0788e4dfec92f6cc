package web_test

import (
	"fmt"

	"github.com/chromedp/chromedp/kb"
)

// grayOf is how bright a point of the image is that is read, as shares of its width and height.
const grayOf = `((x, y) => { const p = document.getElementById('picture'); const c = document.createElement('canvas'); c.width = c.height = 1
	const d = c.getContext('2d'); d.drawImage(p, Math.floor(p.naturalWidth * x), Math.floor(p.naturalHeight * y), 1, 1, 0, 0, 1, 1); return d.getImageData(0, 0, 1, 1).data[0] })`

// What a reader sees of an image depends on its window, which they change by keys, by what the file offers, and back to the file's own.
func (s *story) changesTheWindowOfAnImage() {
	film := s.takenDICOM("Film with a window", "1.2.840.10008.1.2.1")
	s.settled()
	s.signOn("Dr Amara Okafor")
	s.find(s.patient.NHSNumber)
	list := js[string](s, "location.href")
	s.goTo(list + "/documents/" + string(film))
	frame := func(n int) string {
		return fmt.Sprintf("document.getElementById('picture')?.alt.startsWith('Page %d of %d ') && document.getElementById('picture').naturalWidth === 1200", n, dicomFrames)
	}
	s.until(frame(1) + " && document.getElementById('level').value !== ''")
	own := js[string](s, "document.getElementById('level').value + ' ' + document.getElementById('width').value")
	middle := js[int](s, grayOf+"(.05, .5)")
	s.shot("60-window", 1920, 820)
	// Up in the level makes all darker, and so does each press.
	s.tabTo("#level")
	for range 4 {
		s.key(kb.ArrowUp)
	}
	s.until("location.search.includes('level=')")
	s.until(fmt.Sprintf("document.getElementById('status').textContent === '' && %s(.05, .5) < %d", grayOf, middle))
	s.axe("an image through another window")
	s.shot("61-window-moved", 1920, 820)
	// It holds for the next frame, for the address, and without the script that changed it.
	js[bool](s, "(document.getElementById('next').click(), true)")
	s.until(frame(2) + " && location.search.includes('level=') && location.search.includes('page=2')")
	set := js[string](s, "document.getElementById('level').value + ' ' + document.getElementById('width').value")
	if set == own {
		s.t.Errorf("the window is %s still", own)
	}
	if err := reload(s); err != nil {
		s.t.Fatal(err)
	}
	s.until(frame(2) + fmt.Sprintf(" && document.getElementById('level').value + ' ' + document.getElementById('width').value === '%s'", set))
	// What cannot be a window is said, and nothing is changed.
	s.until("document.getElementById('status').textContent === ''")
	before := js[string](s, "document.getElementById('picture').src")
	js[bool](s, "(document.getElementById('width').value = 'wide', document.getElementById('window-form').requestSubmit(), true)")
	s.until("document.getElementById('status').textContent.includes('Enter a width') && document.getElementById('status').classList.contains('rw-wrong')")
	if after := js[string](s, "document.getElementById('picture').src"); after != before {
		s.t.Error("an image is fetched through no window")
	}
	// Back to the file's own, by keys.
	s.tabTo("#window [data-rw-width='']")
	s.key(kb.Enter)
	s.until(fmt.Sprintf("!location.search.includes('level=') && document.getElementById('status').textContent === '' && document.getElementById('level').value + ' ' + document.getElementById('width').value === '%s'", own))
	s.check("62-window-own")
	js[bool](s, "(document.querySelector('button[name=look][value=dark]').click(), true)")
	s.until("document.querySelector('meta[name=color-scheme]').content === 'dark' && document.querySelector('.rw-drawn')")
	s.check("63-window-dark")
}

// A number that is none of the document's pages is said to be none; what is read stays.
func (s *story) asksForPagesThatThereAreNot() {
	s.signOn("Dr Amara Okafor")
	s.find(s.patient.NHSNumber)
	list := js[string](s, "location.href")
	s.openNote()
	js[bool](s, "(document.getElementById('page').value = '3', document.getElementById('jump').requestSubmit(), true)")
	s.until(shown(3))
	for typed, says := range map[string]string{"99": "There is no page 99. Enter a page from 1 to 24.", "three": "There is no page three. Enter a page from 1 to 24.", "": "Enter a page from 1 to 24.", "2.5": "There is no page 2.5."} {
		js[bool](s, fmt.Sprintf("(document.getElementById('page').value = '%s', document.getElementById('jump').requestSubmit(), true)", typed))
		s.until(fmt.Sprintf("document.getElementById('status').textContent.includes('%s') && %s", says, shown(3)))
		js[bool](s, "(document.getElementById('rotate').click(), true)") // which has all pages drawn anew
		s.until(fmt.Sprintf("document.getElementById('status').textContent.includes('%s') && %s", says, shown(3)))
	}
	s.axe("a page that there is not")
	s.shot("64-no-page", 1920, 390)
	js[bool](s, "(document.getElementById('next').click(), true)")
	s.until(shown(4) + " && document.getElementById('status').textContent === ''")
	s.goTo(list + "/documents/" + string(s.note) + "?part=1&page=77")
	s.until("document.getElementById('status').textContent.includes('There is no page 77. Enter a page from 1 to 24.') && " + shown(1))
}

// Two PDF stand side by side where each was left, and go on by themselves.
func (s *story) readsTwoPDFsSideBySide() {
	one, other := s.takenPDF(), s.takenPDFOf(append(longPDF(), "% another\n"...), pdfPages)
	s.settled()
	s.signOn("Dr Amara Okafor")
	s.find(s.patient.NHSNumber)
	list := js[string](s, "location.href")
	s.goTo(list + "/documents/" + string(one))
	s.until(pdfShown(1))
	js[bool](s, "(document.getElementById('page').value = '33', document.getElementById('jump').requestSubmit(), true)")
	s.until(pdfShown(33))
	s.click("#beside", "Choose the document to show beside")
	// The list may be narrowed down meanwhile.
	js[bool](s, "document.querySelector('input[name=trust][value=RYJ]').click() || true")
	s.until("location.search.includes('trust=RYJ')")
	s.click("a[href*='/beside/"+string(other)+"']", "A long report")
	at := func(pane, page int) string {
		return fmt.Sprintf("(document.getElementById('picture%d')?.getAttribute('aria-label') || '').startsWith('Page %d of %d ') && document.getElementById('picture%[1]d').width > 100 && document.getElementById('page%[1]d').value === '%[2]d'", pane, page, pdfPages)
	}
	s.until(at(1, 33) + " && " + at(2, 1))
	js[bool](s, "(document.getElementById('page2').value = '200', document.getElementById('jump2').requestSubmit(), true)")
	s.until(at(1, 33) + " && " + at(2, 200) + " && location.search.includes('page1=33') && location.search.includes('page2=200')")
	js[bool](s, "(document.getElementById('next1').click(), document.getElementById('zoom-in2').click(), true)")
	s.until(at(1, 34) + " && " + at(2, 200))
	js[bool](s, "(document.getElementById('page1').value = '4000', document.getElementById('jump1').requestSubmit(), true)")
	s.until("document.getElementById('status1').textContent.includes('There is no page 4000') && document.getElementById('status2').textContent === '' && " + at(1, 34))
	if err := reload(s); err != nil {
		s.t.Fatal(err)
	}
	s.until(at(1, 34) + " && " + at(2, 200))
	s.check("65-beside-pdf")
}
