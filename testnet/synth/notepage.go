package synth

import (
	"fmt"
	"strings"
	"time"
)

// notePage is one page of a case note.
type notePage struct {
	*paper
	*sheet
	p    Patient
	page int
	date time.Time
}

const (
	noteLeft  = 190
	noteRight = scanWidth - 110
)

// draw fills the page with one of the things that case notes are full of.
func (n *notePage) draw() {
	switch kind := n.sheet.n(100); {
	case n.page == 1:
		n.cover()
	case kind < 38:
		n.typed()
	case kind < 72:
		n.continuation()
	case kind < 86:
		n.observationChart()
	case kind < 95:
		n.results()
	default:
		n.back()
	}
	n.text(bold, noteLeft, scanHeight-58, notice)
	n.text(typewriter, noteRight-190, scanHeight-58, fmt.Sprintf("%04d/%04d", n.page, n.doc.Pages))
}

// label is the sticker with the patient's particulars that is on every sheet.
func (n *notePage) label(x, y int) {
	n.frame(x, y, 610, 170, 1)
	n.text(bold, x+18, y+42, n.p.Name())
	n.text(roman, x+18, y+80, "NHS "+n.p.SpacedNumber()+"   DOB "+shortDate(n.p.Born))
	n.text(roman, x+18, y+116, n.p.Address[0])
	n.text(roman, x+18, y+152, n.p.Address[1]+"  "+n.p.Postcode)
}

// stamp is a rubber stamp, badly inked.
func (n *notePage) stamp(x, y int, words string) {
	old := n.skew
	n.skew = n.paper.between(-70, 70)
	// The stamp turns about its own corner, so the turn of the page is taken back there.
	px, py := n.place(x, y)
	x, y = x+(x-px), y+(y-py)
	width := 40 + 35*len(words)
	n.frame(x, y, width, 104, 3)
	n.text(large, x+18, y+48, words)
	n.text(typewriter, x+18, y+90, strings.ToUpper(n.date.Format("02 Jan 2006")))
	n.skew = old
}

func (n *notePage) cover() {
	n.frame(noteLeft, 120, noteRight-noteLeft, scanHeight-330, 3)
	n.text(large, noteLeft+60, 240, n.hospital)
	n.text(bold, noteLeft+60, 300, "CASE NOTES                VOLUME "+fmt.Sprint(1+n.sheet.n(4)))
	n.label(noteLeft+60, 380)
	for i, s := range []string{"Consultant", "Specialty", "Allergies", "Alerts", "Next of kin", "Date of first attendance"} {
		y := 680 + 110*i
		n.text(roman, noteLeft+60, y, s)
		n.rule(noteLeft+460, y+8, noteRight-80, y+8, 1)
		n.scrawl(noteLeft+480, y-2, noteLeft+480+n.paper.between(180, 480), 26)
	}
	n.text(bold, noteLeft+60, 1440, "SUMMARY OF DIAGNOSES")
	for i := range 8 {
		y := 1510 + 62*i
		n.rule(noteLeft+60, y+8, noteRight-80, y+8, 0)
		if i < 5 {
			n.text(typewriter, noteLeft+60, y, n.date.AddDate(0, -40+7*i, 0).Format("02/01/2006"))
			n.scrawl(noteLeft+320, y-2, noteLeft+320+n.paper.between(250, 700), 24)
		}
	}
	n.stamp(noteRight-560, 300, "SCANNED")
}

func (n *notePage) header(title string) int {
	n.text(large, noteLeft, 150, title)
	n.text(roman, noteLeft, 196, n.hospital+", "+n.spec.code.Display)
	n.label(noteRight-620, 90)
	n.rule(noteLeft, 290, noteRight, 290, 2)
	return 350
}

// typed is a letter or report from a typewriter or printer.
func (n *notePage) typed() {
	f := roman
	if n.paper.chance(45) {
		f = typewriter
	}
	y := n.header(pick(n.paper.dice, []string{"Clinic letter", "Referral", "Theatre report", "Ward discharge note", "Correspondence"}))
	n.text(f, noteLeft, y, longDate(n.date)+"        Our ref: SYN/"+fmt.Sprint(1000+n.sheet.n(9000)))
	y += 70
	n.text(f, noteLeft, y, "Dear Colleague,")
	y += 60
	n.text(bold, noteLeft, y, "Re: "+n.p.Name()+", "+pick(n.paper.dice, n.spec.conditions))
	y += 60
	for range n.paper.between(5, 8) {
		sentences := []string{pick(n.paper.dice, filler()), pick(n.paper.dice, n.spec.findings), pick(n.paper.dice, filler()), pick(n.paper.dice, n.spec.plans)}
		y = n.wrap(f, y, strings.Join(sentences, " ")) + 26
		if y > scanHeight-420 {
			break
		}
	}
	n.text(f, noteLeft, y+20, "Yours sincerely")
	n.scrawl(noteLeft+10, y+110, noteLeft+360, 40)
	n.text(f, noteLeft, y+170, n.signer())
	if n.paper.chance(45) {
		n.stamp(noteRight-620, min(y+60, scanHeight-300), pick(n.paper.dice, []string{"RECEIVED", "FILED", "COPY TO GP", "ACTIONED"}))
	}
	if n.paper.chance(40) { // somebody's remark
		n.scrawl(noteLeft+120, y+290, noteLeft+900, 24)
		n.scrawl(noteLeft+120, y+350, noteLeft+560, 24)
	}
}

// wrap sets running text and returns the next baseline.
func (n *notePage) wrap(f face, y int, s string) int {
	x := noteLeft
	for word := range strings.FieldsSeq(s) {
		width := 0
		for _, r := range word {
			width += n.glyph(f, r).advance
		}
		if x+width > noteRight {
			x, y = noteLeft, y+42
		}
		x = n.text(f, x, y, word+" ")
	}
	return y + 42
}

// continuation is a ruled sheet with entries by hand.
func (n *notePage) continuation() {
	y := n.header("Continuation sheet")
	n.rule(noteLeft+220, 300, noteLeft+220, scanHeight-130, 0)
	for line := y; line < scanHeight-130; line += 62 {
		n.rule(noteLeft, line, noteRight, line, 0)
	}
	for entry := y; entry < scanHeight-330; {
		n.text(typewriter, noteLeft+8, entry-12, n.date.Format("02/01/06"))
		n.scrawl(noteLeft+20, entry+50, noteLeft+200, 20)
		for range n.paper.between(2, 7) {
			n.scrawl(noteLeft+240, entry-14, noteLeft+240+n.paper.between(400, noteRight-noteLeft-260), n.paper.between(20, 27))
			entry += 62
		}
		if n.paper.chance(35) {
			n.text(italic, noteLeft+250, entry-14, pick(n.paper.dice, n.spec.plans))
			entry += 62
		}
		entry += 62
	}
}

// observationChart is a grid with dots joined by a line.
func (n *notePage) observationChart() {
	y := n.header("Observation chart (NEWS2)")
	left, columns, cell := noteLeft+210, 24, 50
	for block, name := range []string{"Respirations", "SpO2 %", "Blood pressure", "Pulse", "Temperature"} {
		top := y + block*345
		n.text(bold, left, top-14, name)
		for r := range 7 {
			n.rule(left, top+r*cell, left+columns*cell, top+r*cell, 0)
			n.text(typewriter, noteLeft+130, top+r*cell+14, fmt.Sprint(140-r*10-block*4))
		}
		for c := range columns + 1 {
			n.rule(left+c*cell, top, left+c*cell, top+6*cell, 0)
		}
		level, filled := n.paper.between(80, 220), n.paper.between(8, columns)
		for c := range filled {
			after := min(max(level+n.paper.between(-45, 45), 20), 280)
			n.dot(left+c*cell+25, top+level, 6)
			if c+1 < filled {
				n.rule(left+c*cell+25, top+level, left+(c+1)*cell+25, top+after, 1)
			}
			level = after
		}
	}
	for i := range 3 {
		n.scrawl(noteLeft+20+i*420, scanHeight-150, noteLeft+300+i*420, 22)
	}
}

// results is a laboratory printout.
func (n *notePage) results() {
	y := n.header("Pathology report")
	n.text(typewriter, noteLeft, y, "Collected "+n.date.Format("02/01/2006 15:04")+"   Lab no. SYN"+fmt.Sprint(100000+n.sheet.n(900000)))
	y += 70
	for i, row := range []string{
		"Haemoglobin|g/L|130-170", "White cells|10*9/L|4.0-11.0", "Platelets|10*9/L|150-400", "Sodium|mmol/L|133-146", "Potassium|mmol/L|3.5-5.3",
		"Urea|mmol/L|2.5-7.8", "Creatinine|umol/L|59-104", "eGFR|mL/min|>60", "ALT|IU/L|0-50", "Albumin|g/L|35-50", "CRP|mg/L|0-5", "HbA1c|mmol/mol|20-41",
	} {
		part := strings.Split(row, "|")
		line := y + i*64
		n.text(typewriter, noteLeft, line, part[0])
		n.text(typewriter, noteLeft+420, line, fmt.Sprintf("%d.%d", n.paper.between(1, 160), n.sheet.n(10)))
		n.text(typewriter, noteLeft+620, line, part[1])
		n.text(typewriter, noteLeft+880, line, part[2])
		if n.paper.chance(22) {
			n.text(bold, noteLeft+560, line, "*")
		}
		n.rule(noteLeft, line+18, noteRight, line+18, 0)
	}
	n.text(typewriter, noteLeft, y+13*64, "Comment: "+pick(n.paper.dice, n.spec.findings))
	n.scrawl(noteLeft+40, y+16*64, noteLeft+800, 28)
	n.stamp(noteRight-560, y+14*64, "SEEN")
}

// back is the reverse of a sheet: nearly empty, with what shines through.
func (n *notePage) back() {
	for range 60 {
		x, y := n.paper.between(noteLeft, noteRight-200), n.paper.between(200, scanHeight-200)
		for i := range n.paper.between(10, 60) {
			if n.paper.chance(20) {
				n.set(x+i*2, y+n.sheet.n(3))
			}
		}
	}
	if n.paper.chance(50) {
		n.scrawl(noteLeft+60, 420, noteLeft+700, 30)
	}
}
