package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
)

type signOnPage struct {
	Gone string // how the last session ended, as sessions.gone says

	Everywhere bool // it was ended with all others of the user
	Kept       bool // where its user was is known still
}

// showSignOn is where everybody begins. Who is signed on already goes on.
func (p *Portal) showSignOn(w http.ResponseWriter, r *http.Request) {
	if s, locked := p.sessions.of(r, ""); s != nil && !locked {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	p.show(w, r, nil, http.StatusOK, view{Name: "signon", Title: "Sign on", Body: signOnPage{Gone: p.sessions.gone(r), Everywhere: r.URL.Query().Get("left") == leftEverywhere, Kept: p.sessions.keeps(r)}})
}

// showLocked says that the session waits for its user.
func (p *Portal) showLocked(w http.ResponseWriter, r *http.Request) {
	s, locked := p.sessions.of(r, "")
	switch {
	case s == nil:
		http.Redirect(w, r, "/sign-on", http.StatusSeeOther)
	case !locked:
		http.Redirect(w, r, "/", http.StatusSeeOther)
	default:
		// Without the session: nothing about it is shown to whoever stands at the screen.
		p.show(w, r, nil, http.StatusOK, view{Name: "locked", Title: "Your session is locked", Body: int(p.sessions.idle.Minutes())})
	}
}

// startSignOn sends the browser to the identity provider.
func (p *Portal) startSignOn(w http.ResponseWriter, r *http.Request) {
	if !p.starts.allow(r) {
		p.tooManySignOns(w, r)
		return
	}
	s, _ := p.sessions.of(r, "")
	// After a refusal the provider is to ask again: it would else send the same person back, checked no better.
	_, place := p.sessions.stray(r)
	id, to, err := p.signOn.start(r.Context(), s != nil || place != "" || p.sessions.keeps(r) || r.URL.Query().Has("again"))
	if err != nil {
		p.noProvider(w, r, err)
		return
	}
	setCookie(w, signOnCookie, id, signOnTime)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// notWritten says that nobody comes in unseen.
func notWritten(back string) view {
	return view{Name: "message", Title: "You cannot sign on at the moment", Body: message{
		Text: []string{"Each sign-on is written down, and that does not work at the moment. Try again in a few minutes."}, Link: back, LinkText: "Try again",
	}}
}

func (p *Portal) tooManySignOns(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Retry-After", "5")
	p.show(w, r, nil, http.StatusTooManyRequests, view{Name: "message", Title: "Too many people are signing on", Body: message{
		Text: []string{"More sign-ons than usual come from your network. Wait a few seconds and try again."}, Link: "/sign-on", LinkText: "Try again",
	}})
}

func (p *Portal) noProvider(w http.ResponseWriter, r *http.Request, err error) {
	p.logger.Warn("the identity provider cannot be reached", slog.Any("error", err))
	p.show(w, r, nil, http.StatusBadGateway, view{Name: "message", Title: "You cannot sign on at the moment", Body: message{
		Text: []string{"The service that checks who you are does not answer. Try again in a few minutes."}, Link: "/sign-on", LinkText: "Try again",
	}})
}

// finishSignOn begins a session, with an id that did not exist before. It leads to where a locked session was, which only the
// session itself knows, to the page of this portal that the browser asked for last with a session from before a restart, or to the
// first page: never to an address that this request brings.
func (p *Portal) finishSignOn(w http.ResponseWriter, r *http.Request) {
	who, err := p.signOn.finish(r)
	setCookie(w, signOnCookie, "", 0)
	if err != nil {
		p.logger.Info("a sign-on was refused", slog.Any("error", err))
		if who.begun && errors.Is(err, ErrSignOn) {
			p.refused(r, Attendance{User: who.ID, Role: who.Role}, plainSignOn(err))
		}
		why := "The service that checks who you are does not answer. Try again in a few minutes."
		if errors.Is(err, ErrSignOn) {
			why = "You were not signed on: " + p.inWords(saidOf(plainSignOn(err), staffDoor)) + "."
		}
		p.show(w, r, nil, http.StatusForbidden, view{Name: "message", Title: "You are not signed on", Body: message{
			Text: []string{why, "If you think that you should be able to use this service, ask your IT service desk."}, Link: "/sign-on/start?again=1", LinkText: "Sign on again",
		}})
		return
	}
	if p.config.Region.ShutOut(who.ID) {
		p.refused(r, Attendance{User: who.ID, Role: who.Role}, "their access is suspended")
		p.suspended(w, r, who.ID)
		return
	}
	old, locked := p.sessions.of(r, "")
	if err := p.arrived(r, who, locked); err != nil {
		p.show(w, r, nil, http.StatusServiceUnavailable, notWritten("/sign-on"))
		return
	}
	if old != nil && !strings.EqualFold(old.user.ID, who.ID) {
		p.left(r, old, "signed out: another person signed on in their browser")
	}
	own := p.before(r, old, locked, who.fresh)
	if old == nil && own == nil {
		own = p.fromBefore(r, who)
	}
	id, place := p.sessions.begin(who.person, own)
	if s := p.sessions.find(id); s != nil { // it may have been ended already
		for _, of := range s.recent() {
			if of.Who == (Person{}) {
				s.recognise(of.Key, p.known(r, s, of))
			}
		}
		p.keepPlace(r.Context(), s)
	}
	setCookie(w, sessionCookie, id, p.sessions.life+keptFor)
	p.logger.Info("a member of staff has signed on", slog.String("role", who.Role))
	if who.context != nil {
		if place, err = p.openLaunched(r, id, who.context); err != nil {
			p.show(w, r, nil, http.StatusUnprocessableEntity, view{Name: "message", Title: "The patient could not be opened", Body: message{
				Text: []string{"You are signed on, but the record system did not name a patient with a valid NHS number."}, Link: "/find", LinkText: "Find a patient",
			}})
			return
		}
	}
	if place == "" {
		place = beginning(who.Role)
	}
	http.Redirect(w, r, place, http.StatusSeeOther)
}

// before is the session in which somebody goes on who signs on: the one of their browser, or what is left of it.
func (p *Portal) before(r *http.Request, own *session, locked, fresh bool) *session {
	if own == nil {
		own, locked = p.sessions.remains(r), true
	}
	if own != nil && locked && !fresh { // an attempt from before the lock: what the locked session knows stays behind
		p.sessions.end(own)
		return nil
	}
	return own
}

// leftEverywhere is how the address says that all sessions were ended.
const leftEverywhere = "all"

// logOut ends this session, or all of the user's.
func (p *Portal) logOut(w http.ResponseWriter, r *http.Request) {
	s, _ := p.sessions.of(r, "")
	if s == nil {
		http.Redirect(w, r, "/sign-on", http.StatusSeeOther)
		return
	}
	if !s.checkToken(r.PostFormValue("token")) {
		http.Error(w, "This form is out of date.", http.StatusForbidden)
		return
	}
	what, to, everywhere := "signed out", "/sign-on?left=1", r.PostFormValue("everywhere") != ""
	p.forgetPlace(r.Context(), s, everywhere)
	if everywhere {
		what = fmt.Sprintf("signed out on all devices: %d sessions", p.sessions.endEverywhere(s))
		to = "/sign-on?left=" + leftEverywhere
	}
	p.sessions.end(s)
	p.left(r, s, what)
	setCookie(w, sessionCookie, "", 0)
	w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// personaChoice is what the picker shows.
type personaChoice struct {
	Request string
	People  []Persona
	To      string
	Instead string // what a portal that is none of a demonstration does
}

// showPersonas is the sign-on page of the provider of a demonstration.
func (p *Portal) showPersonas(w http.ResponseWriter, r *http.Request) {
	request := p.personas.ask(r.URL.Query())
	if request == "" {
		p.show(w, r, nil, http.StatusBadRequest, view{Name: "message", Title: "This is not a sign-on", Body: message{
			Text: []string{"Begin at the portal's own page."}, Link: "/sign-on", LinkText: "Sign on",
		}})
		return
	}
	p.show(w, r, nil, http.StatusOK, view{Name: "personas", Title: "Choose who you are", Body: personaChoice{
		Request: request, People: p.personas.people, To: personaPath, Instead: "A real portal asks the trust's own sign-on service instead.",
	}})
}

// choosePersona signs a visitor on as somebody invented.
func (p *Portal) choosePersona(w http.ResponseWriter, r *http.Request) {
	to := p.personas.choose(r.PostFormValue("request"), r.PostFormValue("persona"))
	if to == "" {
		http.Redirect(w, r, "/sign-on", http.StatusSeeOther)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}
