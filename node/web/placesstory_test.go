package web_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

// enter signs somebody on at one of the two doors, and waits for what their first page says.
func (s *story) enter(door, name, wanted string) {
	s.t.Helper()
	s.goTo(door)
	s.click("a[href$='/sign-on/start']", "Choose who you are")
	js[bool](s, "[...document.querySelectorAll('button')].find(b => b.textContent.includes('"+name+"')).click() || true")
	s.says(wanted)
}

func (s *story) leave() {
	s.t.Helper()
	s.click(".nhsuk-header__account-button", "You are logged out")
}

// tick clicks a radio or a checkbox, and set gives a field a value, as a hand would but faster.
func (s *story) tick(id string) { js[bool](s, "(document.getElementById('"+id+"').click(), true)") }

func (s *story) set(id, value string) {
	js[bool](s, "(document.getElementById('"+id+"').value = '"+value+"', true)")
}

// TestRecordsStaffTakeDocumentsInAndPutThemRight walks from the drop of files to the move of one to the right patient.
func TestRecordsStaffTakeDocumentsInAndPutThemRight(t *testing.T) {
	s := newStory(t)
	s.enter("/sign-on", "Sam Lindqvist", "Find a patient")
	s.goTo("/documents")
	s.check("30-our-documents")
	s.fillIn("#number", s.patient.SpacedNumber())
	s.until("document.getElementById('number-check').textContent === 'This can be an NHS number'")
	s.click("main form button", "Take documents in")
	s.check("31-held")
	s.click("a[href$='/take']", "For the patient with the NHS number")
	s.click("#send", "Select what kind of document it is")
	s.check("32-take-faults")
	early := `(() => { const dt = new DataTransfer(); dt.items.add(new File(['Dropped too early.'], 'early.txt'))
		document.getElementById('drop').dispatchEvent(new DragEvent('drop', {dataTransfer: dt, bubbles: true, cancelable: true})); return true })()`
	js[bool](s, early)
	s.until("document.getElementById('ready').textContent.startsWith('The file is ready.') && document.activeElement.id === 'type'")
	s.until("(r => r.height > 0 && r.top >= 0 && r.bottom <= innerHeight)(document.getElementById('ready').getBoundingClientRect())")
	s.check("32-dropped-early")
	s.set("type", "373942005")
	if err := chromedp.Do(s.ctx, chromedp.EmulateViewport(820, 200)); err != nil { // so low that who is led to the day does not see the note above
		t.Fatal(err)
	}
	js[bool](s, early)
	s.until("document.activeElement.id === 'date'")
	s.until("(r => r.height > 0 && r.top >= 0 && r.bottom <= innerHeight)(document.getElementById('ready').getBoundingClientRect())")
	if err := chromedp.Do(s.ctx, chromedp.EmulateViewport(1920, 1080)); err != nil {
		t.Fatal(err)
	}
	s.goTo(js[string](s, "location.pathname"))
	s.set("type", "373942005")
	s.set("date", "2026-03-01")
	dir := t.TempDir()
	var pdf synth.Document
	for d := range synth.New(9).Documents(s.patient, 40) {
		if strings.HasSuffix(d.Name, ".pdf") {
			pdf = d
		}
	}
	files := []string{filepath.Join(dir, "discharge letter.pdf"), filepath.Join(dir, "cut.pdf"), filepath.Join(dir, "notes <b>.txt")}
	for i, content := range [][]byte{pdf.Bytes(), pdf.Bytes()[:400], []byte("A note about an invented patient.\n")} {
		if err := os.WriteFile(files[i], content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := chromedp.Do(s.ctx, chromedp.SetUploadFiles(chromedp.CSS("#files"), files)); err != nil {
		t.Fatal(err)
	}
	s.tick("send")
	s.until("document.getElementById('outcome-sum').textContent === '2 taken in, 1 refused.'")
	js[bool](s, `(() => { const dt = new DataTransfer(); dt.items.add(new File(['Dropped about an invented patient.'], 'dropped.txt'))
		document.getElementById('drop').dispatchEvent(new DragEvent('drop', {dataTransfer: dt, bubbles: true, cancelable: true})); return true })()`)
	s.until("document.getElementById('outcome-sum').textContent === '3 taken in, 1 refused.'")
	s.says("export or scan it again")
	s.silentOn("The file is ready")
	s.silentOn("There is a problem")
	s.check("33-taken")
	s.click("#outcome-list a", "What became of it")
	s.says("took it in by hand")
	s.check("34-document")
	s.click("a[href$='/correct']", "What other trusts see")
	s.check("35-correct")
	s.set("title", "Discharge letter, ward 7")
	s.fillIn("#reason", "the title said nothing")
	s.click("main form button", "The document was corrected")
	s.says("Discharge letter, ward 7")
	corrected := js[string](s, "location.href")
	s.goTo(js[string](s, "[...document.querySelectorAll('main a')].find(a => a.textContent === 'the older version').href"))
	s.says("What became of it")
	read := js[string](s, "[...document.querySelectorAll('main a')].find(a => a.textContent === 'Read it').href")
	s.goTo(read)
	s.says("Why you need this record")
	s.tick("purpose")
	s.tick("relationship")
	s.press("Continue", "Documents")
	s.goTo(read)
	s.says("This document was replaced.")
	s.check("35-replaced")
	s.goTo(corrected)
	s.click("main a[href$='/labels']", "Sensitive subjects")
	s.check("36-labels")
	s.tick("confidentiality-1")
	s.fillIn("#reason", "it names others")
	s.click("main form button", "Check what this does")
	s.check("37-labels-preview")
	s.click("main form button", "The labels were changed")
	s.click("a[href$='/move']", "NHS number of the right patient")
	s.fillIn("#number", s.other.SpacedNumber())
	s.fillIn("#reason", "two patients of one name")
	s.click("main form button", "Check before you move it")
	s.check("38-move")
	s.click("main form button", "The document was moved")
	s.says(s.other.SpacedNumber())
	s.check("39-moved")
	s.click("a[href$='/withdraw']", "Nobody finds it")
	s.fillIn("#reason", "asked for by the author")
	s.click("main form button", "The document was withdrawn")
	s.click("a[href$='/withdraw']", "Other trusts find it again")
	s.fillIn("#reason", "it was right after all")
	s.click("main form button", "The document is shared again")
	s.leave()
}

// TestTheRegionPageFollowsATrustThatGoesDown and nobody reloads it.
func TestTheRegionPageFollowsATrustThatGoesDown(t *testing.T) {
	s := newStory(t)
	s.enter("/sign-on", "Tom Hughes", "All nodes")
	s.until("document.getElementById('region-live').textContent.startsWith('Live')")
	s.until("document.querySelectorAll('.rw-dot--up').length === 3")
	s.check("40-region")
	if err := s.region.Stop(holder); err != nil {
		t.Fatal(err)
	}
	s.until("document.querySelectorAll('.rw-dot--down').length === 1 && document.getElementById('region').innerText.includes('No answer from Imperial College Healthcare')")
	s.check("41-region-trust-down")
	if err := s.region.Restart(t.Context(), holder); err != nil {
		t.Fatal(err)
	}
	s.until("document.querySelectorAll('.rw-dot--up').length === 3")
	s.goTo("/documents")
	s.says("not for your role")
	s.goTo("/region")
	s.until("document.getElementById('region-live').textContent.startsWith('Live') && !document.querySelector('.rw-old')")
	// The node whose page it is goes away: nothing that is shown is passed off as how it is.
	if err := s.region.Stop(reader); err != nil {
		t.Fatal(err)
	}
	s.until("document.querySelector('#region.rw-old') && document.getElementById('region-live').innerText.includes('What is shown is from')")
	s.check("42-region-own-node-down")
}

// TestAPatientSeesWhoLookedAndSaysWhoMay on the screen of a phone and others.
func TestAPatientSeesWhoLookedAndSaysWhoMay(t *testing.T) {
	s := newStory(t)
	s.signOn("Dr Amara Okafor") // somebody looks
	s.find(s.patient.NHSNumber)
	s.openNote()
	s.goTo("/my")
	s.says("Continue to NHS login")
	s.check("50-patient-sign-on")
	s.enter("/my/sign-on", s.patient.Family, "Who looked")
	s.check("51-patient-home")
	s.click("a.nhsuk-card__link[href='/my/sharing']", "extra private")
	s.says("doctors, nurses and others who treat you")
	s.check("52-sharing")
	s.goTo("/my/looks")
	s.says("A doctor at The Hillingdon Hospitals opened")
	s.silentOn("okafor")
	s.check("53-looks")
	s.goTo("/my/choices")
	// What looks like a button works like one: the space bar presses it.
	js[bool](s, "(a => (a.focus(), a.dispatchEvent(new KeyboardEvent('keydown', {key: ' ', bubbles: true, cancelable: true})), true))(document.querySelector('main a[role=button]'))")
	s.says("Stop all sharing of my documents")
	asks := "[...document.querySelectorAll('.rw-more')].filter(e => e.getClientRects().length).map(e => e.textContent.trim().split('?')[0]).join()"
	if got := js[string](s, asks); got != "" {
		t.Errorf("before anything is chosen it asks %q", got)
	}
	s.click("main form button", "Choose what you want")
	s.until("document.activeElement.classList.contains('nhsuk-error-summary')")
	s.tick("kind-1")
	if got := js[string](s, asks); got != "Which place must not see them" {
		t.Errorf("of a no to one place it asks %q", got)
	}
	s.set("trust", string(reader))
	s.check("54-choice")
	s.click("main form button", "Check what this means")
	s.says("Staff who treat you may not know")
	s.check("55-read-back")
	s.click("main form button", "It is done")
	s.check("56-receipt")
	s.inTheDark("/my", "/my/sharing", "/my/looks", "/my/choices", "/my/choices/new")
	s.goTo("/my/sharing")
	s.silentOn("The Hillingdon Hospitals: doctors")
	if err := s.region.Stop(holder); err != nil {
		t.Fatal(err)
	}
	s.goTo("/my/choices")
	s.click("a[href$='/undo']", "Take this back?")
	s.check("57-undo")
	s.click("main form button", "Places that have not followed yet")
	s.says("Imperial College Healthcare, which does not answer")
	s.check("58-receipt-trust-down")
	s.goTo("/my/looks")
	s.says("Imperial College Healthcare did not answer")
	s.goTo("/find") // the doctor's session is another
	s.says("Find a patient")
	s.goTo("/my")
	s.leave()
	s.goTo("/my/looks")
	s.says("Continue to NHS login")
}

// inTheDark looks at pages in the dark form, on a phone.
func (s *story) inTheDark(pages ...string) {
	s.t.Helper()
	js[bool](s, "(document.querySelector('button[name=look][value=dark]').click(), true)")
	s.until("document.querySelector('meta[name=color-scheme]')?.content === 'dark'")
	for _, page := range pages {
		s.goTo(page)
		if err := chromedp.Do(s.ctx, chromedp.EmulateViewport(390, 900)); err != nil {
			s.t.Fatal(err)
		}
		if !js[bool](s, "(([r, g, b]) => r + g + b < 200)(getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number))") {
			s.t.Errorf("%s is not dark", page)
		}
		if wide := js[int](s, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
			s.t.Errorf("%s in the dark: %d pixels too wide", page, wide)
		}
		s.axe(page + " in the dark")
		s.shot("59-dark"+strings.ReplaceAll(page, "/", "-"), 390)
	}
	js[bool](s, "(document.querySelector('button[name=look][value=light]').click(), true)")
	s.until("document.querySelector('meta[name=color-scheme]')?.content !== 'dark'")
}

// upload chooses a file for the field of files.
func (s *story) upload(name, content string) {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := chromedp.Do(s.ctx, chromedp.SetUploadFiles(chromedp.CSS("#files"), []string{path})); err != nil {
		s.t.Fatal(err)
	}
}
