package synth

func femaleNames() []string {
	return []string{
		"Ada", "Amina", "Beatrix", "Catrin", "Chidinma", "Dorothy", "Eilidh", "Fatima", "Grace", "Harpreet", "Imogen", "Joan", "Kamala",
		"Leila", "Mairead", "Nadia", "Olive", "Priya", "Rosalind", "Sunita", "Teresa", "Violet", "Wanjiru", "Xiu Ying", "Yasmin", "Zofia",
	}
}

func maleNames() []string {
	return []string{
		"Albert", "Bogdan", "Callum", "Dilip", "Emeka", "Farid", "Gethin", "Harold", "Idris", "Jamal", "Kenneth", "Leonard", "Mohammed",
		"Nikhil", "Oluwaseun", "Patrick", "Ravi", "Stanley", "Tariq", "Usman", "Viktor", "Winston", "Yusuf", "Zachary",
	}
}

// familyNames are words that are no usual surnames, so that no list of real people matches.
func familyNames() []string {
	return []string{
		"Testingham", "Fictonby", "Samplewood", "Mockford", "Dummerton", "Specimen", "Placeholt", "Inventley", "Madeupson", "Exampleby",
		"Trialstone", "Fabrickson", "Simulwick", "Pretendhurst", "Synthwell", "Notreale", "Imagindar", "Fauxborough", "Demoski", "Modelani",
		"Standinworth", "Patternova", "Draftmore", "Proxyman", "Shamwari-Test", "Mannequin", "Conjecton", "Phantomley",
	}
}

func streets() []string {
	return []string{"Imaginary Way", "Test Card Lane", "Nowhere Street", "Fable Crescent", "Example Close", "Phantom Road", "Specimen Gardens", "Invented Row", "Placeholder Avenue"}
}

func towns() []string {
	return []string{"Nethermere-on-Paper", "Fictonbury", "Much Pretending", "Sampleford", "Testwick-under-Lyne", "Great Simulation"}
}

func practices() []string {
	return []string{"The Fable Street Surgery", "Nethermere Health Centre", "Much Pretending Medical Practice", "Sampleford Family Doctors"}
}

func hospitals() []string {
	return []string{"Nethermere General Hospital", "Fictonbury Royal Infirmary", "St Placeholder's Hospital", "Sampleford Community Hospital"}
}

func doctors() []string {
	return []string{"Dr A. Mockford", "Dr P. Inventley", "Miss R. Samplewood", "Mr T. Fauxborough", "Dr S. Patternova", "Dr K. Notreale", "Prof. L. Synthwell", "Sister M. Draftmore"}
}

// speciality gathers what a department writes about.
type speciality struct {
	code       Code
	conditions []string
	findings   []string
	plans      []string
}

// specialities uses the NHS Data Dictionary's treatment function codes.
func specialities() []speciality {
	return []speciality{
		{
			Code{"320", "Cardiology"},
			[]string{"Atrial fibrillation", "Stable angina", "Heart failure with reduced ejection fraction"},
			[]string{"Pulse 84 irregularly irregular, blood pressure 138/82.", "Echocardiogram shows an ejection fraction of 38%.", "No ankle swelling, chest clear."},
			[]string{"Bisoprolol increased to 5 mg once daily.", "Repeat ECG in six weeks.", "Referred to the heart failure nurse."},
		},
		{
			Code{"340", "Respiratory Medicine"},
			[]string{"COPD, GOLD group B", "Community acquired pneumonia", "Asthma, poorly controlled"},
			[]string{"Oxygen saturation 94% on air, respiratory rate 18.", "Chest X-ray shows consolidation at the right base.", "FEV1 58% of predicted."},
			[]string{"Inhaler technique reviewed; spacer supplied.", "Repeat chest X-ray in six weeks to confirm resolution.", "Annual influenza vaccination advised."},
		},
		{
			Code{"110", "Trauma and Orthopaedics"},
			[]string{"Fractured neck of femur, left", "Osteoarthritis of the right knee", "Colles' fracture"},
			[]string{"Wound clean and dry, clips removed.", "Range of movement 5 to 95 degrees.", "Radiographs show satisfactory alignment."},
			[]string{"Weight bear as tolerated with a frame.", "Physiotherapy twice weekly.", "Review in fracture clinic in two weeks."},
		},
		{
			Code{"301", "Gastroenterology"},
			[]string{"Iron deficiency anaemia", "Ulcerative colitis, left sided", "Barrett's oesophagus"},
			[]string{"Haemoglobin 92 g/L, ferritin 8 micrograms/L.", "Colonoscopy to caecum: no polyp seen.", "Abdomen soft, no masses."},
			[]string{"Ferrous sulfate 200 mg once daily.", "Surveillance endoscopy in two years.", "Faecal calprotectin in three months."},
		},
		{
			Code{"430", "Elderly Medicine"},
			[]string{"Recurrent falls", "Delirium, resolved", "Urinary tract infection"},
			[]string{"4AT score 2 on admission, 0 at discharge.", "Lying blood pressure 142/78, standing 118/70.", "Mobile with one stick."},
			[]string{"Amlodipine stopped because of postural drop.", "Package of care twice daily.", "Community falls team to visit."},
		},
		{
			Code{"302", "Endocrinology"},
			[]string{"Type 2 diabetes", "Hypothyroidism", "Primary hyperparathyroidism"},
			[]string{"HbA1c 64 mmol/mol, eGFR 58.", "Foot pulses present, sensation intact.", "TSH 2.1 mU/L on treatment."},
			[]string{"Metformin increased to 1 g twice daily.", "Retinal screening is due in March.", "Recheck blood tests in three months."},
		},
		{
			Code{"330", "Dermatology"},
			[]string{"Venous leg ulcer", "Psoriasis", "Basal cell carcinoma, excised"},
			[]string{"Ulcer 4 cm by 3 cm, granulating base.", "Plaques over both elbows.", "Scar well healed, no recurrence."},
			[]string{"Compression bandaging weekly.", "Emollient and calcipotriol.", "Self-examination explained."},
		},
		{
			Code{"300", "General Internal Medicine"},
			[]string{"Syncope, likely vasovagal", "Cellulitis of the right leg", "Acute kidney injury stage 1"},
			[]string{"NEWS2 score 1 at discharge.", "CRP fell from 148 to 22 mg/L.", "Creatinine returned to 88 micromol/L."},
			[]string{"Complete seven days of flucloxacillin.", "GP to repeat U&E in one week.", "No driving until reviewed."},
		},
	}
}

func filler() []string {
	return []string{
		"Thank you for referring this pleasant patient, who was seen in clinic today with a relative.",
		"The past history was reviewed and there were no new concerns since the last appointment.",
		"Medicines were reconciled with the summary care record and the patient's own list.",
		"Appetite and sleep are reported as fair. There has been no recent weight loss.",
		"The findings and the plan were explained, and written information was given.",
		"The patient lives alone in a first floor flat and is independent in daily activities.",
		"There is no known drug allergy. The patient does not smoke and drinks alcohol rarely.",
		"Observations were stable throughout and the early warning score remained low.",
		"Blood results are available on the pathology system and have been copied below.",
		"If symptoms return the patient has been advised to call 111, or 999 in an emergency.",
		"We would be grateful if you could continue the prescription from the practice.",
		"A copy of this letter has been sent to the patient.",
	}
}

func medicines() []string {
	return []string{
		"Paracetamol 1 g four times daily", "Bisoprolol 2.5 mg once daily", "Apixaban 5 mg twice daily", "Atorvastatin 40 mg at night", "Ramipril 5 mg once daily",
		"Salbutamol 100 micrograms inhaler as needed", "Omeprazole 20 mg once daily", "Metformin 500 mg twice daily", "Levothyroxine 75 micrograms once daily", "Senna 15 mg at night",
	}
}
