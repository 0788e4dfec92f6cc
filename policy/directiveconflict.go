package policy

import (
	"cmp"
	"slices"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Conflict is two directives of a patient that contradict each other about something.
type Conflict struct {
	Winner, Loser federation.DirectiveID
	Text          string // which wins, and why, in words
}

// Conflicts names the pairs of agreed directives that contradict each other, and which of the two wins. What has ended and
// what has run out by now contradicts nothing. The order of all does not matter. names gives a trust's name, as in ReadBack.
func Conflicts(all []Directive, now time.Time, names func(federation.TrustID) string) []Conflict {
	f := Facts{Directives: all}
	var live []*Directive
	for i := range all {
		d := &all[i]
		if d.Effect != federation.Withdrew && d.running(now) && !d.ended(&f) {
			live = append(live, d)
		}
	}
	slices.SortFunc(live, func(a, b *Directive) int {
		return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(string(a.ID[:]), string(b.ID[:])))
	})
	w := newWords(names)
	var out []Conflict
	for i, a := range live {
		for _, b := range live[i+1:] {
			out = append(out, conflictsOf(w, a, b)...)
		}
	}
	return out
}

// conflictsOf compares two directives in force, the older first.
func conflictsOf(w words, a, b *Directive) []Conflict {
	switch {
	case a.Effect == federation.Object && b.Effect == federation.Consent:
		return denialAgainstConsent(w, a, b)
	case a.Effect == federation.Consent && b.Effect == federation.Object:
		return denialAgainstConsent(w, b, a)
	case a.Effect == federation.Consent && b.Effect == federation.Consent:
		return append(exceptionAgainstConsent(w, a, b), exceptionAgainstConsent(w, b, a)...)
	default: // two refusals, or what is not understood, which refuses
		return nil
	}
}

// denialAgainstConsent compares an objection and a consent.
func denialAgainstConsent(w words, no, yes *Directive) []Conflict {
	same := no.Scope.Equal(yes.Scope)
	if same && yes.Version > no.Version {
		return []Conflict{{yes.ID, no.ID, "The consent wins: it is the newer of two about exactly the same. " + quote(w.gist(yes)) + " If it ends, the refusal counts again."}}
	}
	if !scopesMeet(&no.Scope, &yes.Scope) || includesAny(no.Except, &yes.Scope) || includesAny(yes.Except, &no.Scope) {
		return nil
	}
	text := "The refusal wins. " + quote(w.gist(no)) + " counts before " + quote(w.gist(yes)) + " "
	if same {
		text += "It is the newer of two about exactly the same."
	} else {
		text += "It does so wherever both apply: a refusal gives way only to a newer consent to exactly the same. To let something through, make it an exception of the refusal."
	}
	return []Conflict{{no.ID, yes.ID, text}}
}

// exceptionAgainstConsent compares what one consent leaves out with another consent.
func exceptionAgainstConsent(w words, out, yes *Directive) []Conflict {
	for i := range out.Except {
		e := &out.Except[i]
		if scopesMeet(e, &yes.Scope) && scopesMeet(&out.Scope, &yes.Scope) && !includesAny(yes.Except, e) {
			return []Conflict{{out.ID, yes.ID, "What one consent leaves out stays refused. " + quote(w.gist(out)) + " is said with exceptions, and " + quote(w.gist(yes)) + " does not lift them: a refusal wins over a consent."}}
		}
	}
	return nil
}

func includesAny(list []federation.Scope, s *federation.Scope) bool {
	return slices.ContainsFunc(list, func(e federation.Scope) bool { return scopeIncludes(&e, s) })
}

// scopeIncludes reports whether all that b covers is surely covered by a.
func scopeIncludes(a, b *federation.Scope) bool {
	within := func(a, b string, kin func(code, group string) bool) bool {
		return a == "" || a == b || kin != nil && b != "" && kin(b, a)
	}
	return within(string(a.Trust), string(b.Trust), nil) && within(a.Role, b.Role, roleWithin) && within(a.Person, b.Person, nil) &&
		(within(string(a.Custodian), string(b.Custodian), nil) || b.Document != "" && b.Document.Custodian() == a.Custodian) &&
		within(a.Type, b.Type, nil) && within(a.Category, b.Category, nil) && within(a.Sensitivity, b.Sensitivity, labelWithin) &&
		within(string(a.Document), string(b.Document), nil) && within(a.Purpose, b.Purpose, nil) &&
		(a.From.IsZero() || !b.From.IsZero() && !b.From.Before(a.From)) && (a.To.IsZero() || !b.To.IsZero() && !b.To.After(a.To))
}

// scopesMeet reports whether some request may be covered by both.
func scopesMeet(a, b *federation.Scope) bool {
	meets := func(a, b string, kin func(code, group string) bool) bool {
		return a == "" || b == "" || a == b || kin != nil && (kin(a, b) || kin(b, a))
	}
	custodian := func(s *federation.Scope) string { return cmp.Or(string(s.Custodian), string(s.Document.Custodian())) }
	return meets(string(a.Trust), string(b.Trust), nil) && meets(a.Role, b.Role, roleWithin) && meets(a.Person, b.Person, sameAsTyped) &&
		meets(custodian(a), custodian(b), nil) && meets(a.Type, b.Type, nil) && meets(a.Category, b.Category, nil) &&
		meets(string(a.Document), string(b.Document), nil) && meets(a.Purpose, b.Purpose, nil) &&
		(a.To.IsZero() || b.From.IsZero() || b.From.Before(a.To)) && (b.To.IsZero() || a.From.IsZero() || a.From.Before(b.To))
}
