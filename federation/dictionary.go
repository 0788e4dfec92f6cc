package federation

// dictionary shortens codes that occur in most pointers to one byte. An entry's place is part of the encoding:
// append, never reorder or remove.
var dictionary = []string{
	"",                                                                                                                                                              // absent
	"373942005",                                                                                                                                                     // SNOMED CT: discharge summary
	"823681000000100",                                                                                                                                               // outpatient letter
	"16521000000101",                                                                                                                                                // Lloyd George record folder
	"824321000000109",                                                                                                                                               // summary record
	"887181000000106",                                                                                                                                               // clinical summary
	"749001000000101",                                                                                                                                               // appointment
	"736253002",                                                                                                                                                     // mental health crisis plan
	"736373009",                                                                                                                                                     // end of life care plan
	"736366004",                                                                                                                                                     // advance care plan
	"735324008",                                                                                                                                                     // treatment escalation plan
	"325691000000100",                                                                                                                                               // contingency plan
	"861421000000109",                                                                                                                                               // end of life care coordination summary
	"887701000000100",                                                                                                                                               // emergency health care plan
	"1382601000000107",                                                                                                                                              // ReSPECT form
	"1363501000000100",                                                                                                                                              // NEWS2 chart
	"2181441000000107",                                                                                                                                              // personalised care and support plan
	"734163000",                                                                                                                                                     // category: care plan
	"1102421000000108",                                                                                                                                              // category: observations
	"823651000000106",                                                                                                                                               // category: clinical note
	"721981007",                                                                                                                                                     // category: diagnostic studies report
	"103693007",                                                                                                                                                     // category: diagnostic procedure
	"419891008",                                                                                                                                                     // category: record artifact
	"716931000000107",                                                                                                                                               // category: record headings
	"788002001",                                                                                                                                                     // adult mental health service
	"1060971000000108",                                                                                                                                              // general practice service
	"100", "101", "110", "120", "130", "140", "160", "180", "300", "301", "302", "320", "330", "340", "370", "400", "410", "420", "430", "501", "502", "800", "810", // treatment functions
	"application/pdf", "image/tiff", "image/jpeg", "image/png", "application/dicom", "application/hl7-cda+xml", "text/plain", "application/octet-stream", "text/xml", "text/html", "application/rtf",
	"en", "en-GB", "cy",
}

// dictionaryPlace is the inverse of dictionary; it never changes.
var dictionaryPlace = func() map[string]uint64 {
	places := make(map[string]uint64, len(dictionary))
	for i, code := range dictionary {
		places[code] = uint64(i)
	}
	return places
}()

// code appends a dictionary entry's place plus one, or zero and the text.
func (e *Encoder) code(s string) {
	if i, ok := dictionaryPlace[s]; ok {
		e.Uvarint(i + 1)
		return
	}
	e.Uvarint(0)
	e.Text(s)
}

// code reads what Encoder.code wrote. Text that the dictionary has is a fault: there is one form for each code.
func (d *Decoder) code() string {
	i := d.Uvarint(uint64(len(dictionary)))
	if d.Err() != nil {
		return ""
	}
	if i > 0 {
		return dictionary[i-1]
	}
	s := d.Text(MaxCode)
	if _, ok := dictionaryPlace[s]; ok && d.Err() == nil {
		d.Fail("code %q written out", s)
	}
	return s
}
