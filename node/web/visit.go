package web

import (
	"bytes"
	"context"
	"log/slog"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// visits is what a session knows of its user's visits to one patient.
type visits struct {
	before Visit // the last one of an earlier session
	now    Visit // as the node keeps it
}

// visit keeps what is listed, and returns the visit before this session's first: what has come since then is new for as long
// as the session lasts, however often the page is loaded. When that cannot be told nothing is marked as new.
func (p *Portal) visit(ctx context.Context, s *session, of *patient, all []entry) Visit {
	documents := make([]string, len(all))
	for i, e := range all {
		documents[i] = e.Document
	}
	now := NewVisit(p.now(), documents)
	s.mu.Lock()
	known := s.visits[of.Number]
	s.mu.Unlock()
	if known != nil && bytes.Equal(known.now.Marks, now.Marks) {
		return known.before
	}
	before, err := p.config.Region.Visit(ctx, of.Number, s.user.ID, now)
	if err != nil {
		p.logger.Warn("a visit could not be kept", slog.String("code", string(admin.CodeOf(err))))
		if known == nil {
			return Visit{}
		}
		return known.before
	}
	if known != nil {
		before = known.before
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.visits == nil || len(s.visits) > 2*maxPatients {
		s.visits = make(map[string]*visits)
	}
	s.visits[of.Number] = &visits{before: before, now: now}
	return before
}
