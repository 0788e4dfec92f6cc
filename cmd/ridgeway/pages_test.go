package main

import (
	"bytes"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/media"
)

func pagesOf(t *testing.T, b []byte) int {
	t.Helper()
	info, err := media.Inspect(bytes.NewReader(b), int64(len(b)), "pages.tif")
	if err != nil {
		t.Fatal(err)
	}
	return info.Pages
}

// TestPageRanges reads pages of a scan by ranges with and without an end, at its custodian and from another trust.
func TestPageRanges(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	p.founded(t, "d1")
	p.joined(t, "d1", "d2", "RAS")
	p.known(t, "d2", 2)
	whole := caseNote(5)
	p.write(t, "notes.tif", string(whole))
	id := p.ingest(t, "d1", patient, "notes.tif")
	p.listed(t, "d2", 1)
	for _, data := range []string{"d1", "d2"} {
		for pages, count := range map[string]int{"4-": 2, "1-": 5, "5-": 1, "1,4-": 3, "2-3": 2} {
			p.json(t, "fetch", "--data", data, id, "--out", data+".tif", "--pages", pages)
			if got := p.read(t, data+".tif"); pages == "1-" {
				checkPages(t, got, count, whole)
			} else if n := pagesOf(t, got); n != count {
				t.Errorf("%s: --pages %s gave %d pages, want %d", data, pages, n, count)
			}
		}
		for _, pages := range []string{"9", "4-6", "6-", "1,7-9"} {
			p.fails(t, admin.CodeBadInput, []string{"--pages", "there is no page", "pages 1 to 5"}, "fetch", "--data", data, id, "--out", "x.tif", "--pages", pages)
		}
		p.fails(t, admin.CodeNotFound, []string{"RYJ-0000000000000000", "ridgeway locate"}, "fetch", "--data", data, "RYJ-0000000000000000", "--out", "x.tif", "--pages", "3-")
	}
}
