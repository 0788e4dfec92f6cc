package web

import (
	"html/template"
	"net/http"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// maxTyped is the most bytes that the portal's fields of several lines can send: 1,000 letters as browsers count them, of up to 3
// bytes each, with room to spare. At most admin.MaxLine of them are taken.
const maxTyped = 4096

// maxReason is the most bytes of a reason for an emergency, or for a change of a document.
const (
	maxReason  = 500
	longReason = "Say it in fewer words: at most 500 letters can be kept, and fewer with accents or emoji"
)

// typedFields are the names of the fields of several lines, whose length every form with one of them checks by itself.
func typedFields() []string {
	return []string{"note", "evidence", "reason", "user-reason", "trust-reason"}
}

// typed is what was typed in a field of several lines, whole, so that a form that is refused shows it again.
func typed(r *http.Request, name string) string {
	return clip(strings.TrimSpace(r.PostFormValue(name)), maxTyped)
}

// tooLong finds those fields that hold more than is taken: letters beyond ASCII are several bytes, which no browser counts.
func tooLong(r *http.Request, names ...string) (wrong []fault) {
	for _, name := range names {
		if len(typed(r, name)) > admin.MaxLine {
			wrong = append(wrong, fault{name, "Say it in fewer words: at most 1,024 letters can be kept, and fewer with accents or emoji"})
		}
	}
	return wrong
}

// askedForm is a form about a patient as it is shown: anew, or again with what was wrong in it.
type askedForm[T any] struct {
	Of     *patient
	Status int // zero: 422 where something was wrong, otherwise 200
	Wrong  []fault
	Body   T
}

func (f askedForm[T]) status() int {
	switch {
	case f.Status != 0:
		return f.Status
	case len(f.Wrong) > 0:
		return http.StatusUnprocessableEntity
	default:
		return http.StatusOK
	}
}

// formField is a field of a form as the shared templates write it.
type formField struct {
	Name, Label, Hint, Value, Error string
	Options                         []choice
	Kind                            string          // of an input; or the first, empty choice of a select
	Chosen                          map[string]bool // of several boxes
}

// Has reports whether a box is ticked.
func (f formField) Has(value string) bool { return f.Chosen[value] }

// fieldOf makes a field. What follows the value are the choices, and the kind.
func fieldOf(faults []fault, name, label, hint, value string, more ...any) formField {
	f := formField{Name: name, Label: label, Hint: hint, Value: value}
	for _, x := range faults {
		if x.Field == name {
			f.Error = x.Text
			break
		}
	}
	for _, m := range more {
		switch m := m.(type) {
		case []choice:
			f.Options = m
		case string:
			f.Kind = m
		case map[string]bool:
			f.Chosen = m
		}
	}
	return f
}

// DescribedBy names what a screen reader reads with the field.
func (f formField) DescribedBy() string {
	switch {
	case f.Hint != "" && f.Error != "":
		return f.Name + "-hint " + f.Name + "-error"
	case f.Hint != "":
		return f.Name + "-hint"
	case f.Error != "":
		return f.Name + "-error"
	default:
		return ""
	}
}

// governanceWords are the functions of the templates of governance.
func governanceWords() template.FuncMap {
	return template.FuncMap{
		"field":  fieldOf,
		"trusts": func(text string) bool { return strings.Contains(strings.ToLower(text), "trust") },
		"big":    func(n uint64) string { return countOf(int(min(n, 1<<62))) },
		"formKinds": func() []choice {
			return []choice{{"form", "A form of building blocks", ""}, {"cedar", "Cedar", ""}}
		},
		"wishEffects": func() []choice {
			return []choice{{"deny", "They refuse that records are shared", ""}, {"permit", "They agree that records are shared", ""}}
		},
		"watchedKinds": watchedKinds, "whichDocuments": whichDocuments, "documentTypes": documentTypes, "sensitivities": sensitivities,
		"confidentialities": confidentialities, "legalClasses": legalClasses,
		"judgements": func() []choice {
			return []choice{{"justified", "Yes, it was justified", ""}, {"not_justified", "No, it was not", ""}}
		},
		"active": func(all []suspendable) (out []choice) {
			for _, t := range all {
				if !t.Suspended {
					out = append(out, choice{Value: t.Code, Label: t.Name})
				}
			}
			return out
		},
	}
}
