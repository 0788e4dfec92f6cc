package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// refusal says in plain words why something is not shown, and what the user can do.
type refusal struct {
	Title string
	Why   []string
	Ask   []string // whom, and for what
	Glass bool     // an emergency may be declared
	Again string   // address to try again at; empty where that does not help
	Back  string
}

// holder names who holds a document.
func (p *Portal) holder(document string) string {
	id, err := federation.ParseDocumentID(document)
	if err != nil {
		return "the trust that holds it"
	}
	return p.config.Names(id.Custodian())
}

// explain turns a failure of the node into words for a clinician. The node's own words are for operators, but for what a
// custodian says to the user.
func (p *Portal) explain(of *patient, document string, err error) (status int, out refusal) {
	out.Back = "/patients/" + of.Key
	holder := p.holder(document)
	again := ""
	if document != "" {
		again = documentPath(of, document)
	}
	if errors.Is(err, errBusy) {
		out.Title, out.Again, out.Why = "Too many documents are being opened", again, []string{"Others are opening large documents at this trust. Try again in a moment."}
		return http.StatusServiceUnavailable, out
	}
	var other *mismatchError
	if errors.As(err, &other) {
		out.Title, out.Why = "This document may be about another patient", []string{"It is not shown. Tell the health records team of " + holder + "."}
		return http.StatusConflict, out
	}
	switch admin.CodeOf(err) {
	case admin.CodeDenied:
		return http.StatusForbidden, deniedRefusal(out, again, holder, custodianWords(err, document), err)
	case admin.CodeTooMany:
		out.Title = "No more records for now"
		out.Why = []string{custodianWords(err, document)}
		out.Ask = []string{"If you need this record now, telephone " + holder + ". Your privacy officer can tell you about the limits."}
		return http.StatusTooManyRequests, out
	case admin.CodeStale:
		if strings.Contains(err.Error(), aboutCopy) {
			out.Again = again
			return http.StatusServiceUnavailable, copyRefusal(out)
		}
		out.Title, out.Again, out.Glass = "Sharing cannot be confirmed at the moment", again, true
		out.Why = []string{holder + " has just been started or has lost touch with the region, and cannot confirm that this document may still be shared. Until it can, it sends nothing."}
		out.Ask = []string{"Try again in a minute.", "If it is urgent, telephone the health records team of " + holder + "."}
		return http.StatusServiceUnavailable, out
	case admin.CodeUnavailable, admin.CodeInterrupted, admin.CodeNoQuorum:
		if strings.Contains(err.Error(), aboutStopped) {
			return http.StatusServiceUnavailable, stoppedRefusal(out, holder)
		}
		out.Title, out.Again = holder+" does not answer", again
		out.Why = []string{"The document is held only there, and cannot be opened until it answers. Nothing is wrong with the document."}
		out.Ask = []string{"Try again in a minute.", "If it is urgent, telephone the health records team of " + holder + "."}
		return http.StatusBadGateway, out
	case admin.CodeIntegrity:
		out.Title, out.Again = "This document failed its check", again
		out.Why = []string{"What " + holder + " sent is not what it once published, so none of it is shown. It was fetched a second time and failed again."}
		out.Ask = []string{"Tell the health records team of " + holder + ": the document may be damaged there."}
		return http.StatusBadGateway, out
	case admin.CodeNotFound, admin.CodeBadInput:
		out.Title = "There is no such document"
		out.Why = []string{"It may have been withdrawn since the list was made, or it is not a document of this patient that you can see."}
		return http.StatusNotFound, out
	default:
		out.Title, out.Again = "Sorry, there is a problem with the service", again
		out.Why = []string{"The document could not be opened. Try again later."}
		return http.StatusInternalServerError, out
	}
}

// deniedRefusal offers an emergency, but where none helps.
func deniedRefusal(out refusal, again, holder, words string, err error) refusal {
	switch said := strings.ToLower(err.Error()); {
	case strings.Contains(err.Error(), aboutSuspension):
		return suspendedRefusal(out, holder, err)
	case strings.Contains(said, aboutEmergency):
		return emergencyOver(out, again, holder)
	case strings.Contains(said, aboutJudgement):
		out.Title, out.Why = "You cannot open this document", []string{words}
		out.Ask = []string{"If you need it for the patient's care, telephone the health records team of " + holder + ".", "If you think that the judgement is wrong, tell your privacy officer."}
		return out
	default:
		out.Title, out.Glass, out.Why = "You cannot open this document", true, []string{words}
		out.Ask = []string{"Ask the health records team of " + holder + " if you need it for the patient's care.", "If the patient is with you, ask them: they can change what they share at the records desk of any trust."}
		return out
	}
}

// aboutJudgement is in what a custodian says, in small letters, that has judged an emergency: to declare it again changes nothing.
const aboutJudgement = "judged that this emergency was not justified"

// The node says these when nothing can be opened since a trust is suspended, the second of them about its own trust.
const (
	aboutSuspension = " is suspended from the region"
	ownSuspension   = "THIS TRUST IS SUSPENDED"
	suspendedHere   = "This trust is suspended by the region: no document of another trust can be opened here, in an emergency either. Tell your IT service desk."
)

// aboutEmergency is in what this node and the custodian say, in small letters, when the time of an emergency has run out.
const aboutEmergency = "the emergency that was declared"

// emergencyOver says that what was opened in an emergency is closed since its time has run out.
func emergencyOver(out refusal, again, holder string) refusal {
	out.Title, out.Again, out.Glass = "The emergency access has ended", again, true
	out.Why = []string{"The time for it ran out, and what was opened with it is closed. It may be that you can open this document without it: try again."}
	out.Ask = []string{"If the emergency goes on, give a reason once more: 'Emergency access' below.", "If not, ask the health records team of " + holder + " if you need it for the patient's care."}
	return out
}

// aboutStopped is in what this node says of a trust that releases nothing until its operator has acted.
const aboutStopped = "releases nothing to other trusts"

// stoppedRefusal offers neither another try nor an emergency: both fail until that trust's operator has acted.
func stoppedRefusal(out refusal, holder string) refusal {
	out.Title = holder + " sends nothing at present"
	out.Why = []string{"Its system has stopped sending documents to other trusts until its IT staff have checked it. Nothing is wrong with your access, and trying again does not help."}
	out.Ask = []string{"If you need it for the patient's care now, telephone the health records team of " + holder + ".", "Tell your IT service desk, who can tell theirs."}
	return out
}

// aboutCopy is said by the node while its copy of what the region has agreed on is not whole.
const aboutCopy = "still on its way"

// copyRefusal offers no emergency: none can be declared before the copy is whole.
func copyRefusal(out refusal) refusal {
	out.Title = "This trust cannot say yet what you may see"
	out.Why = []string{"Its system has just been started or repaired, and is still receiving the region's list of documents and sharing rules. Nothing is shown or refused until it has them."}
	out.Ask = []string{"Try again in a minute.", "If it stays so, tell your IT service desk. If it is urgent, telephone the trust that holds the record."}
	return out
}

// suspendedRefusal offers no emergency: a suspension holds in one too, and no patient can lift it.
func suspendedRefusal(out refusal, holder string, err error) refusal {
	out.Title = "You cannot open this document"
	out.Why = []string{holder + " is suspended by the region, and nothing of it can be opened, in an emergency either."}
	if strings.Contains(err.Error(), ownSuspension) {
		out.Why = []string{suspendedHere}
	}
	out.Ask = []string{"If you need it for the patient's care now, telephone the health records team of " + holder + "."}
	return out
}

// custodianWords is what the custodian says to the user: the end of the node's message, after the document's id.
func custodianWords(err error, document string) string {
	var known *admin.Error
	if !errors.As(err, &known) {
		return "The trust that holds it does not release it."
	}
	if i := strings.Index(known.Message, document+": "); document != "" && i >= 0 {
		return known.Message[i+len(document)+2:]
	}
	if i := strings.Index(known.Message, ": "); i >= 0 {
		return known.Message[i+2:]
	}
	return known.Message
}

// refuse shows why a page about a patient is not there. of is the list, or one of its documents.
func (p *Portal) refuse(w http.ResponseWriter, r *http.Request, s *session, of *patient, e *entry, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // the browser has gone
	}
	document := r.PathValue("document")
	status, body := p.explain(of, document, err)
	if document == "" {
		status, body = p.listRefusal(of, err)
	} else if s.emergencyEnded(document, p.now()) && closedByEnd(err) {
		status, body = http.StatusForbidden, emergencyOver(refusal{Back: body.Back}, documentPath(of, document), p.holder(document))
	}
	if errors.Is(err, errBusy) {
		w.Header().Set("Retry-After", busyRetry)
	}
	p.logger.Info("the portal could not show what was asked for", slog.String("code", string(admin.CodeOf(err))))
	if fragment(r) {
		http.Error(w, body.Title+". "+strings.Join(body.Why, " "), status)
		return
	}
	p.show(w, r, s, status, view{Name: "refusal", Title: body.Title, Of: of, Glass: p.emergency(r.Context(), s, of), Body: struct {
		refusal
		Entry *entry
	}{body, e}})
}

// listRefusal is for a list that could not be made, which is this trust's own affair.
func (p *Portal) listRefusal(of *patient, err error) (status int, out refusal) {
	out = refusal{Title: "The list of documents cannot be made", Back: "/find", Again: "/patients/" + of.Key}
	switch admin.CodeOf(err) {
	case admin.CodeStale:
		return http.StatusServiceUnavailable, copyRefusal(out)
	case admin.CodeDenied, admin.CodeTooMany:
		out.Why, out.Again = []string{custodianWords(err, "")}, ""
		out.Ask = []string{"Ask your privacy officer."}
		return http.StatusForbidden, out
	default:
		out.Why = []string{"This trust's node could not read its list. Try again in a minute."}
		out.Ask = []string{"If it stays so, tell your IT service desk."}
		return http.StatusInternalServerError, out
	}
}

// plainWarning turns the node's warning about a list into words for a clinician.
func plainWarning(text string) string {
	if strings.Contains(text, "not complete") {
		return "This list is not complete: some of the documents that this trust holds cannot be read. Tell your IT service desk."
	}
	if strings.Contains(text, ownSuspension) {
		return suspendedHere
	}
	text, _, _ = strings.Cut(text, "'ridgeway ")
	return strings.TrimSpace(text)
}
