package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// maxDrafts is how many people's drafts are kept: each has at most maxAgreement bytes.
const maxDrafts = 50

// How the two ways to write an agreement are told apart.
var (
	likeForm  = regexp.MustCompile(`(?m)^blocks:`)
	likeCedar = regexp.MustCompile(`(?m)^\s*(permit|forbid)\s*\(`)
)

// starter is the form to begin with.
const starter = `name: Direct care in our region
# description: Why this agreement is made, and who agreed to it.

` + policy.StarterBlocks

// draft is what one person writes, until it is proposed.
type draft struct {
	text, kind               string // kind: form, cedar
	from, fromTime, to, note string
	at                       time.Time
}

// drafts are kept by user, in memory: a proposal is what lasts.
type drafts struct {
	mu sync.Mutex
	by map[string]draft
}

func (d *drafts) of(user string) (draft, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	x, found := d.by[user]
	return x, found
}

// keep keeps a draft, in place of the oldest when there are too many; an empty one is dropped.
func (d *drafts) keep(user string, x draft) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.by == nil {
		d.by = make(map[string]draft)
	}
	delete(d.by, user)
	if x.text == "" {
		return
	}
	for len(d.by) >= maxDrafts {
		oldest := ""
		for u, o := range d.by {
			if oldest == "" || o.at.Before(d.by[oldest].at) {
				oldest = u
			}
		}
		delete(d.by, oldest)
	}
	d.by[user] = x
}

// finding is something wrong or doubtful in a draft, with its line.
type finding struct {
	Line, Column         uint32
	Error                bool
	Code, Text           string
	Before, At, LineText string // the line, cut at the column
}

// draftPage is where an agreement is written.
type draftPage struct {
	Text, Kind               string
	From, FromTime, To, Note string
	Blocks                   []policy.Block
	Checked                  bool
	Findings                 []finding
	Errors, Warnings         int
	Cedar                    string
	Other                    string // what the text reads like, if that is not what it is said to be
	Sim                      *simulation
}

func (p *Portal) showDraft(w http.ResponseWriter, r *http.Request, s *session) {
	d, found := p.drafts.of(s.user.ID)
	if from := r.URL.Query().Get("from"); from != "" {
		v, _, err := p.version(r, r.URL.Query().Get("trust"), from)
		if err != nil {
			p.problem(w, r, s, err)
			return
		}
		d = draft{text: v.GetCedar(), kind: "cedar"}
		if v.GetForm() != "" {
			d = draft{text: v.GetForm(), kind: "form"}
		}
	} else if !found {
		d = draft{text: starter, kind: "form"}
	}
	p.draftWith(w, r, s, http.StatusOK, d.page(), nil)
}

func (d draft) page() draftPage {
	return draftPage{Text: d.text, Kind: d.kind, From: d.from, FromTime: d.fromTime, To: d.to, Note: d.note}
}

func (p *Portal) draftWith(w http.ResponseWriter, r *http.Request, s *session, status int, body draftPage, wrong []fault) {
	body.Blocks = policy.Blocks()
	p.show(w, r, s, status, view{Name: "draft", Title: "Write an agreement", Body: body, Error: wrong, Wait: "governance.js", Wide: true})
}

// readDraft reads the form; browsers write the ends of lines their own way.
func (p *Portal) readDraft(r *http.Request) draft {
	d := draft{
		text: strings.ToValidUTF8(strings.ReplaceAll(r.PostFormValue("text"), "\r\n", "\n"), string(utf8.RuneError)), kind: r.PostFormValue("kind"), at: p.now(),
		from: clip(r.PostFormValue("from"), 20), fromTime: clip(r.PostFormValue("from-time"), 20), to: clip(r.PostFormValue("to"), 20), note: typed(r, "note"),
	}
	if d.kind != "cedar" {
		d.kind = "form"
	}
	return d
}

func (d draft) message() *admin.AgreementText {
	if d.kind == "cedar" {
		return &admin.AgreementText{Cedar: d.text}
	}
	return &admin.AgreementText{Form: d.text}
}

// changeDraft keeps what was typed and does with it what was asked for.
func (p *Portal) changeDraft(w http.ResponseWriter, r *http.Request, s *session) {
	d := p.readDraft(r)
	add, _ := strings.CutPrefix(r.PostFormValue("do"), "add ")
	for _, b := range policy.Blocks() {
		if b.Name == add && d.kind == "form" {
			d.text = strings.TrimRight(d.text, "\n") + "\n\n  # " + b.Does + "\n  " + strings.ReplaceAll(strings.TrimRight(b.Example, "\n"), "\n", "\n  ") + "\n"
		}
	}
	p.drafts.keep(s.user.ID, d)
	switch r.PostFormValue("do") {
	case "drop":
		p.drafts.keep(s.user.ID, draft{})
		http.Redirect(w, r, "/agreements", http.StatusSeeOther)
	case "simulate":
		p.simulateDraft(w, r, s, d)
	case "propose":
		p.proposeDraft(w, r, s, d)
	default:
		body, err := p.checked(r, d)
		if err != nil {
			p.draftWith(w, r, s, http.StatusUnprocessableEntity, body, []fault{{"text", plainWords(err)}})
			return
		}
		p.draftWith(w, r, s, http.StatusOK, body, nil)
	}
}

// checked is the page of a draft with what the node finds in it.
func (p *Portal) checked(r *http.Request, d draft) (draftPage, error) {
	body := d.page()
	reply, err := p.config.Region.CheckAgreement(r.Context(), &admin.CheckAgreementRequest{Text: d.message()})
	if err != nil {
		return body, err
	}
	body.Checked, body.Cedar = true, reply.GetCedar()
	lines := strings.Split(d.text, "\n")
	for _, f := range reply.GetFindings() {
		x := finding{Line: f.GetLine(), Column: f.GetColumn(), Error: f.GetSeverity() == "error", Code: f.GetCode(), Text: p.inWords(f.GetText())}
		if n := int(x.Line); n >= 1 && n <= len(lines) {
			line := []rune(lines[n-1])
			at := min(max(int(x.Column)-1, 0), len(line))
			x.LineText = string(line)
			x.Before = string(line[:at])
			x.At = string(line[at:])
		}
		if x.Error {
			body.Errors++
		} else {
			body.Warnings++
		}
		body.Findings = append(body.Findings, x)
	}
	switch {
	case body.Errors > 0 && d.kind == "cedar" && likeForm.MatchString(d.text):
		body.Other = "a form of building blocks"
	case body.Errors > 0 && d.kind == "form" && likeCedar.MatchString(d.text):
		body.Other = "Cedar"
	}
	return body, nil
}

func (p *Portal) simulateDraft(w http.ResponseWriter, r *http.Request, s *session, d draft) {
	body, err := p.checked(r, d)
	if err == nil && body.Errors == 0 {
		body.Sim, err = p.simulate(r, s, d.message())
	}
	switch {
	case err != nil:
		p.draftWith(w, r, s, http.StatusUnprocessableEntity, body, []fault{{"text", plainWords(err)}})
	case body.Errors > 0:
		p.draftWith(w, r, s, http.StatusUnprocessableEntity, body, []fault{{"text", "Mend what is wrong first: it is listed under the text"}})
	default:
		p.draftWith(w, r, s, http.StatusOK, body, nil)
	}
}

func (p *Portal) proposeDraft(w http.ResponseWriter, r *http.Request, s *session, d draft) {
	wrong := tooLong(r, "note")
	from, err := london(d.from, d.fromTime)
	if err != nil || d.from == "" && d.fromTime != "" {
		wrong = append(wrong, fault{"from", "Enter a day such as 2027-01-31 and, if you like, a time such as 08:00, or leave both empty"})
	}
	to, err := london(d.to, "")
	if err != nil {
		wrong = append(wrong, fault{"to", "Enter a day such as 2028-01-31, or leave it empty"})
	}
	if d.note == "" {
		wrong = append(wrong, fault{"note", "Say why this is proposed: the second person reads it, and it is signed"})
	}
	body, err := p.checked(r, d)
	switch {
	case err != nil:
		wrong = append(wrong, fault{"text", plainWords(err)})
	case body.Errors > 0:
		wrong = append(wrong, fault{"text", "Mend what is wrong first: it is listed under the text"})
	}
	if len(wrong) > 0 {
		p.draftWith(w, r, s, http.StatusUnprocessableEntity, body, wrong)
		return
	}
	m, err := p.config.Region.ProposeAgreement(r.Context(), &admin.ProposeAgreementRequest{Text: d.message(), Effective: micros(from), Expires: micros(to), Note: d.note, Asker: s.governor(ownDuties)})
	if err != nil {
		p.draftWith(w, r, s, http.StatusUnprocessableEntity, body, []fault{{"text", plainWords(err)}})
		return
	}
	p.drafts.keep(s.user.ID, draft{})
	http.Redirect(w, r, "/agreements/proposals/"+url.PathEscape(m.GetId()), http.StatusSeeOther)
}

// proposalPage is what somebody has proposed, for the second person.
type proposalPage struct {
	agreementRow
	ID          string
	Own         bool // this user has proposed it
	Open        bool
	Decided     time.Time
	DecidedNote string
	Form, Cedar string
	Rules       []rule
	Base        uint64
	Lines       []diffLine
	Sim         *simulation
	Typed       string
}

func (p *Portal) showProposal(w http.ResponseWriter, r *http.Request, s *session) {
	p.proposalWith(w, r, s, http.StatusOK, nil, nil)
}

func (p *Portal) proposalWith(w http.ResponseWriter, r *http.Request, s *session, status int, sim *simulation, wrong []fault) {
	m, err := p.proposal(r, r.PathValue("proposal"))
	if err != nil {
		p.problem(w, r, s, err)
		return
	}
	body := proposalPage{
		agreementRow: proposalRow(m), ID: m.GetId(), Own: strings.EqualFold(m.GetBy(), s.user.ID), Open: m.GetState() == "proposed", Decided: moment(m.GetDecidedAt()),
		DecidedNote: m.GetDecidedNote(), Form: m.GetForm(), Cedar: m.GetCedar(), Rules: rulesOf(m.GetCedar()), Base: m.GetBase(), Sim: sim, Typed: typed(r, "note"),
	}
	if body.Base > 0 && body.Cedar != "" {
		if v, _, err := p.version(r, "", strconv.FormatUint(body.Base, 10)); err == nil {
			body.Lines = diffOf(v.GetCedar(), body.Cedar)
		}
	}
	p.show(w, r, s, status, view{Name: "proposal", Title: fmt.Sprintf("Agreement proposed by %s", m.GetBy()), Body: body, Error: wrong, Wide: true})
}

// decideProposal approves or rejects, or simulates first. That the proposer does not approve is the node's own rule.
func (p *Portal) decideProposal(w http.ResponseWriter, r *http.Request, s *session) {
	note := strings.TrimSpace(r.PostFormValue("note"))
	q := &admin.ApproveAgreementRequest{Proposal: r.PathValue("proposal"), Note: note, Asker: s.governor(ownDuties)}
	if wrong := tooLong(r, "note"); len(wrong) > 0 {
		p.proposalWith(w, r, s, http.StatusUnprocessableEntity, nil, wrong)
		return
	}
	switch r.PostFormValue("do") {
	case "simulate":
		m, err := p.proposal(r, q.GetProposal())
		if err != nil {
			p.problem(w, r, s, err)
			return
		}
		sim, err := p.simulate(r, s, &admin.AgreementText{Cedar: m.GetCedar()})
		if err != nil {
			p.proposalWith(w, r, s, http.StatusUnprocessableEntity, nil, []fault{{"simulate", plainWords(err)}})
			return
		}
		p.proposalWith(w, r, s, http.StatusOK, sim, nil)
		return
	case "approve":
	case "reject":
		q.Reject = true
		if note == "" {
			p.proposalWith(w, r, s, http.StatusUnprocessableEntity, nil, []fault{{"note", "Say why, in a few words: it is kept with the proposal"}})
			return
		}
	default:
		p.proposalWith(w, r, s, http.StatusUnprocessableEntity, nil, []fault{{"note", "Choose whether you approve or reject"}})
		return
	}
	if _, err := p.config.Region.ApproveAgreement(r.Context(), q); err != nil {
		status := http.StatusUnprocessableEntity
		if admin.CodeOf(err) == admin.CodeDenied {
			status = http.StatusForbidden
		}
		p.proposalWith(w, r, s, status, nil, []fault{{"note", plainWords(err)}})
		return
	}
	http.Redirect(w, r, "/agreements/proposals/"+url.PathEscape(q.GetProposal()), http.StatusSeeOther)
}
