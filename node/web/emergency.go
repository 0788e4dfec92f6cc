package web

import (
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const reasonFault = `Say in a few words, at least three, what the emergency is, such as "unconscious in resus, no history"`

// maxBroken is how many documents opened in emergencies a session remembers.
const maxBroken = 1000

// emergencyPage asks for the reason of an emergency.
type emergencyPage struct {
	Reason  string
	Back    string
	Refused string // why the node did not let it be declared
}

func (p *Portal) showEmergency(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	p.askEmergency(w, r, s, askedForm[emergencyPage]{Of: of})
}

func (p *Portal) askEmergency(w http.ResponseWriter, r *http.Request, s *session, form askedForm[emergencyPage]) {
	form.Body.Back = "/patients/" + form.Of.Key
	p.show(w, r, s, form.status(), view{Name: "emergency", Title: "Emergency access", Of: form.Of, Glass: p.emergency(r.Context(), s, form.Of), Error: form.Wrong, Body: form.Body})
}

// declareEmergency breaks the glass for this user and this patient. The page is offered for every patient alike, so that it
// says nothing of what there is behind the glass.
func (p *Portal) declareEmergency(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	reason := strings.Join(strings.Fields(r.PostFormValue("reason")), " ")
	form := askedForm[emergencyPage]{Of: of, Body: emergencyPage{Reason: clip(reason, maxTyped)}}
	switch {
	case reason == "":
		form.Wrong = append(form.Wrong, fault{"reason", reasonFault})
	case len(reason) > maxReason:
		form.Wrong = append(form.Wrong, fault{"reason", longReason})
	}
	if r.PostFormValue("understood") == "" {
		form.Wrong = append(form.Wrong, fault{"understood", "Confirm that you understand that this is reviewed"})
	}
	if len(form.Wrong) > 0 {
		p.askEmergency(w, r, s, form)
		return
	}
	reply, err := p.config.Region.BreakGlass(r.Context(), &admin.BreakGlassRequest{Patient: of.Number, Reason: reason, Asker: s.asker(of)})
	switch admin.CodeOf(err) {
	case admin.CodeBadInput:
		form.Wrong = []fault{{"reason", reasonFault}}
	case admin.CodeDenied:
		form.Status, form.Body.Refused = http.StatusForbidden, "No trust of the region lets somebody with your role open records in an emergency. Nothing was opened. Ask a doctor or nurse who treats the patient."
	case admin.CodeTooMany:
		form.Status, form.Body.Refused = http.StatusTooManyRequests, "Too many emergencies were declared within an hour. Ask a colleague, or telephone the trust that holds the record."
	default:
		if err == nil && reply != nil && time.UnixMicro(reply.GetUntil()).After(p.now()) {
			http.Redirect(w, r, "/patients/"+of.Key, http.StatusSeeOther)
			return
		}
		form.Status, form.Body.Refused = http.StatusBadGateway, "Emergency access could not be recorded, so nothing was opened. Try again; if it is urgent, telephone the trust that holds the record."
	}
	p.askEmergency(w, r, s, form)
}

// openedUntil keeps that a document was opened in an emergency, and when that ends; the zero time is none.
func (s *session) openedUntil(document string, end time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case end.IsZero():
		delete(s.broken, document)
	case s.broken == nil:
		s.broken = map[string]time.Time{document: end}
	case len(s.broken) < maxBroken:
		s.broken[document] = end
	}
}

// emergencyEnded reports whether the document was opened in an emergency that is over: then its user knows that there is one, and is
// told why it is closed, whatever the rules say of it without the emergency.
func (s *session) emergencyEnded(document string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	end, found := s.broken[document]
	return found && !end.After(now)
}

// endedShown is how long a list says that an emergency has ended.
const endedShown = time.Hour

// inEmergency keeps until when the user's emergency about a patient lasts, so that its end can be told.
func (s *session) inEmergency(number string, until, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.glass, func(_ string, end time.Time) bool { return now.Sub(end) > endedShown })
	if s.glass == nil {
		s.glass = make(map[string]time.Time)
	}
	s.glass[number] = until
}

// emergencyOver returns when the user's emergency about a patient ended; zero: not in the last hour.
func (s *session) emergencyOver(number string, now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := s.glass[number]
	if end.After(now) || now.Sub(end) > endedShown {
		return time.Time{}
	}
	return end
}

// closedByEnd reports whether it can be the end of an emergency that has closed a document. A suspension closes it in one too.
func closedByEnd(err error) bool {
	switch admin.CodeOf(err) {
	case admin.CodeNotFound, admin.CodeStale:
		return true
	case admin.CodeDenied:
		return !strings.Contains(err.Error(), aboutSuspension)
	default:
		return false
	}
}
