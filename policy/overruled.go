package policy

import (
	"iter"
	"slices"

	cedar "github.com/cedar-policy/cedar-go"
)

// permitting are those of the candidates that permit; it is a cedar.PolicyIterator.
type permitting struct{ candidates }

// All returns the permits in the order of the text.
func (p permitting) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for id, rule := range p.candidates.All() {
			if rule.Effect() == cedar.Permit && !yield(id, rule) {
				return
			}
		}
	}
}

// Overruled returns the rules of the agreement that would permit the request, were it not that others forbid it: whoever asks why
// is to see both sides of a conflict. It is empty where nothing permits, and where the agreement permits.
func Overruled(r Request, f Facts) []Reason {
	if f.Agreement == nil || fault(&r) != "" {
		return nil
	}
	if f.Complete {
		w := wishesOf(&r, &f)
		r.consented = w.consent != nil
	}
	a, action := f.Agreement, actionOf(&r)
	if permit, _ := a.evaluate(&r, action, f.AgreementVersion); permit {
		return nil
	}
	e := a.entitiesOf(&r)
	decision, diag := cedar.Authorize(permitting{a.candidates(action, r.User)}, e, cedar.Request{
		Principal: e.user.UID, Action: uid(typeAction, action), Resource: e.document.UID, Context: a.contextOf(&r).attributes,
	})
	if decision != cedar.Allow {
		return nil
	}
	at := slices.Index(allActions[:], action)
	var out []Reason
	for _, reason := range diag.Reasons {
		rule := &a.rules[a.places[reason.PolicyID]]
		out = append(out, Reason{Rule: rule.name, Text: rule.says[at], Version: f.AgreementVersion, Source: r.Document.Custodian})
	}
	return out
}

// ExplainOverruled puts such rules into words.
func ExplainOverruled(all []Reason) []string {
	var lines []string
	for _, r := range all {
		lines = append(lines, whoseRule(r)+" "+r.Text+". It is overruled: a rule that forbids wins over any that permits.")
	}
	return lines
}
