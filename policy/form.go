package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// maxForm is the largest form in bytes, and maxBlocks the most blocks of one.
const (
	maxForm   = 64 << 10
	maxBlocks = 100
)

// Form is an agreement as people write it: building blocks in YAML, which compile to Cedar.
//
//	name: Direct care with our neighbours
//	description: Agreed by the Caldicott guardians of both trusts.   # optional
//	owner: information.governance@example.org                        # optional
//	effective: 2026-12-01                                            # optional: from when it is meant to hold
//	expires: 2027-12-01                                              # optional: and until when, not included
//	blocks:
//	  - block: own-records
//	  - block: direct-care
//	    trusts: [RAS, R1H]
//	  - block: break-glass
//
// The zero Form has no block and compiles to nothing.
type Form struct {
	Name        string
	Description string
	Owner       string
	Effective   time.Time // UTC; zero when the form does not say
	Expires     time.Time // UTC; zero when the form does not say
	blocks      []blockUse
}

// blockUse is one block of a form with what its parameters are.
type blockUse struct {
	block  *Block
	at     Fault // where it stands
	id     string
	reason string
	words  map[string]Fault // where each value stands first that a parameter was given
	values map[string]any   // by the name of the parameter; those that are not given have their default
}

// Blocks returns the names of the form's blocks in its order.
func (f Form) Blocks() []string {
	names := make([]string, len(f.blocks))
	for i, b := range f.blocks {
		names[i] = b.block.Name
	}
	return names
}

// Cedar returns the form as the text of an agreement of the custodian. The same form gives the same text. It fails when
// the custodian is not an ODS code, when the form has no block, and with a *TextError when the text would not compile.
func (f Form) Cedar(custodian federation.TrustID) (string, error) {
	text, _, err := f.cedar(custodian)
	return text, err
}

// cedar returns the text, and for each rule of it the block that it comes from.
func (f Form) cedar(custodian federation.TrustID) (string, map[string]blockUse, error) {
	if !custodian.Valid() {
		return "", nil, fmt.Errorf("custodian %q is not an ODS code", string(custodian))
	}
	if len(f.blocks) == 0 {
		return "", nil, &TextError{Faults: []Fault{{1, 1, "the form has no block"}}}
	}
	var b strings.Builder
	f.header(&b, custodian)
	from := map[string]blockUse{}
	for i, use := range f.blocks {
		for j, r := range use.block.rules(use.given(custodian)) {
			r.id = f.ruleID(i, j, r.id)
			if use.reason != "" {
				r.reason = use.reason
			}
			from[r.id] = use
			b.WriteByte('\n')
			r.render(&b)
		}
	}
	text := b.String()
	if _, err := Compile(text); err != nil {
		return "", nil, fmt.Errorf("form %q: %w", f.Name, err)
	}
	return text, from, nil
}

// ruleID returns the id that the form gives a rule: the block's, with what the rule is in it when the block has several,
// and with a number when the form has the block before.
func (f Form) ruleID(i, j int, part string) string {
	use := f.blocks[i]
	id := use.id
	if id == "" {
		id = use.block.Name
		before := 0
		for _, other := range f.blocks[:i] {
			if other.id == "" && other.block == use.block {
				before++
			}
		}
		if before > 0 {
			id = fmt.Sprintf("%s-%d", id, before+1)
		}
	}
	if j > 0 {
		id += "." + part // a dot stands in no id that a form gives
	}
	return id
}

// header writes what the form is as comments. A comment ends with its line, so that no text of the form may bring one.
func (f Form) header(b *strings.Builder, custodian federation.TrustID) {
	line := func(label, text string) {
		if text = oneLine(text); text != "" {
			fmt.Fprintf(b, "// %s%s\n", label, text)
		}
	}
	line("", f.Name)
	line("", f.Description)
	line("Custodian: ", string(custodian))
	line("Owner: ", f.Owner)
	if !f.Effective.IsZero() {
		line("Effective: ", f.Effective.Format(time.RFC3339))
	}
	if !f.Expires.IsZero() {
		line("Expires: ", f.Expires.Format(time.RFC3339))
	}
	line("Blocks: ", strings.Join(f.Blocks(), ", "))
}

// oneLine returns text without anything that ends a line or does not print.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return r <= ' ' || r == 0x7f || r >= 0x80 && r <= 0xa0 || r == 0x2028 || r == 0x2029
	}), " ")
}

// CheckForm checks what the form compiles to, as a Checker does. A finding's place is the word that
// it is about, or else the block that the rule comes from.
func (c Checker) CheckForm(f Form) []Finding {
	text, from, err := f.cedar(c.Own)
	if err != nil {
		return findingsOf(err)
	}
	findings := c.Check(text)
	for i, found := range findings {
		at := Fault{Line: 1, Column: 1}
		if use, ok := from[found.Rule]; ok {
			at = use.at
			if word, given := use.words[found.about]; given {
				at = word
			}
		}
		findings[i].Line, findings[i].Column = at.Line, at.Column
	}
	if !f.Expires.IsZero() && !c.Now.IsZero() && !f.Expires.After(c.Now) {
		findings = append(findings, Finding{
			Line: 1, Column: 1, Severity: SeverityWarning, Code: "past", Text: "the form expired on " + f.Expires.Format(time.DateOnly),
		})
	}
	slices.SortStableFunc(findings, compareFindings)
	return findings
}
