package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestLostChunksAreNoticed takes the folder of the chunks away: the node says so in its log and status, a scrub names every
// document, and taking one in again heals it.
func TestLostChunksAreNoticed(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	r := p.founded(t, "d1")
	p.write(t, "a.pdf", letter("a"))
	p.write(t, "b.pdf", letter("b"))
	a, b := p.ingest(t, "d1", patient, "a.pdf"), p.ingest(t, "d1", patient, "b.pdf")
	r.interrupt(t)
	if err := os.RemoveAll(p.path("d1/chunks")); err != nil {
		t.Fatal(err)
	}
	r = p.serve(t, "d1")
	r.shows(t, r.errOut, "documents are lost")
	if w := strings.Join(texts(p.until(t, "d1", "it is up", hasLeader)["warnings"]), " "); !strings.Contains(w, "the bytes of all 2 documents held here are gone") || !strings.Contains(w, "ridgeway scrub --data d1") {
		t.Errorf("the status does not say it: %s", w)
	}
	e := p.run(t, "scrub", "--data", "d1", "--json")
	o := e.only(t)
	if got := texts(o["damaged_documents"]); e.status != 6 || !slices.Contains(got, a) || !slices.Contains(got, b) || !strings.Contains(strings.Join(texts(o["findings"]), " "), "d1/chunks back from a backup") {
		t.Errorf("scrub does not name them: %v", e)
	}
	p.json(t, append([]string{"ingest", "--data", "d1", "a.pdf"}, particulars(patient)...)...)
	if e := p.run(t, "scrub", "--data", "d1", "--json"); e.status != 6 || !slices.Equal(texts(e.only(t)["damaged_documents"]), []string{b}) {
		t.Errorf("taking it in again does not heal it: %v", e)
	}
	p.json(t, append([]string{"ingest", "--data", "d1", "b.pdf"}, particulars(patient)...)...)
	if e := p.run(t, "scrub", "--data", "d1"); e.status != 0 || !strings.Contains(e.out, "All is well") {
		t.Errorf("got %v", e)
	}
}
