package web_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/testnet"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

// What the portal is to be as fast as: milliseconds in the browser, from the click.
const (
	wantTimeline  = 300
	wantFirstPage = 500
	wantNextPage  = 100
	benchRounds   = 8
)

// BenchmarkPortal measures the portal over a region of four with 1,000 documents of the patient: RIDGEWAY_BROWSER=1 go test
// -run=NONE -bench=Portal -benchtime=1x ./node/web.
func BenchmarkPortal(b *testing.B) {
	exe, err := exec.LookPath("chromium")
	if err != nil || os.Getenv("RIDGEWAY_BROWSER") == "" {
		b.Skip("a browser over a whole region takes its time: with Chromium, RIDGEWAY_BROWSER=1 go test -run=NONE -bench=Portal -benchtime=1x -timeout 5m ./node/web")
	}
	region, err := testnet.NewRegion(b.Context(), testnet.RegionOptions{
		Dir: b.TempDir(), Small: true, Seed: 1,
		Members: []testnet.Member{{Trust: holder, Name: "Imperial College Healthcare"}, {Trust: reader, Name: "The Hillingdon Hospitals"}, {Trust: "R1K", Name: "London North West"}, {Trust: "RQM", Name: "Chelsea and Westminster"}},
		Open: func(trust federation.TrustID, o *node.Options) {
			if trust == reader {
				o.Settings.Portal = node.PortalSettings{Listen: "127.0.0.1:0", Personas: node.DemoPersonas()}
			}
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := region.Close(); err != nil {
			b.Error(err)
		}
	})
	people := synth.New(7).Patients(2)
	scan := fillBench(b, region, people[0])
	origin := region.Node(reader).PortalURL()
	for b.Loop() {
		b.Run("browser", func(b *testing.B) { benchBrowser(b, exe, origin, people[0], scan) })
	}
}

// fillBench has the trusts take 999 letters and a scan of 200 pages in.
func fillBench(b *testing.B, region *testnet.Region, p synth.Patient) federation.DocumentID {
	b.Helper()
	source := synth.New(7)
	scan, err := region.TakeDocument(b.Context(), holder, p, source.CaseNote(p, 200))
	if err != nil {
		b.Fatal(err)
	}
	trusts := region.Trusts()
	var all sync.WaitGroup
	for w := range 16 {
		all.Go(func() {
			for i := w; i < 999; i += 16 {
				title := fmt.Sprintf("Clinic letter %d", i)
				_, err := region.TakeDocument(b.Context(), trusts[i%len(trusts)], p, synth.Document{
					Name: "l.txt", ContentType: "text/plain", Type: synth.Code{Code: "823681000000100"}, Category: synth.Code{Code: "823651000000106"}, Specialty: synth.Code{Code: fmt.Sprint(300 + i%40)},
					Title: title, Author: fmt.Sprintf("Dr %d", i%70), Date: time.Date(2000+i%25, 5, 1, 0, 0, i, 0, time.UTC), Confidentiality: "N", Bytes: func() []byte { return []byte(title) },
				})
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := region.Published(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := region.Converged(b.Context()); err != nil {
		b.Fatal(err)
	}
	return scan.Document
}

// report says the median and the 95th of a hundred, in milliseconds, and whether that is what is wanted.
func report(b *testing.B, what string, times []float64, want float64) {
	b.Helper()
	slices.Sort(times)
	at := func(q float64) float64 { return times[min(len(times)-1, int(q*float64(len(times))))] }
	b.ReportMetric(at(0.5), what+"-p50-ms")
	b.ReportMetric(at(0.95), what+"-p95-ms")
	b.Logf("%s: median %.0f ms, 95 %% %.0f ms, wanted %.0f ms, of %d", what, at(0.5), at(0.95), want, len(times))
}

func benchBrowser(b *testing.B, exe, origin string, p synth.Patient, scan federation.DocumentID) {
	alloc, stop := chromedp.NewExecAllocator(b.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(exe), chromedp.NoSandbox, chromedp.IgnoreCertErrors)...)
	defer stop()
	tab, done := chromedp.NewContext(alloc)
	defer done()
	do := func(actions ...chromedp.Action[chromedp.Void]) {
		if err := chromedp.Do(tab, actions...); err != nil {
			b.Fatal(err)
		}
	}
	wait := func(expression string) {
		ctx, cancel := context.WithTimeout(tab, 30*time.Second)
		defer cancel()
		if err := testnet.WaitFor(ctx, expression, func(context.Context) error {
			ok, err := chromedp.Run(tab, chromedp.Evaluate[bool]("Boolean("+expression+")"))
			if err == nil && !ok {
				err = fmt.Errorf("not yet")
			}
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
	ms := func(expression string) float64 {
		v, err := chromedp.Run(tab, chromedp.Evaluate[float64](expression, chromedp.EvalAwaitPromise))
		if err != nil {
			b.Fatalf("%s: %v", expression, err)
		}
		return v
	}
	do(chromedp.EmulateViewport(1920, 1080), chromedp.Navigate(origin+"/sign-on"), chromedp.Click(chromedp.CSS("a[href='/sign-on/start']")))
	wait("[...document.querySelectorAll('button')].some(x => x.textContent.includes('Amara'))")
	ms("[...document.querySelectorAll('button')].find(x => x.textContent.includes('Amara')).click() || 0")
	wait("document.getElementById('number')")
	do(chromedp.SendKeys(chromedp.CSS("#number"), p.NHSNumber), chromedp.Click(chromedp.CSS("main form button")))
	wait("document.getElementById('purpose')")
	ms("document.getElementById('purpose').click() || document.getElementById('relationship-1').click() || 0")
	do(chromedp.Click(chromedp.CSS("main form button")))
	wait("document.querySelector('.rw-table')")
	list, err := chromedp.Run(tab, chromedp.Evaluate[string]("location.href"))
	if err != nil {
		b.Fatal(err)
	}
	var lists, firsts, nexts []float64
	for range benchRounds {
		do(chromedp.Navigate(origin + "/find"))
		wait("document.querySelector('.rw-recent a')")
		do(chromedp.Click(chromedp.CSS(".rw-recent a")))
		wait("document.querySelector('.rw-table') && performance.getEntriesByName('first-contentful-paint').length")
		lists = append(lists, ms("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
		do(chromedp.Navigate(list + "?q=case+note"))
		wait("document.querySelector('a[href$=\"" + string(scan) + "\"]')")
		do(chromedp.Click(chromedp.CSS("a[href$='" + string(scan) + "']")))
		wait("document.getElementById('picture')?.naturalWidth > 500")
		firsts = append(firsts, ms("performance.getEntriesByType('resource').find(e => e.name.includes('/page?')).responseEnd"))
		wait("performance.getEntriesByType('resource').filter(e => e.name.includes('/page?')).length >= 3")
		for page := 2; page < 5; page++ {
			nexts = append(nexts, ms(fmt.Sprintf(`new Promise((done) => { const from = performance.now()
				const seen = () => document.getElementById('picture').alt.startsWith('Page %d ') ? requestAnimationFrame(() => done(performance.now() - from)) : setTimeout(seen, 1)
				document.getElementById('next').click(); seen() })`, page)))
			ms("new Promise(done => setTimeout(() => done(0), 700))") // a glance at the page
		}
	}
	report(b, "timeline", lists, wantTimeline)
	report(b, "first-page", firsts, wantFirstPage)
	report(b, "next-page", nexts, wantNextPage)
}
