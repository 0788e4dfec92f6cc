package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// changeView is a form that changes a document.
type changeView struct {
	name, title string // of the page
	of          *patient

	Doc    ownRow
	To     string // where the form goes
	Back   string
	Form   Particulars
	Own    string
	Reason string
	Number string // of the right patient, as it was typed
	Right  string // the same, read
	Whose  Person // the right patient, as far as this trust knows
	Types  []choice

	Confidentiality []choice
	Wanted          map[string]bool // labels that it is to bear
	Preview         *labelPreview
	Earlier         string // where the same is done with the version that it replaces
}

// labelPreview says what a change of labels comes to.
type labelPreview struct {
	Was, Will    string // labels, in words
	Plan         string
	Words        []string
	Gained, Lost int
}

// changeForm is the form that changes a document, as it is before anything is filled in. what is the name of its page too.
func (p *Portal) changeForm(of *patient, d OwnDocument, what, title string) changeView {
	row := rowOf(of, d)
	v := changeView{name: what, title: title, of: of, Doc: row, To: row.Link + "/" + what, Back: row.Link, Types: documentTypes(), Form: Particulars{
		Type: d.Type, Title: d.Title, Date: d.Date.Format(time.DateOnly), Category: d.Category, Specialty: d.Specialty, Author: d.Author, Language: d.Language, Confidentiality: d.Confidentiality,
	}}
	if d.Earlier != "" {
		v.Earlier = ownAddress(of) + "/" + url.PathEscape(d.Earlier) + "/" + what
	}
	if !offered(v.Types, d.Type) {
		v.Own = d.Type
	}
	return v
}

// changed goes to the page of what a document has become.
func (p *Portal) changed(w http.ResponseWriter, r *http.Request, of *patient, document, done string) {
	http.Redirect(w, r, address(ownAddress(of)+"/"+url.PathEscape(document), url.Values{"done": {done}}), http.StatusSeeOther)
}

// doneOr is the word for a change that the region has agreed on, or for one that it has yet to.
func doneOr(committed bool, done, waiting string) string {
	if committed {
		return done
	}
	return waiting
}

// reasonOf reads why something is done.
func reasonOf(r *http.Request) (text string, wrong []fault) {
	text = strings.Join(strings.Fields(r.PostFormValue("reason")), " ")
	switch {
	case text == "":
		wrong = []fault{{"reason", "Say why, so that others can understand it later"}}
	case len(text) > maxReason:
		wrong = []fault{{"reason", longReason}}
	}
	return text, wrong
}

// ask shows a form, or what is wrong with it.
func (p *Portal) ask(w http.ResponseWriter, r *http.Request, s *session, v changeView, wrong ...fault) {
	status := http.StatusOK
	if len(wrong) > 0 {
		status = http.StatusUnprocessableEntity
	}
	p.show(w, r, s, status, view{Name: v.name, Title: v.title, Of: v.of, Error: wrong, Body: v})
}

// refusedField shows the node's words about what was filled in beside the form.
func (p *Portal) refusedField(w http.ResponseWriter, r *http.Request, s *session, v changeView, field string, err error) {
	if admin.CodeOf(err) != admin.CodeBadInput {
		p.showFilingFault(w, r, s, v.of, err)
		return
	}
	p.ask(w, r, s, v, fault{field, filingWords(err)})
}

func (p *Portal) correctOwn(w http.ResponseWriter, r *http.Request, s *session, of *patient, d OwnDocument) {
	const title = "Correct what is said of this document"
	v := p.changeForm(of, d, "correct", title)
	if r.Method != http.MethodPost {
		p.ask(w, r, s, v)
		return
	}
	v.Form.Type, v.Own = r.PostFormValue("type"), strings.TrimSpace(r.PostFormValue("own-type"))
	if v.Form.Type == "other" || v.Own != "" {
		v.Form.Type = v.Own
	}
	v.Form.Title, v.Form.Date = strings.TrimSpace(r.PostFormValue("title")), strings.TrimSpace(r.PostFormValue("date"))
	v.Form.Specialty, v.Form.Author = strings.TrimSpace(r.PostFormValue("specialty")), strings.TrimSpace(r.PostFormValue("author"))
	var wrong []fault
	v.Reason, wrong = reasonOf(r)
	if v.Form.Title == "" {
		wrong = append([]fault{{"title", "Enter a title"}}, wrong...)
	}
	if v.Form.Specialty != d.Specialty {
		wrong = append(p.wrongSpecialty(v.Form.Specialty), wrong...)
	}
	wrong = append(missingParticulars(v.Form), wrong...)
	if len(wrong) > 0 {
		p.ask(w, r, s, v, wrong...)
		return
	}
	filed, err := p.config.Region.Correct(r.Context(), &Correction{Document: d.ID, Form: v.Form, Reason: v.Reason, By: s.filer()})
	if err != nil {
		p.refusedField(w, r, s, v, "title", err)
		return
	}
	p.changed(w, r, of, filed.Document, doneOr(filed.Committed, "corrected", "correcting"))
}

func (p *Portal) withdrawOwn(w http.ResponseWriter, r *http.Request, s *session, of *patient, d OwnDocument) {
	undo := d.State == OwnWithdrawn
	title := "Withdraw this document"
	if undo {
		title = "Share this document again"
	}
	if d.Moved { // the address is of a page that was open before, or typed
		http.Redirect(w, r, rowOf(of, d).Link, http.StatusSeeOther)
		return
	}
	v := p.changeForm(of, d, "withdraw", title)
	if r.Method != http.MethodPost {
		p.ask(w, r, s, v)
		return
	}
	var wrong []fault
	if v.Reason, wrong = reasonOf(r); len(wrong) > 0 {
		p.ask(w, r, s, v, wrong...)
		return
	}
	if wanted := r.PostFormValue("undo") != ""; wanted != undo { // the page is older than the document's state
		p.ask(w, r, s, v, fault{"reason", "Somebody else has changed this document meanwhile. Look again whether this is what you want"})
		return
	}
	reply, err := p.config.Region.Withdraw(r.Context(), &admin.WithdrawRequest{Document: d.ID, Reason: v.Reason, Undo: undo, By: s.filer()})
	if err != nil {
		p.refusedField(w, r, s, v, "reason", err)
		return
	}
	if undo {
		p.changed(w, r, of, d.ID, doneOr(reply.GetCommitted(), "shared", "sharing"))
		return
	}
	p.changed(w, r, of, d.ID, doneOr(reply.GetCommitted(), "withdrawn", "withdrawing"))
}

// moveOwn files a document under another patient. The number is read back before anything is done: a digit that is wrong gives
// another patient's record away.
func (p *Portal) moveOwn(w http.ResponseWriter, r *http.Request, s *session, of *patient, d OwnDocument) {
	const title = "Move this document to the right patient"
	v := p.changeForm(of, d, "move", title)
	if r.Method != http.MethodPost {
		p.ask(w, r, s, v)
		return
	}
	var wrong []fault
	v.Reason, wrong = reasonOf(r)
	v.Number = clip(r.PostFormValue("number"), 40)
	number, why := p.readNumber(v.Number)
	switch {
	case why != "":
		wrong = append([]fault{{"number", why}}, wrong...)
	case number == of.Number:
		wrong = append([]fault{{"number", "This is the number that the document is under now"}}, wrong...)
	}
	if len(wrong) > 0 || r.PostFormValue("confirm") != number {
		if len(wrong) == 0 {
			right := &patient{Number: number}
			v.Right, v.Whose = right.Spaced(), p.known(r, s, right)
		}
		p.ask(w, r, s, v, wrong...)
		return
	}
	filed, err := p.config.Region.Move(r.Context(), &Moving{Document: d.ID, Patient: number, Reason: v.Reason, By: s.filer()})
	if err != nil {
		p.refusedField(w, r, s, v, "number", err)
		return
	}
	p.changed(w, r, p.opened(r, s, number), filed.Document, doneOr(filed.Committed, "moved", "moving"))
}

// relabelOwn changes who may be told of a document, after it was shown what that does.
func (p *Portal) relabelOwn(w http.ResponseWriter, r *http.Request, s *session, of *patient, d OwnDocument) {
	const title = "Change the labels of this document"
	v := p.changeForm(of, d, "labels", title)
	v.Confidentiality = confidentialities()
	wanted := d.Labels
	if r.Method == http.MethodPost {
		v.Form.Confidentiality, wanted = r.PostFormValue("confidentiality"), r.PostForm["sensitivity"]
	}
	v.Wanted = make(map[string]bool)
	for _, c := range sensitivities() {
		v.Wanted[c.Value] = slices.Contains(wanted, c.Value)
	}
	if r.Method != http.MethodPost {
		p.ask(w, r, s, v)
		return
	}
	var wrong []fault
	if v.Reason, wrong = reasonOf(r); len(wrong) > 0 {
		p.ask(w, r, s, v, wrong...)
		return
	}
	q := &admin.RelabelRequest{Choice: &admin.DocumentChoice{Documents: []string{d.ID}}, Confidentiality: v.Form.Confidentiality, Reason: v.Reason, By: s.filer(), Plan: r.PostFormValue("plan")}
	for _, c := range sensitivities() {
		switch has := slices.Contains(d.Labels, c.Value); {
		case v.Wanted[c.Value] && !has:
			q.Add = append(q.Add, c.Value)
		case !v.Wanted[c.Value] && has:
			q.Remove = append(q.Remove, c.Value)
		}
	}
	q.Confirm = q.GetPlan() != ""
	reply, err := p.config.Region.Relabel(r.Context(), q)
	switch {
	case err != nil:
		p.refusedField(w, r, s, v, "confidentiality", err)
	case len(reply.GetProblems()) > 0:
		p.ask(w, r, s, v, fault{"confidentiality", filingWords(admin.Errorf(admin.CodeBadInput, "%s", reply.GetProblems()[0].GetMessage()))})
	case reply.GetChanged() == 0:
		p.ask(w, r, s, v, fault{"confidentiality", "The document has these labels already. Nothing was changed"})
	case !reply.GetDone():
		v.Preview = previewOf(reply)
		v.Preview.Was = marksWords(d.Confidentiality + " " + strings.Join(d.Labels, " "))
		v.Preview.Will = marksWords(v.Form.Confidentiality + " " + strings.Join(wanted, " "))
		p.ask(w, r, s, v)
	default:
		p.changed(w, r, of, d.ID, doneOr(reply.GetCommitted(), "labelled", "labelling"))
	}
}

func previewOf(reply *admin.RelabelReply) *labelPreview {
	out := &labelPreview{Plan: reply.GetPlan(), Gained: int(reply.GetImpact().GetGained()), Lost: int(reply.GetImpact().GetLost())}
	if reply.GetSealed() > 0 {
		out.Words = append(out.Words, "Other trusts are no longer told what it is: only that this trust holds something. Each time, this trust decides whether to say more.")
	}
	if reply.GetUnsealed() > 0 {
		out.Words = append(out.Words, "Other trusts are told its title, type and date.")
	}
	if reply.GetBarred() > 0 {
		out.Words = append(out.Words, "It is taken out of the region's list: by law it is never shared.")
	}
	if len(reply.GetNotes()) > 0 {
		out.Words = append(out.Words, "There is an earlier and a later version of it, and more people may see the earlier one: whoever may not see the later one is shown the earlier one as the latest. Withdraw the earlier one if nobody should act on it.")
	}
	if out.Lost > 0 {
		out.Words = append(out.Words, "Some staff at other trusts who can open it today cannot any more.")
	}
	if out.Gained > 0 {
		out.Words = append(out.Words, "Some staff at other trusts who cannot open it today can from now on.")
	}
	if len(out.Words) == 0 {
		out.Words = append(out.Words, "Nobody gains or loses by this.")
	}
	return out
}
