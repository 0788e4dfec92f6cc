package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
)

// maxUnsent bounds in bytes what is kept of one form: drafts of agreements, which are longer, are kept while they are typed.
const maxUnsent = 8 << 10

// unsent is what somebody sent from a page when their session was locked or over already. Nothing was done with it; they find it
// filled in when they come back to the page, once they have proved again who they are.
type unsent struct {
	path  string // of the page that it was typed on
	typed url.Values
}

// keepUnsent keeps what a form of the session's own has brought too late. It lies in memory, with the session.
func (p *Portal) keepUnsent(r *http.Request, x *session) {
	if x == nil || r.Method != http.MethodPost || r.ParseForm() != nil || !x.checkToken(r.PostForm.Get("token")) {
		return
	}
	at, err := url.Parse(p.placeOf(r))
	if err != nil || at.Path == "" {
		return
	}
	kept, size := unsent{at.Path, make(url.Values)}, 0
	for name, values := range r.PostForm {
		if name == "token" {
			continue
		}
		kept.typed[name] = slices.Clone(values)
		for _, v := range values {
			size += len(name) + len(v)
		}
	}
	if size > maxUnsent {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.unsent = &kept
}

// comeBack hands out, once, what was not taken on a page, as a script reads it; empty when there is nothing.
func (s *session) comeBack(path string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unsent == nil || s.unsent.path != path {
		return ""
	}
	out, err := json.Marshal(s.unsent.typed)
	s.unsent = nil
	if err != nil {
		return ""
	}
	return string(out)
}

// ended returns what the session of a request has left behind, nil if nothing.
func (s *sessions) ended(r *http.Request) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.behind(r)
}
