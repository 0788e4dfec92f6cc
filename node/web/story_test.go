package web_test

import (
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// signOn signs a persona on.
func (s *story) signOn(name string) {
	s.t.Helper()
	s.goTo("/sign-on")
	s.click("a[href='/sign-on/start']", "Choose who you are")
	js[bool](s, "[...document.querySelectorAll('button')].find(b => b.textContent.includes('"+name+"')).click() || true")
	s.says("Find a patient")
}

// find looks a patient up and says why.
func (s *story) find(number string) {
	s.t.Helper()
	s.goTo("/find")
	s.fillIn("#number", number)
	s.until("document.getElementById('number-check').textContent === 'This can be an NHS number'")
	s.click("main form button", "Why you need this record")
	js[bool](s, "document.getElementById('purpose').click() || document.getElementById('relationship-1').click() || true")
	s.click("main form button", "newest first")
}

// openNote opens the case note that another trust holds.
func (s *story) openNote() {
	s.t.Helper()
	s.click("a[href$='"+string(s.note)+"']", "of 24")
	s.until("document.getElementById('picture').naturalWidth > 1000")
}

func (s *story) readsARecordOfAnotherTrust() {
	s.goTo("/")
	s.says("Sign on to Ridgeway")
	s.check("1-sign-on")
	s.click("a[href='/sign-on/start']", "Choose who you are")
	s.check("2-personas")
	s.signOn("Dr Amara Okafor")
	s.fillIn("#number", "999 000 0019")
	s.until("document.getElementById('number-check').textContent.includes('swapped')")
	s.click("main form button", "There is a problem")
	s.check("3-wrong-number")
	s.find(s.patient.SpacedNumber())
	s.check("4-timeline")
	if rows := js[int](s, "[...document.querySelectorAll('.rw-table tbody tr')].filter(r => r.getBoundingClientRect().bottom <= innerHeight).length"); rows < 20 {
		s.t.Errorf("a screen of 1080 lines shows %d rows, at least 20 are wanted", rows)
	}

	all := js[int](s, "document.querySelectorAll('.rw-table tbody tr').length")
	js[bool](s, "document.querySelector('input[name=trust][value=RYJ]').click() || true")
	s.until("document.querySelector('.rw-summary').textContent.includes(' of ') && location.search.includes('trust=RYJ')")
	if some := js[int](s, "document.querySelectorAll('.rw-table tbody tr').length"); some >= all || some == 0 {
		s.t.Errorf("%d of %d documents are of one trust", some, all)
	}
	s.openNote()
	s.check("5-scan")
	s.until("performance.getEntriesByType('resource').filter(e => e.name.includes('/page?')).length >= 3") // the next ones are fetched ahead
	s.click("#next", "of 24")
	s.until("document.getElementById('page').value === '2' && document.getElementById('picture').src.startsWith('blob:')")
	js[bool](s, "(document.getElementById('page').value = '24', document.getElementById('jump').requestSubmit(), true)")
	s.until("document.getElementById('picture').alt.startsWith('Page 24 ') && document.getElementById('next').classList.contains('rw-off')")
	width := js[int](s, "document.getElementById('picture').width")
	js[bool](s, "(document.getElementById('zoom-in').click(), true)")
	if got := js[int](s, "document.getElementById('picture').width"); got <= width {
		s.t.Errorf("zoomed in, the page is %d wide, and was %d", got, width)
	}
	js[bool](s, "(document.getElementById('fit-page').click(), document.getElementById('rotate').click(), true)")
	s.until("document.getElementById('picture').classList.contains('rw-turn-90')")
	s.shot("6-turned", 1920)
}

func (s *story) seesEveryKindOfDocument() {
	s.signOn("Dr Amara Okafor")
	s.find(s.patient.NHSNumber)
	list := js[string](s, "location.href")
	s.everyKind(list, []kindShown{
		{"PDF", "document.querySelector('#stage canvas') && document.querySelector('#stage canvas').width > 300"},
		{"Structured", "document.querySelector('.rw-structured h2')"},
		{"Picture", "document.getElementById('picture') && document.getElementById('picture').naturalWidth > 100"},
		{"DICOM", "document.getElementById('picture') && document.getElementById('picture').naturalWidth === 512"},
	}, func(kind string) { s.check("7-" + kind) })
	s.framesShown(list)
}

func TestRefusalAndEmergency(t *testing.T) {
	s := newStory(t)
	report := s.takenPDF()
	s.settled()
	s.signOn("Jo Price")
	s.find(s.patient.NHSNumber)
	before := js[int](s, "document.querySelectorAll('.rw-table tbody tr').length")
	list := js[string](s, "location.href")
	aside := *s // another tab of the same person, with a PDF
	aside.ctx = s.tab(s.ctx)
	aside.goTo(list + "/documents/" + string(report))
	aside.until(pdfShown(1))
	s.openNote()
	if _, err := s.region.Object(t.Context(), "R1K", &admin.ObjectRequest{Patient: s.patient.NHSNumber, By: "desk", Evidence: "an invented conversation"}); err != nil {
		t.Fatal(err)
	}
	if err := s.region.Converged(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The document is open while the patient objects: the next page is refused, in words, and no picture stays.
	js[bool](s, "(document.getElementById('page').value = '20', document.getElementById('jump').requestSubmit(), true)")
	s.until("document.getElementById('status').textContent.includes('cannot open') && document.getElementById('picture').hidden")
	s.shot("8-refused-page", 1920)
	js[bool](&aside, "(document.getElementById('page').value = '300', document.getElementById('jump').requestSubmit(), true)")
	aside.until("document.getElementById('status').textContent.includes('cannot open') && document.querySelectorAll('.rw-drawn').length === 0 && [...document.querySelectorAll('#stage canvas')].every(c => !c.width)")
	aside.shot("8-refused-pdf", 1920)
	if err := reload(s); err != nil {
		t.Fatal(err)
	}
	s.says("You cannot open this document")
	s.says("Imperial College Healthcare")
	s.check("9-refusal")
	s.goTo(list)
	s.says("newest first")
	s.silentOn("Imperial College Healthcare does")
	if now := js[int](s, "document.querySelectorAll('.rw-table tbody tr').length"); now >= before {
		t.Errorf("%d documents are listed after the objection, and %d before", now, before)
	}

	s.click(".rw-emergency", "What is the emergency?")
	s.click("main form button", "There is a problem")
	s.fillIn("#reason", "unconscious in resus, no history")
	js[bool](s, "(document.getElementById('understood').click(), true)")
	s.check("10-emergency")
	s.click("main form button", "Emergency access until")
	s.until("document.querySelector('[data-rw-left]').textContent.includes('left)')")
	s.check("11-glass-broken")
	if now := js[int](s, "document.querySelectorAll('.rw-table tbody tr').length"); now < before {
		t.Errorf("%d documents are listed with the glass broken, and %d before the objection", now, before)
	}
	js[bool](s, "(Date.now = (now => () => now() + 16 * 60000)(Date.now), true)") // as a page sees it that is left open to the end
	s.until("document.querySelector('.rw-banner__glass').textContent === 'Your emergency access has ended. Reload the page'")
	s.check("11-glass-over")
	js[bool](s, "(document.querySelector('.rw-banner__glass a').click(), true)")
	s.says("Emergency access until") // the node's clock has not moved
	s.openNote()
	s.goTo("/find")
	s.find(s.other.NHSNumber)
	s.silentOn("Emergency access until")
}

func (s *story) cannotBreakTheGlass() {
	s.signOn("Sam Lindqvist")
	s.find(s.patient.NHSNumber)
	s.silentOn("Imperial College Healthcare")
	s.click(".rw-emergency", "What is the emergency?")
	s.fillIn("#reason", "I would like to see it")
	js[bool](s, "(document.getElementById('understood').click(), true)")
	s.click("main form button", "Emergency access was not given")
	s.check("12-no-emergency")
}

func TestATrustGoesDownAndTheSessionIsLost(t *testing.T) {
	s := newStory(t)
	s.signOn("Dr Amara Okafor")
	s.find(s.patient.NHSNumber)
	list := js[string](s, "location.href")
	if err := s.region.Stop(holder); err != nil {
		t.Fatal(err)
	}
	s.reloads("document.body.innerText.includes('does not answer')")
	s.says("Imperial College Healthcare does not answer")
	s.check("13-trust-down")
	s.click("a[href$='"+string(s.note)+"']", "does not answer")
	s.says("held only there")
	s.check("14-not-reachable")
	if err := s.region.Restart(t.Context(), holder); err != nil {
		t.Fatal(err)
	}
	if err := s.region.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.goTo(list)
	s.openNote()
	js[bool](s, "(document.getElementById('page').value = '18', document.getElementById('jump').requestSubmit(), true)")
	s.until("location.search.includes('page=18')")
	place := js[string](s, "location.pathname + location.search")

	if err := s.region.Stop(reader); err != nil { // sessions end with the process
		t.Fatal(err)
	}
	if err := s.region.Restart(t.Context(), reader); err != nil {
		t.Fatal(err)
	}
	if err := s.region.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.goTo(place)
	s.says("Your session has ended")
	s.click("a[href='/sign-on/start']", "Choose who you are")
	js[bool](s, "[...document.querySelectorAll('button')].find(b => b.textContent.includes('Dr Amara Okafor')).click() || true")
	s.until("document.getElementById('picture')?.alt.startsWith('Page 18 ') && location.pathname + location.search === '" + place + "'")
	s.says(s.patient.SpacedNumber())
}
