package policy

import "slices"

// Sensitivity is a label of HL7 v3-ActCode that a document can bear and a directive can name.
type Sensitivity struct {
	Code        string
	Description string // of the documents, so that "documents about" can stand before it
	Group       string // code of the label that this one is a kind of; empty for none
}

// LegalClass is a class of documents that statute keeps from being shared.
type LegalClass struct {
	Code        string
	Description string
}

// sensitivityTable never changes after the program has started. Groups are those of the code system.
var sensitivityTable = []Sensitivity{
	{"HIV", "HIV", ""},
	{"STD", "sexually transmitted infections", ""},
	{"SEX", "sex and reproductive health", ""},
	{"SDV", "sexual assault or domestic violence", ""},
	{"GDIS", "genetic conditions", ""},
	{"SCA", "sickle cell anaemia", ""},
	{"ETH", "alcohol and drugs", ""},
	{"BH", "behaviour and mental health", ""},
	{"MH", "mental health", "BH"},
	{"PSY", "psychiatric care", "BH"},
	{"PSYTHPN", "notes of talking therapy", "BH"},
	{"EMOTDIS", "emotional problems", "BH"},
	{"COGN", "memory and thinking", "BH"},
	{"DVD", "learning and development", "BH"},
	{"SUD", "addiction", "BH"},
	{"ETHUD", "alcohol use", "SUD"},
	{"OPIOIDUD", "opioid use", "SUD"},
	{"ADOL", "care as a young person", ""},
	{"CEL", "care of well known people", ""},
	{"EMP", "care of people who work for the trust", ""},
	{"DEMO", "name, address and contacts", ""},
	{"LOCIS", "where the patient lives or stays", ""},
	{"DIA", "diagnoses", ""},
}

// legalTable never changes after the program has started.
var legalTable = []LegalClass{
	{"HFEA", "Fertility treatment (Human Fertilisation and Embryology Act 1990, s 33A)"},
	{"GRA", "Gender recognition (Gender Recognition Act 2004, s 22)"},
	{"ADOPTION", "Adoption (Adoption and Children Act 2002, ss 56 to 65)"},
}

// Sensitivities returns the labels that directives and documents can bear.
func Sensitivities() []Sensitivity { return append([]Sensitivity(nil), sensitivityTable...) }

// LegalClasses returns the classes that are never released across trusts.
func LegalClasses() []LegalClass { return append([]LegalClass(nil), legalTable...) }

func knownSensitivity(code string) bool {
	return slices.ContainsFunc(sensitivityTable, func(s Sensitivity) bool { return s.Code == code })
}

// labelWithin reports whether a label is a kind of another, at whatever depth.
func labelWithin(code, group string) bool {
	for range sensitivityTable { // no chain of groups is longer than the table
		i := slices.IndexFunc(sensitivityTable, func(s Sensitivity) bool { return s.Code == code })
		if i < 0 || sensitivityTable[i].Group == "" {
			return false
		}
		if code = sensitivityTable[i].Group; code == group {
			return true
		}
	}
	return false
}

// roleWithin reports whether a role is a kind of another, at whatever depth.
func roleWithin(code, group string) bool {
	for range roleTable {
		i := slices.IndexFunc(roleTable, func(r Role) bool { return r.Code == code })
		if i < 0 || roleTable[i].Group == "" {
			return false
		}
		if code = roleTable[i].Group; code == group {
			return true
		}
	}
	return false
}
