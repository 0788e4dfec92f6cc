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
	DirectCare  bool
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
	{"TREAT", "Treatment", true},
	{"ETREAT", "Emergency treatment", true},
	{"COC", "Coordination of care", true},
	{"BTG", "Break the glass", false},
	{"CAREMGT", "Care management", false},
	{"PATRQT", "Requested by the patient", false},
	{"FAMRQT", "Requested by the family", false},
	{"PWATRNY", "Power of attorney", false},
	{"SUPNWK", "Support network", false},
	{"HOPERAT", "Healthcare operations", false},
	{"HPAYMT", "Healthcare payment", false},
	{"HQUALIMP", "Quality improvement", false},
	{"PATADMIN", "Patient administration", false},
	{"HSYSADMIN", "System administration", false},
	{"PUBHLTH", "Public health", false},
	{"HRESCH", "Healthcare research", false},
	{"CLINTRCH", "Clinical trial research", false},
	{"HLEGAL", "Legal", false},
	{"HMARKT", "Marketing", false},
	{"DISASTER", "Disaster", false},
	{"TRAIN", "Training", false},
	{"HTEST", "Test", false},
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

func knownRole(code string) bool {
	_, known := rolePlace[code]
	return known
}

// relationshipTable never changes after the program has started.
var relationshipTable = []RelationshipKind{Referral, Appointment, Admission, RegisteredList, MDT, SelfClaimed}

// Relationships returns the kinds of relationship that agreements can name.
func Relationships() []RelationshipKind { return slices.Clone(relationshipTable) }

func knownRelationship(code string) bool {
	return code != "" && slices.Contains(relationshipTable, RelationshipKind(code))
}

func knownPurpose(code string) bool {
	return slices.ContainsFunc(purposeTable, func(p Purpose) bool { return p.Code == code })
}
