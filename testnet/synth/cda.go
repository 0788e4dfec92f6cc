package synth

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// clinicalDocument is a CDA R2 document with a structured body: problems, medicines, results and plan as narrative.
func clinicalDocument(p Patient, s *sheet) []byte {
	given, family, _ := strings.Cut(s.signer(), ". ")
	gender, genderName := "F", "Female"
	if p.Sex == "male" {
		gender, genderName = "M", "Male"
	}
	start := s.n(6)
	sections := section("11450-4", "Problem list", list(s.spec.conditions)) +
		section("10160-0", "History of medication use", list(medicines()[start:start+4])) +
		section("30954-2", "Relevant diagnostic tests or laboratory data", list(s.spec.findings)) +
		section("18776-5", "Plan of treatment", list(s.spec.plans)) +
		section("34109-9", "Note", "<paragraph>"+text(pick(s.dice, filler())+" "+pick(s.dice, filler())+" "+notice+".")+"</paragraph>")
	at := s.doc.Date.Format("20060102150405") + "+0000"
	return []byte(fmt.Sprintf(cdaFrame, s.uid(), text(s.doc.Title+" ("+notice+")"), at,
		p.NHSNumber, text(p.Address[0]), text(p.Address[1]), p.Postcode, text(p.Title), text(p.Given), text(p.Family), gender, genderName, p.Born.Format("20060102"),
		at, 10000+s.n(90000), text(given), text(family), text(s.hospital), sections))
}

// uid makes an OID from a UUID-sized number (ISO/IEC 9834-8: arc 2.25).
func (s *sheet) uid() string { return fmt.Sprintf("2.25.%d%09d", s.next()>>2, s.n(1_000_000_000)) }

func section(loinc, title, body string) string {
	return fmt.Sprintf("      <component><section>\n        <code code=%q codeSystem=\"2.16.840.1.113883.6.1\" codeSystemName=\"LOINC\"/>\n"+
		"        <title>%s</title>\n        <text>%s</text>\n      </section></component>\n", loinc, text(title), body)
}

func list(items []string) string {
	var b strings.Builder
	b.WriteString("<list>")
	for _, i := range items {
		b.WriteString("<item>" + text(i) + "</item>")
	}
	b.WriteString("</list>")
	return b.String()
}

func text(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		panic("a string cannot be written to memory: " + err.Error())
	}
	return b.String()
}

const cdaFrame = `<?xml version="1.0" encoding="UTF-8"?>
<!-- SYNTHETIC - not a real patient -->
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <realmCode code="GB"/>
  <typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
  <id root="%s"/>
  <code code="34133-9" codeSystem="2.16.840.1.113883.6.1" codeSystemName="LOINC" displayName="Summarization of Episode Note"/>
  <title>%s</title>
  <effectiveTime value="%s"/>
  <confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/>
  <languageCode code="en-GB"/>
  <recordTarget>
    <patientRole>
      <id root="2.16.840.1.113883.2.1.4.1" extension="%s" assigningAuthorityName="NHS"/>
      <addr use="H"><streetAddressLine>%s</streetAddressLine><city>%s</city><postalCode>%s</postalCode></addr>
      <patient>
        <name use="L"><prefix>%s</prefix><given>%s</given><family>%s</family></name>
        <administrativeGenderCode code="%s" codeSystem="2.16.840.1.113883.5.1" displayName="%s"/>
        <birthTime value="%s"/>
      </patient>
    </patientRole>
  </recordTarget>
  <author>
    <time value="%s"/>
    <assignedAuthor>
      <id root="2.25.9999" extension="%d"/>
      <assignedPerson><name><given>%s</given><family>%s</family></name></assignedPerson>
      <representedOrganization><name>%s</name></representedOrganization>
    </assignedAuthor>
  </author>
  <custodian>
    <assignedCustodian><representedCustodianOrganization><id root="2.25.9999" extension="SYNTHETIC"/><name>SYNTHETIC</name></representedCustodianOrganization></assignedCustodian>
  </custodian>
  <component>
    <structuredBody>
%s    </structuredBody>
  </component>
</ClinicalDocument>
`
