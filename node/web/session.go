package web

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// sessionCookie has the prefix by which browsers hold it to this host, all paths and TLS (RFC 6265bis section 4.1.3).
	sessionCookie = "__Host-ridgeway"
	maxSessions   = 10_000
	maxOfUser     = 10
)

// secret returns 256 random bits as text.
func secret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: it ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// sessionKey is the digest of a session's id: whoever reads the memory of the store has no id to use.
type sessionKey [sha256.Size]byte

func keyOf(id string) sessionKey { return sha256.Sum256([]byte(id)) }

// person is who signed on.
type person struct {
	ID, Name, Role string
}

// session is one sign-on of a person. What can change is behind mu.
type session struct {
	key   sessionKey
	user  person
	token string // that every form carries
	begun time.Time

	mu       sync.Mutex
	seen     time.Time
	locked   bool
	place    string // where the user was when it was locked
	unsent   *unsent
	patients []*patient
	shelf    shelf
	coming   coming
	visits   map[string]*visits   // by NHS number
	replaced map[string]string    // documents of the list that was read last, and what has taken their place
	broken   map[string]time.Time // documents that were opened in an emergency, and when it ends
	glass    map[string]time.Time // NHS numbers of patients about whom an emergency was declared, and when it ends

	viewing sync.Mutex // held while the user's saved views are changed
}

// checkToken reports whether a form carries the session's token.
func (s *session) checkToken(got string) bool {
	return subtle.ConstantTimeCompare([]byte(got), []byte(s.token)) == 1
}

// sessions holds who is signed on. It is safe for concurrent use.
type sessions struct {
	cookie     string // patients' sessions are of another kind than staff's, and in another store
	idle, life time.Duration
	now        func() time.Time
	ends       ends

	mu     sync.Mutex
	byKey  map[sessionKey]*session
	left   map[sessionKey]remains // of sessions that have ended, for their users
	strays map[sessionKey]stray   // of sessions that are not known
}

func newSessions(idle, life time.Duration, now func() time.Time) *sessions {
	return &sessions{cookie: sessionCookie, idle: idle, life: life, now: now, byKey: make(map[sessionKey]*session), left: make(map[sessionKey]remains), strays: make(map[sessionKey]stray)}
}

// begin makes a session with an id that nobody has seen before, and returns the id. What an older session of the same person
// knew of patients goes over to it; the older one ends.
func (s *sessions) begin(user person, old *session) (id, place string) {
	now := s.now()
	id = secret()
	fresh := &session{key: keyOf(id), user: user, token: secret(), begun: now, seen: now}
	if old != nil {
		old.mu.Lock()
		if old.user.ID == user.ID && old.user.Role == user.Role {
			fresh.patients, fresh.visits, fresh.broken, fresh.glass, fresh.unsent, place = slices.Clone(old.patients), maps.Clone(old.visits), maps.Clone(old.broken), maps.Clone(old.glass), old.unsent, old.place
		}
		old.mu.Unlock()
		s.end(old)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now)
	var own []*session
	for _, x := range s.byKey {
		if x.user.ID == user.ID {
			own = append(own, x)
		}
	}
	slices.SortFunc(own, func(a, b *session) int { return a.begun.Compare(b.begun) })
	for len(own) >= maxOfUser {
		s.drop(own[0], "signed out: they have signed on in more than "+strconv.Itoa(maxOfUser)+" places")
		own = own[1:]
	}
	if len(s.byKey) >= maxSessions {
		s.dropOldest()
	}
	s.byKey[fresh.key] = fresh
	return id, place
}

func (s *sessions) sweep(now time.Time) {
	for _, x := range s.byKey {
		if now.Sub(x.begun) >= s.life {
			s.drop(x, s.outlived())
		}
	}
}

// drop ends a session without its user's doing. s.mu is held.
func (s *sessions) drop(x *session, what string) {
	delete(s.byKey, x.key)
	s.leave(x)
	s.ends.add(ending{x, what})
}

func (s *sessions) dropOldest() {
	var oldest *session
	for _, x := range s.byKey {
		if oldest == nil || x.begun.Before(oldest.begun) {
			oldest = x
		}
	}
	if oldest != nil {
		s.drop(oldest, "signed out: too many people are signed on")
	}
}

// of returns the session of a request, nil when it has none. A session that was idle too long is locked, and stays so until
// its user signs on again; place is then where they wanted to be.
func (s *sessions) of(r *http.Request, place string) (x *session, locked bool) {
	cookie, err := r.Cookie(s.cookie)
	if err != nil {
		return nil, false
	}
	now := s.now()
	s.mu.Lock()
	x = s.byKey[keyOf(cookie.Value)]
	if x != nil && now.Sub(x.begun) >= s.life {
		s.drop(x, s.outlived())
		x = nil
	}
	s.mu.Unlock()
	if x == nil {
		return nil, false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if s.lockHeld(x, now) {
		if place != "" {
			x.place = place
		}
		return x, true
	}
	x.seen = now
	return x, false
}

// gone says how the session of whoever is to sign on came to its end: "left" or "ended"; empty when none is known of.
func (s *sessions) gone(r *http.Request) string {
	if r.URL.Query().Get("left") != "" {
		return "left"
	}
	if cookie, err := r.Cookie(s.cookie); err == nil && cookie.Value != "" {
		return "ended"
	}
	return ""
}

// look is as of, but does not count as a use of the session: what a page asks by itself must not keep it open.
func (s *sessions) look(r *http.Request, place string) (x *session, locked bool) {
	cookie, err := r.Cookie(s.cookie)
	if err != nil {
		return nil, false
	}
	now := s.now()
	s.mu.Lock()
	x = s.byKey[keyOf(cookie.Value)]
	s.mu.Unlock()
	if x == nil || now.Sub(x.begun) >= s.life {
		return nil, false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if locked = x.locked || now.Sub(x.seen) >= s.idle; locked && place != "" {
		x.place = place
	}
	return x, locked
}

// find returns the session with an id that was just given out.
func (s *sessions) find(id string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byKey[keyOf(id)]
}

// end ends a session at once.
func (s *sessions) end(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byKey, x.key)
}

// endAll ends all sessions of a user, with all that they leave behind, and returns how many there were.
func (s *sessions) endAll(user string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user = strings.TrimSpace(user) // as suspensions name them
	for k, x := range s.byKey {
		if strings.EqualFold(x.user.ID, user) {
			delete(s.byKey, k)
			n++
		}
	}
	maps.DeleteFunc(s.left, func(_ sessionKey, x remains) bool { return strings.EqualFold(x.of.user.ID, user) })
	return n
}

// endEverywhere ends all sessions of the user of one, who wants it, and returns how many there were. On their other devices they
// can go on where they were, once they have signed on again.
func (s *sessions) endEverywhere(own *session) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, x := range s.byKey {
		if strings.EqualFold(x.user.ID, own.user.ID) {
			delete(s.byKey, k)
			n++
			if x != own {
				s.leave(x)
			}
		}
	}
	return n
}

// setCookie hands the browser a session's id. It is of this host, over TLS and out of the reach of scripts. Lax rather than
// Strict, because a browser that comes from the identity provider must bring it along; what changes anything is guarded by
// token and origin besides.
func setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	c := &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(life.Seconds())}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
