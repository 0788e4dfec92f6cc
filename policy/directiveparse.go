package policy

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// DirectiveFields is a directive as somebody typed it. What is empty is not said.
type DirectiveFields struct {
	Effect     string // "deny" or "permit"
	Scope      ScopeFields
	Except     []ScopeFields
	Until      string // last day on which it is in force, such as 2027-03-31, by British clocks; empty: until it is changed
	Supersedes string // directive whose place it takes: 32 hexadecimal digits
	By         string // staff id of who records it
	Evidence   string // such as "in person, passport seen"
}

// ScopeFields is a scope as somebody typed it.
type ScopeFields struct {
	Trust, Role, Person, Custodian, Type, Category, Sensitivity, Document string
	From, To                                                              string // first and last day, such as 2020-12-31
	Purpose                                                               string
}

// A FieldError says what is wrong with one field of a directive.
type FieldError struct {
	Field string // such as "role" or "exception 2: person"
	Text  string
}

// Error returns the field and what is wrong with it.
func (e *FieldError) Error() string { return e.Field + ": " + e.Text }

// DirectiveError says all that is wrong with a directive. It wraps ErrDirective.
type DirectiveError struct{ Faults []FieldError }

// Error returns the faults, one a line.
func (e *DirectiveError) Error() string {
	lines := make([]string, len(e.Faults))
	for i := range e.Faults {
		lines[i] = e.Faults[i].Error()
	}
	return ErrDirective.Error() + ": " + strings.Join(lines, "\n")
}

// Unwrap returns ErrDirective.
func (e *DirectiveError) Unwrap() error { return ErrDirective }

// scopeNames are the names that ParseScope knows, in the order of ScopeFields.field. It never changes.
var scopeNames = []string{"trust", "role", "person", "custodian", "type", "category", "sensitivity", "document", "from", "to", "purpose"}

// ParseScope reads "trust=RYJ, role=nurse". It checks names only: ParseDirective checks what they are set to. It fails with a
// *DirectiveError.
func ParseScope(text string) (ScopeFields, error) {
	var f ScopeFields
	var faults []FieldError
	seen := map[string]bool{}
	for _, part := range strings.Split(text, ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		field := f.field(name)
		switch {
		case field == nil:
			faults = append(faults, FieldError{name, "is none of " + strings.Join(scopeNames, ", ")})
		case !ok || value == "":
			faults = append(faults, FieldError{name, "needs a value, such as " + name + "=..."})
		case seen[name]:
			faults = append(faults, FieldError{name, "is said twice; two values are two directives, or two exceptions"})
		default:
			*field, seen[name] = value, true
		}
	}
	if len(faults) > 0 {
		return ScopeFields{}, &DirectiveError{faults}
	}
	return f, nil
}

func (f *ScopeFields) field(name string) *string {
	for i, field := range []*string{&f.Trust, &f.Role, &f.Person, &f.Custodian, &f.Type, &f.Category, &f.Sensitivity, &f.Document, &f.From, &f.To, &f.Purpose} {
		if scopeNames[i] == name {
			return field
		}
	}
	return nil
}

// reading collects what is wrong with a directive.
type reading struct{ faults []FieldError }

func (r *reading) fault(field, format string, args ...any) {
	r.faults = append(r.faults, FieldError{field, fmt.Sprintf(format, args...)})
}

// ParseDirective checks what somebody typed and returns the directive, without ID and Subject. now is when: an end that has
// passed is refused. It fails with a *DirectiveError that names every fault.
func ParseDirective(f DirectiveFields, now time.Time) (federation.Directive, error) {
	var r reading
	d := federation.Directive{By: f.By, Evidence: f.Evidence}
	switch f.Effect {
	case "deny":
		d.Effect = federation.Object
	case "permit":
		d.Effect = federation.Consent
	default:
		r.fault("effect", "%q is neither deny nor permit", f.Effect)
	}
	d.Scope = r.scope("", f.Scope)
	if n := len(f.Except); n > federation.MaxExceptions {
		r.fault("exceptions", "%d of them, at most %d: say the rest in another directive", n, federation.MaxExceptions)
	} else {
		d.Except = r.exceptions(d.Scope, f.Except)
	}
	d.Until = r.until(f.Until, now)
	if f.Supersedes != "" {
		d.Supersedes = r.id(f.Supersedes)
	}
	r.text("by", f.By, 128)
	r.text("evidence", f.Evidence, 1024)
	if f.By == "" {
		r.fault("by", "who records the directive must be named")
	}
	if len(r.faults) > 0 {
		return federation.Directive{}, &DirectiveError{r.faults}
	}
	return d, nil
}

func (r *reading) exceptions(scope federation.Scope, list []ScopeFields) []federation.Scope {
	var out []federation.Scope
	for i, e := range list {
		before := len(r.faults)
		field := fmt.Sprintf("exception %d", i+1)
		s := r.scope(field+": ", e)
		if len(r.faults) > before {
			continue
		}
		switch {
		case s.IsZero():
			r.fault(field, "covers everything, so that nothing is left of the directive")
		case scopeIncludes(&s, &scope):
			r.fault(field, "covers all that the directive is about, so that nothing is left of it")
		case !scopesMeet(&s, &scope):
			r.fault(field, "is about nothing that the directive is about, so that it can never apply")
		}
		out = append(out, s)
	}
	return out
}

func (r *reading) scope(prefix string, f ScopeFields) federation.Scope {
	s := federation.Scope{Role: f.Role, Person: f.Person, Type: f.Type, Category: f.Category, Sensitivity: f.Sensitivity, Purpose: f.Purpose}
	s.Trust, s.Custodian = r.trust(prefix+"trust", f.Trust), r.trust(prefix+"custodian", f.Custodian)
	if f.Role != "" && !IsRole(f.Role) {
		r.fault(prefix+"role", "%q is not a role that exists; there are %s", f.Role, codesOf(roleTable, func(r Role) string { return r.Code }))
	}
	if f.Person != "" && f.Trust == "" {
		r.fault(prefix+"person", "%q needs a trust: a staff id is one person's within a trust only", f.Person)
	}
	if f.Sensitivity != "" && !knownSensitivity(f.Sensitivity) {
		r.fault(prefix+"sensitivity", "%q is not a label that exists; there are %s", f.Sensitivity, codesOf(sensitivityTable, func(s Sensitivity) string { return s.Code }))
	}
	if f.Purpose != "" && !IsPurpose(f.Purpose) {
		r.fault(prefix+"purpose", "%q is not a purpose that exists; there are %s", f.Purpose, codesOf(purposeTable, func(p Purpose) string { return p.Code }))
	}
	r.text(prefix+"person", f.Person, 128)
	r.text(prefix+"type", f.Type, 64)
	r.text(prefix+"category", f.Category, 64)
	if f.Document != "" {
		id, err := federation.ParseDocumentID(f.Document)
		if err != nil {
			r.fault(prefix+"document", "%v", err)
		} else if s.Document = id; s.Custodian != "" && s.Custodian != id.Custodian() {
			r.fault(prefix+"document", "%s is not held at %s, so that this is about nothing", id, s.Custodian)
		}
	}
	s.From = r.day(prefix+"from", f.From)
	if to := r.day(prefix+"to", f.To); !to.IsZero() {
		s.To = to.AddDate(0, 0, 1)
	}
	if !s.From.IsZero() && !s.To.IsZero() && !s.From.Before(s.To) {
		r.fault(prefix+"to", "%s is before %s: the range runs backwards", f.To, f.From)
	}
	return s
}

func (r *reading) trust(field, text string) federation.TrustID {
	t := federation.TrustID(strings.ToUpper(text))
	if text != "" && !t.Valid() {
		r.fault(field, "%q: %v", text, federation.ErrTrustID)
	}
	return t
}

// day reads the day of a clinical date, which is kept in UTC.
func (r *reading) day(field, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 1800 {
		r.fault(field, "%q is not a day such as 2020-12-31", text)
		return time.Time{}
	}
	return t
}

// until reads the last day in force and returns its end by British clocks.
func (r *reading) until(text string, now time.Time) time.Time {
	last := r.day("until", text)
	if last.IsZero() {
		return last
	}
	end := last.AddDate(0, 0, 1)
	end = end.Add(-inLondon(end).Sub(end)) // clocks do not change at midnight
	if !now.Before(end) {
		r.fault("until", "%s has passed: the directive would never be in force", text)
	}
	return end
}

func (r *reading) id(text string) federation.DirectiveID {
	var id federation.DirectiveID
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(id) {
		r.fault("supersedes", "%q is not the id of a directive (32 hexadecimal digits)", text)
		return id
	}
	copy(id[:], raw)
	return id
}

func (r *reading) text(field, text string, limit int) {
	if len(text) > limit {
		r.fault(field, "%d bytes, at most %d", len(text), limit)
	}
	for _, c := range text {
		if !federation.TextRune(c) || c == '\uFFFD' {
			r.fault(field, "has a character that is no text")
			return
		}
	}
}

func codesOf[T any](table []T, code func(T) string) string {
	codes := make([]string, len(table))
	for i, t := range table {
		codes[i] = code(t)
	}
	return strings.Join(codes, ", ")
}
