package policy

import (
	"iter"
	"slices"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Agreement is a compiled agreement. It is immutable and safe for concurrent use. A nil one permits nothing.
type Agreement struct {
	text   string
	digest federation.Digest
	rules  []rule
	// index has, for an action and a trust that some rule names as the principal's, the rules that can apply to that
	// trust's users, in the order of the text. The empty trust stands for every trust that no rule names. It keeps the
	// cost of a decision from growing with the rules that a custodian has for other trusts.
	index map[place][]int
}

type place struct {
	action string
	trust  federation.TrustID
}

type rule struct {
	id     cedar.PolicyID
	reason string
	policy *cedar.Policy
}

// Text returns the agreement as it was written.
func (a *Agreement) Text() string { return a.text }

// Digest returns the SHA-256 of the text.
func (a *Agreement) Digest() federation.Digest { return a.digest }

// Rules returns the ids of the rules in the order of the text.
func (a *Agreement) Rules() []string {
	ids := make([]string, len(a.rules))
	for i, r := range a.rules {
		ids[i] = string(r.id)
	}
	return ids
}

// candidates are the rules that can apply to one request; it is a cedar.PolicyIterator.
type candidates struct {
	rules []rule
	at    []int
}

// All returns the rules in the order of the text.
func (c candidates) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for _, i := range c.at {
			if !yield(c.rules[i].id, c.rules[i].policy) {
				return
			}
		}
	}
}

// evaluate asks the agreement, which permits only when a rule permits, none forbids and none fails.
func (a *Agreement) evaluate(r Request, action string, version uint64) (bool, []Reason) {
	custodian := r.Document.Custodian
	if a == nil {
		return false, []Reason{{Rule: "agreement", Text: "no agreement is in force", Source: custodian}}
	}
	e := entitiesOf(r)
	decision, diag := cedar.Authorize(a.candidates(action, r.User.Trust), e, cedar.Request{
		Principal: e.user.UID, Action: uid(typeAction, action), Resource: e.document.UID, Context: contextOf(r),
	})
	if len(diag.Errors) > 0 {
		var why []Reason
		for _, fail := range diag.Errors {
			why = append(why, Reason{Rule: "agreement/" + string(fail.PolicyID), Text: "failed to evaluate, which refuses: " + fail.Message, Version: version, Source: custodian})
		}
		return false, why
	}
	if len(diag.Reasons) == 0 {
		return false, []Reason{{Rule: "agreement", Text: "no rule permits " + action, Version: version, Source: custodian}}
	}
	why := make([]Reason, 0, len(diag.Reasons)+1)
	for _, reason := range diag.Reasons {
		i := slices.IndexFunc(a.rules, func(r rule) bool { return r.id == reason.PolicyID })
		verb := "permits " + action
		if decision != cedar.Allow {
			verb = "forbids " + action
		}
		if text := a.rules[i].reason; text != "" {
			verb += ": " + text
		}
		why = append(why, Reason{Rule: "agreement/" + string(reason.PolicyID), Text: verb, Version: version, Source: custodian})
	}
	return decision == cedar.Allow, why
}

func (a *Agreement) candidates(action string, trust federation.TrustID) candidates {
	at, named := a.index[place{action, trust}]
	if !named {
		at = a.index[place{action, ""}]
	}
	return candidates{rules: a.rules, at: at}
}

// reindex fills the index from the scopes of the rules.
func (a *Agreement) reindex() {
	a.index = map[place][]int{}
	trusts := []federation.TrustID{""}
	for _, r := range a.rules {
		if t := principalTrust(r.policy); t != "" && !slices.Contains(trusts, t) {
			trusts = append(trusts, t)
		}
	}
	for _, action := range []string{actionSee, actionOpen, actionGlass} {
		for _, trust := range trusts {
			at := []int{}
			for i, r := range a.rules {
				if t := principalTrust(r.policy); (t == "" || t == trust) && coversAction(r.policy, action) {
					at = append(at, i)
				}
			}
			a.index[place{action, trust}] = at
		}
	}
}

// principalTrust returns the only trust whose users the rule's head can match, or "" when it may match others'.
func principalTrust(p *cedar.Policy) federation.TrustID {
	var e cedar.EntityUID
	switch s := (*ast.Policy)(p.AST()).Principal.(type) {
	case ast.ScopeTypeIn:
		e = s.Entity
	case ast.ScopeTypeIsIn:
		e = s.Entity
	}
	if e.Type != typeTrust {
		return ""
	}
	return federation.TrustID(e.ID)
}

func coversAction(p *cedar.Policy, action string) bool {
	want := uid(typeAction, action)
	switch s := (*ast.Policy)(p.AST()).Action.(type) {
	case ast.ScopeTypeEq:
		return s.Entity == want
	case ast.ScopeTypeIn:
		return s.Entity == want
	case ast.ScopeTypeInSet:
		return slices.Contains(s.Entities, want)
	default:
		return true
	}
}
