package web

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"
)

// pages are the templates, one set a page: the layout with the page's own main part.
type pages struct {
	byName map[string]*template.Template
}

// view is a page to show.
type view struct {
	Name  string // of the template
	Title string
	Body  any
	Error []fault // that the user can mend; the title then says so
	Of    *patient
	Glass time.Time // an emergency of this user about the patient lasts until then
	Wide  bool
	Wait  string // script of the page, besides the common one
}

// fault is something wrong with a field of a form.
type fault struct{ Field, Text string }

// frame is what the layout needs beside the view.
type frame struct {
	view
	User  *person
	Token string
	Trust string
	Role  string
	Trial bool
	Now   time.Time
	Areas []link
	Late  string // what was typed on this page and sent too late, for a script
	Look  string // dark, light; empty: as the browser asks
	Try   string // of a demonstration: the number of a patient with documents
}

// link leads to a part of the portal.
type link struct {
	Path, Label string
	Current     bool
}

// message is a page that says something and leads on.
type message struct {
	Text           []string
	Link, LinkText string
}

func loadPages(a *assets) (*pages, error) {
	files, err := fs.Glob(embedded, "templates/*.html")
	if err != nil {
		return nil, err
	}
	layout, err := template.New("layout.html").Funcs(wording(a)).Funcs(governanceWords()).ParseFS(embedded, "templates/layout*.html", "templates/parts*.html", "templates/reader.html")
	if err != nil {
		return nil, fmt.Errorf("read the layout: %w", err)
	}
	p := &pages{byName: make(map[string]*template.Template)}
	for _, f := range files {
		name := strings.TrimSuffix(path.Base(f), ".html")
		if strings.HasPrefix(name, "layout") || strings.HasPrefix(name, "parts") || name == "reader" {
			continue
		}
		own, err := layout.Clone()
		if err == nil {
			_, err = own.ParseFS(embedded, f)
		}
		if err != nil {
			return nil, fmt.Errorf("read the page %s: %w", name, err)
		}
		p.byName[name] = own
	}
	return p, nil
}

// show sends a page whole, or a plain failure: half a page could hide that something is missing.
func (p *Portal) show(w http.ResponseWriter, r *http.Request, s *session, status int, v view) {
	f := frame{view: v, Trust: p.config.Names(p.config.Trust), Trial: p.personas != nil, Now: p.now(), Look: lookOf(r)}
	if own := p.config.Settings.PatientPersonas; len(own) > 0 && len(own[0].Number) == 10 {
		f.Try = spaced(own[0].Number)
	}
	if s != nil {
		f.User, f.Token, f.Role = &s.user, s.token, roleName(s.user.Role)
		if r.Method == http.MethodGet && status == http.StatusOK && !fragment(r) {
			f.Late = s.comeBack(r.URL.Path)
		}
		for _, a := range areasOf(s.user.Role) {
			f.Areas = append(f.Areas, link{a.Path, a.Label, a.has(r.URL.Path)})
		}
	}
	var out bytes.Buffer
	t, found := p.pages.byName[v.Name]
	if !found {
		p.fail(w, fmt.Errorf("there is no page %s", v.Name))
		return
	}
	if err := t.ExecuteTemplate(&out, "layout.html", f); err != nil {
		p.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(out.Bytes()) // a browser that has gone needs nothing
	}
}

// fail says that something is wrong with the portal itself.
func (p *Portal) fail(w http.ResponseWriter, err error) {
	p.logger.Error("a page of the portal failed", slog.String("kind", fmt.Sprintf("%T", err)))
	http.Error(w, "Sorry, there is a problem with the service. Try again later.", http.StatusInternalServerError)
}
