package web_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// touched moves fingers over the page: each step says where all of them are, and after the last they are lifted.
func (s *story) touched(steps ...[]*input.TouchPoint) {
	s.t.Helper()
	send := func(kind string, points []*input.TouchPoint) {
		if err := chromedp.Do(s.ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: input.DispatchTouchEventType(kind), TouchPoints: points})
			return err
		})); err != nil {
			s.t.Fatal(err)
		}
	}
	for i, points := range steps {
		if i == 0 {
			send("touchStart", points)
		} else {
			send("touchMove", points)
		}
	}
	send("touchEnd", []*input.TouchPoint{})
}

// pinched draws two fingers apart, or together, about the middle of the stage.
func (s *story) pinched(from, to float64) {
	s.t.Helper()
	at := js[map[string]float64](s, "(() => { const b = document.getElementById('stage').getBoundingClientRect(); return { x: b.left + b.width / 2, y: b.top + 200 } })()")
	var steps [][]*input.TouchPoint
	for i := range 9 {
		half := (from + (to-from)*float64(i)/8) / 2
		steps = append(steps, []*input.TouchPoint{{X: at["x"] - half, Y: at["y"]}, {X: at["x"] + half, Y: at["y"]}})
	}
	s.touched(steps...)
}

func (s *story) swiped(across float64) {
	s.t.Helper()
	at := js[map[string]float64](s, "(() => { const b = document.getElementById('stage').getBoundingClientRect(); return { x: b.left + b.width / 2, y: b.top + 200 } })()")
	var steps [][]*input.TouchPoint
	for i := range 6 {
		steps = append(steps, []*input.TouchPoint{{X: at["x"] + across*float64(i)/5, Y: at["y"] + float64(i)}})
	}
	s.touched(steps...)
}

// fingersHit wants everything that is pressed to be at least 24 pixels wide and high, where a finger points.
func (s *story) fingersHit(where string) {
	s.t.Helper()
	small := js[[]string](s, `[...document.querySelectorAll('a, button, input, select, summary')].filter((e) => e.checkVisibility()).map((e) => [e, e.getBoundingClientRect()])
		.filter(([, r]) => r.width > 1 && r.height > 1 && (r.width < 24 || r.height < 24)).map(([e, r]) => e.outerHTML.slice(0, 80) + ' ' + r.width + ' x ' + r.height)`)
	if len(small) > 0 {
		s.t.Errorf("%s, too small for a finger: %q", where, small)
	}
}

// On a tablet, two fingers make the pages larger and smaller, and one that goes across turns them.
func (s *story) readsWithFingers() {
	report := s.takenPDF()
	s.settled()
	if err := chromedp.Do(s.ctx, chromedp.EmulateViewport(820, 1180, chromedp.EmulateMobile, chromedp.EmulateTouch), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: true, MaxTouchPoints: 2})
		return err
	})); err != nil {
		s.t.Fatal(err)
	}
	s.signOn("Dr Amara Okafor")
	s.find(s.patient.NHSNumber)
	list := js[string](s, "location.href")
	s.fingersHit("the list")
	const width = "Math.round(document.getElementById('picture').getBoundingClientRect().width)"
	for _, d := range []struct {
		path, kind string
		shown      func(int) string
	}{{string(s.note), "scan", shown}, {string(report), "pdf", pdfShown}} {
		s.goTo(list + "/documents/" + d.path)
		s.until(d.shown(1))
		s.fingersHit("a " + d.kind)
		s.swiped(-200)
		s.until(d.shown(2))
		s.swiped(-200)
		s.until(d.shown(3))
		s.swiped(200)
		s.until(d.shown(2))
		was := js[int](s, width)
		s.pinched(100, 220)
		s.until(fmt.Sprintf("%s > %d && %s < %d", width, was*3/2, width, was*3))
		s.until(d.shown(2))
		if scale := js[float64](s, "visualViewport.scale"); scale != 1 {
			s.t.Errorf("%s: the browser has enlarged the whole page %v times", d.kind, scale)
		}
		js[bool](s, atRest)
		s.until(d.shown(2))
		s.swiped(-200) // moves the large page about, and turns none
		s.until("document.getElementById('stage').scrollLeft > 0")
		js[bool](s, atRest)
		if !js[bool](s, "Boolean("+d.shown(2)+")") {
			s.t.Errorf("%s: a page that is wider than the stage was turned", d.kind)
		}
		large := js[int](s, width)
		s.pinched(260, 100)
		s.until(fmt.Sprintf("%s < %d", width, large*2/3))
		s.until(d.shown(2))
		b, err := chromedp.Run(s.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			s.t.Fatal(err)
		}
		s.keepShot("66-touch-"+d.kind, b)
	}
	s.keepsThePatientInSight(list)
}

// keepsThePatientInSight has a phone show a list and a document far down: whose they are stays, and leaves room for them.
func (s *story) keepsThePatientInSight(list string) {
	if err := chromedp.Do(s.ctx, chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch)); err != nil {
		s.t.Fatal(err)
	}
	for name, to := range map[string]string{"list": list, "document": list + "/documents/" + string(s.note)} {
		s.goTo(to)
		js[bool](s, "(window.scrollTo(0, document.documentElement.scrollHeight), true)")
		s.until("window.scrollY > 100")
		at := js[struct{ Top, Bottom float64 }](s, "(({top, bottom}) => ({Top: top, Bottom: bottom}))(document.querySelector('.rw-banner').getBoundingClientRect())")
		if at.Top != 0 || at.Bottom < 20 || at.Bottom > 130 {
			s.t.Errorf("%s: far down on a phone the patient's banner is from %v to %v", name, at.Top, at.Bottom)
		}
		b, err := chromedp.Run(s.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			s.t.Fatal(err)
		}
		s.keepShot("69-phone-"+name, b)
	}
}

// A page is printed once it is drawn; paper that was printed before says so, and whose it is either way.
func (s *story) printsAPageThatIsStillToCome() {
	report := s.takenPDF()
	s.settled()
	s.signOn("Dr Amara Okafor")
	s.find(s.patient.NHSNumber)
	s.goTo(js[string](s, "location.href") + "/documents/" + string(report))
	s.until(pdfShown(1))
	js[bool](s, `(() => { const real = window.fetch; const held = []; let open = false; window.printed = []
		window.letCome = () => { open = true; held.forEach((go) => go()) }
		window.print = () => printed.push(document.getElementById('page').value + ' ' + document.querySelector('.rw-current.rw-drawn canvas')?.width)
		window.fetch = async (url, o) => { if (String(url).includes('/file?') && !open) await new Promise((go) => held.push(go)); return real(url, o) }; return true })()`)
	press := `(() => { const e = new KeyboardEvent('keydown', { key: 'p', ctrlKey: true, cancelable: true, bubbles: true }); document.getElementById('stage').dispatchEvent(e); return e.defaultPrevented })()`
	if js[bool](s, press) {
		s.t.Error("the browser is kept from printing a page that is there")
	}
	js[bool](s, "(document.getElementById('page').value = '250', document.getElementById('jump').requestSubmit(), true)")
	s.until("document.getElementById('page').value === '250'")
	if !js[bool](s, press) {
		s.t.Error("the browser prints a page that is still to come")
	}
	s.until("document.getElementById('status').textContent === 'The page is printed once it is shown'")
	early := s.printed("67-print-early", 11.7) // as with the browser's own menu
	if words := strings.Join(early[0].Lines, " "); early[0].Pictures != 0 || !strings.Contains(words, "was not shown yet") || !strings.Contains(words, "Printed by Dr Amara Okafor") {
		s.t.Errorf("paper without the page does not say so, or not whose it is: %d pictures, %q", early[0].Pictures, words)
	}
	if n := js[int](s, "printed.length"); n != 0 {
		s.t.Errorf("%d were printed already", n)
	}
	js[bool](s, "(letCome(), true)")
	s.until("printed.length === 1 && printed[0].startsWith('250 ') && Number(printed[0].split(' ')[1]) > 100")
	s.until(pdfShown(250))
	late := s.printed("68-print", 11.7)
	if words := strings.Join(late[0].Lines, " "); late[0].Pictures == 0 || strings.Contains(words, "was not shown yet") || !strings.Contains(words, "Printed by Dr Amara Okafor") {
		s.t.Errorf("paper with the page says that it is empty, or not whose it is: %d pictures, %q", late[0].Pictures, words)
	}
	s.until(pdfShown(250))
	js[bool](s, "(document.getElementById('print').click(), true)")
	s.until("printed.length === 2")
}
