package web

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestPatientsAreFoundByNameAndBirth(t *testing.T) {
	g := newRig(t)
	g.region.people = map[string]Person{
		numberA: {Number: numberA, Family: "Hart", Given: "Ann Mary", Born: "1984-03-15", Sex: "female"},
		numberB: {Number: numberB, Family: "Hart", Given: "Bob", Born: "1984-03-15", Sex: "male"},
	}
	b := g.browser()
	token := field(t, tokenField, b.signOn("a.okafor").body)
	search := func(family, given, day, month, year string) visit {
		return b.post("/find", url.Values{"token": {token}, "by": {"name"}, "family": {family}, "given": {given}, "born-day": {day}, "born-month": {month}, "born-year": {year}})
	}
	search("hart", "", "15", "03", "1984").wants(t, 200, "2 patients of this trust", "HART, Ann Mary", "999 000 0018", "HART, Bob")
	if by := g.region.finders; len(by) != 1 || by[0].GetUser() != "a.okafor" || by[0].GetRole() != "doctor" {
		t.Errorf("asked by %v", by)
	}
	one := search(" hart ", "ann", "15", "3", "1984")
	one.wants(t, 200, "1 patient of this trust", "HART, Ann Mary", "15 March 1984")
	if strings.Contains(one.body, "Bob") {
		t.Error("another given name is found")
	}
	search("hart", "", "16", "3", "1984").wants(t, 200, "No patient of this trust has that name")
	for want, got := range map[string]visit{
		"Enter the family name": search("", "", "15", "3", "1984"), "Enter the date of birth": search("Hart", "", "", "", ""), "in numbers": search("Hart", "", "x", "3", "1984"),
		"There is no day 31 2 1984": search("Hart", "", "31", "2", "1984"), "year of four digits": search("Hart", "", "15", "3", "84"), "in the future": search("Hart", "", "15", "3", "2999"),
		"&lt;script&gt;": search("<script>", "", "", "3", "1984"),
	} {
		got.wants(t, 422, want, "There is a problem")
	}
	// Who it is stands in the banner of every page of the patient, and in no address.
	path := b.open(numberA)
	page := b.get(path)
	page.wants(t, 200, "<strong>HART, Ann Mary</strong>", "15 March 1984", "female", "years)")
	if strings.Contains(strings.ToLower(page.Request.URL.String()), "hart") {
		t.Error("a name stands in an address")
	}
	b.get("/find").wants(t, 200, "999 000 0018</a> HART, Ann Mary")
	if strings.Contains(g.log.String(), "Hart") || strings.Contains(g.log.String(), "HART") {
		t.Error("the log names a patient")
	}
}

func TestAge(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for born, want := range map[string]string{
		"1984-11-22": "42 years", "1984-11-23": "41 years", "2026-11-22": "0 months", "2026-10-21": "1 month", "2025-01-01": "22 months", "2024-11-22": "2 years", "": "", "2027-01-01": "", "x": "",
	} {
		if got := (Person{Born: born}).age(now); got != want {
			t.Errorf("born %s: %q, want %q", born, got, want)
		}
	}
}
