package web

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/ridgeway-exchange/ridgeway/node/media"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// subject is whom a document says it is about. What it does not say is empty.
type subject struct {
	numbers       []string // NHS numbers
	family, given string
	name          string    // whole, where the document does not tell its parts apart
	born          string    // year-month-day
	others        []subject // where it names several, as a record of a group does
}

// difference is something in which a document contradicts what is known of the patient.
type difference struct{ What, Ours, Theirs string }

// mismatchError is returned for a document that says it is about somebody else. Nothing else of it is shown.
type mismatchError struct{ found []difference }

// Error says what is different, without the values.
func (e *mismatchError) Error() string {
	var what []string
	for _, d := range e.found {
		what = append(what, d.What)
	}
	return "the document is about another patient: " + strings.Join(what, ", ")
}

// compare returns in what a document contradicts the patient. Any other NHS number does, and any other date of birth. People
// change their names, and are called by others: the name does only where neither part of it is the patient's.
func (s subject) compare(number string, known Person) []difference {
	var out []difference
	if i := slices.IndexFunc(s.numbers, func(n string) bool { return n != number }); i >= 0 {
		out = append(out, difference{"NHS number", spaced(number), spaced(s.numbers[i])})
	}
	if s.born != "" && known.Born != "" && s.born != known.Born {
		out = append(out, difference{"Date of birth", longDay(known.Born), longDay(s.born)})
	}
	if said := s.words(); len(said) > 0 && known.Family != "" && known.Given != "" && !slices.Contains(said, record.FoldName(known.Family)) && !overlap(said, split(known.Given)) && !overlap(said, split(known.Family)) {
		out = append(out, difference{"Name", known.Name(), s.whole()})
	}
	for _, other := range s.others {
		out = append(out, other.compare(number, known)...)
	}
	return out
}

// Beginning is a file, or the beginning of one of Size bytes.
type Beginning struct {
	Head []byte
	Size int64
}

// Contradiction says in what a structured document or an image contradicts the patient for whom it is to be filed; empty where it does
// not, or does not say. Nobody could read it: what is about somebody else is not shown. Its beginning suffices, up to where it says so.
func Contradiction(format media.Format, file Beginning, number string, known Person) string {
	var said subject
	switch format {
	case media.FormatCDA:
		root, err := parseTo(file.Head, "recordTarget")
		if err != nil {
			return ""
		}
		var s structured
		s.header(root)
		said = s.subject
	case media.FormatDICOM:
		e, err := parseDICOM(file.Head, file.Size)
		if err != nil {
			return ""
		}
		said = e.subject()
	default:
		return ""
	}
	var out []string
	for _, d := range said.compare(number, known) {
		out = append(out, fmt.Sprintf("%s %s, not %s", d.What, d.Theirs, d.Ours))
	}
	return strings.Join(out, "; ")
}

// agrees says what of a document that contradicts nothing was compared: at least the NHS number and something else.
func (s subject) agrees(known Person) string {
	named, born := len(s.words()) > 0 && known.Family != "" && known.Given != "", s.born != "" && known.Born != ""
	switch {
	case len(s.numbers) == 0:
		return ""
	case named && born:
		return "NHS number, name and date of birth"
	case named:
		return "NHS number and name"
	case born:
		return "NHS number and date of birth"
	default:
		return ""
	}
}

func (s subject) whole() string {
	if s.name != "" {
		return s.name
	}
	return Person{Family: s.family, Given: s.given}.Name()
}

// words are the parts of the document's name, and the family name as one.
func (s subject) words() []string {
	out := split(s.name + " " + s.family + " " + s.given)
	if s.family != "" {
		out = append(out, record.FoldName(s.family))
	}
	return out
}

func split(name string) []string {
	var out []string
	for _, w := range strings.FieldsFunc(name, func(r rune) bool {
		return unicode.IsSpace(r) || r == '-' || r == ',' || r == '(' || r == ')' || r == '.'
	}) {
		if w = record.FoldName(w); w != "" && !slices.Contains([]string{"MR", "MRS", "MS", "MISS", "DR", "MX", "PROF", "SIR"}, w) {
			out = append(out, w)
		}
	}
	return out
}

// longDay writes a date as people read it.
func longDay(day string) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return t.Format("2 January 2006")
}

// shortDay reads a date of HL7 and DICOM, eight digits and what may follow.
func shortDay(text string) string {
	if len(text) < 8 {
		return ""
	}
	t, err := time.Parse("20060102", text[:8])
	if err != nil {
		return ""
	}
	return t.Format(time.DateOnly)
}

// subject is whom a DICOM file says it is about. A PatientID that is no NHS number is the hospital's own.
func (e *elements) subject() subject {
	s := subject{born: shortDay(e.word(tagBirthDate))}
	s.family, s.given, _ = strings.Cut(e.word(tagPatientName), "^")
	s.given, _, _ = strings.Cut(s.given, "=")
	s.given = strings.TrimSpace(strings.ReplaceAll(s.given, "^", " "))
	if n, err := record.ParseNHSNumber(e.word(tagPatientID)); err == nil {
		s.numbers = []string{n.Digits()}
	}
	return s
}
