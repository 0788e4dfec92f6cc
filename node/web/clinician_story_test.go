package web_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

// key presses a key where the focus is.
func (s *story) key(keys string) {
	s.t.Helper()
	if err := chromedp.Do(s.ctx, chromedp.KeyEvent(keys)); err != nil {
		s.t.Fatal(err)
	}
}

const rows = "document.querySelectorAll('.rw-table tbody tr').length"

func (s *story) worksTheTimelineByKeys() {
	s.signOn("Dr Amara Okafor")
	s.find(s.patient.NHSNumber)
	all := js[int](s, rows)
	s.key("/")
	s.until("document.activeElement.id === 'words'")
	js[bool](s, "(document.getElementById('words').value = '', true)") // what the driver types beside the key that it presses
	s.key("discharge")
	s.until("document.querySelector('.rw-summary').textContent.includes(' of ') && location.search.includes('q=discharge')")
	some := js[int](s, rows)
	if some == 0 || some >= all {
		s.t.Errorf("the search finds %d of %d", some, all)
	}
	s.until("!document.getElementById('save-view').hidden")
	s.fillIn("#view-name", "Discharges")
	s.click("#save-view button", "newest first")
	s.until("document.querySelector('.rw-viewlist a[aria-current]')?.textContent === 'Discharges'")
	s.check("20-saved-view")
	js[bool](s, "(document.activeElement.blur(), true)")
	s.key("j")
	s.key("j")
	s.until("document.activeElement === document.querySelectorAll('#results .rw-doc > a:first-child')[1]")
	s.key("k")
	s.until("document.activeElement === document.querySelectorAll('#results .rw-doc > a:first-child')[0]")
	s.key("?")
	s.until("document.getElementById('keys-help').open")
	s.check("21-keys")
	js[bool](s, "(document.getElementById('keys-on').click(), document.querySelector('#keys-help form button').click(), true)")
	s.until("!document.getElementById('keys-help').open")
	js[bool](s, "(document.activeElement.blur(), true)")
	s.key("j")
	if js[bool](s, "document.activeElement.matches('#results a')") {
		s.t.Error("a key of one letter works though it is switched off")
	}
	js[bool](s, "(document.querySelector('#results .rw-doc > a').focus(), true)")
	s.key("\r")
	s.until("document.querySelector('.rw-provenance')")

	// What comes after a visit is new at the next.
	s.goTo("/find")
	s.click("form[action='/log-out'] button", "You are logged out")
	s.taken("Arrived meanwhile")
	s.signOn("Dr Amara Okafor")
	s.find(s.patient.NHSNumber)
	s.until("document.querySelector('.rw-doc .nhsuk-tag--green')")
	s.check("22-new")
	js[bool](s, "document.querySelector('input[name=new]').click() || true")
	s.until(rows + " === 1 && document.body.innerText.includes('Arrived meanwhile')")
}

// taken has the holder take a letter in, of long ago, under a title.
func (s *story) taken(title string) {
	s.t.Helper()
	_, err := s.region.TakeDocument(s.t.Context(), holder, s.patient, synth.Document{
		Name: "late.txt", ContentType: "text/plain", Type: synth.Code{Code: "823681000000100"}, Category: synth.Code{Code: "823651000000106"}, Specialty: synth.Code{Code: "320"},
		Title: title, Author: "Dr Late", Date: time.Date(2001, 5, 1, 0, 0, 0, 0, time.UTC), Confidentiality: "N", Bytes: func() []byte { return []byte(title) },
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.settled()
}

// longScan is a TIFF of so many pages, each of another gray.
func longScan(pages int) []byte {
	const width, height = 160, 220
	const row, fields = width / 8, 9
	out := append([]byte("II*\x00"), 0, 0, 0, 0)
	next := 4 // where the offset of the next directory is written
	for n := range pages {
		strip := len(out)
		for y := range height {
			for x := range row {
				out = append(out, byte(0xff<<((n+x+y)%9)))
			}
		}
		binary.LittleEndian.PutUint32(out[next:], uint32(len(out)))
		out = binary.LittleEndian.AppendUint16(out, fields)
		for _, f := range [fields][2]uint32{{256, width}, {257, height}, {258, 1}, {259, 1}, {262, 1}, {273, uint32(strip)}, {277, 1}, {278, height}, {279, row * height}} {
			out = binary.LittleEndian.AppendUint16(out, uint16(f[0]))
			out = binary.LittleEndian.AppendUint16(out, 4) // LONG
			out = binary.LittleEndian.AppendUint32(out, 1)
			out = binary.LittleEndian.AppendUint32(out, f[1])
		}
		next = len(out)
		out = append(out, 0, 0, 0, 0)
	}
	return out
}

// takenScan has the holder take a scan in.
func (s *story) takenScan(title string, pages int) federation.DocumentID {
	s.t.Helper()
	receipt, err := s.region.TakeDocument(s.t.Context(), holder, s.patient, synth.Document{
		Name: "scan.tif", ContentType: "image/tiff", Type: synth.Code{Code: "16521000000101"}, Category: synth.Code{Code: "419891008"}, Specialty: synth.Code{Code: "320"},
		Title: title, Author: "Records", Date: time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC), Confidentiality: "N", Pages: pages, Bytes: func() []byte { return longScan(pages) },
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.settled()
	return receipt.Document
}

func (s *story) readsALongDocument() {
	const pages = 2000
	scan := s.takenScan("Lloyd George envelope", pages)
	s.signOn("Dr Amara Okafor")
	s.find(s.patient.NHSNumber)
	list := js[string](s, "location.href")
	s.click("a[href$='"+string(scan)+"']", "of 2,000")
	s.until("document.getElementById('picture').naturalWidth === 160")
	// Every picture that is held in memory is an object URL.
	js[bool](s, `(() => { window.live = new Set(); window.most = 0
		const make = URL.createObjectURL, drop = URL.revokeObjectURL
		URL.createObjectURL = (b) => { const u = make(b); live.add(u); most = Math.max(most, live.size); return u }
		URL.revokeObjectURL = (u) => { live.delete(u); drop(u) }; return true })()`)
	js[bool](s, "(document.getElementById('thumbs-open').click(), true)")
	s.until("document.querySelectorAll('.rw-thumb canvas').length > 3")
	s.check("30-thumbnails")
	worst := js[int](s, `new Promise(async (done) => { const box = document.getElementById('thumbs'); let most = 0
		for (let i = 0; i <= 60; i++) { box.scrollTop = box.scrollHeight * i / 60; await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame)
			most = Math.max(most, document.querySelectorAll('.rw-thumb').length, document.querySelectorAll('canvas').length) }
		done(most) })`)
	if worst > 24 {
		s.t.Errorf("while a document of %d pages is scrolled through, %d thumbnails exist at once", pages, worst)
	}
	s.until("[...document.querySelectorAll('.rw-thumb')].some(b => b.getAttribute('aria-label') === 'Page 2000' && b.querySelector('canvas'))")
	js[bool](s, "([...document.querySelectorAll('.rw-thumb')].find(b => b.getAttribute('aria-label') === 'Page 2000').click(), true)")
	s.until("document.getElementById('picture').alt.startsWith('Page 2000 ')")
	s.scrolledThrough(pages)
	if most := js[int](s, "most"); most > 14 {
		s.t.Errorf("%d pages are held in memory at once, at most 14 may be", most)
	}
	if n := js[int](s, "document.querySelectorAll('*').length"); n > 400 {
		s.t.Errorf("the page has grown to %d elements", n)
	}
	js[bool](s, "(document.querySelector('button[name=look][value=dark]').click(), true)")
	s.until("document.querySelector('meta[name=color-scheme]').content === 'dark' && document.querySelector('.rw-drawn')")
	s.check("34-dark-scroll")
	js[bool](s, "(document.querySelector('button[name=look][value=light]').click(), true)")
	s.until("document.querySelector('meta[name=color-scheme]').content !== 'dark' && document.querySelector('.rw-drawn')")

	// Side by side with another, and where it is.
	read := js[int](s, readPage)
	js[bool](s, "([...document.querySelectorAll('a')].find(a => a.textContent === 'Show another beside it').click(), true)")
	s.says("Choose the document to show beside")
	s.check("31-choose")
	s.click("a[href*='/beside/"+string(s.note)+"']", "of 24")
	s.until("[1, 2].every(n => document.getElementById('picture' + n).naturalWidth > 100)")
	js[bool](s, "(document.getElementById('next2').click(), true)")
	s.until("document.getElementById('picture2').alt.startsWith('Page 2 ') && document.getElementById('picture1').alt.startsWith('Page " + fmt.Sprint(read) + " ') && location.search.includes('page2=2')")
	s.check("32-beside")
	s.goTo(list)
}

func (s *story) readsInTheDarkAndPrints() {
	s.signOn("Dr Amara Okafor")
	js[bool](s, "(document.querySelector('button[name=look][value=dark]').click(), true)")
	s.until("document.readyState === 'complete' && document.querySelector('meta[name=color-scheme]').content === 'dark'")
	s.click("main form button", "There is a problem")
	s.check("40-dark-find")
	s.find(s.patient.NHSNumber)
	s.check("41-dark-timeline")
	list := js[string](s, "location.href")
	s.openNote()
	s.check("42-dark-scan")
	s.goTo(list)
	js[bool](s, "(document.querySelector('.rw-emergency').click(), true)")
	s.says("What is the emergency?")
	s.check("43-dark-emergency")
	s.goTo(list)
	if err := chromedp.Do(s.ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
		return err
	})); err != nil {
		s.t.Fatal(err)
	}
	if !js[bool](s, "getComputedStyle(document.querySelector('.rw-printed')).display === 'block' && getComputedStyle(document.querySelector('.rw-facets')).display === 'none' && getComputedStyle(document.body).backgroundColor === 'rgb(255, 255, 255)'") {
		s.t.Error("a print does not say who printed it, or has what is for the screen")
	}
	s.shot("44-print", 1920)
}

func (s *story) findsByName() {
	s.signOn("Dr Amara Okafor")
	js[bool](s, "(document.querySelector('.rw-named summary').click(), true)")
	s.fillIn("#family", s.patient.Family)
	s.fillIn("#born-day", fmt.Sprint(s.patient.Born.Day()))
	s.fillIn("#born-month", fmt.Sprint(int(s.patient.Born.Month())))
	s.click(".rw-named form button", "Enter the date of birth in numbers")
	s.check("50-named-wrong")
	s.fillIn("#born-year", fmt.Sprint(s.patient.Born.Year()))
	s.click(".rw-named form button", "of this trust")
	s.until("document.querySelector('.rw-found')?.textContent.includes('" + s.patient.SpacedNumber() + "')")
	s.check("51-named")
	s.click(".rw-found button", "Why you need this record")
	s.says(s.patient.Given)
	js[bool](s, "document.getElementById('purpose').click() || document.getElementById('relationship-1').click() || true")
	s.click("main form button", "newest first")
	s.until("document.querySelector('.rw-banner__name').textContent.includes('years')")
	s.check("52-banner")
	if rows := js[int](s, "[...document.querySelectorAll('.rw-table tbody tr')].filter(r => r.getBoundingClientRect().bottom <= innerHeight).length"); rows < 20 {
		s.t.Errorf("a screen of 1080 lines shows %d rows, at least 20 are wanted", rows)
	}
	// The CDA and the CT are the patient's, and say so.
	list := js[string](s, "location.href")
	s.goTo(js[string](s, "[...document.querySelectorAll('.rw-table tbody tr')].find(r => r.querySelector('.rw-kind').textContent === 'Structured').querySelector('.rw-doc a').href"))
	s.says("are those of your patient")
	s.goTo(list)
}
