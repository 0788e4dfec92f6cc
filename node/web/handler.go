package web

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// contentPolicy allows what the portal itself serves and nothing else: no inline script or style, no other host, no frame.
// The pictures of a document's pages are blobs that its own script has fetched; the decoders of scans inside PDF are
// WebAssembly.
const contentPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob:; font-src 'self'; connect-src 'self'; " +
	"worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Handler returns the whole portal.
func (p *Portal) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.signedOn(func(w http.ResponseWriter, r *http.Request, s *session) {
		http.Redirect(w, r, beginning(s.user.Role), http.StatusSeeOther)
	}))
	mux.HandleFunc("GET "+nothingPath, p.signedOn(p.showNothing))
	mux.Handle("GET /static/", p.assets)
	mux.HandleFunc("GET /sign-on", p.showSignOn)
	mux.HandleFunc("GET /sign-on/start", p.startSignOn)
	mux.HandleFunc("GET "+callbackPath, p.finishSignOn)
	mux.HandleFunc("GET /locked", p.showLocked)
	mux.HandleFunc("POST /log-out", p.logOut)
	if p.personas != nil {
		mux.HandleFunc("GET "+personaPath, p.showPersonas)
		mux.HandleFunc("POST "+personaPath, p.choosePersona)
		mux.HandleFunc("GET "+recordSystemPath, p.showRecordSystem)
		mux.HandleFunc("POST "+recordSystemPath, p.leaveRecordSystem)
	}
	find := p.find("find", "Find a patient", "/patients/")
	mux.HandleFunc("GET /find", p.signedOn(find))
	mux.HandleFunc("POST /find", p.signedOn(p.byName(find)))
	mux.HandleFunc("GET /patients/{key}/purpose", p.ofPatient(p.showPurpose))
	mux.HandleFunc("POST /patients/{key}/purpose", p.ofPatient(p.setPurpose))
	mux.HandleFunc("GET /patients/{key}", p.withPurpose(p.showTimeline))
	mux.HandleFunc("GET /patients/{key}/documents/{document}", p.withPurpose(p.showDocument))
	mux.HandleFunc("GET /patients/{key}/documents/{document}/page", p.withPurpose(p.sendPage))
	mux.HandleFunc("GET /patients/{key}/documents/{document}/coming", p.withPurpose(p.sendComing))
	mux.HandleFunc("GET /patients/{key}/documents/{document}/file", p.withPurpose(p.sendFile))
	mux.HandleFunc("GET /patients/{key}/emergency", p.withPurpose(p.showEmergency))
	mux.HandleFunc("POST /patients/{key}/emergency", p.withPurpose(p.declareEmergency))
	mux.HandleFunc("POST /look", p.setLook)
	mux.HandleFunc("GET /launch", p.startLaunch)
	mux.HandleFunc("POST /patients/{key}/views", p.withPurpose(p.keepView))
	mux.HandleFunc("GET /patients/{key}/documents/{document}/beside/{other}", p.withPurpose(p.showBeside))
	p.regionRoutes(mux)
	p.recordsRoutes(mux)
	p.governanceRoutes(mux)
	p.patientRoutes(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { p.missing(w, r, nil) })
	return p.guard(http.NewCrossOriginProtection().Handler(p.noting(mux)))
}

// guard sets what every answer carries, and turns away what no page of the portal sends.
func (p *Portal) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("Strict-Transport-Security", "max-age=31536000")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin") // with no-referrer, browsers would not name the origin of a form either
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
		h.Set("Cache-Control", "no-store")
		// Another name that leads here is not the portal: an attacker's page could read the answers of a name of its own.
		if r.Host != p.origin.Load().Host {
			http.Error(w, "This is not the portal's address.", http.StatusMisdirectedRequest)
			return
		}
		// Other sites may link to the portal, and not embed or fetch anything of it.
		if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" && r.Header.Get("Sec-Fetch-Mode") != "navigate" {
			http.Error(w, "This request comes from another site.", http.StatusForbidden)
			return
		}
		if !bringsDocuments(r) {
			r.Body = http.MaxBytesReader(w, r.Body, formLimit(r.URL.Path))
		}
		next.ServeHTTP(w, r)
	})
}

// fragment reports whether a script asks, which replaces part of a page, and cannot follow to another.
func fragment(r *http.Request) bool {
	return r.Header.Get("HX-Request") != "" || r.Header.Get("Sec-Fetch-Mode") == "cors" || r.Header.Get("Sec-Fetch-Dest") == "image"
}

// placeOf is where a request wants to go, when it is a page to come back to; of what a form sends or a script asks, the page that it
// comes from. It has no host: what browsers name another one of is no place.
func (p *Portal) placeOf(r *http.Request) string {
	at := r.URL
	if r.Method != http.MethodGet || fragment(r) {
		from, err := url.Parse(r.Referer())
		if own := p.origin.Load(); err != nil || from.Scheme != own.Scheme || from.Host != own.Host {
			return ""
		}
		at = from
	}
	if _, found := areaOf(at.Path); !found || slices.Contains([]string{"file", "views", "export"}, path.Base(at.Path)) { // no pages
		return ""
	}
	return at.RequestURI()
}

// sessionHandler answers for somebody who is signed on.
type sessionHandler func(w http.ResponseWriter, r *http.Request, s *session)

// patientHandler answers about one patient.
type patientHandler func(w http.ResponseWriter, r *http.Request, s *session, of *patient)

// signedOn lets those through who are signed on and not locked out, and forms that carry the session's token.
func (p *Portal) signedOn(next sessionHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, locked := p.sessions.of(r, p.placeOf(r))
		switch {
		case p.turnedAway(w, r, s, locked):
		case r.Method == http.MethodPost && !s.checkToken(r.PostFormValue("token")):
			p.show(w, r, s, http.StatusForbidden, view{Name: "message", Title: "This form is out of date", Body: message{
				Text: []string{"The page that you sent was not made for this session. Nothing was changed."}, Link: "/", LinkText: "Go to your first page",
			}})
		case p.unreadable(w, r, s):
		default:
			p.allowed(next)(w, r, s)
		}
	}
}

// unreadable answers forms that bring what is no text, and makes one line of what was typed in several. Rules of an agreement have lines.
func (p *Portal) unreadable(w http.ResponseWriter, r *http.Request, s *session) bool {
	fault := foldForm(r)
	if fault == "" {
		return false
	}
	p.show(w, r, s, http.StatusBadRequest, view{Name: "message", Title: "This cannot be read as text", Body: message{
		Text: []string{"Something that was typed " + fault + ". Nothing was changed. Go back, type it anew rather than copy it in, and send it again."}, Link: "/", LinkText: "Go to your first page",
	}})
	return true
}

// foldForm folds white space in all fields of a form, and returns what is wrong with one of them, or "". What people type at length
// may be longer than is taken: their form says so, and keeps it.
func foldForm(r *http.Request) string {
	if r.Method != http.MethodPost {
		return ""
	}
	for name, values := range r.PostForm {
		if name == "text" || name == "view" {
			continue
		}
		for i, v := range values {
			if strings.ContainsAny(v, "\r\n\t") {
				values[i] = strings.Join(strings.Fields(v), " ")
			}
			limit := admin.MaxLine
			if slices.Contains(typedFields(), name) {
				limit = maxTyped
			}
			if fault := federation.LineFault(values[i], limit); fault != "" {
				return fault
			}
		}
		r.Form[name] = values
	}
	return ""
}

// turnedAway tells whether a request has been answered already: nobody is signed on, the session is locked, or its user is
// suspended.
func (p *Portal) turnedAway(w http.ResponseWriter, r *http.Request, s *session, locked bool) bool {
	switch {
	case s == nil:
		p.sessions.wanted(r, p.placeOf(r))
		p.keepUnsent(r, p.sessions.ended(r))
		p.elsewhere(w, r, "/sign-on")
	case locked:
		p.keepUnsent(r, s)
		p.elsewhere(w, r, "/locked")
	default:
		return p.suspended(w, r, s.user.ID)
	}
	return true
}

// elsewhere sends a browser to another page of the portal; a script is told that it must go there.
func (p *Portal) elsewhere(w http.ResponseWriter, r *http.Request, to string) {
	if fragment(r) {
		w.Header().Set("HX-Redirect", to)
		http.Error(w, "Your session has ended. Sign on again to carry on.", http.StatusUnauthorized)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// ofPatient finds the patient whose key stands in the address. A key of another session is not known.
func (p *Portal) ofPatient(next patientHandler) http.HandlerFunc {
	return p.signedOn(func(w http.ResponseWriter, r *http.Request, s *session) {
		of := s.patient(r.PathValue("key"))
		if of == nil {
			p.show(w, r, s, http.StatusNotFound, view{Name: "message", Title: "Find the patient again", Body: message{
				Text: []string{"This address was made for a session that has ended, or for another person."}, Link: "/find", LinkText: "Find a patient",
			}})
			return
		}
		next(w, r, s, of)
	})
}

// withPurpose has the user say first why they ask about a patient.
func (p *Portal) withPurpose(next patientHandler) http.HandlerFunc {
	return p.ofPatient(func(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
		if of.Purpose == "" {
			p.elsewhere(w, r, "/patients/"+of.Key+"/purpose")
			return
		}
		next(w, r, s, of)
	})
}

// missing says that there is no such page.
func (p *Portal) missing(w http.ResponseWriter, r *http.Request, s *session) {
	p.show(w, r, s, http.StatusNotFound, view{Name: "message", Title: "Page not found", Body: message{
		Text: []string{"If you typed the address, check that it is right."}, Link: "/", LinkText: "Go to your first page",
	}})
}
