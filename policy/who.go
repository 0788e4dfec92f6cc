package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Access is a group of people who could do something with a document, for the same reason.
type Access struct {
	Trust         federation.TrustID
	Action        string // see, open, open_break_glass or export
	Roles         []string
	Purposes      []string
	Relationships []RelationshipKind // one of these must be stated and verified; empty: none is needed
	Reason        Reason             // the rule of the agreement that permits it
}

// Who returns who in these trusts could see, open, open in an emergency or export a document, and for which purposes: by action,
// then trust, in the order given. It takes every trust to be active and the copy to be recent. People are told apart by
// trust and role only: a directive or a rule about one person counts for that person, and is not seen here.
func Who(doc Document, facts Facts, trusts []federation.TrustID, now time.Time) []Access {
	facts.RequesterStanding, facts.LeaseAge, facts.LeaseLimit = federation.Active, 0, MaxLease
	var all []Access
	for _, action := range []string{actionSee, actionOpen, actionGlass, actionExport} {
		for _, trust := range trusts {
			all = append(all, whoOf(doc, facts, trust, action, now)...)
		}
	}
	return all
}

// whoOf groups the roles of one trust by what permits them.
func whoOf(doc Document, facts Facts, trust federation.TrustID, action string, now time.Time) []Access {
	var groups []Access
	for _, role := range roleTable {
		var found []Access
		for _, purpose := range purposeTable {
			r := Request{
				User: User{Trust: trust, ID: "anyone", Role: role.Code}, Action: Open, Purpose: purpose.Code, Document: doc,
				BreakGlass: action == actionGlass, Now: now,
			}
			switch action {
			case actionSee:
				r.Action = See
			case actionExport:
				r.Action = Export
			}
			a, may := accessFor(r, facts, action)
			if !may {
				continue
			}
			same := func(b Access) bool { return b.Reason == a.Reason && slices.Equal(b.Relationships, a.Relationships) }
			if i := slices.IndexFunc(found, same); i >= 0 {
				found[i].Purposes = append(found[i].Purposes, purpose.Code)
				continue
			}
			a.Trust, a.Action, a.Roles, a.Purposes = trust, action, []string{role.Code}, []string{purpose.Code}
			found = append(found, a)
		}
		for _, a := range found {
			same := func(b Access) bool {
				return b.Reason == a.Reason && slices.Equal(b.Relationships, a.Relationships) && slices.Equal(b.Purposes, a.Purposes)
			}
			if i := slices.IndexFunc(groups, same); i >= 0 {
				groups[i].Roles = append(groups[i].Roles, role.Code)
				continue
			}
			groups = append(groups, a)
		}
	}
	return groups
}

// accessFor tries a request without a relationship, and then with each kind that the agreement can ask for.
func accessFor(r Request, facts Facts, action string) (Access, bool) {
	try := func() (Reason, bool) {
		d := Decide(r, facts)
		if !d.Permitted() || d.Glass != (action == actionGlass) {
			return Reason{}, false
		}
		for _, reason := range slices.Backward(d.Chain) {
			if strings.HasPrefix(reason.Rule, "agreement/") {
				return reason, true
			}
		}
		return Reason{}, false
	}
	if reason, may := try(); may {
		return Access{Reason: reason}, true
	}
	if facts.Agreement == nil || facts.Agreement.uses&(usesKind|usesVerified) == 0 {
		return Access{}, false
	}
	var a Access
	for _, kind := range relationshipTable {
		r.Link = Relationship{Kind: kind, Verified: true}
		if reason, may := try(); may {
			a.Reason = reason
			a.Relationships = append(a.Relationships, kind)
		}
	}
	return a, len(a.Relationships) > 0
}

// Explain returns a decision in words: what was decided, what the user is told, and each rule that took part, in order
// of precedence, with its version. It is for people with governance duties: it names rules and directives, which no user may see.
func Explain(d Decision) []string {
	lines := []string{verdict(d), "The user is told: " + d.Safe()}
	for i, r := range d.Chain {
		part := ""
		if i == len(d.Chain)-1 {
			part = " This decides."
		}
		lines = append(lines, fmt.Sprintf("%d. %s: %s.%s", i+1, whoseRule(r), strings.TrimRight(r.Text, "."), part))
	}
	return lines
}

func verdict(d Decision) string {
	switch {
	case d.Permitted() && d.Glass:
		return "Permitted, only because the glass was broken."
	case d.Permitted():
		return "Permitted."
	case d.Outward() == NotFound:
		return "Refused, and hidden: the user may not know that the document exists."
	case d.CanBreak:
		return "Refused; the agreement lets this user break the glass. Outcome " + d.Outward().String() + "."
	default:
		return "Refused. Outcome " + d.Outward().String() + "."
	}
}

// whoseRule says what kind of rule it is, whose, and of which version.
func whoseRule(r Reason) string {
	kind, name, has := strings.Cut(r.Rule, "/")
	words := map[string]string{
		"standing": "The standing of the region and its trusts", "request": "The request itself", "legal": "The law",
		"directive": "The patient's directives", "agreement": "The sharing agreement", "lease": "How recent this copy is", "break-glass": "Broken glass",
		checkVerified: "The relationship with the patient, verified", checkStated: "The relationship with the patient, stated only",
	}
	s := cmp.Or(words[kind], r.Rule)
	if r.Source != "" {
		if kind == "directive" {
			s += ", recorded by " + string(r.Source)
		} else {
			s += " of " + string(r.Source)
		}
	}
	switch {
	case kind == "directive" && r.Version != 0:
		s += fmt.Sprintf(", agreed at index %d", r.Version)
	case kind == "agreement" && r.Version != 0:
		s += fmt.Sprintf(", version %d", r.Version)
	}
	if has {
		s += ", rule " + name
	}
	return s
}
