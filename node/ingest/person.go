package ingest

import (
	"strings"
	"time"
	"unicode"
)

const maxName = 128 // bytes

// person reads who the patient is said to be. What is empty is not said.
func (r *run) person(row *Row) (Person, *RefusalError) {
	p := Person{Family: row.FamilyName, Given: row.GivenName}
	for _, f := range []struct{ name, value string }{{"family_name", p.Family}, {"given_name", p.Given}} {
		if len(f.value) > maxName || strings.ContainsFunc(f.value, unicode.IsControl) || f.value != "" && !strings.ContainsFunc(f.value, unicode.IsLetter) {
			return p, refuse(CodePatient, "the %s %q is not a name: it has letters, and at most %d bytes in one line", f.name, clip(f.value), maxName)
		}
	}
	if row.BirthDate != "" {
		born, err := time.Parse(time.DateOnly, row.BirthDate)
		switch {
		case err != nil:
			return p, refuse(CodePatient, "%q is not a date of birth; write it as 1950-02-28", clip(row.BirthDate))
		case born.Year() < 1850 || born.After(r.Now().Add(24*time.Hour)):
			return p, refuse(CodePatient, "nobody of today was born on %s", row.BirthDate)
		}
		p.Born = row.BirthDate
	}
	switch strings.ToLower(row.Sex) {
	case "":
	case "m", "male":
		p.Sex = "male"
	case "f", "female":
		p.Sex = "female"
	case "other", "unknown":
		p.Sex = strings.ToLower(row.Sex)
	default:
		return p, refuse(CodePatient, "the sex %q is none of male, female, other, unknown", clip(row.Sex))
	}
	return p, nil
}
