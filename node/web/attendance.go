package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Attending is what is written down of who comes and goes.
type Attending interface {
	// Attend writes an entry of the audit log. It is there when Attend returns nil.
	Attend(ctx context.Context, a *Attendance) error
}

// Attendance is one sign-on, refused sign-on or sign-out.
type Attendance struct {
	User, Role string // of staff, as the provider has proved it; empty where it has not
	Own        bool   // at the door of patients
	Patient    string // their NHS number, once it is proved
	Out        bool
	Refused    bool
	What       string // in words, with nothing of a patient in them
}

const (
	refusalsASecond = 1 // refused sign-ons of strangers that are written down one by one; the rest are counted in the next entry
	refusalsAtOnce  = 60
	ownEvery        = 10 * time.Second // as much of each person that the provider has proved
	ownAtOnce       = 10
	maxLevel        = 100
)

// turnedAway bounds how much of the audit log strangers can fill: whoever begins a sign-on can have it refused. What is refused to
// people who are proved is counted for each of them, so that no stranger keeps it out of the log. It is safe for concurrent use.
type turnedAway struct {
	mu        sync.Mutex
	strangers tally
	proved    map[string]*tally // by staff id
}

type tally struct {
	bucket *rate.Limiter
	last   time.Time
	missed int
}

// next reports whether a refusal is written down, and how many were not since the last that was. user is empty for strangers. Who
// cannot write it says so by lost.
func (t *turnedAway) next(user string, now time.Time) (missed int, write bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	of := t.of(user, now)
	of.last = now
	if !of.bucket.AllowN(now, 1) {
		of.missed++
		return 0, false
	}
	missed, of.missed = of.missed, 0
	return missed, true
}

// lost counts again what next has given out and nobody could write down.
func (t *turnedAway) lost(user string, now time.Time, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of(user, now).missed += n
}

// of returns the tally of a person, or that of all strangers.
func (t *turnedAway) of(user string, now time.Time) *tally {
	if user == "" {
		if t.strangers.bucket == nil {
			t.strangers.bucket = rate.NewLimiter(refusalsASecond, refusalsAtOnce)
		}
		return &t.strangers
	}
	user = strings.ToLower(user)
	if of := t.proved[user]; of != nil {
		return of
	}
	if t.proved == nil {
		t.proved = make(map[string]*tally)
	}
	if len(t.proved) >= maxAddresses {
		t.forget(now)
	}
	of := &tally{bucket: rate.NewLimiter(rate.Every(ownEvery), ownAtOnce), last: now}
	t.proved[user] = of
	return of
}

// forget makes room: of those who were quiet for so long that their allowance is full, and of any other where that is not enough.
// What was missed of them stays counted.
func (t *turnedAway) forget(now time.Time) {
	drop := func(user string, of *tally) {
		t.strangers.missed += of.missed
		delete(t.proved, user)
	}
	for user, of := range t.proved {
		if now.Sub(of.last) > ownAtOnce*ownEvery {
			drop(user, of)
		}
	}
	for user, of := range t.proved {
		if len(t.proved) < maxAddresses {
			return
		}
		drop(user, of)
	}
}

// attendance is what is written of a session's user.
func (s *session) attendance(what string) *Attendance {
	if s.user.Role == patientRoleName {
		return &Attendance{Own: true, Patient: s.user.ID, What: what}
	}
	return &Attendance{User: s.user.ID, Role: s.user.Role, What: what}
}

// arrived writes down that somebody signs on. No session begins without it.
func (p *Portal) arrived(r *http.Request, who arrival, locked bool) error {
	what := "signed on"
	switch {
	case who.fresh && locked:
		what = "proved again who they are: the session was locked"
	case who.context != nil:
		what = "signed on from a record system"
	}
	if who.level != "" {
		what += "; checked as strictly as " + who.level
	}
	p.noteEnds(context.WithoutCancel(r.Context())) // that it was locked stands before that it was opened again
	a := (&session{user: who.person}).attendance(what)
	if err := p.config.Region.Attend(r.Context(), a); err != nil {
		p.logger.Error("a sign-on could not be written down, and was refused", slog.String("kind", fmt.Sprintf("%T", err)))
		return err
	}
	return nil
}

// refused writes down that somebody was not signed on: who, as far as the provider has proved it.
func (p *Portal) refused(r *http.Request, a Attendance, why string) {
	missed, write := p.refusals.next(a.User, p.now())
	if !write {
		return
	}
	a.Refused, a.What = true, "refused: "+why
	if missed > 0 {
		a.What += fmt.Sprintf(". %d more refused sign-ons before this one were not written down each", missed)
	}
	if !p.attend(r.Context(), &a) {
		p.refusals.lost(a.User, p.now(), missed+1)
	}
}

// left writes down that sessions have ended. They have, whether or not that can be written down.
func (p *Portal) left(r *http.Request, s *session, what string) {
	a := s.attendance(what)
	a.Out = true
	p.attend(r.Context(), a)
}

// attend reports whether an entry was written.
func (p *Portal) attend(ctx context.Context, a *Attendance) bool {
	if err := p.config.Region.Attend(context.WithoutCancel(ctx), a); err != nil {
		p.logger.Error("who comes and goes could not be written down", slog.String("kind", fmt.Sprintf("%T", err)))
		return false
	}
	return true
}

// levelOf is how strictly a provider has checked somebody, as its token says.
func levelOf(claims map[string]any, name string) string {
	return clip(strings.Map(func(r rune) rune {
		if r < 0x20 || !federation.TextRune(r) {
			return -1
		}
		return r
	}, first(values(claims, name))), maxLevel)
}
