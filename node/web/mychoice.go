package web

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// choicesView is what a patient has said.
type choicesView struct {
	Choices []myChoice
	Against []string // what contradicts what
}

// myChoice is one thing that a patient has said.
type myChoice struct {
	ID, Text, State string
	Called          []string // what the documents in it are called
	At, Until       time.Time
	Ended           bool
}

func (p *Portal) showMyChoices(w http.ResponseWriter, r *http.Request, s *session) {
	reply, err := p.config.Region.MyDirectives(r.Context(), s.patientNumber())
	if err != nil {
		p.myFault(w, r, s, err)
		return
	}
	var v choicesView
	var texts []string
	for _, d := range reply.GetDirectives() {
		texts = append(texts, d.GetText())
	}
	called := p.calledInMy(r, s, texts...)
	for _, d := range reply.GetDirectives() {
		v.Choices = append(v.Choices, myChoice{ID: d.GetDirective(), Text: d.GetText(), Called: called(d.GetText()), State: choiceState(d.GetState()), At: time.UnixMicro(d.GetAt()), Ended: d.GetState() == "withdrawn_here"})
	}
	slices.Reverse(v.Choices)
	for _, text := range reply.GetConflicts() { // begins with numbers, which are for staff
		_, text, _ = strings.Cut(text, ": ")
		v.Against = append(v.Against, againstWords(text))
	}
	p.showPatient(w, r, s, http.StatusOK, view{Name: "mychoices", Title: "Your choices about sharing", Body: v})
}

// The kinds of choices that a patient can make here. Others are made at the records desk.
const (
	choiceNobody   = "nobody"
	choiceNotThere = "not-there"
	choiceNotFrom  = "not-from"
	choiceDocument = "document"
	choiceAgree    = "agree"
)

// choiceView is the form of a choice, or how it reads.
type choiceView struct {
	Kind, Until                    string
	Trust, Allowed, From, Document string // what is chosen under each way that asks for more
	Ways                           []choiceWay
	ReadBack, Seen                 string // how it reads, and the digest of that
	Conflicts                      []string
	Called                         []string // what the documents in it are called
	Confirm                        bool
}

// choiceWay is one thing that can be wanted, with the one question that it brings.
type choiceWay struct {
	ID, Kind, Label           string
	Field, Asks, None, Chosen string // empty Field: nothing more is asked
	Options                   []choice
}

// waysOf are the choices of the form. What must not be and what may be are asked apart, each in words of its own.
func waysOf(sharing *Shares, v *choiceView) []choiceWay {
	var places, holders, documents []choice
	for _, t := range sharing.Region {
		places = append(places, choice{t.Code, t.Name, ""})
	}
	for _, t := range sharing.Trusts {
		holders = append(holders, choice{t.Code, t.Name, ""})
		for _, d := range t.Documents {
			label := d.Title
			if !d.Date.IsZero() {
				label += ", " + d.Date.Format("2 Jan 2006")
			}
			documents = append(documents, choice{d.ID, label, ""})
		}
	}
	const aPlace, aDocument = "Choose a place", "Choose a document"
	return []choiceWay{
		{ID: "kind", Kind: choiceNobody, Label: "Stop all sharing of my documents"},
		{"kind-1", choiceNotThere, "Stop one place from seeing my documents", "trust", "Which place must not see them?", aPlace, v.Trust, places},
		{"kind-2", choiceNotFrom, "Stop one place from sharing what it keeps about me", "from", "Which place must not share it?", aPlace, v.From, holders},
		{"kind-3", choiceDocument, "Stop the sharing of one document", "document", "Which document must not be shared?", aDocument, v.Document, documents},
		{"kind-4", choiceAgree, "Let one place see my documents", "allowed", "Which place may see them?", aPlace, v.Allowed, places},
	}
}

func (p *Portal) showMyChoice(w http.ResponseWriter, r *http.Request, s *session) {
	p.askMyChoice(w, r, s, http.StatusOK, nil, choiceView{})
}

func (p *Portal) askMyChoice(w http.ResponseWriter, r *http.Request, s *session, status int, wrong []fault, v choiceView) {
	sharing, err := p.config.Region.MySharing(r.Context(), s.patientNumber())
	if err != nil {
		p.myFault(w, r, s, err)
		return
	}
	v.Ways, v.Called = waysOf(sharing, &v), documentWords(v.ReadBack+"\n"+strings.Join(v.Conflicts, "\n"), sharing)
	title := "What do you want to change?"
	if v.Confirm {
		title = "Check what this means"
	}
	p.showPatient(w, r, s, status, view{Name: "mychoice", Title: title, Error: wrong, Body: v})
}

// makeMyChoice reads a choice back first, with its risk, and records it once the patient has seen that.
func (p *Portal) makeMyChoice(w http.ResponseWriter, r *http.Request, s *session) {
	v := choiceView{
		Kind: r.PostFormValue("kind"), Trust: r.PostFormValue("trust"), Allowed: r.PostFormValue("allowed"), From: r.PostFormValue("from"), Document: r.PostFormValue("document"), Until: strings.TrimSpace(r.PostFormValue("until")),
	}
	q, wrong := directiveOf(s, v)
	if len(wrong) > 0 {
		v.Until = clip(v.Until, 40)
		p.askMyChoice(w, r, s, http.StatusUnprocessableEntity, wrong, v)
		return
	}
	read, err := p.config.Region.MyDirective(r.Context(), q)
	if admin.CodeOf(err) == admin.CodeBadInput {
		p.askMyChoice(w, r, s, http.StatusUnprocessableEntity, []fault{{"until", "Check the date: it must be a day to come, such as 2027-03-31"}}, v)
		return
	} else if err != nil {
		p.myFault(w, r, s, err)
		return
	}
	if seen := digestOf(read.GetReadBack()); r.PostFormValue("seen") != seen { // not seen yet, or seen with other words
		v.Seen, v.ReadBack, v.Conflicts, v.Confirm = seen, read.GetReadBack(), allAgainstWords(read.GetConflicts()), true
		p.askMyChoice(w, r, s, http.StatusOK, nil, v)
		return
	}
	q.Confirm = true
	said, err := p.config.Region.MyDirective(r.Context(), q)
	if err != nil || said.GetDirective() == "" {
		p.myFault(w, r, s, err)
		return
	}
	http.Redirect(w, r, myPath+"/choices/"+said.GetDirective(), http.StatusSeeOther)
}

// digestOf stands for a text in a form. The text itself would come back folded: it has the names of trusts, which are what they are.
func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// directiveOf is a choice as the node records it. The patient is who has signed on.
func directiveOf(s *session, v choiceView) (*admin.RecordDirectiveRequest, []fault) {
	q := &admin.RecordDirectiveRequest{Patient: s.patientNumber(), Scope: &admin.DirectiveScope{}, Until: v.Until}
	var wrong []fault
	need := func(value, field, text string) string {
		if value == "" {
			wrong = append(wrong, fault{field, text})
		}
		return value
	}
	switch v.Kind {
	case choiceNobody:
	case choiceNotThere:
		q.Scope.Trust = need(v.Trust, "trust", "Choose the place that must not see your documents")
	case choiceNotFrom:
		q.Scope.Custodian = need(v.From, "from", "Choose the place that must not share what it keeps")
	case choiceDocument:
		q.Scope.Document = need(v.Document, "document", "Choose the document that must not be shared")
	case choiceAgree:
		q.Permit = true
		q.Scope.Trust = need(v.Allowed, "allowed", "Choose the place that may see your documents")
	default:
		wrong = append(wrong, fault{"kind", "Choose what you want"})
	}
	return q, wrong
}

// receiptView says where a choice has come into force.
type receiptView struct {
	*admin.ReceiptReply
	At      time.Time
	Done    []string // places that have applied it
	Waiting []string // places that have not, or did not say
	Undo    string
	Called  []string // what the documents in it are called
}

func (p *Portal) showMyReceipt(w http.ResponseWriter, r *http.Request, s *session) {
	id := r.PathValue("directive")
	reply, err := p.config.Region.MyReceipt(r.Context(), s.patientNumber(), id)
	if err != nil {
		p.myFault(w, r, s, err)
		return
	}
	v := receiptView{ReceiptReply: reply, Called: p.calledInMy(r, s, reply.GetText())(reply.GetText()), At: time.UnixMicro(reply.GetRecorded()), Undo: myPath + "/choices/" + reply.GetDirective() + "/undo"}
	for _, x := range reply.GetSites() {
		name := p.nameOf(x.GetTrust())
		switch {
		case x.GetApplied():
			v.Done = append(v.Done, name)
		case x.GetProblem() != "":
			v.Waiting = append(v.Waiting, name+", which does not answer")
		default:
			v.Waiting = append(v.Waiting, name)
		}
	}
	p.showPatient(w, r, s, http.StatusOK, view{Name: "myreceipt", Title: "Your receipt", Body: v})
}

// undoMyChoice takes a choice back, after it was asked once more.
func (p *Portal) undoMyChoice(w http.ResponseWriter, r *http.Request, s *session) {
	id := r.PathValue("directive")
	if r.Method == http.MethodPost {
		said, err := p.config.Region.MyWithdrawal(r.Context(), s.patientNumber(), id)
		if err != nil || said.GetDirective() == "" {
			p.myFault(w, r, s, err)
			return
		}
		http.Redirect(w, r, myPath+"/choices/"+said.GetDirective(), http.StatusSeeOther)
		return
	}
	reply, err := p.config.Region.MyDirectives(r.Context(), s.patientNumber())
	if err != nil {
		p.myFault(w, r, s, err)
		return
	}
	i := slices.IndexFunc(reply.GetDirectives(), func(d *admin.DirectiveInfo) bool { return d.GetDirective() == id })
	if i < 0 {
		p.myMessage(w, r, s, http.StatusNotFound, "We cannot find that", "You may have taken it back already.")
		return
	}
	text := reply.GetDirectives()[i].GetText()
	p.showPatient(w, r, s, http.StatusOK, view{Name: "myundo", Title: "Take this back?", Body: myChoice{ID: id, Text: text, Called: p.calledInMy(r, s, text)(text)}})
}
