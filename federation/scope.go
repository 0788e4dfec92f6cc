package federation

import "time"

// MaxExceptions is the most exceptions that one directive has.
const MaxExceptions = 16

// Scope says what a directive is about: every field that is set must match. The zero Scope is everything.
type Scope struct {
	Trust       TrustID    // who asks is staff of this trust
	Role        string     // who asks is in this role, or in a role within it
	Person      string     // who asks is this member of staff, by the id that Trust, which must be set, knows them by
	Custodian   TrustID    // the document is held by this trust
	Type        string     // the document is of this type: SNOMED CT or local code
	Category    string     // the document is of this category
	Sensitivity string     // the document bears this label, or one within it: HL7 v3-ActCode such as HIV or PSY
	Document    DocumentID // the document is this one
	From        time.Time  // the document's clinical date is not before; zero: open
	To          time.Time  // the document's clinical date is before; zero: open
	Purpose     string     // it is asked for this purpose: HL7 v3-ActReason
}

// IsZero reports whether s is about everything.
func (s Scope) IsZero() bool { return s.Equal(Scope{}) }

// Equal reports whether s and o are about the same.
func (s Scope) Equal(o Scope) bool {
	return s.Trust == o.Trust && s.Role == o.Role && s.Person == o.Person && s.Custodian == o.Custodian && s.Type == o.Type &&
		s.Category == o.Category && s.Sensitivity == o.Sensitivity && s.Document == o.Document && s.Purpose == o.Purpose &&
		s.From.Equal(o.From) && s.To.Equal(o.To)
}
