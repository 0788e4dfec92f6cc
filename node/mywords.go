package node

import (
	"fmt"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// manyClinicians is how many kinds of clinicians are called "doctors, nurses and others".
const manyClinicians = 3

// someone is a member of staff as a patient is told of them: by what they do and where.
func someone(role, trust string) string {
	if role == patientRole {
		return "You"
	}
	if role == "" {
		return "Somebody at " + trust
	}
	words := strings.TrimPrefix(roleWords(role), "any ") // an agreement allows "any registered health professional"; one of them looked
	article := "A "
	if strings.ContainsAny(words[:1], "aeiou") {
		article = "An "
	}
	if words == "health records staff" {
		article = "A member of "
	}
	return article + words + " at " + trust
}

// myAccessWords puts an access into short sentences, without names and numbers.
func myAccessWords(a *admin.ReportAccess) string {
	who := someone(a.GetRole(), a.GetTrustName())
	what := "one of your documents"
	if a.GetTitle() != "" {
		what = "“" + a.GetTitle() + "”"
	}
	if a.GetCustodian() != "" && a.GetCustodian() != a.GetTrust() {
		what += ", which " + a.GetCustodianName() + " keeps"
	}
	why := reasonWords(a.GetPurpose())
	if kind, _, _ := strings.Cut(a.GetRelationship(), ":"); kind != "" {
		why += ". They said: " + linkWords(kind)
	}
	if a.GetBreakGlass() {
		why += ". They said that it was an emergency"
	}
	var s string
	switch a.GetKind() {
	case "looked_up":
		s = who + " looked at the list of your documents, " + why + "."
	case "reviewed":
		s = who + " asked who has seen your documents, " + why + "."
	case "emergency":
		s = who + " said that there was an emergency, and could open your records."
	case "refused":
		s = who + " asked for " + what + ", " + why + ". The answer was no. Nothing was shown."
	case "attempted":
		s = who + " asked for " + what + ", " + why + ". Nothing came."
	default:
		s = who + " opened " + what + ", " + why + "."
		if a.GetOutcome() != policy.Permit.String() {
			s += " It stopped before the end."
		}
	}
	if a.GetOneSided() != "" {
		s += " Only one of the two places has a note of this. Ask us to find out why."
	}
	return s
}

// myEmergencyWords tells of an emergency without who it was.
func myEmergencyWords(r *admin.ReportEmergency, now time.Time) string {
	text := emergencyWords(&admin.ReportEmergency{
		User: "", Role: "", Reason: r.GetReason(), TrustName: r.GetTrustName(), Documents: r.GetDocuments(), Reviews: r.GetReviews(),
	}, now)
	return strings.Replace(text, fmt.Sprintf("%s at %s", orUnknown(""), r.GetTrustName()), someone(r.GetRole(), r.GetTrustName()), 1)
}

// plainRoles says who may open something, in words that need no training.
func plainRoles(roles map[string]bool) string {
	var clinicians, others []string
	for _, r := range policy.Roles() {
		switch {
		case !roles[r.Code] || r.Code == "clinician":
		case r.Group == "clinician":
			clinicians = append(clinicians, roleWords(r.Code)+"s")
		default:
			others = append(others, roleWords(r.Code))
		}
	}
	var out []string
	switch {
	case len(clinicians) >= manyClinicians:
		out = []string{"doctors, nurses and others who treat you"}
	default:
		out = clinicians
	}
	return strings.Join(append(out, others...), "; ")
}
