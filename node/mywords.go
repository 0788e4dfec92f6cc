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
	words := plainRole(role)
	article := "A "
	if strings.ContainsAny(words[:1], "aeiou") {
		article = "An "
	}
	return article + words + " at " + trust
}

// plainRole is one who has a role, for a patient: the words of agreements are for those who were trained in them.
func plainRole(code string) string {
	switch code {
	case "clinician":
		return "health worker"
	case "allied-health-professional":
		return "therapist or other health worker"
	case "psychologist":
		return "psychologist"
	case "social-worker":
		return "social worker"
	case "healthcare-assistant":
		return "healthcare assistant"
	case "student":
		return "student who is learning to treat patients"
	case "care-coordinator":
		return "member of staff who plans care or writes letters"
	case "records-staff":
		return "member of health records staff"
	case "governance-lead":
		return "member of staff who looks after who may see records"
	case "privacy-officer":
		return "member of staff who keeps records private"
	case "admin":
		return "member of staff who looks after the computers"
	case "system":
		return "computer program"
	}
	if words := roleWords(code); words != roleWords("") {
		return words
	}
	return "member of staff"
}

// myAccessWords puts an access into short sentences, without names and numbers.
func myAccessWords(a *admin.ReportAccess) string {
	who := someone(a.GetRole(), a.GetTrustName())
	what := "one of your documents"
	if a.GetTitle() != "" {
		what = "“" + a.GetTitle() + "”"
	}
	why := ", " + reasonWords(a.GetPurpose())
	switch {
	case a.GetRole() == patientRole:
		why = "" // it is their own record
	case a.GetPurpose() == "":
		why = ". They did not say why"
	}
	if kind, _, _ := strings.Cut(a.GetRelationship(), ":"); kind != "" {
		why += ". They said: " + linkWords(kind)
	}
	if a.GetBreakGlass() {
		why += ". They said that it was an emergency"
	}
	telling := tellingOf(a).mine
	if a.GetCustodian() != "" && a.GetCustodian() != a.GetTrust() && strings.Contains(string(telling), "{what}") {
		why += ". " + a.GetCustodianName() + " keeps that document"
	}
	s := telling.tell(who, what, why)
	if a.GetOneSided() != "" {
		s += " The two places do not have the same note of this. Ask us to find out why."
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
