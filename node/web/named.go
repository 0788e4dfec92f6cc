package web

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// namedSearch is a search by name and date of birth, as it was typed, and what it found.
type namedSearch struct {
	Family, Given    string
	Day, Month, Year string
	Asked            bool
	Found            []Person
}

// Spaced is the person's NHS number as people read it.
func (p Person) Spaced() string { return spaced(p.Number) }

// BornDay is the date of birth as people read it.
func (p Person) BornDay() string { return longDay(p.Born) }

// BornField is the field of the date of birth. What is wrong with it leads to its first box.
func (q namedSearch) BornField(faults []fault) formField {
	f := fieldOf(faults, "born-day", "Date of birth", "Such as 15 3 1984", "", []choice{{"day", "Day", q.Day}, {"month", "Month", q.Month}, {"year", "Year", q.Year}})
	f.Name = "born"
	return f
}

// known puts who the patient is into a session's patient. When that cannot be told, the banner has the NHS number only.
func (p *Portal) known(r *http.Request, s *session, of *patient) Person {
	who, err := p.config.Region.Person(r.Context(), of.Number, s.asker(of))
	if err != nil {
		return Person{}
	}
	return who
}

// named looks patients of this trust up by name and date of birth. Both are needed: the name lies under a keyed digest with
// the date, so that nobody leafs through the trust's patients.
func (p *Portal) named(w http.ResponseWriter, r *http.Request, s *session) {
	q := namedSearch{Asked: true}
	for _, f := range []struct {
		to   *string
		name string
	}{{&q.Family, "family"}, {&q.Given, "given"}, {&q.Day, "born-day"}, {&q.Month, "born-month"}, {&q.Year, "born-year"}} {
		*f.to = clip(strings.Join(strings.Fields(r.PostFormValue(f.name)), " "), 128)
	}
	var wrong []fault
	if q.Family == "" || record.FoldName(q.Family) == "" {
		wrong = append(wrong, fault{"family", "Enter the family name"})
	}
	born, text := q.born(p.now())
	if text != "" {
		wrong = append(wrong, fault{"born-day", text})
	}
	if len(wrong) == 0 {
		var err error
		q.Found, err = p.config.Region.FindPersons(r.Context(), Person{Family: q.Family, Given: q.Given, Born: born}, &admin.Asker{User: s.user.ID, Role: s.user.Role})
		if admin.CodeOf(err) == admin.CodeBadInput {
			wrong = append(wrong, fault{"family", "Enter the family name in letters"})
		} else if err != nil {
			wrong = append(wrong, fault{"family", "The search could not be made. Try again later, or search by NHS number"})
		}
	}
	status := http.StatusOK
	if len(wrong) > 0 {
		status, q.Asked = http.StatusUnprocessableEntity, false
	}
	p.show(w, r, s, status, view{Name: "find", Title: "Find a patient", Error: wrong, Body: findPage{Recent: s.recent(), Named: q}, Wait: "number.js"})
}

// born reads the date of birth, or says what is wrong with it.
func (q namedSearch) born(now time.Time) (day, wrong string) {
	if q.Day == "" && q.Month == "" && q.Year == "" {
		return "", "Enter the date of birth"
	}
	var parts [3]int
	for i, text := range []string{q.Year, q.Month, q.Day} {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || len(text) > 4 {
			return "", "Enter the date of birth in numbers, such as 15 3 1984"
		}
		parts[i] = n
	}
	t := time.Date(parts[0], time.Month(parts[1]), parts[2], 0, 0, 0, 0, time.UTC)
	if t.Year() != parts[0] || int(t.Month()) != parts[1] || t.Day() != parts[2] || parts[0] < 1850 {
		return "", fmt.Sprintf("There is no day %d %d %d: enter day, month and a year of four digits", parts[2], parts[1], parts[0])
	}
	if t.After(now) {
		return "", "The date of birth is in the future"
	}
	return t.Format(time.DateOnly), ""
}
