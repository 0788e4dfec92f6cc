package web

import (
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// savedView is a view of the user, for one patient.
type savedView struct {
	Name, Link string
	Shown      bool // it is what the list shows now
}

// savedViews returns the user's views. When they cannot be read none is offered: the list does without.
func (p *Portal) savedViews(r *http.Request, s *session, of *patient, f filter) []savedView {
	views, err := p.config.Region.Views(r.Context(), s.user.ID)
	if err != nil {
		return nil
	}
	out := make([]savedView, 0, len(views))
	for _, v := range views {
		q, err := url.ParseQuery(v.Query)
		if err != nil {
			continue
		}
		kept := readFilter(q).Query()
		out = append(out, savedView{Name: v.Name, Link: "/patients/" + of.Key + "?" + kept, Shown: kept == f.Query()})
	}
	return out
}

// keepView saves how the list is narrowed down under a name, or forgets what is saved under it. A view holds no patient: it is
// offered with every one.
func (p *Portal) keepView(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	name := strings.Join(strings.Fields(r.PostFormValue("name")), " ")
	q, err := url.ParseQuery(r.PostFormValue("view"))
	back := "/patients/" + of.Key
	var f filter
	if err == nil {
		if f = readFilter(q); f.set() {
			back += "?" + f.Query()
		}
	}
	forget := r.PostFormValue("forget") != ""
	wrong := ""
	switch {
	case forget:
	case name == "" || utf8.RuneCountInString(name) > maxViewName || strings.ContainsFunc(name, func(r rune) bool { return !federation.TextRune(r) }):
		wrong = "Enter a name of up to 40 characters for the view"
	case !f.set():
		wrong = "There is nothing to save: narrow the list down first"
	}
	if wrong == "" {
		wrong = p.changeViews(r, s, View{Name: name, Query: f.Query()}, forget)
	}
	if wrong != "" {
		p.show(w, r, s, http.StatusUnprocessableEntity, view{Name: "message", Title: "The view was not saved", Of: of, Body: message{
			Text: []string{wrong + "."}, Link: back, LinkText: "Back to the list",
		}})
		return
	}
	if forget {
		back = "/patients/" + of.Key
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}

func (p *Portal) changeViews(r *http.Request, s *session, v View, forget bool) (wrong string) {
	s.viewing.Lock() // one change of this session at a time
	defer s.viewing.Unlock()
	views, err := p.config.Region.Views(r.Context(), s.user.ID)
	if err == nil {
		views = slices.DeleteFunc(slices.Clone(views), func(x View) bool { return strings.EqualFold(x.Name, v.Name) })
		if !forget {
			views = append(views, v)
		}
		if len(views) > maxViews {
			return "You have as many views as can be kept. Delete one first"
		}
		err = p.config.Region.KeepViews(r.Context(), s.user.ID, views)
	}
	if err != nil {
		p.logger.Warn("a view could not be kept", slog.String("code", string(admin.CodeOf(err))))
		return "It could not be kept. Try again later"
	}
	return ""
}
