package web_test

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/testnet"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

//go:embed testdata/axe.min.js
var axe string

// The people and trusts of the story.
const (
	reader federation.TrustID = "RAS"
	holder federation.TrustID = "RYJ"

	storySeed = 7 // of the invented patients
)

// story is a region of three trusts with a portal at one of them, and a browser.
type story struct {
	t       *testing.T
	region  *testnet.Region
	ctx     context.Context
	patient synth.Patient
	other   synth.Patient
	note    federation.DocumentID // a scan that the holder has
	shots   string
	still   bool // pages run no scripts
}

// browserPath returns where Chromium is, or skips.
func browserPath(t *testing.T) string {
	t.Helper()
	if os.Getenv("RIDGEWAY_BROWSER") == "" {
		t.Skip("a browser over a whole region takes its time: RIDGEWAY_BROWSER=1 go test ./node/web")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("there is no Chromium on this machine: apt-get install chromium")
	return ""
}

func newStory(t *testing.T) *story {
	t.Helper()
	exe := browserPath(t)
	region, err := testnet.NewRegion(t.Context(), testnet.RegionOptions{
		Dir: t.TempDir(), Small: true, Seed: 1,
		Members: []testnet.Member{{Trust: holder, Name: "Imperial College Healthcare"}, {Trust: reader, Name: "The Hillingdon Hospitals"}, {Trust: "R1K", Name: "London North West University Healthcare"}},
		Open: func(trust federation.TrustID, o *node.Options) {
			if trust == reader {
				patient := synth.New(storySeed).Patients(1)[0]
				o.Settings.Portal = node.PortalSettings{Listen: "127.0.0.1:0", Personas: node.DemoPersonas(), PatientPersonas: []node.PatientPersona{{Number: patient.NHSNumber, Name: patient.Given + " " + patient.Family}}}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := region.Close(); err != nil {
			t.Errorf("close the region: %v", err)
		}
	})
	s := &story{t: t, region: region, shots: os.Getenv("RIDGEWAY_SCREENSHOTS")}
	if s.shots == "" {
		s.shots = t.ArtifactDir()
	}
	s.fill()
	alloc, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(exe), chromedp.NoSandbox, chromedp.IgnoreCertErrors, chromedp.Flag("disable-background-networking", true))...)
	t.Cleanup(stop)
	s.ctx = s.tab(alloc)
	return s
}

// fill has the trusts take documents in.
func (s *story) fill() {
	s.t.Helper()
	source := synth.New(storySeed)
	people := source.Patients(2)
	s.patient, s.other = people[0], people[1]
	take := func(trust federation.TrustID, p synth.Patient, d synth.Document) federation.DocumentID {
		receipt, err := s.region.TakeDocument(s.t.Context(), trust, p, d)
		if err != nil {
			s.t.Fatal(err)
		}
		return receipt.Document
	}
	s.note = take(holder, s.patient, source.CaseNote(s.patient, 24))
	trusts := s.region.Trusts()
	i := 0
	for d := range source.Documents(s.patient, 36) {
		take(trusts[i%len(trusts)], s.patient, d)
		i++
	}
	for d := range source.Documents(s.other, 3) {
		take(holder, s.other, d)
	}
	s.settled()
}

// settled waits until all that was taken in is known at every trust.
func (s *story) settled() {
	s.t.Helper()
	if err := s.region.Published(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	if err := s.region.Converged(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// everyKind opens a document of each kind from the list, in order, and waits until it is shown.
func (s *story) everyKind(list string, kinds []kindShown, look func(kind string)) {
	s.t.Helper()
	for _, kind := range kinds {
		s.goTo(list)
		link := js[string](s, "[...document.querySelectorAll('.rw-table tbody tr')].find(r => r.querySelector('.rw-kind').textContent === '"+kind.name+"')?.querySelector('.rw-doc a')?.href || ''")
		if link == "" {
			s.t.Errorf("there is no document of the kind %s", kind.name)
			continue
		}
		s.goTo(link)
		s.until(kind.wait)
		look(kind.name)
	}
}

// kindShown is a kind of document, as the list names it, and what is true on its page once it is shown.
type kindShown struct{ name, wait string }

// tab opens a tab that notes what the content policy has refused.
func (s *story) tab(parent context.Context, how ...chromedp.ContextOption) context.Context {
	s.t.Helper()
	ctx, stop := chromedp.NewContext(parent, how...)
	s.t.Cleanup(stop)
	err := chromedp.Do(ctx, chromedp.EmulateViewport(1920, 1080), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
			window.rwRefused = []
			document.addEventListener('securitypolicyviolation', (e) => window.rwRefused.push(e.violatedDirective + ' ' + e.blockedURI + ' ' + e.sourceFile))`})
		return err
	}))
	if err != nil {
		s.t.Fatal(err)
	}
	return ctx
}

// js evaluates an expression in the page.
func js[T any](s *story, expression string) T {
	s.t.Helper()
	out, err := chromedp.Run(s.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		s.t.Fatalf("%s: %v", expression, err)
	}
	return out
}

// until waits for an expression to be true.
func (s *story) until(expression string) {
	s.t.Helper()
	s.wait(expression, func() error { return nil })
}

// reloads reloads the page until an expression is true of it.
func (s *story) reloads(expression string) {
	s.t.Helper()
	s.wait(expression, func() error { return reload(s) })
}

// wait waits for an expression to be true, and does something before each look.
func (s *story) wait(expression string, before func() error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, 2*time.Minute)
	defer cancel()
	err := testnet.WaitFor(ctx, expression, func(ctx context.Context) error {
		if err := before(); err != nil {
			return err
		}
		ok, err := chromedp.Run(s.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && !ok {
			err = fmt.Errorf("not yet")
		}
		return err
	})
	if err != nil {
		s.shot("failed", 1920)
		s.t.Fatalf("%v\non %s:\n%.3000s", err, js[string](s, "location.href"), js[string](s, "document.body.innerText"))
	}
}

// goTo opens an address of the portal.
func (s *story) goTo(path string) {
	s.t.Helper()
	if !strings.HasPrefix(path, "https://") {
		path = s.region.Node(reader).PortalURL() + path
	}
	if err := chromedp.Do(s.ctx, chromedp.Navigate(path)); err != nil {
		s.t.Fatal(err)
	}
}

// click clicks what leads to another page, and waits for a text on that.
func (s *story) click(selector, wanted string) {
	s.t.Helper()
	if err := chromedp.Do(s.ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		s.t.Fatalf("click %s: %v", selector, err)
	}
	s.says(wanted)
}

func (s *story) says(text string) {
	s.t.Helper()
	s.until(fmt.Sprintf("document.readyState === 'complete' && document.body.innerText.includes(%q)", text))
}

func (s *story) silentOn(text string) {
	s.t.Helper()
	if js[bool](s, fmt.Sprintf("document.body.innerText.includes(%q)", text)) {
		s.t.Errorf("the page says %q", text)
	}
}

func (s *story) fillIn(selector, text string) {
	s.t.Helper()
	if err := chromedp.Do(s.ctx, chromedp.SendKeys(chromedp.CSS(selector), text)); err != nil {
		s.t.Fatalf("%s: %v", selector, err)
	}
}

// shot takes a screenshot at a width, and at 390 and 768 too when the name is one to keep.
func (s *story) shot(name string, widths ...int64) {
	s.t.Helper()
	for _, w := range widths {
		height := int64(1080)
		if w < 1000 {
			height = 1000
		}
		if err := chromedp.Do(s.ctx, chromedp.EmulateViewport(w, height)); err != nil {
			s.t.Fatal(err)
		}
		if !s.still { // viewers follow a new size a moment later
			js[bool](s, "new Promise(done => setTimeout(() => done(true), 400))")
		}
		b, err := chromedp.Run(s.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			s.t.Fatal(err)
		}
		s.keepShot(fmt.Sprintf("%s-%d", name, w), b)
	}
	if err := chromedp.Do(s.ctx, chromedp.EmulateViewport(1920, 1080)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *story) keepShot(name string, b []byte) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.shots, name+".png"), b, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// headless finds tables that show headings, but not one for each cell of their first row.
const headless = `[...document.querySelectorAll('table')].flatMap(t => {
	const seen = row => row ? [...row.cells].filter(c => c.getClientRects().length > 0).map(c => c.textContent.trim().slice(0, 30)) : []
	const head = t.tHead && getComputedStyle(t.tHead).position !== 'absolute' ? seen(t.tHead.rows[0]) : []
	const first = t.tBodies.length ? seen(t.tBodies[0].rows[0]) : []
	return head.length && first.length && head.length !== first.length && t.tBodies[0].rows[0].cells[0].colSpan === 1 ? [head.join('|') + ' over ' + first.join('|')] : []
})`

// check holds a page against what every page must be: nothing that the policy refuses, nothing wider than the screen, and no
// violation of WCAG 2.2 A and AA that axe finds.
func (s *story) check(name string) {
	s.t.Helper()
	s.shot(name, 1920, 768, 390)
	if refused := js[[]string](s, "window.rwRefused"); len(refused) > 0 {
		s.t.Errorf("%s: the content policy has refused %q", name, refused)
	}
	if foreign := js[[]string](s, "performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith(location.origin) && !n.startsWith('blob:'))"); len(foreign) > 0 {
		s.t.Errorf("%s: asks others for %q", name, foreign)
	}
	if err := chromedp.Do(s.ctx, chromedp.EmulateViewport(1280, 900)); err != nil {
		s.t.Fatal(err)
	}
	if left := js[int](s, "Math.floor(document.querySelector('h1').getBoundingClientRect().left)"); left < 16 {
		s.t.Errorf("%s: the heading is %d pixels from the edge of a screen of 1280, at least 16 are wanted", name, left)
	}
	for _, w := range []int64{1920, 820, 390} {
		if err := chromedp.Do(s.ctx, chromedp.EmulateViewport(w, 900)); err != nil {
			s.t.Fatal(err)
		}
		if wide := js[int](s, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
			s.t.Errorf("%s: %d pixels too wide at %d", name, wide, w)
		}
		if odd := js[[]string](s, headless); len(odd) > 0 {
			s.t.Errorf("%s at %d: columns and headings do not agree: %q", name, w, odd)
		}
		if odd := js[[]string](s, cramped); len(odd) > 0 {
			s.t.Errorf("%s at %d: %q", name, w, odd)
		}
		s.axe(fmt.Sprintf("%s at %d", name, w))
	}
	if err := chromedp.Do(s.ctx, chromedp.EmulateViewport(1920, 1080)); err != nil {
		s.t.Fatal(err)
	}
}

// axe holds a page as it is against WCAG 2.2 A and AA.
func (s *story) axe(name string) {
	s.t.Helper()
	found, err := chromedp.Run(s.ctx, chromedp.Evaluate[[]string]("if (!window.axe) {"+axe+`}
		axe.run(document, {resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}).then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + ': ' + n.html.slice(0, 200) + ' ' + n.failureSummary)))`, chromedp.EvalAwaitPromise))
	if err != nil {
		s.t.Fatalf("axe on %s: %v", name, err)
	}
	for _, f := range found {
		s.t.Errorf("%s: %s", name, f)
	}
}

// reload loads the page again.
func reload(s *story) error { return chromedp.Do(s.ctx, chromedp.Reload()) }
