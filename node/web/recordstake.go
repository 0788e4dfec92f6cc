package web

import (
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const (
	maxUpload     = 4 << 30 // bytes of a request that brings documents
	maxFiles      = 200     // of one request
	maxFields     = 30
	maxField      = 4 << 10
	maxTakings    = 16 // requests that bring documents, at the same time
	maxOwnTakings = 4  // of them of one person, in all their sessions together
	uploadPause   = 30 * time.Second
	uploadAnswer  = 5 * time.Minute // for the node to look at a file that has come
	swallow       = 1 << 20         // bytes that are read and dropped, so that the answer reaches a browser that still sends
)

// bringsDocuments reports whether a request is one whose body may be large. It is bounded by its handler, after who sends it is known.
func bringsDocuments(r *http.Request) bool {
	key, found := strings.CutPrefix(r.URL.Path, ownPath)
	key, take := strings.CutSuffix(key, "/take")
	return found && take && r.Method == http.MethodPost && !strings.Contains(key, "/")
}

// takeView is the form for documents that are to be taken in.
type takeView struct {
	Form            Particulars
	Own             string // a type that is not in the list
	Types           []choice
	Confidentiality []choice
	Sensitivities   []choice
	Back, To        string
	Results         []takenFile
	Good, Bad       int
}

// takenFile is what became of one file.
type takenFile struct {
	Name     string   `json:"name"`
	Outcome  string   `json:"outcome"` // taken_in, already_held, refused
	Text     string   `json:"text"`
	Warnings []string `json:"warnings,omitempty"`
	Link     string   `json:"link,omitempty"`
}

func (p *Portal) takeForm(of *patient, form Particulars) takeView {
	return takeView{Form: form, Types: documentTypes(), Confidentiality: confidentialities(), Sensitivities: sensitivities(), Back: ownAddress(of), To: ownAddress(of) + "/take"}
}

func (p *Portal) showTake(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	p.show(w, r, s, http.StatusOK, view{Name: "take", Title: "Take documents in", Of: of, Wait: "intake.js", Body: p.takeForm(of, Particulars{Confidentiality: "N"})})
}

// takeDocuments takes files in as they come. Who sends them, and that the form is this session's, is known before a byte of a
// file is read; and of no file more than a piece is in memory.
func (p *Portal) takeDocuments(w http.ResponseWriter, r *http.Request) {
	s, locked := p.sessions.of(r, p.placeOf(r))
	if p.turnedAway(w, r, s, locked) {
		return
	}
	p.allowed(func(w http.ResponseWriter, r *http.Request, s *session) {
		of := s.patient(r.PathValue("key"))
		if of == nil {
			p.missing(w, r, s)
			return
		}
		leave := p.takings.enter(strings.ToLower(s.user.ID))
		if leave == nil {
			w.Header().Set("Retry-After", "30")
			p.answerTaking(w, r, s, askedForm[takeView]{
				Of: of, Status: http.StatusServiceUnavailable, Body: p.takeForm(of, Particulars{}),
				Wrong: []fault{{"files", "Too many files are being taken in at the moment, by you or by others. Wait a minute and try again"}},
			})
			return
		}
		defer leave()
		p.takeIn(w, r, s, of)
	})(w, r, s)
}

func (p *Portal) takeIn(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	control := http.NewResponseController(w)
	in := &pacedReader{r: http.MaxBytesReader(w, r.Body, maxUpload), control: control}
	r.Body = in
	parts, err := r.MultipartReader()
	if err != nil {
		p.answerTaking(w, r, s, askedForm[takeView]{Of: of, Status: http.StatusUnsupportedMediaType, Wrong: []fault{{"files", "Choose the files to take in"}}, Body: p.takeForm(of, Particulars{})})
		return
	}
	t := &taking{p: p, r: r, s: s, of: of, control: control, form: p.takeForm(of, Particulars{})}
	status, faults := t.read(parts)
	_, _ = io.CopyN(io.Discard, in, swallow) // best effort: what a browser still sends would hide the answer
	_ = control.SetWriteDeadline(time.Now().Add(answerTime))
	p.answerTaking(w, r, s, askedForm[takeView]{Of: of, Status: status, Wrong: faults, Body: t.form})
}

// taking is a request that brings documents.
type taking struct {
	p       *Portal
	r       *http.Request
	s       *session
	of      *patient
	control *http.ResponseController
	form    takeView
	token   bool
	fields  int
}

// read takes the parts of a request one after the other: the token, what is said of the documents, the files.
func (t *taking) read(parts *multipart.Reader) (status int, faults []fault) {
	for {
		part, err := parts.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return t.end()
		case err != nil:
			return http.StatusBadRequest, []fault{{"files", broken(err)}}
		}
		if name := part.FormName(); name != "files" {
			if status, faults = t.field(name, part); status != 0 {
				return status, faults
			}
			continue
		}
		if !t.token {
			return http.StatusForbidden, []fault{{"files", "This form is out of date. Nothing was taken in: load the page again"}}
		}
		if rawName(part) == "" { // nothing was chosen
			continue
		}
		if len(t.form.Results) == 0 {
			if faults := append(missingParticulars(t.form.Form), t.p.wrongSpecialty(t.form.Form.Specialty)...); len(faults) > 0 {
				return http.StatusUnprocessableEntity, faults
			}
		}
		if len(t.form.Results) >= maxFiles {
			return http.StatusUnprocessableEntity, []fault{{"files", "Take in at most 200 files at a time: the first 200 are in"}}
		}
		if s, locked := t.p.sessions.of(t.r, ""); s == nil || locked { // long uploads must not outlive their session, and are a use of it
			return http.StatusForbidden, []fault{{"files", "Your session has ended. The files that are listed as taken in are in"}}
		}
		if stop := t.file(rawName(part), part); stop != "" {
			return http.StatusBadRequest, []fault{{"files", stop}}
		}
	}
}

func (t *taking) end() (int, []fault) {
	switch {
	case !t.token:
		return http.StatusForbidden, []fault{{"files", "This form is out of date. Nothing was taken in: load the page again"}}
	case len(t.form.Results) == 0:
		return http.StatusUnprocessableEntity, append(append(missingParticulars(t.form.Form), t.p.wrongSpecialty(t.form.Form.Specialty)...), fault{"files", "Choose the files to take in"})
	}
	return http.StatusOK, nil
}

// field keeps one answer of the form. The token must come first.
func (t *taking) field(name string, part io.Reader) (int, []fault) {
	text, err := io.ReadAll(io.LimitReader(part, maxField+1))
	t.fields++
	switch {
	case err != nil || len(text) > maxField || t.fields > maxFields:
		return http.StatusBadRequest, []fault{{"files", "The form cannot be read. Nothing was taken in"}}
	case name == "token":
		if t.token = t.s.checkToken(string(text)); t.token {
			return 0, nil
		}
		fallthrough
	case !t.token:
		return http.StatusForbidden, []fault{{"files", "This form is out of date. Nothing was taken in: load the page again"}}
	}
	value := strings.TrimSpace(string(text))
	f := &t.form.Form
	f.Patient = t.of.Number
	switch name {
	case "type":
		if value != "other" {
			f.Type = value
		}
	case "own-type":
		t.form.Own = value
		if value != "" {
			f.Type = value
		}
	case "title":
		f.Title = value
	case "date":
		f.Date = value
	case "specialty":
		f.Specialty = value
	case "author":
		f.Author = value
	case "confidentiality":
		f.Confidentiality = value
	case "sensitivity":
		f.Sensitivity = strings.TrimSpace(f.Sensitivity + " " + value)
	}
	return 0, nil
}

// missingParticulars says what has to be filled in. Whether it is right, the node says for each file.
func missingParticulars(f Particulars) (out []fault) {
	if f.Type == "" {
		out = append(out, fault{"type", "Select what kind of document it is"})
	}
	if f.Date == "" {
		out = append(out, fault{"date", "Enter the date of the document"})
	}
	return out
}

// threeDigits is how every treatment function code is written (NHS Data Dictionary).
var threeDigits = regexp.MustCompile(`^[0-9]{3}$`)

// localCode is how a trust writes a code of its own.
var localCode = regexp.MustCompile(`^local:[^\s,;"']{1,58}$`)

// wrongSpecialty refuses what is no code: the whole region would read it beside the document.
func (p *Portal) wrongSpecialty(code string) []fault {
	if _, known := p.specialties[code]; known || threeDigits.MatchString(code) || localCode.MatchString(code) {
		return nil
	}
	return []fault{{"specialty", "Enter the code of the specialty, which has three digits, such as 300 for general medicine, or your own, such as local:pain"}}
}

// file takes one file in. It returns why none can follow, if so.
func (t *taking) file(name string, content io.Reader) (stop string) {
	_ = t.control.SetWriteDeadline(time.Now().Add(uploadAnswer)) // where it cannot be set, the server's own holds
	form := t.form.Form
	if form.Title == "" {
		form.Title = strings.TrimSuffix(name, path.Ext(name))
	}
	out := takenFile{Name: name}
	taken, err := t.p.config.Region.TakeUpload(t.r.Context(), &Upload{Form: form, Name: name, Size: max(t.r.ContentLength, 0), By: t.s.filer()}, content)
	switch code := admin.CodeOf(err); {
	case err == nil && taken.Held:
		out.Outcome, out.Text = "already_held", "Held already: nothing was changed"
	case err == nil:
		out.Outcome, out.Text = "taken_in", "Taken in"
	case code == admin.CodeInterrupted:
		out.Outcome, out.Text = "refused", "The file broke off while it came. Nothing of it was taken in"
		stop = broken(err)
	case code == admin.CodeDiskFull:
		out.Outcome, out.Text = "refused", "This trust's disk is too full"
		stop = "The disk of this trust's node is too full for more. What is listed as taken in is in. Tell the team that looks after the node"
	case code == admin.CodeBadInput || code == admin.CodeDenied:
		out.Outcome, out.Text = "refused", strings.TrimSuffix(filingWords(err), ".")
	default:
		out.Outcome, out.Text = "refused", "It could not be kept. Try again; what is in already is not taken in twice"
	}
	if err == nil {
		out.Warnings, out.Link = taken.Warnings, ownAddress(t.of)+"/"+taken.Document
		t.form.Good++
	} else {
		t.form.Bad++
	}
	t.form.Results = append(t.form.Results, out)
	return stop
}

// broken says why a request could not be read to its end.
func broken(err error) string {
	var large *http.MaxBytesError
	if errors.As(err, &large) || strings.Contains(err.Error(), "request body too large") {
		return "The files have more than 4 GB together. Take them in one by one, or on the node's machine with 'ridgeway ingest'"
	}
	return "The connection broke off. What is listed as taken in is in"
}

// rawName is the name of a file as the browser says, without folders.
func rawName(part *multipart.Part) string {
	return clip(strings.ToValidUTF8(part.FileName(), ""), maxName)
}

// answerTaking shows what became of each file, to a person or to the script of the page.
func (p *Portal) answerTaking(w http.ResponseWriter, r *http.Request, s *session, form askedForm[takeView]) {
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		answer := struct {
			Files  []takenFile `json:"files"`
			Faults []string    `json:"faults"`
		}{Files: form.Body.Results}
		for _, f := range form.Wrong {
			answer.Faults = append(answer.Faults, f.Text)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(form.status())
		_ = json.NewEncoder(w).Encode(answer) // a browser that has gone needs nothing
		return
	}
	if len(form.Body.Results) > 0 {
		p.show(w, r, s, form.status(), view{Name: "taken", Title: "What was taken in", Of: form.Of, Error: form.Wrong, Body: form.Body})
		return
	}
	p.show(w, r, s, form.status(), view{Name: "take", Title: "Take documents in", Of: form.Of, Wait: "intake.js", Error: form.Wrong, Body: form.Body})
}

// pacedReader lets a body take its time as long as it moves on.
type pacedReader struct {
	r       io.ReadCloser
	control *http.ResponseController
}

// Read reads on, within a time of its own.
func (b *pacedReader) Read(to []byte) (int, error) {
	if err := b.control.SetReadDeadline(time.Now().Add(uploadPause)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return b.r.Read(to)
}

// Close closes the body.
func (b *pacedReader) Close() error { return b.r.Close() }
