package web

import (
	"net/url"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func TestProvenanceNamesTheAgreement(t *testing.T) {
	b, path, doc, _ := opened(t, &admin.Located{Title: "Chart", ContentType: "image/png", Pages: 1, Date: at("2024-01-01")}, pngOf(t))
	b.get(doc).wants(t, 200, "Held by <strong>Imperial College Healthcare</strong>, shared under version 3 of its agreement, in force since 5 Jan 2026", "Verified")
	own := b.region.add(numberA, "RAS", 9, &admin.Located{Title: "Own", ContentType: "image/png", Pages: 1}, pngOf(t))
	b.get(path+"/documents/"+own).wants(t, 200, "Held by <strong>The Hillingdon Hospitals</strong>, this trust")
}

func TestProvenanceOfAnEmergencyDoesNotSayThatItIsShared(t *testing.T) {
	b, path, doc, _ := opened(t, &admin.Located{Title: "Chart", ContentType: "image/png", Pages: 1, Date: at("2024-01-01")}, pngOf(t))
	b.post(path+"/emergency", url.Values{"token": {b.token()}, "reason": {"unconscious in resus, no history"}, "understood": {"1"}})
	got := b.get(doc)
	got.wants(t, 200, "Held by <strong>Imperial College Healthcare</strong>, opened with your emergency access", "Verified")
	if strings.Contains(got.body, "shared under") {
		t.Error("a document opened in an emergency is said to be shared")
	}
}

func TestPageThatWasFetchedAgainSaysSo(t *testing.T) {
	b, _, doc, d := opened(t, &admin.Located{Title: "Chart", ContentType: "image/png", Pages: 3}, pngOf(t))
	if got := b.get(doc + "/page?page=2"); got.Header.Get(retriedHeader) != "" {
		t.Error("a good page is said to have failed")
	}
	d.corrupt = 1
	got := b.get(doc + "/page?page=2")
	if got.StatusCode != 200 || got.Header.Get(retriedHeader) != "retried" {
		t.Errorf("a page that was fetched again: %d, %q", got.StatusCode, got.Header.Get(retriedHeader))
	}
}

func TestVersionsLeadToEachOther(t *testing.T) {
	g := newRig(t)
	old := g.region.add(numberA, "RYJ", 1, &admin.Located{Title: "Draft", ContentType: "text/plain", Status: "superseded", Date: at("2024-01-01")}, []byte("old"))
	young := g.region.add(numberA, "RYJ", 2, &admin.Located{Title: "Final", ContentType: "text/plain", Supersedes: old, Date: at("2024-02-01")}, []byte("new"))
	b := g.browser()
	b.signOn("a.okafor")
	path := b.open(numberA)
	b.get(path+"/documents/"+old).wants(t, 200, "This document was replaced", "may have the newer version")
	b.get(path)
	b.get(path+"/documents/"+old).wants(t, 200, "This document was replaced", `href="`+path+"/documents/"+young+`">Open the newer version`)
	b.get(path+"/documents/"+young).wants(t, 200, `It replaces <a href="`+path+"/documents/"+old)
}

func TestTwoDocumentsSideBySide(t *testing.T) {
	g := newRig(t)
	chart := g.region.add(numberA, "RYJ", 1, &admin.Located{Title: "Chart", ContentType: "image/png", Pages: 9, Date: at("2024-01-01")}, pngOf(t))
	letter := g.region.add(numberA, "RAS", 2, &admin.Located{Title: "Letter", ContentType: "text/plain", Date: at("2024-02-01")}, []byte("words of the letter"))
	foreign := g.region.add(numberB, "RAS", 3, &admin.Located{Title: "Of B", ContentType: "text/plain"}, []byte("about B"))
	b := g.browser()
	b.signOn("a.okafor")
	path := b.open(numberA)
	b.get(path+"/documents/"+chart).wants(t, 200, path+"?beside="+url.QueryEscape(chart))
	beside := path + "/documents/" + chart + "/beside/" + letter
	b.get(path+"?beside="+chart).wants(t, 200, "Choose the document to show beside <strong>Chart</strong>", `href="`+beside+`"`)
	b.get(beside+"?page1=4").wants(t, 200, `id="picture1"`, "words of the letter", "Page 4 of 9", `page1=5`, `href="`+path+"/documents/"+letter+`">Letter`)
	// One that cannot be opened leaves the other.
	g.region.docs[letter].fail = admin.Errorf(admin.CodeDenied, "%s: The patient has asked that it is not shared.", letter)
	b.get(beside).wants(t, 200, `id="picture1"`, "You cannot open this document", "The patient has asked")
	got := b.get(path + "/documents/" + chart + "/beside/" + foreign)
	got.wants(t, 200, "There is no such document")
	if strings.Contains(got.body, "about B") || strings.Contains(got.body, "Of B") {
		t.Error("a document of another patient stands beside")
	}
	if to := b.get(path + "/documents/" + chart + "/beside/" + chart).Header.Get("Location"); to != path+"/documents/"+chart {
		t.Errorf("a document beside itself leads to %q", to)
	}
}

func TestIdentityIsCrossChecked(t *testing.T) {
	known := Person{Number: numberA, Family: "O'Brien-Smith", Given: "Siân Jane", Born: "1950-02-28"}
	for name, c := range map[string]struct {
		s    subject
		want string
	}{
		"the same": {subject{numbers: []string{numberA}, family: "OBRIEN-SMITH", given: "SIAN", born: "1950-02-28"}, ""}, "nothing said": {subject{}, ""},
		"married": {subject{family: "Jones", given: "Siân", born: "1950-02-28"}, ""}, "called by another name": {subject{name: "Mrs Bunty O'Brien-Smith"}, ""},
		"one of two names": {subject{name: "Ms J Smith"}, ""},
		"another number":   {subject{numbers: []string{numberA, numberB}}, "NHS number: 999 000 0018, 999 000 0026"}, "another birth": {subject{born: "1950-02-27"}, "Date of birth: 28 February 1950, 27 February 1950"},
		"another person": {subject{family: "Hart", given: "Ann"}, "Name: O'BRIEN-SMITH, Siân Jane, HART, Ann"}, "another, whole": {subject{name: "Mr Joe Hart"}, "Name: O'BRIEN-SMITH, Siân Jane, Mr Joe Hart"},
	} {
		var got []string
		for _, d := range c.s.compare(numberA, known) {
			got = append(got, d.What+": "+d.Ours+", "+d.Theirs)
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if got := (subject{family: "Hart", given: "Ann", born: "1999-01-01"}).compare(numberA, Person{}); len(got) > 0 {
		t.Errorf("of a patient who is not known: %v", got)
	}
}

func TestStructuredDocumentOfAnotherPersonIsNotShown(t *testing.T) {
	cda := `<ClinicalDocument xmlns="urn:hl7-org:v3"><title>Letter</title><recordTarget><patientRole><id root="2.16.840.1.113883.2.1.4.1" extension="9990000018"/><patient><name><given>Ann</given><family>Hart</family></name><birthTime value="19990101"/></patient></patientRole></recordTarget><component><structuredBody><component><section><title>S</title><text>secret words</text></section></component></structuredBody></component></ClinicalDocument>`
	b, _, doc, _ := opened(t, &admin.Located{Title: "Letter", ContentType: "text/xml"}, []byte(cda))
	b.get(doc).wants(t, 200, "secret words", "Check whose it is", "make sure that the name")
	b.region.people = map[string]Person{numberA: {Number: numberA, Family: "Hart", Given: "Ann", Born: "1999-01-01"}}
	b.get(doc).wants(t, 200, "secret words", "NHS number, name and date of birth are those of your patient")
	b.region.people[numberA] = Person{Number: numberA, Family: "Hart", Given: "Ann", Born: "1998-01-01"}
	got := b.get(doc)
	got.wants(t, 200, "This document may be about another patient", "1 January 1998", "1 January 1999", `<td data-rw-label="Your patient">1 January 1998</td>`, `<td data-rw-label="The document says"><strong>1 January 1999`)
	if strings.Contains(got.body, "secret words") {
		t.Error("its words are shown")
	}
}
