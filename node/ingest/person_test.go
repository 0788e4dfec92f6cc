package ingest

import (
	"strings"
	"testing"
	"time"
)

func TestPersonOfARow(t *testing.T) {
	r := &run{Config: Config{Now: func() time.Time { return time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) }}}
	got, problem := r.person(&Row{FamilyName: "O'Brien", GivenName: "Siân Jane", BirthDate: "1950-02-28", Sex: "F"})
	if want := (Person{"O'Brien", "Siân Jane", "1950-02-28", "female"}); problem != nil || got != want {
		t.Errorf("%+v, %v", got, problem)
	}
	if got, problem := r.person(&Row{}); problem != nil || got != (Person{}) {
		t.Errorf("nothing said: %+v, %v", got, problem)
	}
	for want, row := range map[string]Row{
		"is not a name": {FamilyName: "12345"}, "bytes in one line": {GivenName: strings.Repeat("x", 129)}, "write it as 1950-02-28": {BirthDate: "28/02/1950"},
		"nobody of today": {BirthDate: "2026-11-30"}, "born on 1749": {BirthDate: "1749-08-28"}, "none of male": {Sex: "w"},
	} {
		if _, problem := r.person(&row); problem == nil || problem.Code != CodePatient || !strings.Contains(problem.Reason, want) {
			t.Errorf("%+v: %v, want %q", row, problem, want)
		}
	}
}
