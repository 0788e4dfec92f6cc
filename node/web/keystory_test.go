package web_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const mostStops = 400 // of one page

// focus tells where the keyboard is: nowhere, or what is wrong with how that is shown, or nothing wrong. What has the focus must look
// otherwise than without it, lie within the window, and not under something else (WCAG 2.4.7 and 2.4.11).
const focus = `(() => {
	const el = document.activeElement
	if (!el || el === document.body) return 'nowhere'
	const name = el.tagName + ' ' + (el.id || el.name || el.textContent.trim().slice(0, 40))
	const seen = (el) => [el, ...(el.labels || []), el.closest('tr')?.cells?.[0]].filter(Boolean).flatMap((x) => ['', '::before', '::after'].map((p) => {
		const s = getComputedStyle(x, p)
		return [s.outlineStyle + s.outlineWidth + s.outlineColor, s.boxShadow, s.backgroundColor, s.borderColor, s.borderWidth].join()
	})).join()
	const with_ = seen(el)
	let without
	if (['date', 'time'].includes(el.type)) { // to come back to it would begin at its first part again; the browser itself shows where its calendar has the focus
		const other = el.cloneNode()
		el.after(other)
		without = seen(other).slice(0, with_.length)
		other.remove()
		if (el.matches(':focus') && with_.startsWith(without)) return name + ' does not show that it has the focus'
	} else {
		el.blur()
		without = seen(el)
		el.focus({ preventScroll: true })
	}
	if (document.activeElement !== el) return name + ' loses the focus'
	if (with_ === without) return name + ' does not show that it has the focus'
	const r = el.getBoundingClientRect()
	const x = (Math.max(r.left, 0) + Math.min(r.right, innerWidth)) / 2, y = (Math.max(r.top, 0) + Math.min(r.bottom, innerHeight)) / 2
	if (r.width < 1 || r.height < 1 || x < 0 || y < 0 || x > innerWidth || y > innerHeight) return name + ' is out of sight: ' + [r.left, r.top, r.width, r.height]
	const line = el.getClientRects()[0], at = line && line.height < r.height && el.tagName === 'A' ? document.elementFromPoint(line.left + line.width / 2, line.top + line.height / 2) : document.elementFromPoint(x, y)
	if (!at || !(el.contains(at) || at.contains(el) || [...(el.labels || [])].some((l) => l.contains(at)))) return name + ' lies under ' + (at ? at.tagName + '.' + at.className : 'nothing')
	return ''
})()`

// stops goes through a page that was just opened with Tab alone: each stop must be seen, and the end must be reached.
func (s *story) stops(name string) int {
	s.t.Helper()
	for n := range mostStops {
		s.key(kb.Tab)
		switch wrong := js[string](s, focus); wrong {
		case "":
		case "nowhere":
			if n == 0 {
				s.t.Errorf("%s: Tab leads nowhere", name)
			}
			return n
		default:
			s.t.Errorf("%s: stop %d: %s", name, n+1, wrong)
		}
		if n == 0 && !js[bool](s, "document.activeElement.matches('.nhsuk-skip-link')") {
			s.t.Errorf("%s: the first stop is no link that skips to the content", name)
		}
	}
	s.t.Errorf("%s: Tab has not left the page after %d stops", name, mostStops)
	return mostStops
}

// tabTo goes on with Tab to what a selector names.
func (s *story) tabTo(selector string) {
	s.t.Helper()
	for range mostStops {
		s.key(kb.Tab)
		if js[bool](s, fmt.Sprintf("document.activeElement.matches(%q)", selector)) {
			if wrong := js[string](s, focus); wrong != "" {
				s.t.Errorf("%s: %s", selector, wrong)
			}
			return
		}
	}
	s.shot("failed-key", 1280)
	s.t.Fatalf("Tab does not lead to %s on %s", selector, js[string](s, "location.pathname"))
}

// enter presses the key on what has the focus, and waits for a text on what follows.
func (s *story) pressed(selector, wanted string) {
	s.t.Helper()
	s.tabTo(selector)
	s.key(kb.Enter)
	s.says(wanted)
}

// typed signs somebody on by keys.
func (s *story) keyedIn(name string) {
	s.t.Helper()
	s.goTo("/sign-on")
	s.pressed("a[href='/sign-on/start']", "Choose who you are")
	for range 20 {
		s.tabTo("main button")
		if js[bool](s, fmt.Sprintf("document.activeElement.textContent.includes(%q)", name)) {
			break
		}
	}
	s.key(kb.Enter)
	s.says("Log out")
}

func TestClinicianWorksByKeyboardAlone(t *testing.T) {
	s := newStory(t)
	if err := chromedp.Do(s.ctx, chromedp.EmulateViewport(1280, 800)); err != nil {
		t.Fatal(err)
	}
	s.keyedIn("Jo Price")
	s.key(kb.Tab) // the skip link
	s.key(kb.Enter)
	s.key(kb.Tab)
	if !js[bool](s, "document.querySelector('main').contains(document.activeElement)") {
		t.Errorf("the skip link leads to %s", js[string](s, "document.activeElement.outerHTML.slice(0, 200)"))
	}
	s.goTo("/find")
	s.tabTo("#number")
	s.key(s.patient.NHSNumber + kb.Enter)
	s.says("Why you need this record")
	s.tabTo("input[name=purpose]")
	s.key(" ")
	s.tabTo("input[name=relationship]")
	s.key(kb.ArrowDown)
	if !js[bool](s, "document.querySelectorAll('input[name=relationship]')[1].checked") {
		t.Error("an arrow does not choose the next relationship")
	}
	s.pressed("main form button", "newest first")
	list := js[string](s, "location.href")
	all := js[int](s, rows)
	s.tabTo("input[name=trust][value=RYJ]")
	s.key(" ")
	s.until("document.querySelector('.rw-summary').textContent.includes(' of ') && location.search.includes('trust=RYJ')")
	if some := js[int](s, rows); some == 0 || some >= all {
		t.Errorf("%d of %d are of one trust", some, all)
	}
	s.tabTo("#results a[href$='" + string(s.note) + "']")
	s.key(kb.Enter)
	s.until("document.getElementById('picture')?.naturalWidth > 1000")
	s.tabTo("#next")
	s.key(kb.Enter)
	s.until("document.getElementById('page').value === '2'")
	s.tabTo("#thumbs-open")
	s.key(kb.Enter)
	s.until("document.querySelectorAll('.rw-thumb canvas').length > 1")
	s.tabTo(".rw-thumb[aria-label='Page 3']")
	s.key(kb.Enter)
	s.until("document.getElementById('page').value === '3'")
	s.tabTo("#stage")
	s.key(kb.PageDown)
	s.until("document.getElementById('page').value === '4'")
	s.key(kb.Tab)
	if js[bool](s, "document.getElementById('stage').contains(document.activeElement)") {
		t.Error("Tab does not leave the page of the document")
	}
	s.shot("key-1-scan", 1280)

	if _, err := s.region.Object(t.Context(), "R1K", &admin.ObjectRequest{Patient: s.patient.NHSNumber, By: "desk", Evidence: "an invented conversation"}); err != nil {
		t.Fatal(err)
	}
	if err := s.region.Converged(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.goTo(list + "/documents/" + string(s.note))
	s.says("You cannot open this document")
	s.pressed("main a[href$='/emergency']", "What is the emergency?")
	s.tabTo("#reason")
	s.key("unconscious in resus, no history")
	s.tabTo("#understood")
	s.key(" ")
	s.pressed("main form button", "Emergency access until")
	s.shot("key-2-glass", 1280)
	s.key("?")
	s.until("document.getElementById('keys-help').open")
	for range 6 { // a dialog keeps the keyboard, and Escape ends it
		s.key(kb.Tab)
		if at := js[string](s, "document.activeElement.closest('dialog') || document.activeElement === document.body ? '' : document.activeElement.outerHTML"); at != "" {
			t.Errorf("with the dialog open, the keyboard is at %s", at)
		}
	}
	s.key(kb.Escape)
	s.until("!document.getElementById('keys-help').open")
	s.goTo("/find")
	s.pressed(".nhsuk-header__account-button", "You are logged out")
}

// stopsWhereTheKeyboardIsSeen walks through every page from which something is done.
func (s *story) stopsWhereTheKeyboardIsSeen() {
	if err := chromedp.Do(s.ctx, chromedp.EmulateViewport(1280, 800)); err != nil {
		s.t.Fatal(err)
	}
	walk := func(wanted string, pages ...string) {
		s.t.Helper()
		for _, page := range pages {
			s.goTo(page)
			s.says(wanted)
			if n := s.stops(page); n < 5 {
				s.t.Errorf("%s has %d stops", page, n)
			}
		}
	}
	s.goTo("/sign-on")
	s.stops("sign-on")
	s.become("Dr Amara Okafor", "Find a patient")
	s.find(s.patient.NHSNumber)
	list := js[string](s, "location.href")
	walk("Amara Okafor", "/find", list, list+"/purpose", list+"/emergency", list+"/documents/"+string(s.note))
	s.goTo(list)
	s.goTo(js[string](s, "[...document.querySelectorAll('.rw-table tbody tr')].find(r => r.querySelector('.rw-kind').textContent === 'PDF').querySelector('.rw-doc a').href"))
	s.until("document.querySelector('#stage canvas')?.width > 300")
	s.stops("PDF")
	s.become("Philippa Osei", "must judge each one in time")
	walk("Philippa Osei", "/agreements", "/agreements/draft", "/wishes", "/reviews", "/audit?search=1", "/audit/checks", "/why", "/suspensions", "/region")
	s.become("Sam Lindqvist", "Find a patient")
	s.goTo("/documents")
	s.fillIn("#number", s.patient.SpacedNumber()+kb.Enter)
	s.says("Take documents in")
	held := js[string](s, "location.pathname")
	walk("Sam Lindqvist", "/documents", held, held+"/take")
	s.enter("/my/sign-on", s.patient.Family, "Who looked")
	walk("Log out", "/my", "/my/sharing", "/my/looks", "/my/choices", "/my/choices/new")
}
