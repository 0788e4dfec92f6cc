package web_test

import (
	"fmt"
	"slices"

	"github.com/chromedp/chromedp/kb"
)

const (
	inStage  = "document.getElementById('stage')"
	readPage = "Number(document.getElementById('page').value)"
	atRest   = "new Promise((done) => setTimeout(() => done(true), 300))"
	quick    = 60 // milliseconds within which a frame follows another while a scroll goes on
)

// scrolledThrough goes to the end of a long scan and back in one scroll, as a hand at the scroll bar does and as a reader with a wheel.
func (s *story) scrolledThrough(pages int) {
	s.t.Helper()
	show := func(page int) {
		s.t.Helper()
		js[bool](s, fmt.Sprintf("(document.getElementById('page').value = '%d', document.getElementById('jump').requestSubmit(), true)", page))
		s.until(shown(page))
	}
	show(1)
	// A frame that is late is a scroll that has come to rest, on a busy machine: what is asked for meanwhile is asked for where it rests.
	flown := js[map[string]int](s, fmt.Sprintf(`new Promise(async (done) => { const st = document.getElementById('stage')
		const real = window.fetch; let sent = 0, asked = 0, late = 0; window.fetch = (url, o) => { if (String(url).includes('/page?')) sent++; return real(url, o) }
		performance.setResourceTimingBufferSize(1e5)
		let pictures = 0, all = 0; const heap = () => performance.memory ? Math.round(performance.memory.usedJSHeapSize / 1e6) : 0
		const before = heap(); let most = before
		for (const way of [1, -1]) for (let i = 0; i <= 200; i++) {
			const before = sent, from = performance.now()
			st.scrollTop = st.scrollHeight * (way > 0 ? i : 200 - i) / 200
			await new Promise(requestAnimationFrame)
			if (performance.now() - from > %d) late++; else asked += sent - before
			pictures = Math.max(pictures, document.querySelectorAll('#stage img').length); all = Math.max(all, document.querySelectorAll('*').length); most = Math.max(most, heap())
		}
		window.fetch = real
		done({ pictures, all, asked, late, heap: most - before }) })`, quick))
	s.t.Logf("to the end of %d pages and back: at most %d pictures and %d elements, %d pages asked for, %d MB more of heap, %d frames late", pages, flown["pictures"], flown["all"], flown["asked"], flown["heap"], flown["late"])
	if flown["pictures"] > 16 || flown["all"] > 500 || flown["heap"] > 32 {
		s.t.Errorf("a scroll from end to end is not bounded: %v", flown)
	}
	if flown["asked"] > pages/10 {
		s.t.Errorf("%d pages were asked for that were only flown past: each is a release", flown["asked"])
	}
	s.until(shown(1))

	js[bool](s, "(document.getElementById('stage').scrollTop = document.getElementById('stage').scrollHeight, true)")
	s.until(shown(pages) + " && location.search.includes('page=" + fmt.Sprint(pages) + "')")
	s.until(fmt.Sprintf("document.querySelector('.rw-thumb[aria-current]').getAttribute('aria-label') === 'Page %d'", pages))

	show(700)
	var times []float64
	for page := 701; page <= 730; page++ { // a reader that scrolls on, page by page: the next one has come by then
		s.until(fmt.Sprintf("performance.getEntriesByType('resource').some((e) => e.name.includes('/page?') && e.name.endsWith('&page=%d'))", page))
		times = append(times, js[float64](s, fmt.Sprintf(`new Promise((done) => { const from = performance.now(); const st = document.getElementById('stage')
			const box = document.getElementById('picture').parentElement; st.scrollTop += box.offsetHeight + 8
			const seen = () => { const p = document.getElementById('picture'); p && p.alt.startsWith('Page %d ') && !p.hidden ? requestAnimationFrame(() => done(performance.now() - from)) : setTimeout(seen, 1) }; seen() })`, page)))
	}
	slices.Sort(times)
	s.t.Logf("the next page in the scroll is shown after %.0f ms, 95 of a hundred %.0f", times[len(times)/2], times[len(times)*95/100])
	s.zoomedInPlace()
	s.check("33-scroll")
}

// zoomedInPlace looks whether a page stays in sight while it is made larger and turned.
func (s *story) zoomedInPlace() {
	s.t.Helper()
	js[bool](s, "("+inStage+".scrollTop += 40, true)")
	js[bool](s, atRest)
	page := js[int](s, readPage)
	for _, tool := range []string{"zoom-in", "zoom-in", "rotate", "fit-page", "rotate", "rotate", "rotate", "fit-width", "zoom-out"} {
		js[bool](s, "(document.getElementById('"+tool+"').click(), true)")
		js[bool](s, atRest)
		if got := js[int](s, readPage); got != page {
			s.t.Errorf("after %s, page %d is read, and %d was", tool, got, page)
		}
		s.until(shown(page))
	}
	s.tabTo("#stage")
	for _, k := range []struct {
		key  string
		page int
	}{{kb.End, 2000}, {kb.Home, 1}, {kb.PageDown, 2}} {
		s.key(k.key)
		s.until(shown(k.page))
	}
	top := js[int](s, inStage+".scrollTop")
	s.key(kb.ArrowDown)
	s.until(fmt.Sprintf("%s.scrollTop > %d", inStage, top))
}

func shown(page int) string {
	return fmt.Sprintf("document.getElementById('picture')?.alt.startsWith('Page %d ') && document.getElementById('picture').naturalWidth > 100 && document.getElementById('page').value === '%d'", page, page)
}

// A page that fails its check on the way says so in the scroll, and one that is refused takes the others with it.
func (s *story) scrollsToPagesThatFail() {
	s.signOn("Dr Amara Okafor")
	s.find(s.patient.NHSNumber)
	s.openNote()
	js[bool](s, `(() => { const real = window.fetch; window.fetch = async (url, o) => {
		if (String(url).endsWith('&page=9')) { const a = await real(url, o); return new Response(await a.blob(), { status: 200, headers: { 'Ridgeway-Check': 'retried' } }) }
		if (String(url).endsWith('&page=14')) return new Response('What was sent is not what was published.', { status: 502 })
		if (String(url).includes('/page?') && String(url).endsWith('&page=5')) return new Promise((_, fail) => { window.waits = o.signal; o.signal.addEventListener('abort', () => fail(o.signal.reason)) })
		if (String(url).endsWith('&page=20')) return new Response('You cannot open this document.', { status: 403 })
		return real(url, o) }; return true })()`)
	turnTo := func(page int) {
		js[bool](s, fmt.Sprintf("(document.getElementById('page').value = '%d', document.getElementById('jump').requestSubmit(), true)", page))
	}
	turnTo(9)
	s.until(shown(9) + " && document.getElementById('status').textContent.includes('was fetched again')")
	turnTo(10)
	s.until(shown(10) + " && document.getElementById('status').textContent === ''")
	turnTo(14)
	s.until("document.getElementById('status').textContent.includes('not what was published') && document.getElementById('picture').hidden && document.querySelector('#status a')")
	s.axe("a page that failed")
	s.shot("35-failed", 1920)
	turnTo(15) // the others are read all the same
	s.until(shown(15) + " && document.getElementById('status').textContent === ''")
	turnTo(5) // does not come
	s.until("window.waits && document.getElementById('status').textContent === 'Fetching page 5'")
	turnTo(16)
	s.until(shown(16) + " && waits.aborted && document.getElementById('status').textContent === ''") // and nobody waits for it any more
	turnTo(20)
	s.until("document.getElementById('status').textContent.includes('cannot open') && document.querySelectorAll('.rw-drawn').length === 0")
}
