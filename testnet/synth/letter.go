package synth

import (
	"fmt"
	"strings"
)

// letter sets running text on as many pages as it needs.
type letter struct {
	pdfWriter
	*sheet
	p      Patient
	widths []int
	y      int
}

func newLetter(p Patient, s *sheet) *letter {
	l := &letter{sheet: s, p: p, widths: parseWidths()}
	l.start()
	return l
}

// start begins a page with the letterhead, or a running head after the first.
func (l *letter) start() {
	l.newPage()
	l.watermark()
	if len(l.pages) == 1 {
		l.box(0, 0, pdfWidth, 10, "0 0.23 0.45 rg")
		l.text(pdfMargin, 52, "F2", 17, l.hospital)
		l.text(pdfMargin, 68, "F1", 9, "Department of "+l.spec.code.Display)
		for i, s := range []string{"1 Imaginary Way", "Fictonbury  ZZ99 9ZZ", "Switchboard 01632 960000"} {
			l.text(420, 44+12*i, "F1", 9, s)
		}
		l.rule(pdfMargin, 82)
		l.y = 106
		return
	}
	l.text(pdfMargin, 44, "F1", 9, fmt.Sprintf("%s   NHS number %s   born %s", l.p.Name(), l.p.SpacedNumber(), shortDate(l.p.Born)))
	l.rule(pdfMargin, 50)
	l.y = 76
}

func (l *letter) need(height int) {
	if l.y+height > pdfHeight-76 {
		l.start()
	}
}

func (l *letter) line(font string, size int, s string) {
	l.need(size + 4)
	l.text(pdfMargin, l.y, font, size, s)
	l.y += size + 4
}

func (l *letter) heading(s string) {
	l.need(48)
	l.y += 8
	l.line("F2", 11, s)
}

// paragraph breaks the text into lines of the page's width.
func (l *letter) paragraph(indent int, s string) {
	var line string
	flush := func() {
		l.need(14)
		l.text(pdfMargin+indent, l.y, "F1", 10, line)
		l.y += 14
		line = ""
	}
	for word := range strings.FieldsSeq(s) {
		if line != "" && textWidth(l.widths, line+" "+word, 10) > pdfWidth-2*pdfMargin-indent {
			flush()
		}
		line = strings.TrimSpace(line + " " + word)
	}
	flush()
	l.y += 4
}

// patientBox is the table that identifies the patient.
func (l *letter) patientBox(rows [][2]string) {
	height := 16*len(rows) + 8
	l.box(pdfMargin, l.y-12, pdfWidth-2*pdfMargin, height, "0.94 0.96 0.98 rg")
	for _, r := range rows {
		l.text(pdfMargin+8, l.y+2, "F2", 9, r[0])
		l.text(pdfMargin+128, l.y+2, "F1", 10, r[1])
		l.y += 16
	}
	l.y += 18
}

// finish signs the letter, numbers the pages and returns the file.
func (l *letter) finish() []byte {
	l.need(90)
	l.y += 10
	l.line("F1", 10, "Yours sincerely,")
	l.signature()
	l.line("F2", 10, l.signer())
	l.line("F1", 9, "Electronically authorised; "+l.hospital)
	for i := range l.pages {
		l.pages[i].WriteString(l.footer(i + 1))
	}
	return l.bytes(l.doc.Title, l.doc.Author, notice, l.doc.Date)
}

func (l *letter) footer(n int) string {
	f := pdfWriter{}
	f.newPage()
	f.rule(pdfMargin, pdfHeight-52)
	f.text(pdfMargin, pdfHeight-38, "F2", 9, notice)
	f.text(pdfWidth-pdfMargin-58, pdfHeight-38, "F1", 9, fmt.Sprintf("Page %d of %d", n, len(l.pages)))
	return f.page().String()
}

// signature is a stroke of the pen.
func (l *letter) signature() {
	l.y += 4
	b := l.page()
	x, y := pdfMargin+4, pdfHeight-l.y-14
	fmt.Fprintf(b, "q 0.05 0.1 0.4 RG 1.1 w %d %d m ", x, y)
	for range 7 {
		fmt.Fprintf(b, "%d %d %d %d %d %d c ", x+l.between(2, 9), y+l.between(6, 22), x+l.between(4, 12), y-l.between(2, 12), x+l.between(11, 17), y+l.between(-4, 4))
		x += l.between(11, 17)
	}
	b.WriteString("S Q\n")
	l.y += 40
}

func (l *letter) addressees() {
	for _, s := range append([]string{l.p.Title + " " + l.p.Given + " " + l.p.Family}, append(l.p.Address, l.p.Postcode)...) {
		l.line("F1", 10, s)
	}
	l.y += 6
	l.line("F1", 10, longDate(l.doc.Date))
	l.y += 8
}

func clinicLetter(p Patient, s *sheet) []byte {
	l := newLetter(p, s)
	l.addressees()
	l.patientBox([][2]string{{"Patient", p.Name()}, {"Date of birth", shortDate(p.Born)}, {"NHS number", p.SpacedNumber()}, {"Clinic", s.spec.code.Display + ", " + shortDate(s.doc.Date)}})
	l.line("F1", 10, "Dear Colleague at "+p.Practice+",")
	l.heading("Diagnosis")
	l.paragraph(0, pick(s.dice, s.spec.conditions))
	l.heading("Clinic letter")
	for range 2 + s.n(2) {
		l.paragraph(0, strings.Join([]string{pick(s.dice, filler()), pick(s.dice, s.spec.findings), pick(s.dice, filler())}, " "))
	}
	l.heading("Plan")
	for i, plan := range s.spec.plans {
		l.paragraph(12, fmt.Sprintf("%d.  %s", i+1, plan))
	}
	return l.finish()
}

func dischargeLetter(p Patient, s *sheet) []byte {
	l := newLetter(p, s)
	l.line("F2", 14, "Discharge summary")
	l.y += 12
	stay := s.between(1, 19)
	l.patientBox([][2]string{
		{"Patient", p.Name()},
		{"Date of birth", shortDate(p.Born)},
		{"NHS number", p.SpacedNumber()},
		{"Address", strings.Join(p.Address, ", ") + ", " + p.Postcode},
		{"GP practice", p.Practice},
	})
	l.patientBox([][2]string{
		{"Admitted", longDate(s.doc.Date.AddDate(0, 0, -stay)) + ", emergency"},
		{"Discharged", longDate(s.doc.Date) + ", usual place of residence"},
		{"Consultant", s.signer()},
		{"Specialty", s.spec.code.Display},
	})
	l.heading("Diagnoses")
	for i, c := range s.spec.conditions[:1+s.n(len(s.spec.conditions))] {
		l.paragraph(12, fmt.Sprintf("%d.  %s", i+1, c))
	}
	l.heading("Clinical summary")
	for range 2 + s.n(3) {
		l.paragraph(0, strings.Join([]string{pick(s.dice, filler()), pick(s.dice, s.spec.findings), pick(s.dice, filler()), pick(s.dice, filler())}, " "))
	}
	l.heading("Medicines on discharge")
	start := s.n(5)
	for _, m := range medicines()[start : start+5] {
		l.need(18)
		l.text(pdfMargin+12, l.y, "F1", 10, m)
		l.text(400, l.y, "F1", 10, pick(s.dice, []string{"continued", "started", "dose changed"}))
		l.rule(pdfMargin+12, l.y+4)
		l.y += 18
	}
	l.heading("Actions for the GP")
	for _, plan := range s.spec.plans {
		l.paragraph(12, "-  "+plan)
	}
	l.heading("Information given to the patient")
	l.paragraph(0, pick(s.dice, filler())+" "+pick(s.dice, filler()))
	return l.finish()
}
