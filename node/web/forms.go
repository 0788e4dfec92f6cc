package web

import "html/template"

// formField is a field of a form as the shared templates write it.
type formField struct {
	Name, Label, Hint, Value, Error string
	Options                         []choice
	Kind                            string // of an input; or the first, empty choice of a select
}

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
		"field": fieldOf,
		"big":   func(n uint64) string { return countOf(int(min(n, 1<<62))) },
		"formKinds": func() []choice {
			return []choice{{"form", "A form of building blocks", ""}, {"cedar", "Cedar", ""}}
		},
		"wishEffects": func() []choice {
			return []choice{{"deny", "They refuse that records are shared", ""}, {"permit", "They agree that records are shared", ""}}
		},
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
