package web

import (
	"net/http"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const watchedPath = "/reviews/watched"

// watchedMark says why looks at a person's record are reviewed.
type watchedMark struct {
	Who                        Person
	Known                      bool // Number is an NHS number; else this trust has only a pseudonym, and lifting needs the number
	Number, Kind, Words, Staff string
	Reason, By                 string
	At                         time.Time
}

// watchedPage lists the marks, and asks for another.
type watchedPage struct {
	Marks  []watchedMark
	In     map[string]string
	Number string // as it was typed
	Told   string
}

// watchedKinds are the reasons for which a record is watched, in words.
func watchedKinds() []choice {
	return []choice{
		{"protected", "Every look, by whomever", ""},
		{"staff", "The person works here: looks by themselves and by colleagues", ""},
		{"near", "The person has the surname or the address of somebody who works here: looks by that member of staff", ""},
	}
}

func (p *Portal) showWatched(w http.ResponseWriter, r *http.Request, s *session) {
	told := map[string]string{"marked": "The record is watched from now on.", "lifted": "The mark was taken back."}[r.URL.Query().Get("told")]
	p.watchedWith(w, r, s, http.StatusOK, watchedPage{In: map[string]string{}, Told: told}, nil)
}

func (p *Portal) watchedWith(w http.ResponseWriter, r *http.Request, s *session, status int, body watchedPage, wrong []fault) {
	reply, err := p.config.Region.Protect(r.Context(), &admin.ProtectRequest{Asker: s.governor(ownDuties)})
	if err != nil {
		p.problem(w, r, s, err)
		return
	}
	for _, m := range reply.GetPersons() {
		x := watchedMark{Number: m.GetPatient(), Kind: m.GetKind(), Words: labelOf(watchedKinds(), m.GetKind()), Staff: m.GetStaff(), Reason: m.GetReason(), By: m.GetBy(), At: moment(m.GetAt())}
		if number, wrong := p.readNumber(m.GetPatient()); wrong == "" {
			of := &patient{Number: number}
			x.Known, x.Number, x.Who = true, of.Spaced(), p.known(r, s, of)
		}
		body.Marks = append(body.Marks, x)
	}
	p.show(w, r, s, status, view{Name: "watched", Title: "Whose records are watched", Body: body, Error: wrong, Wait: "number.js"})
}

// watch marks a person, or takes a mark back. The number stands in the body of the request only.
func (p *Portal) watch(w http.ResponseWriter, r *http.Request, s *session) {
	in := make(map[string]string)
	for _, name := range []string{"do", "kind", "staff", "reason"} {
		in[name] = typed(r, name)
	}
	wanted := clip(r.PostFormValue("number"), 40)
	number, why := p.readNumber(wanted)
	lift := in["do"] == "lift"
	wrong := tooLong(r, "reason")
	if why != "" {
		wrong = append(wrong, fault{"number", why})
	}
	switch {
	case !offered(watchedKinds(), in["kind"]):
		wrong = append(wrong, fault{"kind", "Select whose looks are reviewed"})
	case in["kind"] != "protected" && in["staff"] == "":
		wrong = append(wrong, fault{"staff", "Enter the staff id"})
	}
	if !lift && in["reason"] == "" {
		wrong = append(wrong, fault{"reason", "Say why: it is kept in the audit log"})
	}
	if len(wrong) == 0 {
		if err := p.mark(r, s, number, in, lift); err != nil {
			wrong = []fault{{"number", plainWords(err)}}
		}
	}
	switch {
	case len(wrong) > 0:
		p.watchedWith(w, r, s, http.StatusUnprocessableEntity, watchedPage{In: in, Number: wanted}, wrong)
	case lift:
		http.Redirect(w, r, watchedPath+"?told=lifted", http.StatusSeeOther)
	default:
		http.Redirect(w, r, watchedPath+"?told=marked", http.StatusSeeOther)
	}
}

func (p *Portal) mark(r *http.Request, s *session, number string, in map[string]string, lift bool) error {
	q := &admin.ProtectRequest{Patient: number, Reason: in["reason"], Lift: lift, Asker: s.governor(ownDuties)}
	switch in["kind"] {
	case "staff":
		q.Staff = in["staff"]
	case "near":
		q.Near = in["staff"]
	}
	_, err := p.config.Region.Protect(r.Context(), q)
	return err
}
