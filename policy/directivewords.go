package policy

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// ReadBack returns a directive in plain words, as it is read to the patient before they confirm it. names gives a trust's
// name; where it is nil or gives none, the code stands. Each scope has words of its own: two directives that read the same are
// the same, but for who recorded them.
func ReadBack(d federation.Directive, names func(federation.TrustID) string) string {
	w := newWords(names)
	var out []string
	switch d.Effect {
	case federation.Object:
		out = w.objection(d)
	case federation.Consent:
		out = w.consent(d)
	case federation.Withdrew:
		return "You take back your earlier choice (number " + number(d.Target) + "). It no longer counts. Your other choices still count."
	default:
		return "We cannot read what was recorded here. Until this is put right, other trusts may not see your records."
	}
	if d.Supersedes != (federation.DirectiveID{}) {
		out = append(out, "This takes the place of your earlier choice (number "+number(d.Supersedes)+").")
	}
	out = append(out, lasting(d.Until))
	if d.Effect == federation.Object || len(d.Except) > 0 {
		out = append(out, Risk)
	}
	return strings.Join(out, " ")
}

// Risk is what a patient is told before they refuse.
const Risk = "Staff who treat you may not know things that matter for your care. In an emergency your records may be opened if a member of " +
	"staff gives a reason and the trust that holds the records allows it. Both trusts must then check that it was right, and you can find out about it. " +
	"Some records are never shared, by law."

// words puts scopes into sentences.
type words struct {
	name func(federation.TrustID) string
}

// newWords returns words with the names of trusts.
func newWords(names func(federation.TrustID) string) words {
	return words{name: func(t federation.TrustID) string {
		if names != nil {
			if name := names(t); name != "" {
				return name
			}
		}
		return string(t)
	}}
}

// gist is the sentence of a directive that says what it is about.
func (w words) gist(d *Directive) string {
	said := federation.Directive{Scope: d.Scope, Except: d.Except}
	if d.Effect == federation.Object {
		return w.objection(said)[0]
	}
	return w.consent(said)[0]
}

func (w words) objection(d federation.Directive) []string {
	out := append([]string{w.nobody(d.Scope) + " may see " + w.what(d.Scope) + why(d.Scope) + "."}, doubtful(d.Scope)...)
	for _, e := range d.Except {
		both := narrowed(d.Scope, e)
		if !aboutDocument(&e, nil) && e.Purpose == "" {
			out = append(out, capital(w.people(both))+" still can.")
			continue
		}
		out = append(out, capital(w.people(both))+" can still see "+w.what(both)+why(both)+".")
	}
	if len(d.Except) > 0 {
		out = append(out, "Where something can still be seen, the trust that holds it must allow that too.")
	}
	if d.Scope.Trust == "" {
		return append(out, "The trust that holds a record can still use it to care for you.")
	}
	return append(out, "This is also about records that "+w.name(d.Scope.Trust)+" holds itself.")
}

func (w words) consent(d federation.Directive) []string {
	out := []string{"You agree that " + w.people(d.Scope) + " may see " + w.what(d.Scope) + why(d.Scope) + "."}
	for _, e := range d.Except {
		both := narrowed(d.Scope, e)
		what := "them"
		if aboutDocument(&e, nil) {
			what = w.what(both)
		}
		out = append(append(out, "But "+uncapital(w.nobody(both))+" may see "+what+why(both)+"."), doubtful(e)...)
	}
	return append(out, "The trust that holds a record must allow it too.", "If another choice of yours says no to more than this, that no still counts.")
}

// doubtful says what is refused because nothing says that it is not meant.
func doubtful(s federation.Scope) []string {
	var lacks []string
	if s.Category != "" {
		lacks = append(lacks, "say what it is filed under")
	}
	if !s.From.IsZero() || !s.To.IsZero() {
		lacks = append(lacks, "have a date")
	}
	if len(lacks) == 0 {
		return nil
	}
	lack := strings.Join(lacks, " or does not ")
	if s.Document != "" {
		return []string{"Where this document does not " + lack + ", it is kept back too."}
	}
	return []string{"A record that does not " + lack + " is kept back too, because it may be one of these."}
}

// narrowed returns what an exception leaves out of a scope: both hold there.
func narrowed(s, e federation.Scope) federation.Scope {
	for _, f := range []struct {
		have *string
		want string
	}{{&e.Type, s.Type}, {&e.Category, s.Category}, {&e.Purpose, s.Purpose}} {
		*f.have = cmp.Or(*f.have, f.want)
	}
	if e.Person == "" && (e.Trust == "" || e.Trust == s.Trust) {
		e.Person = s.Person
	}
	e.Trust, e.Custodian, e.Document = cmp.Or(e.Trust, s.Trust), cmp.Or(e.Custodian, s.Custodian), cmp.Or(e.Document, s.Document)
	if e.Role == "" || roleWithin(s.Role, e.Role) {
		e.Role = s.Role
	}
	if e.Sensitivity == "" || labelWithin(s.Sensitivity, e.Sensitivity) {
		e.Sensitivity = s.Sensitivity
	}
	if e.From.Before(s.From) {
		e.From = s.From
	}
	if e.To.IsZero() || !s.To.IsZero() && s.To.Before(e.To) {
		e.To = s.To
	}
	return e
}

// nobody begins the sentence that refuses.
func (w words) nobody(s federation.Scope) string {
	at := " outside the trust that holds the record"
	if s.Trust != "" {
		at = " at " + w.name(s.Trust)
	}
	who := "Nobody"
	switch {
	case s.Person != "" && s.Role != "":
		who = "The member of staff known as " + quote(s.Person) + at + " must not see your records as one of the " + plural(s.Role) + ". So nobody with this name and this job"
		at = ""
	case s.Person != "":
		who = "Nobody with the staff name " + quote(s.Person)
	case s.Role != "":
		who = "None of the " + plural(s.Role)
	}
	return who + at
}

// people names who a scope is about, without a capital.
func (w words) people(s federation.Scope) string {
	at := " at other trusts"
	if s.Trust != "" {
		at = " at " + w.name(s.Trust)
	}
	switch {
	case s.Person != "" && s.Role != "":
		return "the member of staff " + quote(s.Person) + at + ", as one of the " + plural(s.Role) + ","
	case s.Person != "":
		return "the member of staff " + quote(s.Person) + at
	case s.Role != "":
		return plural(s.Role) + at
	default:
		return "staff" + at
	}
}

// what names the documents that a scope is about.
func (w words) what(s federation.Scope) string {
	out := "your records"
	switch {
	case s.Type != "" && s.Category != "":
		out = "your " + kind(s.Type) + " that are filed under " + kind(s.Category)
	case s.Type != "":
		out = "your " + kind(s.Type)
	case s.Category != "":
		out = "your records filed under " + kind(s.Category)
	}
	if s.Document != "" {
		if out == "your records" {
			out = "the one document " + string(s.Document)
		} else {
			out = "the one document " + string(s.Document) + ", if it is one of " + out
		}
	}
	if s.Sensitivity != "" {
		out += " about " + about(s.Sensitivity)
	}
	if s.Custodian != "" {
		out += " held at " + w.name(s.Custodian)
	}
	switch {
	case !s.From.IsZero() && !s.To.IsZero():
		out += " dated from " + day(s.From) + " to " + lastDay(s.To)
	case !s.From.IsZero():
		out += " dated " + day(s.From) + " or later"
	case !s.To.IsZero():
		out += " dated " + lastDay(s.To) + " or earlier"
	}
	return out
}

// why names what the documents are asked for.
func why(s federation.Scope) string {
	if s.Purpose == "" {
		return ""
	}
	for _, p := range purposeTable {
		if p.Code == s.Purpose {
			return ", when the reason is: " + strings.ToLower(p.Description)
		}
	}
	return ", when the reason has the code " + quote(s.Purpose)
}

// lasting says until when a directive is in force.
func lasting(until time.Time) string {
	if until.IsZero() {
		return "This stays until you change it."
	}
	local := inLondon(until)
	if h, m, s := local.Clock(); h == 0 && m == 0 && s == 0 {
		return "This ends by itself after " + local.AddDate(0, 0, -1).Format(plainDay) + "."
	}
	return "This ends by itself on " + local.Format(plainDay) + " at " + local.Format("15:04:05") + "."
}

const plainDay = "2 January 2006"

// day names the day of a clinical date, which is kept in UTC; the hour stands with it when there is one.
func day(t time.Time) string {
	t = t.UTC()
	if t.Truncate(24 * time.Hour).Equal(t) {
		return t.Format(plainDay)
	}
	return t.Format(plainDay + " at 15:04:05.999999")
}

// lastDay names the last day before t.
func lastDay(t time.Time) string {
	t = t.UTC()
	if t.Truncate(24 * time.Hour).Equal(t) {
		return t.AddDate(0, 0, -1).Format(plainDay)
	}
	return t.Format(plainDay + " before 15:04:05.999999")
}

// number is a directive's id, short enough to be read out.
func number(id federation.DirectiveID) string { return hex.EncodeToString(id[:4]) }

func quote(s string) string { return fmt.Sprintf("%q", s) }

func uncapital(s string) string { return strings.ToLower(s[:1]) + s[1:] }

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
