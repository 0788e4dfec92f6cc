package ingest

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrHeader is returned (inside a *HeaderError) when the first line of a manifest is not a header that is known.
	ErrHeader = errors.New("manifest header")
	// ErrManifest is returned when a manifest cannot be read as a whole: it is empty, too large or not in UTF-8.
	ErrManifest = errors.New("manifest")
	// ErrConfig is returned when a Config lacks what a run needs.
	ErrConfig = errors.New("ingest configuration")
	// ErrStopped is returned, with the report of what was done, when a run ended before all rows were tried; it wraps the reason.
	ErrStopped = errors.New("taking in was stopped")
)

// UnknownColumn is a column of a manifest that has no meaning.
type UnknownColumn struct {
	Name    string
	Nearest string // the known column that looks most like it; empty when none does
}

// HeaderError says what is wrong with the header of a manifest.
type HeaderError struct {
	Missing  []string // required columns that are not there
	Unknown  []UnknownColumn
	Repeated []string
	Hint     string // what the file looks like instead, if that can be told
	Expected string // a header line that would do
}

// Error names the columns that are missing, unknown or repeated, and the line that is expected.
func (e *HeaderError) Error() string {
	var b strings.Builder
	b.WriteString("the first line of the manifest is not the header that is expected")
	if len(e.Missing) > 0 {
		fmt.Fprintf(&b, "; missing: %s", strings.Join(e.Missing, ", "))
	}
	for _, u := range e.Unknown {
		fmt.Fprintf(&b, "; unknown: %q", u.Name)
		if u.Nearest != "" {
			fmt.Fprintf(&b, " (did you mean %q?)", u.Nearest)
		}
	}
	if len(e.Repeated) > 0 {
		fmt.Fprintf(&b, "; there twice: %s", strings.Join(e.Repeated, ", "))
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, "; %s", e.Hint)
	}
	fmt.Fprintf(&b, "; expected: %s", e.Expected)
	return b.String()
}

// Is reports that every HeaderError is an ErrHeader.
func (e *HeaderError) Is(target error) bool { return target == ErrHeader }

// RefusalError is what a Taker returns when it refuses one document and can go on with the next.
type RefusalError struct {
	Code   Code
	Reason string // for the person who made the manifest
}

// Error returns the reason.
func (e *RefusalError) Error() string { return e.Reason }

func refuse(code Code, format string, args ...any) *RefusalError {
	return &RefusalError{Code: code, Reason: fmt.Sprintf(format, args...)}
}
