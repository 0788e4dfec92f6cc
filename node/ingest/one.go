package ingest

import (
	"errors"
	"time"
)

// CheckRow checks the particulars of one document, whose file comes on another way than from a folder, as Run checks a row of a
// manifest. It fails with a *RefusalError. Warnings are for what is odd but no reason to refuse.
func CheckRow(row Row, checkPatient func(string) (string, error), now func() time.Time) (item Item, warnings []string, err error) {
	r := &run{Config: Config{CheckPatient: checkPatient, Now: now}}
	item, warnings, problem := r.checkRow(&row)
	if problem != nil {
		return Item{}, nil, problem
	}
	return item, warnings, nil
}

// Unfit says why a file that Inspect turned away cannot be taken in, in the words that a run has for it.
func Unfit(err error) *RefusalError {
	var known *RefusalError
	if errors.As(err, &known) {
		return known
	}
	return fileProblem(err, nil)
}
