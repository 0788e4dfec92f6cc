package web

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func (p *Portal) patientRoutes(mux *http.ServeMux) {
	if p.patients == nil {
		return
	}
	mux.HandleFunc("GET "+myPath+"/sign-on", p.myDoor)
	mux.HandleFunc("GET "+myPath+"/sign-on/start", p.startMySignOn)
	mux.HandleFunc("GET "+myCallbackPath, p.finishMySignOn)
	mux.HandleFunc("POST "+myPath+"/log-out", p.myLogOut)
	if p.patients.personas != nil {
		mux.HandleFunc("GET "+myPersonaPath, p.showPatientPersonas)
		mux.HandleFunc("POST "+myPersonaPath, p.choosePatientPersona)
	}
	mux.HandleFunc("GET "+myPath, p.mine(p.showMy))
	mux.HandleFunc("GET "+myPath+"/sharing", p.mine(p.showMySharing))
	mux.HandleFunc("GET "+myPath+"/looks", p.mine(p.paced(p.showMyLooks)))
	mux.HandleFunc("GET "+myPath+"/looks/copy", p.mine(p.paced(p.sendMyCopy)))
	mux.HandleFunc("GET "+myPath+"/choices", p.mine(p.showMyChoices))
	mux.HandleFunc("GET "+myPath+"/choices/new", p.mine(p.showMyChoice))
	mux.HandleFunc("POST "+myPath+"/choices/new", p.mine(p.paced(p.makeMyChoice)))
	mux.HandleFunc("GET "+myPath+"/choices/{directive}", p.mine(p.showMyReceipt))
	mux.HandleFunc("GET "+myPath+"/choices/{directive}/undo", p.mine(p.undoMyChoice))
	mux.HandleFunc("POST "+myPath+"/choices/{directive}/undo", p.mine(p.paced(p.undoMyChoice)))
	mux.HandleFunc("GET "+myPath+"/", p.mine(p.myMissing))
}

// mine lets patients through. A session that was not used for a while has ended: it may be a library's machine.
func (p *Portal) mine(next sessionHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, locked := p.patients.sessions.of(r, "")
		if locked {
			p.patients.sessions.end(s)
			s = nil
		}
		switch {
		case s == nil:
			http.Redirect(w, r, myPath+"/sign-on", http.StatusSeeOther)
		case r.Method == http.MethodPost && !s.checkToken(r.PostFormValue("token")):
			p.myMessage(w, r, s, http.StatusForbidden, "This page is too old", "Nothing was changed. Go back and try again.")
		case foldForm(r) != "":
			p.myMessage(w, r, s, http.StatusBadRequest, "This cannot be read as text", "Nothing was changed. Go back, type it again, and try once more.")
		default:
			next(w, r, s)
		}
	}
}

// paced lets each patient through as often as a person reads, in all their sessions together: all trusts are asked each time.
func (p *Portal) paced(next sessionHandler) sessionHandler {
	return func(w http.ResponseWriter, r *http.Request, s *session) {
		if !p.patients.asks.allowed(s.patientNumber()) {
			w.Header().Set("Retry-After", "5")
			p.myMessage(w, r, s, http.StatusTooManyRequests, "Please wait a moment", "You have asked many times in a short while. Nothing was changed. Please wait a few seconds and try again.")
			return
		}
		next(w, r, s)
	}
}

// showPatient sends a page of a patient.
func (p *Portal) showPatient(w http.ResponseWriter, r *http.Request, s *session, status int, v view) {
	f := frame{view: v, Trust: p.config.Names(p.config.Trust), Trial: p.patients.personas != nil, Now: p.now(), Look: lookOf(r)}
	if s != nil {
		f.User, f.Token = &s.user, s.token
		for _, a := range []link{{myPath, "Home", false}, {myPath + "/sharing", "What is shared", false}, {myPath + "/looks", "Who looked", false}, {myPath + "/choices", "Your choices", false}} {
			a.Current = r.URL.Path == a.Path || a.Path != myPath && strings.HasPrefix(r.URL.Path, a.Path+"/")
			f.Areas = append(f.Areas, a)
		}
	}
	t, found := p.pages.byName[v.Name]
	if !found {
		p.fail(w, errors.New("there is no such page"))
		return
	}
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, "layout-my.html", f); err != nil {
		p.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // a browser that has gone needs nothing
}

func (p *Portal) myMessage(w http.ResponseWriter, r *http.Request, s *session, status int, title string, text ...string) {
	to, words := myPath, "Go to the start page"
	if s == nil {
		to, words = myPath+"/sign-on", "Sign in again"
	}
	p.showPatient(w, r, s, status, view{Name: "message", Title: title, Body: message{Text: text, Link: to, LinkText: words}})
}

// myFault says that something does not work, without the node's words: they are for operators.
func (p *Portal) myFault(w http.ResponseWriter, r *http.Request, s *session, err error) {
	switch admin.CodeOf(err) {
	case admin.CodeNotFound, admin.CodeBadInput:
		p.myMessage(w, r, s, http.StatusNotFound, "We cannot find that", "Nothing was changed. It may have been changed before.")
	default:
		p.myMessage(w, r, s, http.StatusBadGateway, "Sorry, this does not work now", "Nothing was changed. Please try again in a few minutes.")
	}
}

func (p *Portal) myMissing(w http.ResponseWriter, r *http.Request, s *session) {
	p.myMessage(w, r, s, http.StatusNotFound, "Page not found", "If you typed the address, check that it is right.")
}

func (p *Portal) myDoor(w http.ResponseWriter, r *http.Request) {
	if s, locked := p.patients.sessions.of(r, ""); s != nil && !locked {
		http.Redirect(w, r, myPath, http.StatusSeeOther)
		return
	}
	p.showPatient(w, r, nil, http.StatusOK, view{Name: "mysignon", Title: "Your health records: who can see them", Body: p.patients.sessions.gone(r)})
}

func (p *Portal) startMySignOn(w http.ResponseWriter, r *http.Request) {
	if !p.patients.starts.allow(r) {
		w.Header().Set("Retry-After", "5")
		p.myMessage(w, r, nil, http.StatusTooManyRequests, "Too many people are signing in", "Please wait a few seconds and try again.")
		return
	}
	id, to, err := p.patients.signOn.start(r.Context(), false)
	if err != nil {
		p.logger.Warn("the identity provider of patients cannot be reached", slog.Any("error", err))
		p.myMessage(w, r, nil, http.StatusBadGateway, "You cannot sign in now", "The service that checks who you are does not answer. Please try again in a few minutes.")
		return
	}
	setCookie(w, mySignOnCookie, id, signOnTime)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (p *Portal) finishMySignOn(w http.ResponseWriter, r *http.Request) {
	who, err := p.patients.signOn.finish(r)
	setCookie(w, mySignOnCookie, "", 0)
	if err != nil {
		kind := "the provider cannot be used"
		why := "The service that checks who you are does not answer. Please try again in a few minutes."
		if errors.Is(err, ErrSignOn) {
			kind, why = plainSignOn(err), "We did not sign you in: "+saidOf(plainSignOn(err), patientDoorName)+"."
		}
		p.logger.Info("a patient's sign-on was refused", slog.String("why", kind))
		if who.begun && errors.Is(err, ErrSignOn) {
			p.refused(r, Attendance{Own: true}, kind)
		}
		p.myMessage(w, r, nil, http.StatusForbidden, "You are not signed in", why)
		return
	}
	if err := p.arrived(r, who, false); err != nil {
		v := notWritten(myPath + "/sign-on")
		v.Title = "You cannot sign in now"
		p.showPatient(w, r, nil, http.StatusServiceUnavailable, v)
		return
	}
	old, _ := p.patients.sessions.of(r, "")
	id, _ := p.patients.sessions.begin(who.person, old)
	setCookie(w, patientCookie, id, p.patients.sessions.life)
	p.logger.Info("a patient has signed on")
	http.Redirect(w, r, myPath, http.StatusSeeOther)
}

func (p *Portal) myLogOut(w http.ResponseWriter, r *http.Request) {
	s, _ := p.patients.sessions.of(r, "")
	if s == nil {
		http.Redirect(w, r, myPath+"/sign-on", http.StatusSeeOther)
		return
	}
	if !s.checkToken(r.PostFormValue("token")) {
		http.Error(w, "This form is out of date.", http.StatusForbidden)
		return
	}
	p.patients.sessions.end(s)
	p.left(r, s, "signed out")
	setCookie(w, patientCookie, "", 0)
	w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	http.Redirect(w, r, myPath+"/sign-on?left=1", http.StatusSeeOther)
}

func (p *Portal) showPatientPersonas(w http.ResponseWriter, r *http.Request) {
	request := p.patients.personas.ask(r.URL.Query())
	if request == "" {
		p.myMessage(w, r, nil, http.StatusBadRequest, "This is not a sign-in", "Begin at the start page.")
		return
	}
	p.showPatient(w, r, nil, http.StatusOK, view{Name: "personas", Title: "Choose who you are", Body: personaChoice{
		Request: request, People: p.patients.personas.people, To: myPersonaPath, Instead: "The real service asks NHS login instead.",
	}})
}

func (p *Portal) choosePatientPersona(w http.ResponseWriter, r *http.Request) {
	to := p.patients.personas.choose(r.PostFormValue("request"), r.PostFormValue("persona"))
	if to == "" {
		to = myPath + "/sign-on"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// patientNumber is the NHS number that the sign-on has proved.
func (s *session) patientNumber() string { return s.user.ID }

func (p *Portal) showMy(w http.ResponseWriter, r *http.Request, s *session) {
	p.showPatient(w, r, s, http.StatusOK, view{Name: "my", Title: "Your health records", Body: (&patient{Number: s.patientNumber()}).Spaced()})
}

func (p *Portal) showMySharing(w http.ResponseWriter, r *http.Request, s *session) {
	sharing, err := p.config.Region.MySharing(r.Context(), s.patientNumber())
	if err != nil {
		p.myFault(w, r, s, err)
		return
	}
	p.showPatient(w, r, s, http.StatusOK, view{Name: "mysharing", Title: "What is shared, and with whom", Body: sharing})
}

// looksView is who has looked.
type looksView struct {
	Made   time.Time
	Looks  []look
	Glass  []look
	Said   []look
	Silent []string // trusts that did not answer
	Number string
}

// look is one line of a report.
type look struct {
	At, Until time.Time
	Times     int // that it happened, until then
	Text      string
	Alert     bool
}

// oneVisit is the time within which accesses of one kind are told of in one line.
const oneVisit = time.Hour

func (p *Portal) looks(r *http.Request, s *session) (v looksView, err error) {
	report, err := p.config.Region.MyReport(r.Context(), s.patientNumber())
	if err != nil {
		return v, err
	}
	v.Made, v.Number = time.UnixMicro(report.GetMade()), (&patient{Number: s.patientNumber()}).Spaced()
	for _, a := range report.GetAccesses() {
		at := time.UnixMicro(a.GetAt())
		if a.GetRole() == patientRoleName { // their own visits
			continue
		}
		// Each page of a document is an access of its own: one line tells of those that follow each other.
		if n := len(v.Looks); n > 0 && v.Looks[n-1].Text == a.GetText() && at.Sub(v.Looks[n-1].Until) < oneVisit {
			v.Looks[n-1].Times++
			v.Looks[n-1].Until = at
			continue
		}
		v.Looks = append(v.Looks, look{At: at, Until: at, Times: 1, Text: a.GetText(), Alert: a.GetBreakGlass() || a.GetOneSided() != ""})
	}
	slices.Reverse(v.Looks)
	for _, e := range report.GetEmergencies() {
		v.Glass = append([]look{{At: time.UnixMicro(e.GetAt()), Text: e.GetText(), Alert: true}}, v.Glass...)
	}
	for _, d := range report.GetDirectives() {
		v.Said = append([]look{{At: time.UnixMicro(d.GetAt()), Text: d.GetText() + " " + choiceState(d.GetState())}}, v.Said...)
	}
	for _, x := range report.GetSites() {
		if !x.GetAnswered() {
			v.Silent = append(v.Silent, x.GetName())
		}
	}
	return v, nil
}

func (p *Portal) showMyLooks(w http.ResponseWriter, r *http.Request, s *session) {
	v, err := p.looks(r, s)
	if err != nil {
		p.myFault(w, r, s, err)
		return
	}
	p.showPatient(w, r, s, http.StatusOK, view{Name: "mylooks", Title: "Who looked at your records", Body: v})
}

// sendMyCopy sends the report as a page that needs nothing but itself.
func (p *Portal) sendMyCopy(w http.ResponseWriter, r *http.Request, s *session) {
	v, err := p.looks(r, s)
	if err != nil {
		p.myFault(w, r, s, err)
		return
	}
	var out bytes.Buffer
	if err := p.pages.byName["mycopy"].ExecuteTemplate(&out, "mycopy.html", v); err != nil {
		p.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="who-looked-at-my-records.html"`)
	_, _ = w.Write(out.Bytes()) // a browser that has gone needs nothing
}

// choiceState says how far what a patient has said has come.
func choiceState(state string) string {
	return map[string]string{
		"in_force": "This counts everywhere.", "here": "This counts here. The other places will hear of it as soon as they can be reached.",
		"waiting": "This does not count yet. It will as soon as the other places can be reached.", "withdrawn": "You have taken this back.",
		"withdrawn_here": "You have taken this back here. The other places will hear of it as soon as they can be reached.",
		"superseded":     "You have made another choice since.", "expired": "This has come to its end.", "refused": "This could not be recorded everywhere. Please ask us about it.",
	}[state]
}
