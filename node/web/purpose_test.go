package web

import (
	"net/url"
	"strings"
	"testing"
)

// A clinic of twenty patients is not asked the same two questions twenty times: one press confirms for a patient what was said
// for another, in words. A claim that nothing backs, and another patient's reference, are never carried over.
func TestAnAnswerIsConfirmedForTheNextPatient(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	b.signOn("a.okafor")
	b.open(numberA) // to treat them, for an appointment, with a reference
	token := field(t, tokenField, b.get("/find").body)
	next := b.post("/find", url.Values{"token": {token}, "number": {numberB}}).Header.Get("Location")
	const same = "To treat this patient. They have an appointment with us</button>"
	b.follow(b.get(next)).wants(t, 200, same, `name="again" value="TREAT appointment"`)
	b.post(next+"/purpose", url.Values{"token": {token}, "again": {"COC appointment"}}).wants(t, 422, "Select why you need the record")
	b.get(next).wants(t, 303)                                                                                                          // what was never said is no answer
	b.post(next+"/purpose", url.Values{"token": {token}, "again": {"TREAT referral"}}).wants(t, 422, "Select why you need the record") // another relationship was shown
	b.post(next+"/purpose", url.Values{"token": {token}, "again": {"TREAT appointment"}}).wants(t, 303)
	page := b.get(next)
	page.wants(t, 200, "They have an appointment with us")
	if strings.Contains(page.body, "A-17") {
		t.Error("another patient's reference was carried over")
	}
	if body := b.get(next + "/purpose").body; strings.Contains(body, `name="again"`) {
		t.Error("whoever changes an answer is offered the old one")
	}
}

func TestAClaimIsNotCarriedOver(t *testing.T) {
	for purpose, relationship := range map[string]string{"TREAT": "self-claimed", "ETREAT": "admission"} {
		g := newRig(t)
		b := g.browser()
		b.signOn("a.okafor")
		path := b.open(numberA)
		token := field(t, tokenField, b.get("/find").body)
		b.post(path+"/purpose", url.Values{"token": {token}, "purpose": {purpose}, "relationship": {relationship}}).wants(t, 303)
		next := b.post("/find", url.Values{"token": {token}, "number": {numberB}}).Header.Get("Location")
		if body := b.follow(b.get(next)).body; strings.Contains(body, `name="again"`) {
			t.Errorf("%s is offered again:\n%.3000s", purpose, body)
		}
	}
}

// A new user of a demonstration is told a number that finds something; nobody else is.
func TestADemonstrationSaysWhichNumberToTry(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	b.signOn("a.okafor").wants(t, 200, "try 999 000 0018")
	g.portal.config.Settings.PatientPersonas = nil
	if body := b.get("/find").body; strings.Contains(body, "In this demonstration") {
		t.Error("a number is offered where there is no demonstration")
	}
}

// Whoever types a number anywhere sees whose it is, before anything is filed, moved or said in that name.
func TestTheBannerSaysWhoAPatientIsEverywhere(t *testing.T) {
	g := governed(t)
	g.region.own = map[string][]OwnDocument{numberA: {{ID: "RAS:a", Type: "373942005", Title: "Letter", Date: g.clock.now(), Confidentiality: "N", State: OwnShared}}}
	g.region.people = map[string]Person{numberA: {Number: numberA, Family: "Moss", Given: "Pat", Born: "1950-02-03"}, numberB: {Number: numberB, Family: "Hart", Given: "Lee", Born: "1961-04-05"}}
	b, path, token := g.filer()
	b.get(path).wants(t, 200, "MOSS, Pat")
	b.get(b.wishKey(numberA)).wants(t, 200, "MOSS, Pat")
	b.post(path+"/RAS:a/move", url.Values{"token": {token}, "reason": {"r"}, "number": {numberB}}).wants(t, 200, "MOSS, Pat", "HART, Lee, born 5 April 1961")
	delete(g.region.people, numberB)
	b.post(path+"/RAS:a/move", url.Values{"token": {token}, "reason": {"r"}, "number": {numberB}}).wants(t, 200, "This trust does not know who this is")
}
