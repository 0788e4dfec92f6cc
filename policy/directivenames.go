package policy

// plainRoles are the roles as a patient calls them. It never changes after the program has started.
var plainRoles = map[string]string{
	"clinician": "doctors, nurses and other health professionals", "doctor": "doctors", "nurse": "nurses", "midwife": "midwives", "pharmacist": "pharmacists",
	"allied-health-professional": "therapists and other allied health professionals", "paramedic": "paramedics", "dentist": "dentists",
	"psychologist": "psychologists", "healthcare-scientist": "healthcare scientists", "social-worker": "social workers",
	"healthcare-assistant": "healthcare assistants", "student": "students", "care-coordinator": "care coordinators and clinical secretaries",
	"records-staff": "health records staff", "governance-lead": "staff who look after information rules", "privacy-officer": "privacy officers",
	"researcher": "researchers", "admin": "system administrators", "system": "computer programs",
}

// plainKinds are types and categories of documents as a patient calls them, by SNOMED CT code. It never changes after the
// program has started.
var plainKinds = map[string]string{
	"373942005": "discharge summaries", "823681000000100": "outpatient letters", "16521000000101": "GP record folders", "824321000000109": "summary records",
	"887181000000106": "clinical summaries", "749001000000101": "appointments", "736253002": "mental health crisis plans", "736373009": "end of life care plans",
	"736366004": "advance care plans", "735324008": "treatment escalation plans", "325691000000100": "contingency plans",
	"861421000000109": "end of life care summaries", "887701000000100": "emergency health care plans", "1382601000000107": "ReSPECT forms",
	"1363501000000100": "early warning charts", "2181441000000107": "personal care and support plans", "734163000": "care plans",
	"1102421000000108": "observations", "823651000000106": "clinical notes", "721981007": "test reports", "103693007": "diagnostic procedures",
	"419891008": "record items", "716931000000107": "record headings",
}

func plural(role string) string {
	if name, ok := plainRoles[role]; ok {
		return name
	}
	return "staff with the role " + quote(role)
}

func kind(code string) string {
	if name, ok := plainKinds[code]; ok {
		return name
	}
	return "documents with the code " + quote(code)
}

func about(label string) string {
	for _, s := range sensitivityTable {
		if s.Code == label {
			return s.Description
		}
	}
	return "what has the label " + quote(label)
}
