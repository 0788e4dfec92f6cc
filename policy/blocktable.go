package policy

// blockTable never changes after the program has started.
var blockTable = []Block{
	{
		Name:       "own-records",
		Does:       "The custodian's own staff work with its own records, for any purpose.",
		Parameters: []Parameter{rolesOf("clinician", "social-worker", "care-coordinator", "records-staff", "governance-lead"), upTo("R"), grantActions},
		Example:    "- block: own-records\n  up-to: R\n",
		rules:      ownRecords,
	},
	{
		Name:       "direct-care",
		Does:       "Staff of named trusts, or of all, see and open documents for direct care.",
		Parameters: []Parameter{required(grantTrusts), rolesOf("clinician"), careActs, upTo("N"), grantActions},
		Example:    "- block: direct-care\n  trusts: [RAS, R1H]\n  up-to: N\n",
		rules:      directCare,
	},
	{
		Name:       "break-glass",
		Does:       "Staff open a record in an emergency with a reason; both sites audit and review it.",
		Parameters: []Parameter{grantTrusts, rolesOf("clinician"), with(careActs, "TREAT", "ETREAT", "BTG"), upTo("R")},
		Example:    "- block: break-glass\n  up-to: R\n",
		rules:      breakGlass,
	},
	{
		Name:       "pharmacist-medications",
		Does:       "Pharmacists see and open medication documents, which are told by type or category.",
		Parameters: []Parameter{typeCodes, catCodes, grantTrusts, rolesOf("pharmacist"), careActs, upTo("N"), grantActions, onlyThese},
		Example:    "- block: pharmacist-medications\n  types: [\"373942005\"]   # discharge summary\n  only: yes\n",
		needs:      []string{"types", "categories"},
		rules:      pharmacists,
	},
	{
		Name:       "out-of-hours-summaries",
		Does:       "Out of hours (not Monday to Friday 08:00 to 18:30, UK time) staff of named trusts see and open summaries.",
		Parameters: []Parameter{required(grantTrusts), typeCodes, catCodes, rolesOf("clinician"), careActs, upTo("N"), grantActions, onlyThese},
		Example:    "- block: out-of-hours-summaries\n  trusts: [NLX01]\n  types: [\"824321000000109\"]   # summary record\n",
		needs:      []string{"types", "categories"},
		rules:      outOfHoursSummaries,
	},
	{
		Name: "social-care-plans",
		Does: "Social workers see and open care plans.",
		Parameters: []Parameter{
			typeCodes, with(catCodes, "734163000"), grantTrusts, rolesOf("social-worker"), with(careActs, "TREAT", "COC", "CAREMGT"),
			upTo("N"), grantActions, onlyThese,
		},
		Example: "- block: social-care-plans\n  trusts: [RAS]\n",
		needs:   []string{"types", "categories"},
		rules:   socialCarePlans,
	},
	{
		Name:       "only-types",
		Does:       "Nothing is shared but documents of these types, categories or specialties.",
		Parameters: []Parameter{typeCodes, catCodes, specCodes, limitTrusts, limitActions, emergency(holds)},
		Example:    "- block: only-types\n  types:\n    - \"373942005\"         # discharge summary\n    - \"823681000000100\"   # outpatient letter\n",
		needs:      []string{"types", "categories", "specialties"},
		rules:      onlyTypes,
	},
	{
		Name: "last-years",
		Does: "Nothing is shared that is older than so many years of 365.25 days.",
		Parameters: []Parameter{
			{Name: "years", Kind: "number", Required: true, Does: "how many years, 1 to 150", read: readNumber(1, 150), fallback: 0},
			{Name: "undated", Kind: "withhold or share", Default: "withhold", Does: "what becomes of documents without a date", read: readChoice("withhold", "share"), fallback: "withhold"},
			limitTrusts, limitActions, emergency(holds),
		},
		Example: "- block: last-years\n  years: 10\n  emergency: passes\n",
		rules:   lastYears,
	},
	{
		Name: "research-never",
		Does: "Nobody sees, opens or exports anything for research, and no researcher for any purpose, in an emergency either.",
		Parameters: []Parameter{
			{Name: "also", Kind: "purposes", Default: "none", Does: "further purposes that are never served, such as HMARKT", read: readPurposes, fallback: []string(nil)},
		},
		Example: "- block: research-never\n  also: [HMARKT]\n",
		rules:   researchNever,
	},
	{
		Name: "need-relationship",
		Does: "Nothing is shared without a relationship between the user and the patient.",
		Parameters: []Parameter{
			{
				Name: "kinds", Kind: "relationships", Default: "referral, appointment, admission, registered-list, mdt", Does: "which kinds will do; self-claimed must be named",
				read: readRelationships, fallback: []string{"referral", "appointment", "admission", "registered-list", "mdt"},
			},
			{Name: "verified", Kind: "yes or no", Default: "yes", Does: "whether the user's trust must have found the evidence in its own systems", read: readFlag, fallback: true},
			limitTrusts, limitActions, emergency(passes),
		},
		Example: "- block: need-relationship\n  kinds: [referral, appointment, admission]\n  actions: [open, export]\n",
		rules:   needRelationship,
	},
	{
		Name:       "need-consent",
		Does:       "Nothing is shared, or no document of these types or categories, unless the patient has consented.",
		Parameters: []Parameter{typeCodes, catCodes, limitTrusts, limitActions, emergency(passes)},
		Example:    "- block: need-consent\n  categories: [\"734163000\"]   # care plan\n",
		rules:      needConsent,
	},
	{
		Name: "hide-sensitive",
		Does: "Documents that bear one of these labels, or a label that is a kind of one, are not shared.",
		Parameters: []Parameter{
			{Name: "labels", Kind: "labels", Required: true, Does: "sensitivity labels (HL7 v3-ActCode)", read: readLabels, fallback: []string(nil)},
			{Name: "unless-consented", Kind: "yes or no", Default: "no", Does: "whether the patient's consent lifts it", read: readFlag, fallback: false},
			limitTrusts, limitActions, emergency(holds),
		},
		Example: "- block: hide-sensitive\n  labels: [HIV, STD, SDV]\n",
		rules:   hideSensitive,
	},
}

func required(p Parameter) Parameter {
	p.Required, p.Default, p.fallback = true, "", nil
	return p
}

// with returns the parameter with other codes by default.
func with(p Parameter, codes ...string) Parameter {
	if len(codes) > 0 {
		p.Default, p.fallback = commas(codes), codes
	}
	return p
}
