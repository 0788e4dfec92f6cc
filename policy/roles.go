package policy

import "slices"

// Role is a kind of staff that agreements can name.
type Role struct {
	Code        string
	Description string
	Group       string // code of the role that this one is a kind of; empty for none
}

// Purpose is a purpose of use that agreements can name: a code of HL7 v3-ActReason.
type Purpose struct {
	Code        string
	Description string
}

// roleTable never changes after the program has started.
var roleTable = []Role{
	{"clinician", "Any registered health professional in direct care", ""},
	{"doctor", "Doctor", "clinician"},
	{"nurse", "Nurse", "clinician"},
	{"midwife", "Midwife", "clinician"},
	{"pharmacist", "Pharmacist or pharmacy technician", "clinician"},
	{"allied-health-professional", "Allied health professional", "clinician"},
	{"paramedic", "Paramedic", "clinician"},
	{"dentist", "Dentist", "clinician"},
	{"psychologist", "Practitioner psychologist", "clinician"},
	{"healthcare-scientist", "Healthcare scientist", "clinician"},
	{"social-worker", "Registered social worker in direct care", ""},
	{"healthcare-assistant", "Healthcare assistant under supervision", ""},
	{"student", "Student under supervision", ""},
	{"care-coordinator", "Care coordinator or clinical secretary", ""},
	{"records-staff", "Health records staff", ""},
	{"governance-lead", "Information governance lead or Caldicott guardian", ""},
	{"privacy-officer", "Privacy officer", ""},
	{"researcher", "Researcher", ""},
	{"admin", "Administrator of the system", ""},
	{"system", "A program acting without a user", ""},
}

// purposeTable never changes after the program has started.
var purposeTable = []Purpose{
	{"TREAT", "Treatment"},
	{"ETREAT", "Emergency treatment"},
	{"COC", "Coordination of care"},
	{"BTG", "Break the glass"},
	{"CAREMGT", "Care management"},
	{"PATRQT", "Requested by the patient"},
	{"FAMRQT", "Requested by the family"},
	{"PWATRNY", "Power of attorney"},
	{"SUPNWK", "Support network"},
	{"HOPERAT", "Healthcare operations"},
	{"HPAYMT", "Healthcare payment"},
	{"HQUALIMP", "Quality improvement"},
	{"PATADMIN", "Patient administration"},
	{"HSYSADMIN", "System administration"},
	{"PUBHLTH", "Public health"},
	{"HRESCH", "Healthcare research"},
	{"CLINTRCH", "Clinical trial research"},
	{"HLEGAL", "Legal"},
	{"HMARKT", "Marketing"},
	{"DISASTER", "Disaster"},
	{"TRAIN", "Training"},
	{"HTEST", "Test"},
}

// Roles returns the documented roles. A request with any other role is refused.
func Roles() []Role { return append([]Role(nil), roleTable...) }

// Purposes returns the documented purposes. A request with any other purpose is refused.
func Purposes() []Purpose { return append([]Purpose(nil), purposeTable...) }

// rolePlace is where a role stands in roleTable; it never changes.
var rolePlace = func() map[string]int {
	places := make(map[string]int, len(roleTable))
	for i, r := range roleTable {
		places[r.Code] = i
	}
	return places
}()

// IsRole reports whether code is that of a documented role.
func IsRole(code string) bool {
	_, known := rolePlace[code]
	return known
}

// RolesTogether returns codes in the order of Roles. A group that stands there with every kind of it is returned apart, and stands
// for these: whole groups are what "every clinician" may be said of. A group without one of its kinds is a role like others.
func RolesTogether(codes []string) (groups, roles []string) {
	for _, g := range roleTable {
		kinds := 0
		whole := slices.Contains(codes, g.Code)
		for _, r := range roleTable {
			if r.Group == g.Code {
				kinds++
				whole = whole && slices.Contains(codes, r.Code)
			}
		}
		if whole && kinds > 0 {
			groups = append(groups, g.Code)
		}
	}
	for _, r := range roleTable {
		if slices.Contains(codes, r.Code) && !slices.Contains(groups, r.Code) && !slices.Contains(groups, r.Group) {
			roles = append(roles, r.Code)
		}
	}
	return groups, roles
}

// PurposesTogether returns codes in the order of Purposes, and whether these are all that there are.
func PurposesTogether(codes []string) (purposes []string, all bool) {
	for _, p := range purposeTable {
		if slices.Contains(codes, p.Code) {
			purposes = append(purposes, p.Code)
		}
	}
	return purposes, len(purposes) == len(purposeTable)
}

// relationshipTable never changes after the program has started.
var relationshipTable = []RelationshipKind{Referral, Appointment, Admission, RegisteredList, MDT, SelfClaimed}

// Relationships returns the kinds of relationship that agreements can name.
func Relationships() []RelationshipKind { return slices.Clone(relationshipTable) }

func knownRelationship(code string) bool {
	return code != "" && slices.Contains(relationshipTable, RelationshipKind(code))
}

// IsPurpose reports whether code is that of a documented purpose.
func IsPurpose(code string) bool {
	return slices.ContainsFunc(purposeTable, func(p Purpose) bool { return p.Code == code })
}
