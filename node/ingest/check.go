package ingest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

const (
	maxParts  = 512
	oldestDay = 1900 // year
	// maxReference is in bytes.
	maxReference = 256
)

// checkRow turns the particulars of a row into an item without parts. Warnings are for what is odd but no reason to refuse.
func (r *run) checkRow(row *Row) (Item, []string, *RefusalError) {
	if row.problem != nil {
		return Item{}, nil, row.problem
	}
	item := Item{Line: row.Line, Type: row.Type, Category: row.Category, Specialty: row.Specialty, Title: row.Title, Author: row.Author}
	for _, f := range []struct{ name, value string }{{"file", row.File}, {"patient", row.Patient}, {"type", row.Type}, {"title", row.Title}, {"date", row.Date}} {
		if f.value == "" {
			return item, nil, refuse(CodeField, "the %s is empty", f.name)
		}
	}
	if problem := checkTexts(row); problem != nil {
		return item, nil, problem
	}
	for _, f := range []struct{ name, value string }{{"type", row.Type}, {"category", row.Category}} {
		if f.value == "" {
			continue
		}
		if err := checkConcept(f.value); err != nil {
			return item, nil, refuse(CodeField, "the %s %v", f.name, err)
		}
	}
	var err error
	if item.Patient, err = r.CheckPatient(row.Patient); err != nil {
		return item, nil, refuse(CodePatient, "%v", err)
	}
	var problem *RefusalError
	if item.Date, problem = r.date(row); problem != nil {
		return item, nil, problem
	}
	if problem = checkCodes(row, &item); problem != nil {
		return item, nil, problem
	}
	if item.Person, problem = r.person(row); problem != nil {
		return item, nil, problem
	}
	var warnings []string
	if r.KnownType != nil && !r.KnownType(row.Type) {
		warnings = append(warnings, fmt.Sprintf("the type %q is not one that this node knows", clip(row.Type)))
	}
	return item, warnings, nil
}

// checkTexts refuses what does not fit the pointer by which a document is published.
func checkTexts(row *Row) *RefusalError {
	for _, f := range []struct {
		name, value string
		limit       int
	}{
		{"title", row.Title, federation.MaxTitle},
		{"author", row.Author, federation.MaxAuthor},
		{"type", row.Type, federation.MaxCode},
		{"category", row.Category, federation.MaxCode},
		{"specialty", row.Specialty, federation.MaxCode},
	} {
		if fault := federation.LineFault(f.value, f.limit); fault != "" {
			return refuse(CodeField, "the %s %s", f.name, fault)
		}
	}
	return nil
}

// date reads a date of the manifest's form. The other form is refused rather than guessed: 04/03/2024 may be either of two days.
func (r *run) date(row *Row) (time.Time, *RefusalError) {
	forms, example := []string{time.DateOnly, time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04"}, "2024-03-31"
	if row.bureau {
		forms, example = []string{"02/01/2006"}, "31/03/2024"
	}
	for _, f := range forms {
		t, err := time.Parse(f, row.Date)
		if err != nil {
			continue
		}
		switch now := r.Now(); {
		case t.Year() < oldestDay:
			return t, refuse(CodeDate, "the date %s is before %d", clip(row.Date), oldestDay)
		case t.After(now.Add(24 * time.Hour)):
			return t, refuse(CodeDate, "the date %s is in the future", clip(row.Date))
		}
		return t.UTC(), nil
	}
	return time.Time{}, refuse(CodeDate, "%q is not a date; write it as %s", clip(row.Date), example)
}

func checkCodes(row *Row, item *Item) *RefusalError {
	switch c := strings.ToUpper(row.Confidentiality); c {
	case "":
		item.Confidentiality = "N"
	case "N", "U", "L", "M", "R", "V":
		item.Confidentiality = c
	default: // doubt about confidentiality must not end as normal
		return refuse(CodeField, "the confidentiality %q is none of N, U, L, M, R, V", clip(row.Confidentiality))
	}
	if problem := checkLabels(row, item); problem != nil {
		return problem
	}
	item.Language = row.Language
	if item.Language == "" {
		item.Language = "en-GB"
	}
	if !plausibleLanguage(item.Language) {
		return refuse(CodeField, "the language %q is not a tag like en-GB", clip(row.Language))
	}
	if item.Reference = strings.TrimSpace(row.Reference); federation.LineFault(item.Reference, maxReference) != "" {
		return refuse(CodeField, "the reference %q is not one line of up to %d bytes", clip(row.Reference), maxReference)
	}
	if row.Supersedes != "" {
		id, err := federation.ParseDocumentID(row.Supersedes)
		if err != nil {
			return refuse(CodeField, "supersedes: %q is not the id of a document", clip(row.Supersedes))
		}
		item.Supersedes = id
	}
	return nil
}

// plausibleLanguage checks the shape of a BCP 47 tag: two or three letters, then subtags of up to eight letters or digits.
func plausibleLanguage(s string) bool {
	for i, sub := range strings.Split(s, "-") {
		if len(sub) == 0 || len(sub) > 8 || i == 0 && (len(sub) < 2 || len(sub) > 3) {
			return false
		}
		for _, c := range sub {
			letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
			if !letter && (i == 0 || c < '0' || c > '9') {
				return false
			}
		}
	}
	return len(s) <= 35
}

// number reads a whole number from 1 to limit.
func number(s string, limit int) (int, bool) {
	if !digits(s) {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 1 && n <= limit
}
