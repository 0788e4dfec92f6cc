package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

const (
	simulatedDays     = 30
	simulatedExamples = 60
	shownExamples     = 10
)

// simulation says who gains and who loses by a draft.
type simulation struct {
	Days   int
	Impact []impact
}

// impact is what changes among one set of requests.
type impact struct {
	ID, Title, Hint                      string
	Decided, Before, After, Gained, Lost uint64
	Skipped                              uint64
	Since                                time.Time
	Examples                             []example
	Parts                                []impactPart
	Nothing                              bool
}

// impactPart is the same, told apart by role, trust, type and so on.
type impactPart struct {
	Legend string
	Rows   []impactRow
}

type impactRow struct {
	Value        string
	Gained, Lost uint64
	Examples     []example
}

// example is one request that is decided otherwise.
type example struct {
	Gained        bool
	Words         string // who, where, what, which documents and what for
	Request       string // the same as the rules name it
	Count         uint64
	Before, After []string
}

func (p *Portal) simulate(r *http.Request, s *session, text *admin.AgreementText) (*simulation, error) {
	reply, err := p.config.Region.SimulateAgreement(r.Context(), &admin.SimulateAgreementRequest{Text: text, Days: simulatedDays, Examples: simulatedExamples, Asker: s.governor(ownDuties)})
	if err != nil {
		return nil, err
	}
	asked, could := p.impactOf(reply.GetAudited()), p.impactOf(reply.GetMatrix())
	asked.ID, asked.Title, asked.Hint = "asked", "What was asked for", "Each request for this trust's documents that the audit log has, decided again."
	could.ID, could.Title, could.Hint = "could", "What could be asked for", "Each kind of request that the two agreements can tell apart: by action, trust, role, purpose, type and confidentiality."
	return &simulation{Days: simulatedDays, Impact: []impact{asked, could}}, nil
}

func (p *Portal) impactOf(x *admin.Impact) impact {
	out := impact{
		Decided: x.GetDecided(), Before: x.GetBefore(), After: x.GetAfter(), Gained: x.GetGained(), Lost: x.GetLost(), Skipped: x.GetSkipped(), Since: moment(x.GetSince()),
		Nothing: x.GetGained() == 0 && x.GetLost() == 0,
	}
	examples := make([]example, 0, len(x.GetExamples()))
	for _, e := range x.GetExamples() {
		examples = append(examples, example{Gained: e.GetGained(), Words: p.exampleWords(e), Request: e.GetRequest(), Count: e.GetCount(), Before: e.GetBefore(), After: e.GetAfter()})
	}
	out.Examples = examples[:min(len(examples), shownExamples)]
	for _, part := range []struct {
		by, legend string
		of         func(*admin.ImpactExample) string
		name       func(string) string
	}{
		{"role", "By role", (*admin.ImpactExample).GetRole, roleName},
		{"trust", "By trust", (*admin.ImpactExample).GetTrust, p.countedTrust},
		{"type", "By type of document", (*admin.ImpactExample).GetType, countedType},
		{"purpose", "By purpose", (*admin.ImpactExample).GetPurpose, purposeName},
		{"confidentiality", "By confidentiality", (*admin.ImpactExample).GetConfidentiality, confidentialityName},
		{"action", "By what is done", (*admin.ImpactExample).GetAction, actionName},
	} {
		rows := impactPart{Legend: part.legend}
		for _, c := range x.GetCounts() {
			if c.GetBy() != part.by {
				continue
			}
			row := impactRow{Value: part.name(c.GetValue()), Gained: c.GetGained(), Lost: c.GetLost()}
			for i, e := range x.GetExamples() {
				if part.of(e) == c.GetValue() {
					row.Examples = append(row.Examples, examples[i])
				}
			}
			rows.Rows = append(rows.Rows, row)
		}
		if len(rows.Rows) > 0 {
			out.Parts = append(out.Parts, rows)
		}
	}
	return out
}

// exampleWords says what is decided otherwise to people who know no codes.
func (p *Portal) exampleWords(e *admin.ImpactExample) string {
	if e.GetRole() == "" || e.GetAction() == "" {
		return e.GetRequest()
	}
	out := roleName(e.GetRole()) + ", " + p.trustName(e.GetTrust()) + ": " + actionName(e.GetAction())
	var which []string
	if e.GetType() != "" && e.GetType() != noType {
		which = append(which, countedType(e.GetType()))
	}
	if e.GetConfidentiality() != "" {
		which = append(which, confidentialityName(e.GetConfidentiality()))
	}
	if len(which) > 0 {
		out += " (" + strings.Join(which, ", ") + ")"
	}
	if e.GetPurpose() != "" {
		out += ". Purpose: " + purposeName(e.GetPurpose())
	}
	return out
}

func (p *Portal) countedTrust(v string) string {
	if federation.TrustID(v).Valid() {
		return p.trustName(v)
	}
	return v
}

// noType is the type of a request for the list of documents, which is for none of them.
const noType = "none"

func countedType(v string) string {
	if v == noType {
		return "The list of documents, whatever their type"
	}
	if len(v) > 0 && v[0] >= '0' && v[0] <= '9' {
		return typeName(v)
	}
	return v
}

func purposeName(code string) string {
	for _, x := range policy.Purposes() {
		if x.Code == code {
			return x.Description
		}
	}
	return code
}

func actionName(code string) string {
	switch code {
	case "see":
		return "See that there is a document"
	case "open":
		return "Open it"
	case "export":
		return "Keep a copy"
	case "open_break_glass":
		return "Open it in an emergency"
	default:
		return code
	}
}
