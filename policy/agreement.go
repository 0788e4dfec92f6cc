package policy

import (
	"iter"
	"slices"
	"strings"
	"sync/atomic"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Agreement is a compiled agreement. It means the same for as long as it lives and is safe for concurrent use. A nil one
// permits nothing.
type Agreement struct {
	text   string
	digest federation.Digest
	rules  []rule
	places map[cedar.PolicyID]int // of a rule in rules
	uses   attributes             // what the rules can tell of a request

	// general has, for an action and a role, the rules that can apply to a user of any trust; named has, for an action and a
	// trust, those whose head names that trust. Both are in the order of the text. They keep the cost of a decision from
	// growing with the rules that a custodian has for others.
	general [len(allActions)][][]int32
	named   map[place][]int32

	made      atomic.Uint64 // parts, ever
	users     memo[userKey, *parts]
	documents memo[documentKey, *parts]
	contexts  memo[contextKey, *parts]
	answers   memo[question, answer]
}

// question is what the rules are asked, as far as they can tell it from others: numbers of parts.
type question struct {
	action                  int
	user, document, context uint64
	version                 uint64 // of the agreement, which stands in the reasons
}

// answer must not be changed: it is given again.
type answer struct {
	permit bool
	why    []Reason
}

type place struct {
	action int
	trust  federation.TrustID
}

type rule struct {
	id     cedar.PolicyID
	name   string // as a Reason has it
	reason string
	says   [len(allActions)]string
	policy *cedar.Policy // as it was written
	quick  *cedar.Policy // as it is evaluated
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

// apart returns the same agreement with a memory of its own, for a goroutine that asks much and waits for no other.
func (a *Agreement) apart() *Agreement {
	if a == nil {
		return nil
	}
	own := &Agreement{text: a.text, digest: a.digest, rules: a.rules, places: a.places, uses: a.uses, general: a.general, named: a.named}
	own.answers.most = a.answers.most
	return own
}

// candidates are the rules that can apply to one request; it is a cedar.PolicyIterator.
type candidates struct {
	rules          []rule
	general, named []int32
}

// All returns the rules in the order of the text.
func (c candidates) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		x, y := c.general, c.named
		for len(x) > 0 || len(y) > 0 {
			var i int32
			if len(y) == 0 || len(x) > 0 && x[0] < y[0] {
				i, x = x[0], x[1:]
			} else {
				i, y = y[0], y[1:]
			}
			if !yield(c.rules[i].id, c.rules[i].quick) {
				return
			}
		}
	}
}

// evaluate asks the agreement, which permits only when a rule permits, none forbids and none fails. An agreement means the same for
// as long as it lives, so that what it has answered once it need not find out again. The reasons must not be changed.
func (a *Agreement) evaluate(r *Request, action string, version uint64) (bool, []Reason) {
	if a == nil {
		return false, []Reason{{Rule: "agreement", Text: "no agreement is in force", Source: r.Document.Custodian}}
	}
	user, document, context := a.userOf(&r.User), a.documentOf(&r.Document), a.contextOf(r)
	q := question{slices.Index(allActions[:], action), user.number, document.number, context.number, version}
	said, known := a.answers.get(q)
	if !known {
		e := entitiesWith(r, user, document)
		decision, diag := cedar.Authorize(a.candidates(action, r.User), e, cedar.Request{
			Principal: e.user.UID, Action: uid(typeAction, action), Resource: e.document.UID, Context: context.attributes,
		})
		said.permit = decision == cedar.Allow && len(diag.Errors) == 0
		said.why = a.reasons(q, diag, r.Document.Custodian)
		if len(diag.Errors) == 0 { // what failed may be told with the user's or the document's name
			a.answers.put(q, said)
		}
	}
	return said.permit, said.why
}

// reasons says what was decisive.
func (a *Agreement) reasons(q question, diag cedar.Diagnostic, custodian federation.TrustID) []Reason {
	why := make([]Reason, 0, max(1, len(diag.Errors), len(diag.Reasons)))
	switch {
	case len(diag.Errors) > 0:
		for _, fail := range diag.Errors {
			why = append(why, Reason{Rule: "agreement/" + string(fail.PolicyID), Text: "failed to evaluate, which refuses: " + fail.Message, Version: q.version, Source: custodian})
		}
	case len(diag.Reasons) == 0:
		why = append(why, Reason{Rule: "agreement", Text: "no rule permits " + allActions[q.action], Version: q.version, Source: custodian})
	default:
		for _, reason := range diag.Reasons {
			rule := &a.rules[a.places[reason.PolicyID]]
			why = append(why, Reason{Rule: rule.name, Text: rule.says[q.action], Version: q.version, Source: custodian})
		}
	}
	return why
}

func (a *Agreement) candidates(action string, u User) candidates {
	at := slices.Index(allActions[:], action)
	c := candidates{rules: a.rules, named: a.named[place{at, u.Trust}]}
	if role, known := rolePlace[u.Role]; known {
		c.general = a.general[at][role]
	}
	return c
}

// reindex readies the rules for decisions.
func (a *Agreement) reindex() {
	a.named, a.places = map[place][]int32{}, make(map[cedar.PolicyID]int, len(a.rules))
	for action := range a.general {
		a.general[action] = make([][]int32, len(roleTable))
	}
	for i := range a.rules {
		r := &a.rules[i]
		a.places[r.id] = i
		r.quick = settled(r.policy)
		a.uses |= mentions(r.quick)
		r.name = "agreement/" + string(r.id)
		for action, name := range allActions {
			r.says[action] = says(r, name)
			if !coversAction(r.policy, name) {
				continue
			}
			if t := principalTrust(r.policy); t != "" {
				p := place{action, t}
				a.named[p] = append(a.named[p], int32(i)) //nolint:gosec // at most maxRules
				continue
			}
			for role, described := range roleTable {
				if coversRole(r.policy, described) {
					a.general[action][role] = append(a.general[action][role], int32(i)) //nolint:gosec // at most maxRules
				}
			}
		}
	}
	a.answers.most = maxAnswers
	if a.uses&usesNow != 0 {
		a.answers.most = maxOfAMoment
	}
}

func says(r *rule, action string) string {
	verb := "permits "
	if r.policy.Effect() == cedar.Forbid {
		verb = "forbids "
	}
	if r.reason == "" {
		return verb + action
	}
	return verb + action + ": " + r.reason
}

// principalEntity returns what the rule's head says that the user is or is in, or the zero value.
func principalEntity(p *cedar.Policy) cedar.EntityUID {
	switch s := (*ast.Policy)(p.AST()).Principal.(type) {
	case ast.ScopeTypeEq:
		return s.Entity
	case ast.ScopeTypeIn:
		return s.Entity
	case ast.ScopeTypeIsIn:
		return s.Entity
	default:
		return cedar.EntityUID{}
	}
}

// principalTrust returns the only trust whose users the rule's head can match, or "" when it may match others'.
func principalTrust(p *cedar.Policy) federation.TrustID {
	switch e := principalEntity(p); e.Type {
	case typeTrust:
		return federation.TrustID(e.ID)
	case typeUser:
		trust, _, _ := strings.Cut(string(e.ID), "/")
		return federation.TrustID(trust)
	default:
		return ""
	}
}

// coversRole reports whether the rule's head can match a user in the role.
func coversRole(p *cedar.Policy, r Role) bool {
	e := principalEntity(p)
	return e.Type != typeRole || string(e.ID) == r.Code || string(e.ID) == r.Group
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
