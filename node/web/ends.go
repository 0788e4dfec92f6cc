package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// roundEvery is how often the portal looks for sessions that have ended by themselves and for refusals that were only counted:
	// so much of both is lost when the process is killed.
	roundEvery = time.Minute
	// maxCounted is how many people's counts are written in one round each; those of more are put with the strangers'.
	maxCounted = 100
)

// ends are the sessions that have ended or were locked without their user doing it, until that is written down. It is safe for
// concurrent use.
type ends struct {
	mu   sync.Mutex
	list []ending
}

type ending struct {
	session *session
	what    string
}

func (e *ends) add(list ...ending) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, list...)
}

func (e *ends) take() (list []ending) {
	e.mu.Lock()
	defer e.mu.Unlock()
	list, e.list = e.list, nil
	return list
}

// idled is what is said of a session that nobody has used for too long.
func (s *sessions) idled() string {
	if s.cookie == patientCookie {
		return fmt.Sprintf("signed out: not used for %s", inWords(s.idle))
	}
	return fmt.Sprintf("locked: not used for %s", inWords(s.idle))
}

func (s *sessions) outlived() string {
	return fmt.Sprintf("signed out: %s have passed since the sign-on", inWords(s.life))
}

// inWords writes a duration of whole minutes or hours.
func inWords(d time.Duration) string {
	if d >= time.Hour && d%time.Hour == 0 {
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return fmt.Sprintf("%.0f minutes", d.Minutes())
}

// expire locks the sessions that were not used for too long, and ends those that have lasted too long.
func (s *sessions) expire() {
	now := s.now()
	s.mu.Lock()
	s.sweep(now)
	all := make([]*session, 0, len(s.byKey))
	for _, x := range s.byKey {
		all = append(all, x)
	}
	s.mu.Unlock()
	for _, x := range all {
		if s.lock(x, now) && s.cookie == patientCookie {
			s.end(x)
		}
	}
}

// lock locks a session that was not used for too long, and reports whether it is locked.
func (s *sessions) lock(x *session, now time.Time) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return s.lockHeld(x, now)
}

// lockHeld is lock with the session's mu held.
func (s *sessions) lockHeld(x *session, now time.Time) bool {
	if !x.locked && now.Sub(x.seen) >= s.idle {
		x.locked = true
		x.shelf.clear()
		s.ends.add(ending{x, s.idled()})
	}
	return x.locked
}

// noteEnds writes down the sessions that have ended by themselves. What cannot be written is kept for the next time.
func (p *Portal) noteEnds(ctx context.Context) {
	stores := []*sessions{p.sessions}
	if p.patients != nil {
		stores = append(stores, p.patients.sessions)
	}
	for _, s := range stores {
		list := s.ends.take()
		for i, e := range list {
			a := e.session.attendance(e.what)
			a.Out = true
			if !p.attend(ctx, a) {
				s.ends.add(list[i:]...)
				break
			}
		}
	}
}

// noting writes down what a request has brought to light of sessions.
func (p *Portal) noting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { p.noteEnds(context.WithoutCancel(r.Context())) }()
		next.ServeHTTP(w, r)
	})
}

// rounds looks after the sessions that nobody asks for, until ctx ends.
func (p *Portal) rounds(ctx context.Context) {
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.round(ctx, false)
		case <-ctx.Done():
			return
		}
	}
}

// round is one of them; in the last, when the portal has stopped, all that was counted is written down.
func (p *Portal) round(ctx context.Context, last bool) {
	p.sessions.expire()
	if p.patients != nil {
		p.patients.sessions.expire()
	}
	p.noteEnds(ctx)
	counts := p.refusals.counted(p.now(), last)
	for i, c := range counts {
		a := &Attendance{User: c.user, Refused: true, What: fmt.Sprintf("refused: %d refused sign-ons were not written down each", c.missed)}
		if !p.attend(ctx, a) {
			for _, c := range counts[i:] {
				p.refusals.lost(c.user, p.now(), c.missed)
			}
			return
		}
	}
}

// missedBy is how many refusals of a person, or of strangers, are not in the log.
type missedBy struct {
	user   string
	missed int
}

// counted gives out what was only counted, as far as it may be written down now; all of it if last.
func (t *turnedAway) counted(now time.Time, last bool) (out []missedBy) {
	t.mu.Lock()
	defer t.mu.Unlock()
	users := make([]string, 0, len(t.proved))
	for user, of := range t.proved {
		if of.missed > 0 {
			users = append(users, user)
		}
	}
	slices.Sort(users)
	for i, user := range users {
		of := t.proved[user]
		switch {
		case i >= maxCounted && last:
			t.strangers.missed += of.missed
		case i >= maxCounted, !last && !of.bucket.AllowN(now, 1):
			continue
		default:
			out = append(out, missedBy{user, of.missed})
		}
		of.missed = 0
	}
	if of := t.of("", now); of.missed > 0 && (last || of.bucket.AllowN(now, 1)) {
		out = append(out, missedBy{"", of.missed})
		of.missed = 0
	}
	return out
}
