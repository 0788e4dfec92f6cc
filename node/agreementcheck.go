package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// draft is the text of an agreement before it counts.
type draft struct {
	form     policy.Form // zero when the text is Cedar
	cedar    string      // empty when it does not compile
	rules    *policy.Agreement
	findings []policy.Finding
}

// readDraft reads and checks a text. What is wrong with it is in the findings; an error says that there is no text.
func readDraft(t *admin.AgreementText, c policy.Checker) (draft, error) {
	switch {
	case t.GetCedar() != "" && t.GetForm() != "":
		return draft{}, admin.Errorf(admin.CodeBadInput, "give Cedar or a form, and not both")
	case strings.TrimSpace(t.GetForm()) != "":
		return readForm(t.GetForm(), c), nil
	case strings.TrimSpace(t.GetCedar()) != "":
		return readCedar(t.GetCedar(), c), nil
	default:
		return draft{}, admin.Errorf(admin.CodeBadInput, "the agreement is empty: 'ridgeway agreement init' writes one to begin with")
	}
}

func readCedar(text string, c policy.Checker) draft {
	d := draft{findings: c.Check(text)}
	if rules, err := policy.Compile(text); err == nil {
		d.cedar, d.rules = text, rules
	}
	return d
}

func readForm(text string, c policy.Checker) draft {
	form, err := policy.ParseForm([]byte(text))
	if err != nil {
		return draft{findings: faultsOf(err)}
	}
	d := draft{form: form, findings: c.CheckForm(form)}
	cedar, err := form.Cedar(c.Own)
	if err == nil {
		d.rules, err = policy.Compile(cedar)
	}
	switch {
	case err == nil:
		d.cedar = cedar
	case d.wrong() == nil:
		d.findings = append(d.findings, faultsOf(err)...)
	}
	return d
}

func faultsOf(err error) []policy.Finding {
	var text *policy.TextError
	if !errors.As(err, &text) {
		return []policy.Finding{{Line: 1, Column: 1, Severity: policy.SeverityError, Code: "text", Text: err.Error()}}
	}
	out := make([]policy.Finding, 0, len(text.Faults))
	for _, f := range text.Faults {
		out = append(out, policy.Finding{Line: f.Line, Column: f.Column, Severity: policy.SeverityError, Code: "text", Text: f.Text})
	}
	return out
}

// wrong returns an error that names the findings which keep the draft from being proposed; nil when there are none.
func (d draft) wrong() error {
	var lines []string
	for _, f := range d.findings {
		if f.Severity == policy.SeverityError {
			lines = append(lines, f.String())
		}
	}
	if len(lines) == 0 {
		return nil
	}
	const most = 20
	if len(lines) > most {
		lines = append(lines[:most], fmt.Sprintf("and %d more", len(lines)-most))
	}
	return admin.Errorf(admin.CodeBadInput, "the agreement cannot be proposed as it is:\n%s", strings.Join(lines, "\n"))
}

func (d draft) messages() []*admin.Finding {
	out := make([]*admin.Finding, 0, len(d.findings))
	for _, f := range d.findings {
		out = append(out, &admin.Finding{Line: uint32(f.Line), Column: uint32(f.Column), Severity: f.Severity.String(), Code: f.Code, Text: f.Text, Rule: f.Rule})
	}
	return out
}

// checker knows what this node knows of the region.
func (n *Node) checker() policy.Checker {
	c := policy.Checker{Own: n.Trust(), Now: time.Now().UTC()}
	for _, t := range n.ledger.Roster().Trusts() {
		c.Trusts = append(c.Trusts, t.ID)
	}
	return c
}

// CheckAgreement says what is wrong or doubtful in the text of an agreement of this trust.
func (n *Node) CheckAgreement(_ context.Context, q *admin.CheckAgreementRequest) (*admin.CheckAgreementReply, error) {
	return checkReply(q, n.checker())
}

// CheckDraft is CheckAgreement where no node runs: it does not know which trusts there are.
func CheckDraft(q *admin.CheckAgreementRequest, own federation.TrustID, now time.Time) (*admin.CheckAgreementReply, error) {
	return checkReply(q, policy.Checker{Own: own, Now: now})
}

func checkReply(q *admin.CheckAgreementRequest, c policy.Checker) (*admin.CheckAgreementReply, error) {
	d, err := readDraft(q.GetText(), c)
	if err != nil {
		return nil, err
	}
	return &admin.CheckAgreementReply{Findings: d.messages(), Cedar: d.cedar}, nil
}

// AgreementBlock is a building block of a form, as the command line lists it.
type AgreementBlock struct {
	Name       string               `json:"name"`
	Does       string               `json:"does"`
	Parameters []AgreementParameter `json:"parameters"`
	Example    string               `json:"example"`
}

// AgreementParameter is one thing that a block can be told.
type AgreementParameter struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Required bool   `json:"required"`
	Default  string `json:"default"`
	Does     string `json:"does"`
}

// AgreementBlocks returns the building blocks of forms, those that give first.
func AgreementBlocks() []AgreementBlock {
	var out []AgreementBlock
	for _, b := range policy.Blocks() {
		block := AgreementBlock{Name: b.Name, Does: b.Does, Example: b.Example, Parameters: []AgreementParameter{}}
		for _, p := range b.Parameters {
			block.Parameters = append(block.Parameters, AgreementParameter{Name: p.Name, Kind: p.Kind, Required: p.Required, Default: p.Default, Does: p.Does})
		}
		out = append(out, block)
	}
	return out
}
