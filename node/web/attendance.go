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
	refusalsASecond = 1 // refused sign-ons that are written down one by one; the rest are counted in the next entry
	refusalsAtOnce  = 60
	maxLevel        = 100
)

// turnedAway bounds how much of the audit log strangers can fill: whoever begins a sign-on can have it refused. It is safe for
// concurrent use.
type turnedAway struct {
	mu     sync.Mutex
	bucket *rate.Limiter
	missed int
}

// next reports whether a refusal is written down, and how many were not since the last that was.
func (t *turnedAway) next(now time.Time) (missed int, write bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bucket == nil {
		t.bucket = rate.NewLimiter(refusalsASecond, refusalsAtOnce)
	}
	if !t.bucket.AllowN(now, 1) {
		t.missed++
		return 0, false
	}
	missed, t.missed = t.missed, 0
	return missed, true
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
	a := (&session{user: who.person}).attendance(what)
	if err := p.config.Region.Attend(r.Context(), a); err != nil {
		p.logger.Error("a sign-on could not be written down, and was refused", slog.String("kind", fmt.Sprintf("%T", err)))
		return err
	}
	return nil
}

// refused writes down that somebody was not signed on: who, as far as the provider has proved it.
func (p *Portal) refused(r *http.Request, a Attendance, why string) {
	missed, write := p.refusals.next(p.now())
	if !write {
		return
	}
	a.Refused, a.What = true, "refused: "+why
	if missed > 0 {
		a.What += fmt.Sprintf(". %d more refused sign-ons before this one were too many to be written down each", missed)
	}
	p.attend(r, &a)
}

// left writes down that sessions have ended. They have, whether or not that can be written down.
func (p *Portal) left(r *http.Request, s *session, what string) {
	a := s.attendance(what)
	a.Out = true
	p.attend(r, a)
}

func (p *Portal) attend(r *http.Request, a *Attendance) {
	if err := p.config.Region.Attend(context.WithoutCancel(r.Context()), a); err != nil {
		p.logger.Error("who comes and goes could not be written down", slog.String("kind", fmt.Sprintf("%T", err)))
	}
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
