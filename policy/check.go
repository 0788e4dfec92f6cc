package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Severity says what a finding means. Zero is invalid. Do not reorder.
type Severity uint8

// The severities.
const (
	SeverityError   Severity = iota + 1 // the agreement cannot mean what it says: it must not be proposed
	SeverityWarning                     // somebody should look at it
)

// String returns "error" or "warning".
func (s Severity) String() string {
	switch s {
	case SeverityError:
		return "error"
	case SeverityWarning:
		return "warning"
	default:
		return "?"
	}
}

// Finding is one thing that a check found in an agreement.
//
//	code            severity  what
//	text            error     syntax, schema, an unknown role, purpose, level, label or kind of relationship
//	never           error     the rule cannot apply to any request
//	contradiction   error     all that the rule permits, another forbids; the forbid wins
//	locks-out-own   error     no clinician of the custodian can open any of its own documents
//	locks-out-role  warning   a clinical role of the custodian cannot, though others can
//	past            warning   the rule, or the form, could only apply in the past
//	redundant       warning   all that the rule permits, another permits too
//	administrator   warning   the rule can permit an administrator of the system, or a program
//	research        warning   the rule can permit a researcher; or research or marketing by another trust
//	confidential    warning   the rule can permit documents of confidentiality V
//	no-break-glass  warning   nobody of another trust can break the glass
//	unknown-trust   warning   no such trust is in the region
//	unknown-code    warning   no such type of document is in use, or its check digit is wrong
//	no-id           warning   the rule has no @id; its number changes when a rule is put before it
//	incomplete      warning   the text is too large to be checked in full
//
// What cannot be proven is not claimed: an error is never raised for a rule that does what it says.
type Finding struct {
	Line     int // starting at 1
	Column   int // characters, starting at 1
	Severity Severity
	Code     string
	Rule     string // id of the rule, empty when it is about the whole
	Text     string

	about string // the name or code in the text that it is about, if it is about one
}

// String returns the finding as "line:column: severity: text (code)".
func (f Finding) String() string {
	return fmt.Sprintf("%d:%d: %s: %s (%s)", f.Line, f.Column, f.Severity, f.Text, f.Code)
}

// Checker checks agreements. What it does not know it does not check.
type Checker struct {
	Own    federation.TrustID   // the custodian
	Trusts []federation.TrustID // of the region; nil: not known
	Types  []string             // codes of the documents' types and categories in use; nil: not known
	Now    time.Time            // zero: not known
}

// Check finds what is wrong or doubtful in the text of an agreement, in the order of the text. When the text does not
// compile, that is all that is found.
func (c Checker) Check(text string) []Finding {
	a, err := Compile(text)
	if err != nil {
		return findingsOf(err)
	}
	x := &check{Checker: c, text: text, left: maxSteps}
	for i := range a.rules {
		r := &checkedRule{rule: &a.rules[i], tree: (*ast.Policy)(a.rules[i].policy.AST())}
		r.usage = usageOf(r.tree)
		if r.policy.Effect() == cedar.Forbid {
			x.forbids = append(x.forbids, r)
		} else {
			x.permits = append(x.permits, r)
		}
		x.names(r)
	}
	x.rules()
	if c.Own.Valid() {
		x.people()
	}
	x.doubles()
	if x.left <= 0 {
		x.add(nil, SeverityWarning, "incomplete", "the agreement is too large to be checked in full")
	}
	slices.SortStableFunc(x.found, compareFindings)
	return x.found
}

func compareFindings(x, y Finding) int {
	return cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column), cmp.Compare(x.Severity, y.Severity), cmp.Compare(x.Code, y.Code))
}

// findingsOf returns an error of Compile as findings.
func findingsOf(err error) []Finding {
	var te *TextError
	if !errors.As(err, &te) {
		return []Finding{{Line: 1, Column: 1, Severity: SeverityError, Code: "text", Text: err.Error()}}
	}
	all := make([]Finding, len(te.Faults))
	for i, f := range te.Faults {
		all[i] = Finding{Line: f.Line, Column: f.Column, Severity: SeverityError, Code: "text", Text: f.Text}
	}
	slices.SortStableFunc(all, compareFindings)
	return all
}

// maxSteps bounds how many rules are evaluated for one check: about a second.
const maxSteps = 1_500_000

// stepsOfSpace is what joining what several rules depend on is counted as.
const stepsOfSpace = 40

// check is one check under way.
type check struct {
	Checker
	text             string
	permits, forbids []*checkedRule
	found            []Finding
	left             int // steps
}

type checkedRule struct {
	*rule
	tree   *ast.Policy
	usage  *usage
	dead   bool   // permits or forbids nothing
	sample *world // one in which it may apply
}

func (x *check) add(r *checkedRule, s Severity, code, format string, args ...any) {
	f := Finding{Line: 1, Column: 1, Severity: s, Code: code, Text: fmt.Sprintf(format, args...)}
	if r != nil {
		pos := r.policy.Position()
		f.Line, f.Column, f.Rule = pos.Line, pos.Column, string(r.id)
	}
	x.found = append(x.found, f)
}

// place says that the last finding is about a name, which stands so in the rule.
func (x *check) place(r *checkedRule, written, name string) {
	f := &x.found[len(x.found)-1]
	f.Line, f.Column = find(x.text, r.policy.Position(), written)
	f.about = name
}

// eval evaluates a rule in a world. When the steps have run out it knows nothing, so that nothing is claimed.
func (x *check) eval(r *checkedRule, w *world) outcome3 {
	if x.left <= 0 {
		return outcome3{fails: true}
	}
	x.left--
	return w.rule(r.tree)
}

// names finds names that the region does not know.
func (x *check) names(r *checkedRule) {
	at := len(x.found)
	for _, e := range named(r.policy) {
		if e.Type == typeTrust && x.Trusts != nil && !slices.Contains(x.Trusts, federation.TrustID(e.ID)) && federation.TrustID(e.ID) != x.Own {
			x.add(r, SeverityWarning, "unknown-trust", "no trust %s is in the region", string(e.ID))
			x.place(r, quotedEntity(e), string(e.ID))
		}
	}
	for _, v := range []variable{varType, varCategory} {
		for _, s := range r.usage.texts[v] {
			code, _ := s.(cedar.String)
			switch {
			case !validSNOMED(string(code)):
				x.add(r, SeverityWarning, "unknown-code", "%s is not a SNOMED CT code: its check digit is wrong", code)
			case x.Types != nil && !slices.Contains(x.Types, string(code)):
				x.add(r, SeverityWarning, "unknown-code", "no document in use has the code %s", code)
			default:
				continue
			}
			x.place(r, quoted(string(code)), string(code))
		}
	}
	x.found = append(x.found[:at], slices.CompactFunc(x.found[at:], func(p, q Finding) bool { return p == q })...)
	if _, has := r.policy.Annotations()["id"]; !has {
		x.add(r, SeverityWarning, "no-id", "the rule has no @id; it is called by its number, which changes when a rule is put before it")
	}
}
