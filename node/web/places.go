package web

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

const (
	maxStrays     = 1000
	maxStrayPlace = 2 << 10 // bytes
)

// Placing is what the node keeps of users' sessions, so that they go on where they were once it was started anew.
type Placing interface {
	// Places returns what was kept of a user's sessions.
	Places(ctx context.Context, user string) ([]Place, error)
	// KeepPlaces keeps it in place of what was kept before.
	KeepPlaces(ctx context.Context, user string, places []Place) error
}

// Place is which patients a session had open, and why. It opens nothing: its user goes on there who signs on anew in the same browser, and
// proves again who they are.
type Place struct {
	Session  []byte // SHA-256 of the session's id
	Role     string
	Begun    time.Time
	Patients []PlacedPatient
}

// PlacedPatient is a patient of a session. Who they are is asked anew: what its user may know may have changed.
type PlacedPatient struct {
	Key, Number, Purpose string
	Relationship         policy.RelationshipKind
	Evidence             string
	Opened               time.Time
}

// stray is where somebody wanted to be whose session this process has never known.
type stray struct {
	place string
	at    time.Time
}

// strayed keeps where somebody wants to be whose session is not known. s.mu is held.
func (s *sessions) strayed(r *http.Request, place string) {
	cookie, err := r.Cookie(s.cookie)
	if err != nil || cookie.Value == "" || place == "" || len(place) > maxStrayPlace {
		return
	}
	now := s.now()
	for k, x := range s.strays {
		if now.Sub(x.at) >= keptFor || len(s.strays) >= maxStrays {
			delete(s.strays, k)
		}
	}
	s.strays[keyOf(cookie.Value)] = stray{place, now}
}

// stray returns where somebody wanted to be, and the session of which they said that it is theirs.
func (s *sessions) stray(r *http.Request) (key sessionKey, place string) {
	cookie, err := r.Cookie(s.cookie)
	if err != nil {
		return key, ""
	}
	key = keyOf(cookie.Value)
	s.mu.Lock()
	defer s.mu.Unlock()
	x, found := s.strays[key]
	if !found || s.now().Sub(x.at) >= keptFor {
		return key, ""
	}
	return key, x.place
}

// fromBefore is the session in which somebody goes on whose own has ended with an earlier process; nil when there is none. What
// began in this process is not looked for: why it has ended is known.
func (p *Portal) fromBefore(r *http.Request, who arrival) *session {
	key, place := p.sessions.stray(r)
	if place == "" || !who.fresh {
		return nil
	}
	places, err := p.config.Region.Places(r.Context(), who.ID)
	if err != nil {
		p.logger.Warn("what was open before cannot be read", slog.String("code", string(admin.CodeOf(err))))
		return nil
	}
	for _, x := range places {
		if bytes.Equal(x.Session, key[:]) && x.Role == who.Role && x.Begun.Before(p.started) && p.placed(x) {
			s := &session{user: who.person, place: place}
			for _, q := range x.Patients {
				s.patients = append(s.patients, &patient{Key: q.Key, Number: q.Number, Purpose: q.Purpose, Relationship: q.Relationship, Evidence: q.Evidence, Opened: q.Opened})
			}
			return s
		}
	}
	return nil
}

// placed reports whether a session may be gone on with: as long as it lasts, and what it leaves behind.
func (p *Portal) placed(x Place) bool { return p.now().Sub(x.Begun) < p.sessions.life+keptFor }

// keepPlace has the node keep which patients a session has open. Where that fails, they are lost when the node is started anew.
func (p *Portal) keepPlace(ctx context.Context, s *session) {
	own := Place{Session: s.key[:], Role: s.user.Role, Begun: s.begun}
	for _, q := range s.recent() {
		if q.Purpose != "" {
			own.Patients = append(own.Patients, PlacedPatient{Key: q.Key, Number: q.Number, Purpose: q.Purpose, Relationship: q.Relationship, Evidence: q.Evidence, Opened: q.Opened})
		}
	}
	if len(own.Patients) == 0 {
		return
	}
	p.changePlaces(ctx, s.user.ID, func(all []Place) []Place {
		all = append(slices.DeleteFunc(all, func(x Place) bool { return bytes.Equal(x.Session, s.key[:]) || !p.placed(x) }), own)
		return all[max(0, len(all)-maxOfUser):]
	})
}

// forgetPlace has nobody go on with a session that its user has left; with none of the user's when all is true.
func (p *Portal) forgetPlace(ctx context.Context, s *session, all bool) {
	p.changePlaces(ctx, s.user.ID, func(kept []Place) []Place {
		return slices.DeleteFunc(kept, func(x Place) bool { return all || bytes.Equal(x.Session, s.key[:]) })
	})
}

// forgetPlaces has a user who was suspended go on nowhere, once they are let in again. It is asked when a governance lead suspends them
// here, and when they come while they are suspended.
func (p *Portal) forgetPlaces(ctx context.Context, user string) {
	p.changePlaces(ctx, user, func([]Place) []Place { return nil })
}

func (p *Portal) changePlaces(ctx context.Context, user string, change func([]Place) []Place) {
	ctx = context.WithoutCancel(ctx) // who logs out may close the window
	p.placing.Lock()
	defer p.placing.Unlock()
	was, err := p.config.Region.Places(ctx, user)
	if err == nil {
		n := len(was)
		if next := change(was); n > 0 || len(next) > 0 {
			err = p.config.Region.KeepPlaces(ctx, user, next)
		}
	}
	if err != nil {
		p.logger.Warn("what is open cannot be kept", slog.String("code", string(admin.CodeOf(err))))
	}
}
