package node

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// event is all that the logs of both trusts have of one release, or one entry that is no release.
type event []logged

// byTransfer puts together what belongs to one release, in the order in which they began. Where the two ends do not say the same
// of which document it was, or which trust asked, it is two, of which each is at one end only. Only what both ends of a release write
// belongs to it: a custodian that calls its part a search, say, leaves the other end's alone.
func byTransfer(all []logged) []event {
	slices.SortStableFunc(all, func(a, b logged) int { return cmp.Compare(a.GetAt(), b.GetAt()) })
	places := make(map[string]int)
	var out []event
	for _, l := range all {
		key := string(l.GetTransfer()) + " " + l.GetTrust() + " " + l.GetDocument()
		if len(l.GetTransfer()) == 0 || !slices.ContainsFunc(append(exchangeKinds(), audit.View), func(k audit.Kind) bool { return k.String() == l.GetKind() }) {
			key = fmt.Sprintf("%s %d", l.log, l.GetIndex())
			if l.GetOf() > 0 { // entries of one log, before transfers were kept
				key = fmt.Sprintf("%s %d", l.log, l.GetOf()-1)
			}
		}
		i, ok := places[key]
		if !ok {
			i = len(out)
			places[key] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], l)
	}
	return out
}

// custodian returns whose document it is about; empty where it is about none.
func (v event) custodian() federation.TrustID {
	for _, l := range v {
		if id := federation.DocumentID(l.GetDocument()); id != "" {
			return id.Custodian()
		}
	}
	return ""
}

func (v event) some(held bool, kinds ...audit.Kind) event {
	custodian := v.custodian()
	var out event
	for _, l := range v {
		if (l.log == custodian) == held && slices.ContainsFunc(kinds, func(k audit.Kind) bool { return k.String() == l.GetKind() }) {
			out = append(out, l)
		}
	}
	return out
}

func (v event) bytes() (n uint64) {
	for _, l := range v {
		n += l.GetBytes()
	}
	return n
}

// summary is the event as one line of a report. What left is the custodian's word where there is one.
func (v event) summary(sites []*admin.ReportSite) *admin.ReportAccess {
	first := v[0]
	if i := slices.IndexFunc(v, func(l logged) bool { return l.log == v.custodian() }); i >= 0 {
		first = v[i] // the custodian has the signed request
	}
	a := &admin.ReportAccess{
		At: first.GetAt(), Custodian: string(v.custodian()), Trust: first.GetTrust(), User: first.GetUser(), Role: first.GetRole(), Purpose: first.GetPurpose(),
		Relationship: first.GetRelationship(), Document: first.GetDocument(), Outcome: first.GetOutcome(),
		BreakGlass: slices.ContainsFunc(v, func(l logged) bool { return l.GetBreakGlass() }),
	}
	switch first.GetKind() {
	case audit.Search.String():
		a.Kind = lookOf(first.Access)
		return a
	case audit.Review.String():
		a.Kind = "reviewed"
		switch c := first.GetChoice(); {
		case first.GetRole() == patientRole && isLook(c), first.GetRole() != patientRole && isDuty(c): // what patients do themselves, and staff as a duty
			a.Kind = c
		}
		return a
	case audit.BreakGlass.String():
		a.Kind = "emergency"
		return a
	}
	released, refused := v.some(true, audit.Intent, audit.View), v.some(true, audit.Refusal)
	ended, came := v.some(true, audit.Completion), v.some(false, audit.Receipt)
	switch {
	case len(released)+len(ended) > 0:
		a.Kind, a.Outcome, a.Bytes = "opened", policy.Permit.String(), ended.bytes()
		if len(ended) > 0 && ended[len(ended)-1].GetOutcome() != policy.Permit.String() {
			a.Outcome = ended[len(ended)-1].GetOutcome()
		}
	case len(refused) > 0:
		a.Kind, a.Outcome = "refused", refused[0].GetOutcome()
	case came.bytes() > 0:
		a.Kind, a.Bytes = "opened", came.bytes()
	default:
		a.Kind = "attempted"
		if len(came) > 0 {
			a.Outcome = came[0].GetOutcome()
		}
	}
	a.OneSided = v.oneSided(sites)
	return a
}

// oneSided says which of the two trusts of a release has nothing of it although it has answered.
func (v event) oneSided(sites []*admin.ReportSite) string {
	custodian, requester := v.custodian(), federation.TrustID(v[0].GetTrust())
	if custodian == requester || custodian == "" {
		return ""
	}
	for _, t := range []federation.TrustID{custodian, requester} {
		answered := slices.ContainsFunc(sites, func(s *admin.ReportSite) bool { return s.GetTrust() == string(t) && s.GetAnswered() })
		if has := slices.ContainsFunc(v, func(l logged) bool { return l.log == t }); !has && answered {
			return fmt.Sprintf("the log of %s has nothing of it", t)
		}
	}
	return v.disagreement()
}

// disagreement says how the requester's log names who asked, and what for, otherwise than the custodian's, which has the signed request.
func (v event) disagreement() string {
	held, asked := v.some(true, audit.Intent, audit.Refusal), v.some(false, audit.Intent)
	if len(held) == 0 || len(asked) == 0 {
		return ""
	}
	h, a := held[0], asked[0]
	same := func(a, b string) bool { return oneLine(a, 256) == oneLine(b, 256) } // as what comes from another trust is
	if same(h.GetUser(), a.GetUser()) && same(h.GetRole(), a.GetRole()) && same(h.GetPurpose(), a.GetPurpose()) {
		return ""
	}
	return fmt.Sprintf("the log of %s has it otherwise: %s (%s), %s", a.log, orUnknown(a.GetUser()), roleWords(a.GetRole()), reasonWords(a.GetPurpose()))
}

// accessWords puts an access into a sentence for the patient.
func accessWords(a *admin.ReportAccess) string {
	who := fmt.Sprintf("%s (%s) at %s", orUnknown(a.GetUser()), roleWords(a.GetRole()), a.GetTrustName())
	what := "a document"
	if a.GetTitle() != "" {
		what = "“" + a.GetTitle() + "”"
	}
	what += " (" + a.GetDocument() + ")"
	if a.GetCustodian() != a.GetTrust() {
		what += " held by " + a.GetCustodianName()
	}
	why := ", " + reasonWords(a.GetPurpose())
	if a.GetRelationship() != "" {
		why += ". The reason given: " + linkWords(a.GetRelationship())
	}
	if a.GetBreakGlass() && a.GetKind() != "emergency" {
		why += ". They said that it was an emergency"
	}
	s := tellingOf(a).report.tell(who, what, why)
	if a.GetOneSided() != "" {
		s += " Take note: " + a.GetOneSided() + "."
	}
	return s
}

func orUnknown(s string) string {
	if s == "" {
		return "somebody unknown"
	}
	return s
}

func roleWords(code string) string {
	if code == patientRole {
		return "the patient"
	}
	for _, r := range policy.Roles() {
		if r.Code == code {
			return strings.ToLower(r.Description[:1]) + r.Description[1:]
		}
	}
	return "role not known"
}

// reasonWords says to a patient what somebody wanted a document for.
func reasonWords(code string) string {
	switch code {
	case "TREAT":
		return "to treat you"
	case "ETREAT", "BTG":
		return "to treat you in an emergency"
	case "COC", "CAREMGT":
		return "to plan your care with others"
	case "PATRQT":
		return "because you asked for it"
	case "FAMRQT", "PWATRNY", "SUPNWK":
		return "because somebody asked who acts for you"
	case "HOPERAT":
		return "to check that rules are kept"
	case "PATADMIN", "HPAYMT", "HSYSADMIN":
		return "for office work about your care"
	case "HQUALIMP":
		return "to make care better"
	case "HRESCH", "CLINTRCH":
		return "for research"
	case "HLEGAL":
		return "because the law asks for it"
	}
	return "for: " + purposeWords(code)
}

func purposeWords(code string) string {
	for _, p := range policy.Purposes() {
		if p.Code == code {
			return strings.ToLower(p.Description[:1]) + p.Description[1:]
		}
	}
	return "purpose not stated"
}

// linkWords says to a patient how somebody said that they have to do with them.
func linkWords(relationship string) string {
	kind, evidence, _ := strings.Cut(relationship, ":")
	words := map[string]string{
		"referral": "you were sent to them", "appointment": "you have an appointment there", "admission": "you are or were in hospital there",
		"registered-list": "you are on their list of patients", "mdt": "a team there looks after you", "self-claimed": "they say that they look after you",
	}[kind]
	if words == "" {
		return relationship
	}
	if evidence != "" {
		words += " (" + evidence + ")"
	}
	return words
}

// transferName is how a release is named to people.
func (v event) transferName() string {
	if t := v[0].GetTransfer(); len(t) > 0 {
		return hex.EncodeToString(t)
	}
	return fmt.Sprintf("%s %d", v[0].log, v[0].GetIndex())
}
