package policy

import "strings"

// The names of the rules of precedence, as they stand in Reason.Rule. What an agreement's own rule decides is named
// "agreement/" and that rule's id.
const (
	ruleStanding  = "standing"
	ruleLegal     = "legal"
	ruleDirective = "directive"
	ruleAgreement = "agreement"
	ruleGlass     = "break-glass"
)

// The names of the checks that are no rules of precedence: they refuse what cannot be decided on, and never permit.
const (
	checkRequest = "request" // between 1 and 2: the request is not whole
	checkLease   = "lease"   // after 4: the copy of the agreed state is too old; passed by 5
)

// Rule is one row of the table of precedence.
type Rule struct {
	Number int    // starting at 1; a lower one is asked first, and what it refuses no higher one permits but the last
	Name   string // as in Reason.Rule
	Text   string
	Glass  bool // breaking the glass passes it
}

// precedenceTable is the one place that says which rule goes before which. It never changes after the program has started.
var precedenceTable = []Rule{
	{1, ruleStanding, "The region, the requester's trust or the custodian is not active: refused.", false},
	{2, ruleLegal, "The document is of a legally restricted class: refused, in an emergency too.", false},
	{3, ruleDirective, "The patient's directives: refused where one of them refuses, but for its exceptions; a newer consent to exactly the same sets it aside, else refusal wins; a consent permits nothing by itself.", true},
	{4, ruleAgreement, "The custodian's agreement: refused unless a rule permits and none forbids.", false},
	{5, ruleGlass, "Breaking the glass, where the agreement permits open_break_glass: passes 3 and a stale lease, never 1 and 2.", false},
}

// Precedence returns the table of precedence, first things first.
func Precedence() []Rule { return append([]Rule(nil), precedenceTable...) }

// Precedence returns the number of the rule that the reason is of, zero for a check that is none.
func (r Reason) Precedence() int {
	name, _, _ := strings.Cut(r.Rule, "/")
	for _, rule := range precedenceTable {
		if rule.Name == name {
			return rule.Number
		}
	}
	return 0
}
