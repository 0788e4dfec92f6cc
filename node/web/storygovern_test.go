package web_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// become logs out whoever is signed on, and signs a persona on.
func (s *story) become(name, wanted string) {
	s.t.Helper()
	s.goTo("/")
	if js[bool](s, "Boolean(document.querySelector('.nhsuk-header form[action=\"/log-out\"] button'))") {
		s.click(".nhsuk-header form[action='/log-out'] button", "You are logged out")
	}
	s.goTo("/sign-on/start")
	s.says("Choose who you are")
	js[bool](s, "[...document.querySelectorAll('button')].find(b => b.textContent.includes('"+name+"')).click() || true")
	s.says(wanted)
}

// put sets what a field holds, as typing would.
func (s *story) put(selector, text string) {
	s.t.Helper()
	js[bool](s, fmt.Sprintf("(f => { f.value = %q; f.dispatchEvent(new Event('input', {bubbles: true})); return true })(document.querySelector(%q))", text, selector))
}

// press clicks the button with a text in the main part, and waits for a text on what follows.
func (s *story) press(button, wanted string) {
	s.t.Helper()
	js[bool](s, fmt.Sprintf("[...document.querySelectorAll('main button, main a')].find(b => b.textContent.trim().startsWith(%q)).click() || true", button))
	s.says(wanted)
}

func TestAgreementIsWrittenByOneAndApprovedByAnother(t *testing.T) {
	s := newStory(t)
	s.become("Nadia Ferreira", "What this trust shares")
	s.check("gov-1-agreements")
	s.writeAgreement()
	s.become("Dr Dev Banerjee", "Waiting for a second person")
	s.press("Proposed by n.ferreira", "You are the second person")
	s.press("Who gains and who loses", "What could be asked for")
	s.check("gov-6-second-person")
	s.put("#note", "read with the Caldicott group")
	s.press("Approve", "See version 2")
	s.check("gov-7-approved")
	s.goTo("/agreements")
	s.says("In force")
	s.check("gov-8-two-versions")
	s.press("Compare", "From version 1 to version 2")
	s.check("gov-9-compared")
	s.goTo("/agreements/versions/1")
	s.says("Roll back")
	s.check("gov-10-version")
	s.goTo("/agreements/compare?a=1&b=2")
	s.dark()
	s.check("gov-28-dark-compared")
	s.goTo("/agreements/draft?from=2")
	s.press("Who gains and who loses", "Nobody gains and nobody loses")
	s.check("gov-29-dark-draft")
}

// dark asks for the dark form.
func (s *story) dark() {
	s.t.Helper()
	js[bool](s, "(document.querySelector('button[name=look][value=dark]').click(), true)")
	s.until("document.querySelector('meta[name=color-scheme]').content === 'dark'")
}

func TestGovernanceLeadLooksAfterWishesReviewsAndEvidence(t *testing.T) {
	s := newStory(t)
	s.become("Philippa Osei", "must judge each one in time")
	s.recordWish()
	s.judge()
	s.evidence()
	s.suspendAndAsk()
	s.watch()
	s.labelMany()
}

// watch has a record watched, sees a look at it become a review, and takes the mark back.
func (s *story) watch() {
	s.t.Helper()
	s.goTo("/reviews")
	s.press("Whose records are watched", "No record is watched")
	s.fillIn("#number", s.patient.SpacedNumber())
	js[bool](s, "document.getElementById('kind').click() || true")
	s.put("#reason", "known to the press")
	s.press("Watch this record", "watched from now on")
	s.says(strings.ToUpper(s.patient.Family))
	s.check("gov-30-watched")
	doctor := &admin.Asker{User: "a.okafor", Role: "doctor", Purpose: "TREAT", Relationship: "referral"}
	if _, err := s.region.Node(reader).Locate(s.t.Context(), &admin.LocateRequest{Patient: s.patient.NHSNumber, Asker: doctor}); err != nil {
		s.t.Fatal(err)
	}
	s.goTo("/reviews")
	s.says("Watched record")
	s.goTo("/reviews/watched")
	s.press("Take all marks of this person back", "No record is watched")
}

// labelMany restricts all documents of a year, after who loses by it was shown.
func (s *story) labelMany() {
	s.t.Helper()
	s.goTo("/labels")
	s.check("gov-31-labels")
	s.put("#from", "2000-01-01")
	js[bool](s, "(document.getElementById('confidentiality').value = 'R', true)")
	s.put("#reason", "a review of what is shared")
	s.press("Show who gains and who loses", "Nothing is changed yet")
	s.until("Number(document.querySelector('.rw-figures__loss dd').textContent) > 0")
	js[bool](s, "[...document.querySelectorAll('.rw-impact .nhsuk-details')].slice(0, 2).forEach(d => { d.open = true }) || true")
	s.check("gov-32-labels-preview")
	s.press("Change the labels of", "The labels were changed")
	s.check("gov-33-labels-changed")
	found, err := s.region.Node("RYJ").Locate(s.t.Context(), &admin.LocateRequest{Patient: s.patient.NHSNumber, Asker: &admin.Asker{User: "x.y", Role: "nurse", Purpose: "TREAT", Relationship: "referral"}})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range found.GetDocuments() {
		if strings.HasPrefix(d.GetDocument(), string(reader)+"-") {
			s.t.Errorf("another trust's nurse still finds %s", d.GetDocument())
		}
	}
}

// writeAgreement writes one with a mistake in it, mends it, and proposes it.
func (s *story) writeAgreement() {
	s.t.Helper()
	s.press("Write a new agreement", "Building blocks of a form")
	good := js[string](s, "document.getElementById('text').value")
	s.put("#text", strings.Replace(good, "up-to: N ", "up-to: Q ", 1))
	s.until("document.getElementById('findings').textContent.includes('1 error')") // while typing, without a button
	s.says("up-to")
	s.check("gov-2-mistake")
	js[bool](s, "document.querySelector('[data-rw-line]').click() || true")
	if at := js[string](s, "(t => t.value.slice(t.selectionStart, t.selectionEnd))(document.getElementById('text'))"); !strings.Contains(at, "Q") {
		s.t.Errorf("the finding leads to %q", at)
	}
	s.press("Propose to a second person", "There is a problem")
	s.put("#text", strings.Replace(good, "up-to: N  ", "up-to: M  ", 1)+"  - block: pharmacist-medications\n    types: [\"373942005\"]\n")
	s.until("document.getElementById('findings').textContent.includes('Nothing wrong') || document.getElementById('findings').textContent.includes('0 errors')")
	s.press("Who gains and who loses", "What could be asked for")
	s.until("Number([...document.querySelectorAll('#impact-could ~ dl .rw-figures__loss dd')][0].textContent.replaceAll(',', '')) > 0")
	s.check("gov-3-simulated")
	js[bool](s, "[...document.querySelectorAll('.rw-impact details')].forEach(d => { d.open = true }) || true")
	s.check("gov-4-drilled")
	s.put("#note", "yearly review: less for direct care")
	s.press("Propose to a second person", "you cannot approve it too")
	s.check("gov-5-proposed")
	if js[bool](s, "Boolean(document.querySelector('button[value=approve]'))") {
		s.t.Error("the proposer is offered to approve")
	}
}

// recordWish reads a wish back, records it, follows its receipt, and withdraws it.
func (s *story) recordWish() {
	s.t.Helper()
	s.goTo("/wishes")
	s.check("gov-11-wishes")
	s.fillIn("#number", s.patient.SpacedNumber()+"\r") // the key, not the button
	s.says("What is shared follows each trust's agreement")
	s.press("Record a choice", "Which staff?")
	s.press("Go on to read it back", "There is a problem")
	s.check("gov-12-wish-form")
	const another = "document.querySelector('button[value=more]').getClientRects().length > 0"
	if js[bool](s, another) || !js[bool](s, "(document.querySelector('main details').open = true, "+another+")") {
		s.t.Error("another exception is offered while none is seen, or not where they are")
	}
	js[bool](s, "document.getElementById('effect').click() || true")
	s.put("#role", "nurse")
	s.put("#evidence", "in person at the records desk, passport seen")
	s.press("Go on to read it back", "Read this back to the patient")
	s.check("gov-13-read-back")
	s.press("The patient agrees", "Receipt")
	s.until("document.getElementById('receipt').textContent.includes('In force at every trust')") // by itself
	s.check("gov-14-receipt")
	s.press("What this patient has said", "Refuses")
	s.goTo(js[string](s, "[...document.querySelectorAll('main a')].find(a => a.textContent.startsWith('Withdraw')).href"))
	s.says("I have read it to the patient")
	s.check("gov-15-withdraw")
	s.put("#evidence", "by telephone, called back")
	js[bool](s, "document.getElementById('read').click() || true")
	s.press("Withdraw it", "Receipt")
	s.goTo("/wishes")
	s.press(s.patient.SpacedNumber(), "History")
	s.says("Withdrawn")
	s.check("gov-16-history")
}

// judge closes the review of an emergency.
func (s *story) judge() {
	s.t.Helper()
	doctor := &admin.Asker{User: "a.okafor", Role: "doctor", Purpose: "ETREAT", Relationship: "self-claimed"}
	here := s.region.Node(reader)
	if _, err := s.region.Object(s.t.Context(), reader, &admin.ObjectRequest{Patient: s.other.NHSNumber, By: "desk", Evidence: "an invented conversation"}); err != nil {
		s.t.Fatal(err)
	}
	if _, err := here.BreakGlass(s.t.Context(), &admin.BreakGlassRequest{Patient: s.other.NHSNumber, Reason: "unconscious in resus, no history", Asker: doctor}); err != nil {
		s.t.Fatal(err)
	}
	found, err := here.Locate(s.t.Context(), &admin.LocateRequest{Patient: s.other.NHSNumber, Asker: doctor})
	if err != nil || len(found.GetDocuments()) == 0 {
		s.t.Fatalf("in an emergency the doctor finds %d documents: %v", len(found.GetDocuments()), err)
	}
	opened := found.GetDocuments()[0].GetDocument()
	if err := here.Fetch(s.t.Context(), &admin.FetchRequest{Document: opened, Asker: doctor}, func(*admin.FetchReply) error { return nil }); err != nil {
		s.t.Fatal(err)
	}
	s.goTo("/reviews")
	s.says("unconscious in resus")
	s.check("gov-17-reviews")
	s.press("Emergency access", "What was opened")
	s.says(opened)
	s.check("gov-18-review")
	js[bool](s, "document.getElementById('outcome').click() || true")
	s.put("#note", "seen in resus, the notes agree")
	s.press("Close the review", "A judgement is not changed afterwards")
	s.check("gov-19-judged")
}

// evidence searches the log, looks at an entry and its proof, and verifies.
func (s *story) evidence() {
	s.t.Helper()
	s.goTo("/audit")
	s.check("gov-20-audit")
	s.fillIn("#number", s.patient.NHSNumber)
	s.press("Search", "Patient's choice")
	if at := js[string](s, "location.href"); strings.Contains(at, s.patient.NHSNumber) {
		s.t.Errorf("the patient's number stands in %s", at)
	}
	s.check("gov-21-found")
	if err := s.region.Witnessed(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.goTo(js[string](s, "[...document.querySelectorAll('.rw-evidence tbody a')].at(-1).href"))
	s.says("Every trust has that root")
	s.check("gov-22-entry")
	s.goTo("/audit/checks")
	s.press("Verify, and ask every trust", "The log is whole")
	s.check("gov-23-verified")
	s.press("Compare with the other trusts", "compared")
	s.check("gov-24-reconciled")
}

// suspendAndAsk suspends a member of staff, and asks why somebody may not open a document.
func (s *story) suspendAndAsk() {
	s.t.Helper()
	s.goTo("/suspensions")
	s.put("#user", "j.price")
	s.put("#user-reason", "badge was stolen")
	s.press("Suspend this person", "badge was stolen")
	s.check("gov-25-suspensions")
	if !s.region.Node(reader).ShutOut("j.price") {
		s.t.Error("the node does not know of the suspension")
	}
	s.become("Dr Dev Banerjee", "What this trust shares") // a privacy officer may not know of every document
	s.goTo("/why")
	s.fillIn("#number", s.patient.NHSNumber)
	s.press("List their documents", "Documents of")
	s.goTo(js[string](s, "[...document.querySelectorAll('main ul a')].find(a => a.href.includes('"+string(reader)+"')).href"))
	s.press("Who can see it", "By the rule")
	s.check("gov-26-who")
	s.put("#trust", "R1K") // the longest name that there is
	s.put("#role", "researcher")
	s.put("#purpose", "HRESCH")
	js[bool](s, "document.querySelector('button[name=ask]').click() || true")
	s.says("in the order in which they counted")
	s.check("gov-27-why")
	s.dark()
	s.goTo("/wishes")
	s.fillIn("#number", s.patient.NHSNumber+"\r")
	s.says("History")
	s.check("gov-30-dark-wishes")
}
