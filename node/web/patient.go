package web

import (
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// maxPatients is how many patients a session remembers.
const maxPatients = 50

// patient is a patient as one session knows them. Key stands in addresses instead of the NHS number. The others are copies:
// a patient is replaced, never changed.
type patient struct {
	Key          string
	Number       string // ten digits
	Purpose      string // empty: not asked yet
	Relationship policy.RelationshipKind
	Evidence     string
	Opened       time.Time
	Who          Person // as far as this trust knows
}

// Spaced returns the NHS number as people read it.
func (p *patient) Spaced() string { return p.Number[:3] + " " + p.Number[3:6] + " " + p.Number[6:] }

// relationship is what the signed assertion says of it.
func (p *patient) relationship() string {
	return policy.Relationship{Kind: p.Relationship, Evidence: p.Evidence}.String()
}

// asker is who asks about the patient, and why: it goes into every question to the node, and from there into the assertion
// that custodians check and keep.
func (s *session) asker(p *patient) *admin.Asker {
	return &admin.Asker{User: s.user.ID, Role: s.user.Role, Purpose: p.Purpose, Relationship: p.relationship()}
}

// open returns the session's patient with that number, the newest of its list from now on.
func (s *session) open(number string, now time.Time) *patient {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &patient{Key: secret()[:22], Number: number}
	if i := slices.IndexFunc(s.patients, func(x *patient) bool { return x.Number == number }); i >= 0 {
		known := *s.patients[i]
		p = &known
		s.patients = slices.Delete(slices.Clone(s.patients), i, i+1)
	}
	p.Opened = now
	s.patients = append([]*patient{p}, s.patients...)
	if len(s.patients) > maxPatients {
		s.patients = s.patients[:maxPatients]
	}
	return p
}

// patient returns the session's patient with that key; nil for a key of any other session.
func (s *session) patient(key string) *patient {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.patients {
		if p.Key == key {
			return p
		}
	}
	return nil
}

// setReplaced keeps what a list says of documents that others have taken the place of.
func (s *session) setReplaced(replaced map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replaced = replaced
}

// replacement returns the document that has taken the place of another, as far as the list that was read last tells.
func (s *session) replacement(document string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replaced[document]
}

// recent returns the session's patients, newest first.
func (s *session) recent() []*patient {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.patients)
}

// explain keeps why the user asks about a patient.
func (s *session) explain(key, purpose string, kind policy.RelationshipKind, evidence string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range s.patients {
		if p.Key == key {
			next := *p
			next.Purpose, next.Relationship, next.Evidence = purpose, kind, evidence
			s.patients = slices.Clone(s.patients)
			s.patients[i] = &next
			return
		}
	}
}

// said returns how the session's other patients were answered for, once for each purpose. A claim that nothing backs, and an emergency,
// which is the one patient's, are left out: they are to be thought of each time.
func (s *session) said(of *patient) (out []answered) {
	if of.Purpose != "" {
		return nil
	}
	for _, p := range s.recent() {
		if p.Key != of.Key && p.Purpose != "" && p.Purpose != "ETREAT" && p.Relationship != policy.SelfClaimed && !slices.ContainsFunc(out, func(a answered) bool { return a.Purpose == p.Purpose }) {
			out = append(out, answered{p.Purpose, p.Relationship})
		}
	}
	return out
}

// answered is why a user asked about a patient, without the reference, which is that patient's.
type answered struct {
	Purpose      string
	Relationship policy.RelationshipKind
}

// Said is the whole answer as the form sends it: whoever confirms one gets no other, whatever was answered in between.
func (a answered) Said() string { return a.Purpose + " " + string(a.Relationship) }

// recognise keeps who a patient is.
func (s *session) recognise(key string, who Person) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range s.patients {
		if p.Key == key {
			next := *p
			next.Who = who
			s.patients = slices.Clone(s.patients)
			s.patients[i] = &next
		}
	}
}

// choice is an answer that can be chosen.
type choice struct{ Value, Label, Hint string }

// purposes are those that a portal for direct care offers.
func purposes() []choice {
	return []choice{
		{"TREAT", "To treat this patient", ""},
		{"COC", "To coordinate their care with another service", ""},
		{"ETREAT", "To treat them in an emergency", ""},
	}
}

// acquaintance is a way in which a user can know a patient: as they say it themself, and as somebody else says it of them.
type acquaintance struct {
	kind              policy.RelationshipKind
	own, others, hint string
}

func acquaintances() []acquaintance {
	return []acquaintance{
		{policy.Referral, "They were referred to me or my team", "The patient was referred to them or their team", ""},
		{policy.Appointment, "They have an appointment with us", "The patient has an appointment there", ""},
		{policy.Admission, "They are admitted here", "The patient is admitted there", ""},
		{policy.RegisteredList, "They are registered with our practice", "The patient is registered with their practice", ""},
		{policy.MDT, "Our multidisciplinary team discusses them", "Their multidisciplinary team discusses the patient", ""},
		{policy.SelfClaimed, "None of these, but I am caring for them", "None of these, but they say that they are caring for the patient", "Your privacy officer may ask you about it."},
	}
}

// relationships are the ways in which a user can know a patient.
func relationships() (out []choice) {
	for _, a := range acquaintances() {
		out = append(out, choice{string(a.kind), a.own, a.hint})
	}
	return out
}

// relationshipsOfOthers are the same, said of a member of staff by somebody else.
func relationshipsOfOthers() (out []choice) {
	for _, a := range acquaintances() {
		out = append(out, choice{string(a.kind), a.others, ""})
	}
	return out
}

func offered(choices []choice, value string) bool {
	return slices.ContainsFunc(choices, func(c choice) bool { return c.Value == value })
}

func labelOf(choices []choice, value string) string {
	for _, c := range choices {
		if c.Value == value {
			return c.Label
		}
	}
	return value
}

// evidenceFault says what is wrong with the reference that backs a relationship.
func evidenceFault(kind, evidence string) string {
	if evidence == "" {
		return ""
	}
	if _, err := policy.ParseRelationship(kind + ":" + evidence); err != nil || strings.ContainsAny(evidence, "\r\n") {
		return "Enter a reference of up to 100 letters and digits, or leave it empty"
	}
	return ""
}
