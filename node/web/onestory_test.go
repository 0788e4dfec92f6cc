package web_test

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// anew is the story as somebody else sees it who sits down at another browser: nothing is left of those before.
func (s *story) anew(t *testing.T) *story {
	t.Helper()
	other := *s
	other.t, other.still = t, false
	other.ctx = other.tab(s.ctx, chromedp.WithNewBrowserContext())
	return &other
}

// Clinicians and others who only read share a region: to start one takes as long as some of them. What they take in is more to find,
// and nobody of them changes what another may see.
func TestReadersOfOneRegion(t *testing.T) {
	s := newStory(t)
	for _, x := range []struct {
		name string
		acts func(*story)
	}{
		{"a record of another trust", (*story).readsARecordOfAnotherTrust},
		{"found by name", (*story).findsByName},
		{"every kind of document", (*story).seesEveryKindOfDocument},
		{"no emergency for records staff", (*story).cannotBreakTheGlass},
		{"in the dark and on paper", (*story).readsInTheDarkAndPrints},
		{"every stop of the keyboard", (*story).stopsWhereTheKeyboardIsSeen},
		{"without scripts", (*story).readsWithoutScripts},
		{"pages that fail", (*story).scrollsToPagesThatFail},
		{"a long PDF", (*story).readsALongPDF},
		{"a PDF with all pages in one list", (*story).readsAFlatPDF},
		{"a long scan", (*story).readsALongDocument},
		{"the window of an image", (*story).changesTheWindowOfAnImage},
		{"pages that there are not", (*story).asksForPagesThatThereAreNot},
		{"two PDFs side by side", (*story).readsTwoPDFsSideBySide},
		{"with fingers", (*story).readsWithFingers},
		{"a page that is still to come, on paper", (*story).printsAPageThatIsStillToCome},
		{"a list of several sheets", (*story).printsAListOfSeveralSheets},
		{"the timeline by keys", (*story).worksTheTimelineByKeys},
	} {
		t.Run(x.name, func(t *testing.T) { x.acts(s.anew(t)) })
	}
}
