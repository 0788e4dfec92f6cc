package synth

import (
	"bytes"
	"fmt"
	"iter"
	"strings"
	"time"
)

// Code is a coded word and what it means.
type Code struct{ Code, Display string }

// Document is one invented document.
type Document struct {
	Name            string // file name
	ContentType     string
	Type            Code // SNOMED CT
	Category        Code // SNOMED CT
	Specialty       Code // treatment function code of the NHS Data Dictionary
	Title           string
	Author          string
	Date            time.Time
	Confidentiality string // HL7 v3 Confidentiality: N, R or V
	Pages           int
	Bytes           func() []byte // makes the content, the same each time; safe to call from several goroutines
}

// The codes of the documents that are made: SNOMED CT, as the National Record Locator and hospital letters use them.
func dischargeSummary() Code { return Code{"373942005", "Discharge summary"} }
func outpatientLetter() Code { return Code{"823681000000100", "Outpatient letter"} }
func lloydGeorge() Code      { return Code{"16521000000101", "Lloyd George record folder"} }
func newsChart() Code {
	return Code{"1363501000000100", "Royal College of Physicians NEWS2 (National Early Warning Score 2) chart"}
}
func clinicalSummary() Code   { return Code{"887181000000106", "Clinical summary"} }
func diagnosticReport() Code  { return Code{"721981007", "Diagnostic studies report"} }
func clinicalNote() Code      { return Code{"823651000000106", "Clinical note"} }
func recordArtifact() Code    { return Code{"419891008", "Record artifact"} }
func observations() Code      { return Code{"1102421000000108", "Observations"} }
func diagnosticPicture() Code { return Code{"103693007", "Diagnostic procedure"} }

// kind is a sort of document and how often it comes.
type kind struct {
	weight            int
	slug, extension   string
	contentType       string
	typ, category     Code
	title             string
	minPages, maxPage int
	render            func(Patient, *sheet) []byte
}

func kinds() []kind {
	return []kind{
		{30, "discharge-summary", "pdf", "application/pdf", dischargeSummary(), clinicalNote(), "Discharge summary", 1, 1, dischargeLetter},
		{34, "outpatient-letter", "pdf", "application/pdf", outpatientLetter(), clinicalNote(), "Outpatient letter", 1, 1, clinicLetter},
		{14, "case-note", "tif", "image/tiff", lloydGeorge(), recordArtifact(), "Scanned case note", 2, 12, scan},
		{6, "clinical-summary", "xml", "text/xml", clinicalSummary(), clinicalNote(), "Clinical summary", 1, 1, clinicalDocument},
		{6, "observations", "png", "image/png", newsChart(), observations(), "Observation chart", 1, 1, chart},
		{5, "wound-photograph", "jpg", "image/jpeg", diagnosticReport(), diagnosticPicture(), "Wound photograph", 1, 1, photograph},
		{5, "ct-slice", "dcm", "application/dicom", diagnosticReport(), diagnosticPicture(), "CT image", 1, 1, tomogram},
	}
}

// sheet is what a document is made from.
type sheet struct {
	*dice
	doc      Document
	spec     speciality
	hospital string
}

// Documents yields the first n documents of a patient, oldest content first or not: dates are not in order, as in real folders.
func (s *Source) Documents(p Patient, n int) iter.Seq[Document] {
	return func(yield func(Document) bool) {
		for i := range n {
			d := newDice(s.seed, "document", uint64(p.Index), uint64(i))
			all := kinds()
			at := d.n(100)
			k := 0
			for at >= all[k].weight {
				at -= all[k].weight
				k++
			}
			pages := d.between(all[k].minPages, all[k].maxPage)
			if !yield(s.document(p, all[k], pages, i)) {
				return
			}
		}
	}
}

// CaseNote returns a scanned case note of the given number of pages (1 to 5,000), a multi-page TIFF.
func (s *Source) CaseNote(p Patient, pages int) Document {
	pages = min(max(pages, 1), 5000)
	for _, k := range kinds() {
		if k.slug == "case-note" {
			doc := s.document(p, k, pages, 1_000_000+pages)
			doc.Confidentiality = "N"
			return doc
		}
	}
	return Document{}
}

func (s *Source) document(p Patient, k kind, pages, number int) Document {
	fresh := func() *sheet {
		return &sheet{dice: newDice(s.seed, k.slug, uint64(p.Index), uint64(number), uint64(pages))}
	}
	d := fresh()
	d.spec = pick(d.dice, specialities())
	d.hospital = pick(d.dice, hospitals())
	first := today().AddDate(-15, 0, 0)
	if p.Born.After(first) {
		first = p.Born
	}
	doc := Document{
		Name:        fmt.Sprintf("%s-%04d-%s.%s", p.NHSNumber, number%10000, k.slug, k.extension),
		ContentType: k.contentType, Type: k.typ, Category: k.category, Specialty: d.spec.code,
		Title: k.title + ", " + d.spec.code.Display, Author: pick(d.dice, doctors()) + ", " + d.hospital,
		Date:            d.day(first, today()).Add(time.Duration(8*60+d.n(600)) * time.Minute),
		Confidentiality: "N", Pages: pages,
	}
	switch c := d.n(100); {
	case c < 1:
		doc.Confidentiality = "V"
	case c < 5:
		doc.Confidentiality = "R"
	}
	state, spec, hospital := d.state, d.spec, d.hospital
	doc.Bytes = func() []byte {
		return k.render(p, &sheet{dice: &dice{state: state}, doc: doc, spec: spec, hospital: hospital})
	}
	if k.extension == "pdf" { // running text takes the pages that it takes
		doc.Pages = bytes.Count(doc.Bytes(), []byte("/Type /Page "))
	}
	return doc
}

// notice is printed on every page and written into every file's metadata.
const notice = "SYNTHETIC - not a real patient"

func longDate(t time.Time) string  { return t.Format("2 January 2006") }
func shortDate(t time.Time) string { return t.Format("02/01/2006") }

// signer returns the author without the hospital.
func (s *sheet) signer() string {
	name, _, _ := strings.Cut(s.doc.Author, ",")
	return name
}
