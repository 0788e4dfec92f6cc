package policy

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// coverage says whether a scope covers a request. What is not known of a document is taken against the requester: an
// objection counts where it may cover, a consent only where it does.
type coverage uint8

const (
	outside coverage = iota
	perhaps          // something is not known: of the document, or what a code of the scope means
	inside
)

// wishes is what the directives of a patient say of one request.
type wishes struct {
	refusal *Directive // the newest that refuses; nil: none
	local   bool       // the refusal is not agreed on yet
	others  int        // how many others refuse
	telling bool       // one that refuses looks at the document, so that to name it would tell what the document is
	consent *Directive // the newest that agrees; nil: none
}

// wishesOf applies the directives. The order in which they stand in f does not matter.
//
//	objection   refuses where its scope covers the request and no exception surely does, unless the patient has consented
//	            to exactly the same scope since; what was recorded here and is not agreed on yet is newer than any consent
//	consent     agrees where its scope covers the request and no exception may; refuses where an exception may
//	other       refuses: what is not understood is not overlooked
func wishesOf(r *Request, f *Facts) wishes {
	var w wishes
	for i := range f.LocalRefusals {
		d := &f.LocalRefusals[i]
		switch d.Effect {
		case federation.Object:
			if d.running(r.Now) && d.covers(r) {
				w.refuse(d, true, aboutDocument(&d.Scope, d.Except))
			}
		case federation.Withdrew, federation.Consent: // what permits counts only when it is agreed on
		default:
			w.refuse(d, true, true)
		}
	}
	for i := range f.Directives {
		d := &f.Directives[i]
		switch d.Effect {
		case federation.Withdrew:
		case federation.Object:
			if d.running(r.Now) && d.covers(r) && !d.ended(f) && !d.cancelled(r.Now, f) {
				w.refuse(d, false, aboutDocument(&d.Scope, d.Except))
			}
		case federation.Consent:
			if d.running(r.Now) {
				w.apply(d, r, f)
			}
		default:
			w.refuse(d, false, true)
		}
	}
	return w
}

// apply takes a consent into account.
func (w *wishes) apply(d *Directive, r *Request, f *Facts) {
	c := cover(&d.Scope, r)
	if c == outside || d.ended(f) {
		return
	}
	excepted, concerned := false, false
	for i := range d.Except {
		if e := &d.Except[i]; cover(e, r) != outside {
			excepted = true
			concerned = concerned || !r.own() || d.Scope.Trust != "" || e.Trust != ""
		}
	}
	if concerned {
		w.refuse(d, false, aboutDocument(&d.Scope, d.Except))
	}
	if !excepted && c == inside && !d.takenBack(f) && (w.consent == nil || newer(d, w.consent)) {
		w.consent = d
	}
}

func (w *wishes) refuse(d *Directive, local, telling bool) {
	w.telling = w.telling || telling
	if w.refusal == nil {
		w.refusal, w.local = d, local
		return
	}
	w.others++
	if local && !w.local || local == w.local && newer(d, w.refusal) {
		w.refusal, w.local = d, local
	}
}

// newer orders directives, so that which one is named does not depend on the order in which they were read.
func newer(a, b *Directive) bool {
	return a.Version > b.Version || a.Version == b.Version && string(a.ID[:]) > string(b.ID[:])
}

// covers reports whether an objection refuses r. Staff of the custodian work with its own records: an objection to sharing
// concerns them only when it names their trust.
func (d *Directive) covers(r *Request) bool {
	if r.own() && d.Scope.Trust == "" || cover(&d.Scope, r) == outside {
		return false
	}
	for i := range d.Except {
		if cover(&d.Except[i], r) == inside {
			return false
		}
	}
	return true
}

// running reports whether the directive has neither run out nor been marked as ended.
func (d *Directive) running(now time.Time) bool {
	return !d.Withdrawn && !d.Superseded && (d.Until.IsZero() || now.Before(d.Until))
}

// ended reports whether a later agreed directive withdraws d or takes its place.
func (d *Directive) ended(f *Facts) bool {
	for i := range f.Directives {
		if o := &f.Directives[i]; o.Version > d.Version && o.ends(d.ID) {
			return true
		}
	}
	return false
}

// takenBack reports whether a consent was withdrawn or replaced here, which is not agreed on yet: it permits no more, and
// goes on refusing where it did.
func (d *Directive) takenBack(f *Facts) bool {
	for i := range f.LocalRefusals {
		if f.LocalRefusals[i].ends(d.ID) {
			return true
		}
	}
	return false
}

func (d *Directive) ends(id federation.DirectiveID) bool {
	switch d.Effect {
	case federation.Withdrew:
		return d.Target == id
	case federation.Object, federation.Consent:
		return d.Supersedes == id
	default:
		return false
	}
}

// cancelled reports whether the patient has consented to exactly what d objects to, later.
func (d *Directive) cancelled(now time.Time, f *Facts) bool {
	for i := range f.Directives {
		g := &f.Directives[i]
		if g.Effect == federation.Consent && g.Version > d.Version && g.running(now) && g.Scope.Equal(d.Scope) && !g.ended(f) && !g.takenBack(f) {
			return true
		}
	}
	return false
}

// aboutDocument reports whether a directive looks at the document, and not only at who asks and why.
func aboutDocument(s *federation.Scope, except []federation.Scope) bool {
	for i := range except {
		if aboutDocument(&except[i], nil) {
			return true
		}
	}
	return s.Custodian != "" || s.Type != "" || s.Category != "" || s.Sensitivity != "" || s.Document != "" || !s.From.IsZero() || !s.To.IsZero()
}

// cover says whether s covers r. It looks first at what most scopes differ in.
func cover(s *federation.Scope, r *Request) coverage {
	d := &r.Document
	if s.Trust != "" && s.Trust != r.User.Trust || s.Custodian != "" && s.Custodian != d.Custodian {
		return outside
	}
	c := coverPerson(s, r.User.ID)
	if c == outside {
		return outside
	}
	c = min(c, coverRole(s.Role, r.User.Role), coverPurpose(s.Purpose, r.Purpose), coverText(s.Type, d.Type), coverText(s.Category, d.Category))
	if c == outside {
		return outside
	}
	return min(c, coverDocument(s.Document, d), coverDate(s, d.Date), coverLabel(s.Sensitivity, d))
}

// coverDocument looks for the document that a scope names. Another version of it may be covered: the patient has not seen what was
// changed, so that what they refuse holds for all versions, and what they permit for the one that they know.
func coverDocument(want federation.DocumentID, d *Document) coverage {
	switch {
	case want == "" || want == d.ID:
		return inside
	case slices.Contains(d.Versions, want), d.MoreVersions && want.Custodian() == d.Custodian:
		return perhaps
	default:
		return outside
	}
}

// coverPerson compares staff ids. They are unique within a trust only. People type them, so that one which differs in case, or in the
// spaces around it, may be the same: what keeps that person out holds, and what lets them in does not.
func coverPerson(s *federation.Scope, id string) coverage {
	switch {
	case s.Person == "" || s.Trust != "" && s.Person == id:
		return inside
	case s.Trust == "" || sameAsTyped(s.Person, id):
		return perhaps
	default:
		return outside
	}
}

// sameAsTyped reports whether two staff ids are the same but for case and the spaces around them.
func sameAsTyped(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}

func coverRole(want, have string) coverage {
	switch {
	case want == "" || want == have || roleWithin(have, want):
		return inside
	case !IsRole(want):
		return perhaps
	default:
		return outside
	}
}

func coverPurpose(want, have string) coverage {
	switch {
	case want == "" || want == have:
		return inside
	case !IsPurpose(want):
		return perhaps
	default:
		return outside
	}
}

func coverText(want, have string) coverage {
	switch {
	case want == "" || want == have:
		return inside
	case have == "":
		return perhaps
	default:
		return outside
	}
}

func coverDate(s *federation.Scope, date time.Time) coverage {
	switch {
	case s.From.IsZero() && s.To.IsZero():
		return inside
	case date.IsZero(), !s.From.IsZero() && !s.To.IsZero() && !s.From.Before(s.To):
		return perhaps
	case date.Before(s.From), !s.To.IsZero() && !date.Before(s.To):
		return outside
	default:
		return inside
	}
}

func coverLabel(want string, d *Document) coverage {
	if want == "" {
		return inside
	}
	known := !d.Sealed && knownSensitivity(want)
	for _, have := range d.Sensitivity {
		if have == want || labelWithin(have, want) {
			return inside
		}
		known = known && knownSensitivity(have)
	}
	if !known {
		return perhaps
	}
	return outside
}

// reason returns the refusal as a reason.
func (w *wishes) reason() Reason {
	d := w.refusal
	text := "the patient objects to sharing"
	switch d.Effect {
	case federation.Object:
	case federation.Consent:
		text = "the patient agrees to sharing, but not this"
	default:
		text = "the patient has said what this program does not understand"
	}
	if !d.Scope.IsZero() {
		text += " of " + scopeCodes(d.Scope)
	}
	for i, e := range d.Except {
		if i == 0 {
			text += ", except"
		} else {
			text += ";"
		}
		text += " " + scopeCodes(e)
	}
	if w.local {
		text += "; recorded here, not agreed on yet"
	}
	text += " (directive " + hex.EncodeToString(d.ID[:]) + ")"
	if w.others > 0 {
		text += ", and " + strconv.Itoa(w.others) + " more refuse"
	}
	return Reason{Rule: ruleDirective, Text: text, Version: d.Version, Source: d.By}
}

// scopeCodes returns a scope in one line of codes, for people with governance duties.
func scopeCodes(s federation.Scope) string {
	if s.IsZero() {
		return "everything"
	}
	var parts []string
	for _, p := range []struct{ name, value string }{
		{"trust", string(s.Trust)},
		{"role", s.Role},
		{"person", s.Person},
		{"custodian", string(s.Custodian)},
		{"type", s.Type},
		{"category", s.Category},
		{"sensitivity", s.Sensitivity},
		{"document", string(s.Document)},
		{"from", dateCode(s.From)},
		{"to", dateCode(s.To)},
		{"purpose", s.Purpose},
	} {
		if p.value != "" {
			parts = append(parts, p.name+"="+p.value)
		}
	}
	return strings.Join(parts, " ")
}

func dateCode(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}
