package web_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// scripts switches the scripts of pages on or off. What a test evaluates runs either way.
func (s *story) scripts(on bool) {
	s.t.Helper()
	err := chromedp.Do(s.ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
		return err
	}))
	if err != nil {
		s.t.Fatal(err)
	}
	s.still = !on
}

// plain holds a page that was made without its scripts against what every page must be. They stay unloaded: only what looks at the
// page runs.
func (s *story) plain(name string) {
	s.t.Helper()
	if js[bool](s, "document.documentElement.classList.contains('rw-js')") {
		s.t.Errorf("%s: a script of the page has run", name)
	}
	s.shot("plain-"+name, 1280, 390)
	s.scripts(true)
	for _, w := range []int64{1280, 390} {
		if err := chromedp.Do(s.ctx, chromedp.EmulateViewport(w, 900)); err != nil {
			s.t.Fatal(err)
		}
		if wide := js[int](s, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
			s.t.Errorf("%s: %d pixels too wide at %d", name, wide, w)
		}
	}
	s.axe(name)
	s.scripts(false)
}

func (s *story) readsWithoutScripts() {
	s.taken("Typed in a hurry")
	s.scripts(false)
	s.enter("/sign-on", "Dr Amara Okafor", "Find a patient")
	s.fillIn("#number", "999 000 0019")
	s.click("main form button", "There is a problem")
	s.plain("1-find")
	js[bool](s, "(document.getElementById('number').value = '', true)")
	s.fillIn("#number", s.patient.SpacedNumber())
	s.click("main form button", "Why you need this record")
	s.tick("purpose")
	s.tick("relationship-1")
	s.click("main form button", "newest first")
	s.plain("2-timeline")
	list := js[string](s, "location.href")
	all := js[int](s, rows)
	js[bool](s, "(document.querySelector('input[name=trust][value=RYJ]').click(), true)")
	s.fillIn("#words", "a")
	s.click(".rw-apply", " of ")
	s.until("location.search.includes('trust=RYJ') && document.querySelector('input[name=trust][value=RYJ]').checked")
	if some := js[int](s, rows); some >= all || some == 0 {
		s.t.Errorf("%d of %d documents are of one trust", some, all)
	}
	s.fillIn("#view-name", "Of Imperial")
	s.click("#save-view button", "Of Imperial")
	s.plain("3-narrowed")

	// A scan: its pages are links.
	s.goTo(list)
	s.click("a[href$='"+string(s.note)+"']", "of 24")
	s.until("document.getElementById('picture').naturalWidth > 1000")
	s.plain("4-scan")
	s.click("#next", "of 24")
	s.until("location.search.includes('page=2') && document.getElementById('picture').alt.startsWith('Page 2 ') && document.getElementById('picture').naturalWidth > 1000")
	js[bool](s, "(document.getElementById('page').value = '24', true)")
	s.click("#jump button", "of 24")
	s.until("document.getElementById('picture').alt.startsWith('Page 24 ')")
	s.everyKind(list, []kindShown{
		{"PDF", "document.body.innerText.includes('Download it to read it') && document.querySelector('#pdf .rw-last').href.includes('/file')"},
		{"Structured", "document.querySelector('.rw-structured h2')"},
		{"Picture", "document.getElementById('picture').naturalWidth > 100"},
		{"DICOM", "document.getElementById('picture').naturalWidth === 512"},
		{"Text", "document.querySelector('pre.rw-text').innerText.length > 10"},
	}, func(kind string) { s.plain("5-" + kind) })
	s.goTo(list + "/documents/" + string(s.note))
	s.click("main a[href*='beside=']", "Choose the document to show beside")
	s.click(".rw-table tbody tr:nth-child(2) .rw-doc a", " beside ")
	s.plain("6-beside")
	s.click(".nhsuk-header__account-button", "You are logged out")
}

func TestRefusalAndEmergencyWithoutScripts(t *testing.T) {
	s := newStory(t)
	s.scripts(false)
	s.enter("/sign-on", "Jo Price", "Find a patient")
	s.plainFind(s.patient.SpacedNumber())
	list := js[string](s, "location.href")
	if _, err := s.region.Object(t.Context(), "R1K", &admin.ObjectRequest{Patient: s.patient.NHSNumber, By: "desk", Evidence: "an invented conversation"}); err != nil {
		t.Fatal(err)
	}
	if err := s.region.Converged(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.goTo(list + "/documents/" + string(s.note))
	s.says("You cannot open this document")
	s.plain("7-refusal")
	s.click("main a[href$='/emergency']", "What is the emergency?")
	s.click("main form button", "There is a problem")
	s.fillIn("#reason", "unconscious in resus, no history")
	s.tick("understood")
	s.click("main form button", "Emergency access until")
	s.plain("8-glass-broken")
	s.goTo(list + "/documents/" + string(s.note))
	s.until("document.getElementById('picture').naturalWidth > 1000")
}

// plainFind looks a patient up and says why.
func (s *story) plainFind(number string) {
	s.t.Helper()
	s.goTo("/find")
	s.fillIn("#number", number)
	s.click("main form button", "Why you need this record")
	s.tick("purpose")
	s.tick("relationship-1")
	s.click("main form button", "newest first")
}

// TestOfficesAndPatientsWorkWithoutScripts opens every page that a governance lead, records staff, IT and a patient begin from, and
// sends the forms on them.
func TestOfficesAndPatientsWorkWithoutScripts(t *testing.T) {
	s := newStory(t)
	s.scripts(false)
	s.enter("/sign-on", "Philippa Osei", "must judge each one in time")
	s.plain("19-reviews")
	s.goTo("/agreements")
	s.plain("20-agreements")
	s.press("Write a new agreement", "Building blocks of a form")
	good := js[string](s, "document.getElementById('text').value")
	js[bool](s, fmt.Sprintf("(document.getElementById('text').value = %q, true)", strings.Replace(good, "up-to: N ", "up-to: Q ", 1)))
	s.press("Check", "1 error")
	s.plain("21-draft")
	js[bool](s, fmt.Sprintf("(document.getElementById('text').value = %q, true)", good))
	s.press("Who gains and who loses", "What could be asked for")
	s.press("Throw this draft away", "What this trust shares")
	s.goTo("/wishes")
	s.fillIn("#number", s.patient.SpacedNumber())
	s.press("Show", "What is shared follows each trust's agreement")
	s.press("Record a choice", "Which staff?")
	s.tick("effect")
	js[bool](s, "(document.getElementById('role').value = 'nurse', true)")
	js[bool](s, "(document.getElementById('evidence').value = 'in person', true)")
	s.press("Go on to read it back", "Read this back to the patient")
	s.press("The patient agrees", "Receipt")
	// Once on each page: who asks anew all the time never sees an answer that is slow.
	s.until("document.body.innerText.includes('In force at every trust') || !window.looked && (window.looked = true, [...document.querySelectorAll('main a')].find(a => a.textContent === 'Look again').click(), false)")
	s.plain("22-receipt")
	s.goTo("/reviews")
	s.plain("23-reviews")
	s.goTo("/audit")
	s.fillIn("#number", s.patient.NHSNumber)
	s.press("Search", "Patient's choice")
	s.plain("24-audit")
	s.click(".rw-evidence tbody a", "of the audit log")
	s.plain("25-entry")
	s.goTo("/audit/checks")
	s.press("Verify now", "The log is whole")
	s.plain("26-checks")
	s.goTo("/suspensions")
	js[bool](s, "(document.getElementById('user').value = 'j.price', document.getElementById('user-reason').value = 'badge was stolen', true)")
	s.press("Suspend this person", "badge was stolen")
	s.plain("27-suspensions")
	s.goTo("/why")
	s.plain("28-why")
	s.leave()

	s.enter("/sign-on", "Sam Lindqvist", "Find a patient")
	s.goTo("/documents")
	s.fillIn("#number", s.patient.SpacedNumber())
	s.click("main form button", "Take documents in")
	s.plain("30-held")
	s.click("a[href$='/take']", "For the patient with the NHS number")
	js[bool](s, "(document.getElementById('type').value = '373942005', document.getElementById('date').value = '2026-03-01', true)")
	s.upload("a note.txt", "A note about an invented patient.\n")
	s.click("#send", "a note.txt")
	s.says("Taken in")
	s.plain("31-taken")
	s.leave()

	s.enter("/sign-on", "Tom Hughes", "All nodes")
	s.plain("32-region")
	s.leave()

	s.enter("/my/sign-on", s.patient.Family, "Who looked")
	s.plain("40-my")
	for _, page := range []string{"sharing", "looks", "choices"} {
		s.goTo("/my/" + page)
		s.plain("41-my-" + page)
	}
	s.goTo("/my/choices/new")
	s.tick("kind-1")
	js[bool](s, "(document.getElementById('trust').value = 'RYJ', true)")
	s.click("main form button", "Check what this means")
	s.click("main form button", "Your choice of")
	s.plain("42-my-receipt")
	s.goTo("/my/choices")
	s.click("a[href$='/undo']", "Take this back?")
	s.click("main form button", "Your choice of")
	s.leave()
}
