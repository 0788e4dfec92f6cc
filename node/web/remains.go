package web

import (
	"net/http"
	"time"
)

const (
	// keptFor is how long it is kept where somebody was whose session has ended.
	keptFor = time.Hour
	maxLeft = maxSessions
)

// remains are what a session leaves behind that has ended without its user having left it: another device has signed out, or its
// time was over. They show nothing and open nothing; their user goes on there who signs on anew in the same browser, and proves again
// who they are.
type remains struct {
	of *session
	at time.Time
}

// leave keeps what a session leaves behind. Patients' sessions leave nothing: it may be a library's machine. s.mu is held.
func (s *sessions) leave(x *session) {
	if s.cookie == patientCookie {
		return
	}
	now := s.now()
	for k, old := range s.left {
		if now.Sub(old.at) >= keptFor || len(s.left) >= maxLeft {
			delete(s.left, k)
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.shelf.clear()
	s.left[x.key] = remains{x, now}
}

// behind returns what the session of a request has left behind, nil if nothing. s.mu is held.
func (s *sessions) behind(r *http.Request) *session {
	cookie, err := r.Cookie(s.cookie)
	if err != nil {
		return nil
	}
	x, found := s.left[keyOf(cookie.Value)]
	if !found || s.now().Sub(x.at) >= keptFor {
		return nil
	}
	return x.of
}

// wanted keeps where somebody wants to be whose session has ended.
func (s *sessions) wanted(r *http.Request, place string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.behind(r)
	if x == nil {
		s.strayed(r, place)
		return
	}
	if place == "" {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.place = place
}

// keeps reports whether it is known still where the user of an ended session was.
func (s *sessions) keeps(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.behind(r) != nil
}

// remains hands out what a session has left behind, once: whoever signs on next in that browser, it is gone.
func (s *sessions) remains(r *http.Request) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.behind(r)
	if x != nil {
		delete(s.left, x.key)
	}
	return x
}
