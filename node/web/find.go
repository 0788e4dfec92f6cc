package web

import (
	"errors"
	"net/http"
	"strings"
	"unicode"

	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// findPage is the page that a user begins with.
type findPage struct {
	Number string // as it was typed
	Recent []*patient
	Named  namedSearch
}

// find is a page on which a patient is opened by the NHS number, under the path to. The number comes in the body of the
// request, so that it stands in no address, history or log.
func (p *Portal) find(name, title, to string) sessionHandler {
	return func(w http.ResponseWriter, r *http.Request, s *session) {
		v := view{Name: name, Title: title, Wait: "number.js"}
		if r.Method != http.MethodPost {
			v.Body = findPage{Recent: s.recent()}
			p.show(w, r, s, http.StatusOK, v)
			return
		}
		typed := r.PostFormValue("number")
		number, wrong := p.readNumber(typed)
		if wrong != "" {
			v.Error, v.Body = []fault{{"number", wrong}}, findPage{Number: clip(typed, 40), Recent: s.recent()}
			p.show(w, r, s, http.StatusUnprocessableEntity, v)
			return
		}
		http.Redirect(w, r, to+p.opened(r, s, number).Key, http.StatusSeeOther)
	}
}

// byName searches by name where the form says so.
func (p *Portal) byName(next sessionHandler) sessionHandler {
	return func(w http.ResponseWriter, r *http.Request, s *session) {
		if r.PostFormValue("by") == "name" {
			p.named(w, r, s)
			return
		}
		next(w, r, s)
	}
}

// opened makes a patient one of the session's, with who they are as far as this trust knows, so that the banner says it.
func (p *Portal) opened(r *http.Request, s *session, number string) *patient {
	of := s.open(number, p.now())
	s.recognise(of.Key, p.known(r, s, of))
	return of
}

// readNumber returns the NHS number in what was typed, or what is wrong with it and what to do.
func (p *Portal) readNumber(typed string) (number, wrong string) {
	// What is copied from a letter has spaces of many kinds, and dashes.
	cleaned := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || r == '\u200b' || r == '\ufeff' {
			return -1
		}
		return r
	}, typed)
	parsed, err := record.ParseNHSNumber(cleaned)
	var why *record.NHSNumberError
	if err == nil {
		if _, err = p.config.Numbers.Check(parsed); err == nil {
			return parsed.Digits(), ""
		}
	}
	if !errors.As(err, &why) {
		return "", "Enter an NHS number"
	}
	switch why.Fault {
	case record.NHSEmpty:
		return "", "Enter an NHS number"
	case record.NHSCharacter:
		return "", "An NHS number has digits only, such as 943 476 5919"
	case record.NHSLength:
		return "", "An NHS number has 10 digits: you entered " + countOf(len(digitsOf(cleaned)))
	case record.NHSCheckDigit:
		return "", "This is not a valid NHS number: a digit is wrong, or two are swapped. Check it against the letter or wristband"
	case record.NHSRepeated:
		return "", "One digit ten times is a placeholder, not an NHS number"
	case record.NHSTest:
		return "", "This number is of the range that is kept for tests: no patient has it"
	default:
		return "", "This is not an NHS number"
	}
}

// digitsOf returns the digits of a text.
func digitsOf(text string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
}

// purposePage asks why.
type purposePage struct {
	Purpose, Relationship, Evidence string
	Purposes, Relationships         []choice
	Again                           []answered // of other patients, to be confirmed for this one
}

func (p *Portal) showPurpose(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	p.askPurpose(w, r, s, askedForm[purposePage]{Of: of, Body: purposePage{Purpose: of.Purpose, Relationship: string(of.Relationship), Evidence: of.Evidence}})
}

func (p *Portal) askPurpose(w http.ResponseWriter, r *http.Request, s *session, form askedForm[purposePage]) {
	form.Body.Purposes, form.Body.Relationships, form.Body.Again = purposes(), relationships(), s.said(form.Of)
	p.show(w, r, s, form.status(), view{Name: "purpose", Title: "Why you need this record", Of: form.Of, Error: form.Wrong, Body: form.Body})
}

// setPurpose keeps what was answered for as long as the session lasts, and for the one that goes on after a restart. It goes into every
// signed assertion about the patient.
func (p *Portal) setPurpose(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	if again := r.PostFormValue("again"); again != "" {
		for _, a := range s.said(of) {
			if a.Said() == again {
				s.explain(of.Key, a.Purpose, a.Relationship, "")
				p.keepPlace(r.Context(), s)
				http.Redirect(w, r, "/patients/"+of.Key, http.StatusSeeOther)
				return
			}
		}
	}
	in := purposePage{Purpose: r.PostFormValue("purpose"), Relationship: r.PostFormValue("relationship"), Evidence: strings.TrimSpace(r.PostFormValue("evidence"))}
	var wrong []fault
	if !offered(purposes(), in.Purpose) {
		wrong = append(wrong, fault{"purpose", "Select why you need the record"})
	}
	if !offered(relationships(), in.Relationship) {
		wrong = append(wrong, fault{"relationship", "Select how you know the patient"})
	} else if text := evidenceFault(in.Relationship, in.Evidence); text != "" {
		wrong = append(wrong, fault{"evidence", text})
	}
	if len(wrong) > 0 {
		in.Evidence = clip(in.Evidence, 200)
		p.askPurpose(w, r, s, askedForm[purposePage]{Of: of, Wrong: wrong, Body: in})
		return
	}
	s.explain(of.Key, in.Purpose, relationshipKind(in.Relationship), in.Evidence)
	p.keepPlace(r.Context(), s)
	http.Redirect(w, r, "/patients/"+of.Key, http.StatusSeeOther)
}
