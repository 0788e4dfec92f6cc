package synth

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

const (
	dpi        = 200
	scanWidth  = 1654 // A4
	scanHeight = 2339
)

// scan makes a case note: a multi-page TIFF of bilevel pages, CCITT group 4, as scanning bureaux deliver them.
func scan(p Patient, s *sheet) []byte {
	press := newPress(s.dice)
	papers := make([]*bitmap, 4)
	for i := range papers {
		papers[i] = background(s.dice)
	}
	t := &tiffFile{description: notice + "; " + s.doc.Title, date: s.doc.Date.Format("2006:01:02 15:04:05"), total: s.doc.Pages}
	t.begin()
	work := newBitmap(scanWidth, scanHeight)
	date := s.doc.Date.AddDate(0, 0, -9*s.doc.Pages)
	for i := range s.doc.Pages {
		copy(work.words, papers[s.n(len(papers))].words)
		g := &paper{bitmap: work, press: press, skew: s.between(-9, 9)}
		note := &notePage{paper: g, sheet: s, p: p, page: i + 1, date: date}
		note.draw()
		g.specks()
		t.add(encodeG4(work))
		date = date.AddDate(0, 0, s.n(10))
	}
	return t.out
}

// background is an empty sheet on the glass: punch holes, the shadow of its edge, dust.
func background(d *dice) *bitmap {
	m := newBitmap(scanWidth, scanHeight)
	g := &paper{bitmap: m, press: &press{dice: d}}
	for _, y := range []int{scanHeight/2 - 315, scanHeight/2 + 315} {
		g.dot(92+d.between(-8, 8), y+d.between(-12, 12), 21)
	}
	if d.chance(60) { // the edge of the paper, darker on one side
		width := d.between(3, 12)
		for y := range scanHeight {
			m.run(scanWidth-width-d.n(3), scanWidth-d.n(2), y)
		}
	}
	if d.chance(40) {
		for y := range d.between(2, 8) {
			m.run(d.n(200), scanWidth-d.n(300), y)
		}
	}
	for range 500 {
		m.set(d.n(scanWidth), d.n(scanHeight))
	}
	return m
}

// specks is the dust of one scan.
func (g *paper) specks() {
	for range g.between(500, 1500) {
		x, y := g.n(scanWidth), g.n(scanHeight)
		g.set(x, y)
		if g.chance(30) {
			g.set(x+1, y)
			g.set(x, y+1)
		}
	}
}

// tiffFile puts pages into one little-endian TIFF as they come: strip, values, directory, each directory linked from the one before.
type tiffFile struct {
	out         []byte
	description string
	date        string
	total       int
	count       int
	link        int // where the position of the next directory belongs
}

func (t *tiffFile) begin() {
	t.out = append(t.out, "II*\x00\x00\x00\x00\x00"...)
	t.link = 4
}

// add appends a page of scanWidth by scanHeight.
func (t *tiffFile) add(strip []byte) {
	le := binary.LittleEndian
	stripAt := t.append(strip)
	resolution := t.append(le.AppendUint32(le.AppendUint32(nil, dpi), 1))
	description := append([]byte(fmt.Sprintf("%s; page %d of %d", t.description, t.count+1, t.total)), 0)
	software, date := []byte("synth, invented patients\x00"), append([]byte(t.date), 0)
	descriptionAt, softwareAt, dateAt := t.append(description), t.append(software), t.append(date)

	type entry struct {
		tag, kind    uint16
		count, value uint32
	}
	entries := []entry{
		{254, 4, 1, 2}, // a page of several
		{256, 4, 1, scanWidth},
		{257, 4, 1, scanHeight},
		{258, 3, 1, 1},
		{259, 3, 1, 4}, // CCITT T.6
		{262, 3, 1, 0}, // zero is white
		{266, 3, 1, 1},
		{270, 2, uint32(len(description)), descriptionAt},
		{273, 4, 1, stripAt},
		{274, 3, 1, 1},
		{277, 3, 1, 1},
		{278, 4, 1, scanHeight},
		{279, 4, 1, uint32(len(strip))},
		{282, 5, 1, resolution},
		{283, 5, 1, resolution},
		{293, 4, 1, 0},
		{296, 3, 1, 2},
		{297, 3, 2, uint32(t.count) | uint32(t.total)<<16},
		{305, 2, uint32(len(software)), softwareAt},
		{306, 2, uint32(len(date)), dateAt},
	}
	slices.SortFunc(entries, func(a, b entry) int { return int(a.tag) - int(b.tag) })
	var d bytes.Buffer
	d.Write(le.AppendUint16(nil, uint16(len(entries))))
	for _, e := range entries {
		d.Write(le.AppendUint32(le.AppendUint32(le.AppendUint16(le.AppendUint16(nil, e.tag), e.kind), e.count), e.value))
	}
	at := t.append(append(d.Bytes(), 0, 0, 0, 0))
	le.PutUint32(t.out[t.link:], at)
	t.link = int(at) + d.Len()
	t.count++
}

// append adds bytes at an even position and returns it.
func (t *tiffFile) append(b []byte) uint32 {
	if len(t.out)%2 != 0 {
		t.out = append(t.out, 0)
	}
	at := len(t.out)
	t.out = append(t.out, b...)
	return uint32(at)
}
