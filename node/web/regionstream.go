package web

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	streamTick   = 2 * time.Second
	streamWait   = 10 * time.Second // for a browser to take what is sent
	streamLife   = 30 * time.Minute // then the browser asks again
	maxStreams   = 200
	maxOfSession = 4 // windows of one session
)

// lately keeps the changing part of the page for a moment, so that many streams cost what one costs.
type lately struct {
	mu   sync.Mutex
	tick time.Duration // zero: streamTick
	at   time.Time
	part []byte
}

// every is how often streams look for what is new.
func (l *lately) every() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return cmp.Or(l.tick, streamTick)
}

// regionLately returns the changing part of the page, at most a tick old.
func (p *Portal) regionLately(ctx context.Context) ([]byte, error) {
	p.lately.mu.Lock()
	defer p.lately.mu.Unlock()
	if p.lately.part != nil && time.Since(p.lately.at) < cmp.Or(p.lately.tick, streamTick)/2 {
		return p.lately.part, nil
	}
	h, err := p.config.Region.Health(ctx)
	if err != nil {
		return nil, err
	}
	part, err := p.regionPart(h)
	if err == nil {
		p.lately.part, p.lately.at = part, time.Now()
	}
	return part, err
}

// streamRegion sends the changing part of the page whenever it has changed (server-sent events). An open page is no use of the
// session: it locks and ends as any other, and the stream with it.
func (p *Portal) streamRegion(w http.ResponseWriter, r *http.Request) {
	s, locked := p.sessions.look(r, p.placeOf(r))
	if p.turnedAway(w, r, s, locked) {
		return
	}
	if a, found := areaOf(regionPath); !found || !a.may(s.user.Role) {
		http.Error(w, "This page is not for your role.", http.StatusForbidden)
		return
	}
	leave := p.streams.enter(string(s.key[:]))
	if leave == nil {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "Too many pages are kept up to date. Reload this one to see it as it is now.", http.StatusServiceUnavailable)
		return
	}
	defer leave()
	out := eventStream{w: w, control: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream")
	if err := p.feed(r, out); err != nil && !errors.Is(err, errStreamEnds) {
		return // the browser has gone
	}
}

// errStreamEnds says that a stream came to its end.
var errStreamEnds = errors.New("the stream ends")

func (p *Portal) feed(r *http.Request, out eventStream) error {
	tick := time.NewTicker(p.lately.every())
	defer tick.Stop()
	end := time.NewTimer(streamLife)
	defer end.Stop()
	var last []byte
	for {
		switch s, locked := p.sessions.look(r, p.placeOf(r)); {
		case s == nil:
			p.sessions.wanted(r, p.placeOf(r))
			return errors.Join(errStreamEnds, out.send("gone", []byte("/sign-on")))
		case locked:
			return errors.Join(errStreamEnds, out.send("gone", []byte("/locked")))
		case p.config.Region.ShutOut(s.user.ID):
			return errors.Join(errStreamEnds, out.send("gone", []byte("/sign-on")))
		}
		part, err := p.regionLately(r.Context())
		switch {
		case err != nil:
			err = out.send("silent", nil)
			last = nil // the page says that nothing is known: when it is again, it must hear so, also where nothing has changed
		case bytes.Equal(part, last):
			err = out.send("same", nil)
		default:
			err = out.send("region", part)
			last = part
		}
		if err != nil {
			return err
		}
		select {
		case <-r.Context().Done():
			return r.Context().Err()
		case <-end.C:
			return errStreamEnds
		case <-tick.C:
		}
	}
}

// eventStream writes events, each with the time by which the browser must have taken it: the server's own limits are for
// answers that end.
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (e eventStream) send(name string, data []byte) error {
	until := time.Now().Add(streamWait)
	if err := e.control.SetWriteDeadline(until); err != nil {
		return fmt.Errorf("bound a write: %w", err)
	}
	if err := e.control.SetReadDeadline(until); err != nil {
		return fmt.Errorf("bound a read: %w", err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\n", name)
	for line := range bytes.Lines(append(bytes.TrimSpace(data), '\n')) {
		b.WriteString("data: ")
		b.Write(line)
	}
	b.WriteByte('\n')
	if _, err := e.w.Write(b.Bytes()); err != nil {
		return err
	}
	return e.control.Flush()
}
