package policy

import (
	"errors"
	"fmt"
	"strings"
)

// ErrAgreement is returned when the text of an agreement is not one that can be decided on. The error is a *TextError.
var ErrAgreement = errors.New("not a valid agreement")

// ErrDirective is returned when what was typed is not a directive that can be recorded. The error is a *DirectiveError.
var ErrDirective = errors.New("not a valid directive")

// ErrLabel is returned for a text that is no sensitivity label, or no legally restricted class.
var ErrLabel = errors.New("not a label")

// ErrRelationship is returned for a text that states no relationship that agreements know.
var ErrRelationship = errors.New("not a relationship")

// Fault is one thing that is wrong with the text of an agreement.
type Fault struct {
	Line   int // starting at 1
	Column int // characters, starting at 1
	Text   string
}

// String returns the fault as "line:column: text".
func (f Fault) String() string { return fmt.Sprintf("%d:%d: %s", f.Line, f.Column, f.Text) }

// TextError says all that is wrong with the text of an agreement, in the order of the text.
type TextError struct{ Faults []Fault }

// Error returns the faults, one a line.
func (e *TextError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.String()
	}
	return ErrAgreement.Error() + ": " + strings.Join(lines, "\n")
}

// Unwrap returns ErrAgreement.
func (e *TextError) Unwrap() error { return ErrAgreement }
