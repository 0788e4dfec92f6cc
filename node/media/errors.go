package media

import (
	"errors"
	"fmt"
)

var (
	// ErrEmpty is returned when a file has no bytes.
	ErrEmpty = errors.New("the file is empty")
	// ErrCorrupt is returned (inside a *CorruptError) when a file starts as a known type and then breaks its rules.
	ErrCorrupt = errors.New("the file is damaged")
	// ErrMismatch is returned (inside a *MismatchError) when a file's content is not what its name says.
	ErrMismatch = errors.New("the file is not what its name says")
	// ErrUnsupported is returned when a file or a request is valid but not handled: BigTIFF, a locked PDF, pages of a type that has none.
	ErrUnsupported = errors.New("not supported")
	// ErrTooLarge is returned when a limit of this package would be passed.
	ErrTooLarge = errors.New("too large")
	// ErrPages is returned when a page selection cannot be read or names pages that the document does not have.
	ErrPages = errors.New("page selection")
	// ErrOpenRange is returned, as an ErrPages, when a range goes to the end and the number of pages is not known.
	ErrOpenRange = errors.New("a range to the end needs the number of pages")
)

// CorruptError says what is wrong with a damaged file and where.
type CorruptError struct {
	Format Format // what the file began as
	Page   int    // 1-based page the damage is in; 0 when it is not in one page
	Offset int64  // byte position of the damage; -1 when there is no single one
	What   string // what is wrong there, lower case
	Err    error  // the reader's own error, if one was the cause
}

// Error describes the damage for the person who has to scan or export the file again.
func (e *CorruptError) Error() string {
	s := fmt.Sprintf("damaged %s", e.Format)
	if e.Page > 0 {
		s += fmt.Sprintf(", page %d", e.Page)
	}
	if e.Offset >= 0 {
		s += fmt.Sprintf(", at byte %d", e.Offset)
	}
	s += ": " + e.What
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Is reports that every CorruptError is an ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// Unwrap returns the cause, if a reader reported one.
func (e *CorruptError) Unwrap() error { return e.Err }

// MismatchError says that the extension of a file's name promises one type and its bytes are another.
// Its text contains the file name, which may name a patient: show it to the person who gave the file, do not log it.
type MismatchError struct {
	Name    string // the file name as it was given
	Claimed Format // what the extension says
	Found   Format // what the content is; FormatBinary when it is nothing known
}

// Error says what the name claims, what was found, and what to do.
func (e *MismatchError) Error() string {
	found := e.Found.String()
	advice := fmt.Sprintf("if that is right, name it .%s; otherwise export it again", e.Found.Extension())
	if e.Found == FormatBinary {
		found, advice = "of no known type", "open it to see what it is, and export it again"
	}
	return fmt.Sprintf("%q is not what its name says: the name says %s, the content is %s; %s", e.Name, e.Claimed, found, advice)
}

// Is reports that every MismatchError is an ErrMismatch.
func (e *MismatchError) Is(target error) bool { return target == ErrMismatch }
