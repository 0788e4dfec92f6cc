package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

const (
	headerTime  = 5 * time.Second
	requestTime = 15 * time.Second
	answerTime  = time.Minute // a download sets its own for each piece
	keepAlive   = 2 * time.Minute
	maxHeader   = 32 << 10
	maxForm     = 64 << 10 // bytes of a request's body
	stopTime    = 3 * time.Second
)

// Config is what a portal needs. Region, Trust and Names must be set.
type Config struct {
	Settings Settings
	Trial    bool // the node's keys are those of a trial
	Trust    federation.TrustID
	Names    func(federation.TrustID) string // names of trusts
	Numbers  record.Mode                     // whether numbers kept for tests are taken
	Region   Region
	Logger   *slog.Logger
	Now      func() time.Time                          // nil: the machine's
	Socket   func(listen string) (net.Listener, error) // nil: a TCP socket
}

// Portal serves people's browsers. Its Handler is safe for concurrent use.
type Portal struct {
	config      Config
	logger      *slog.Logger
	now         func() time.Time
	origin      atomic.Pointer[url.URL]
	sessions    *sessions
	started     time.Time
	placing     sync.Mutex // held while it is changed what is kept of a user's sessions
	signOn      *signOn
	starts      *limiter  // of sign-ons
	personas    *personas // nil but in demonstrations
	pages       *pages
	assets      *assets
	specialties map[string]string   // by code
	painting    *semaphore.Weighted // bytes of pages that are decoded at once
	holding     *semaphore.Weighted // bytes of documents in memory
	answered    sync.Map            // by code of a trust, when a page last showed that it could be reached
	server      *http.Server
	streams     slots  // pages that are kept up to date
	lately      lately // how the region was a moment ago

	patients *patientDoor // nil where patients have no pages

	takings   slots      // requests that bring documents
	downloads slots      // requests that take whole ones
	drafts    drafts     // of agreements
	heads     heads      // of DICOM files that are being read
	refusals  turnedAway // sign-ons
}

// New returns a portal that does not listen yet. It fails with ErrSettings.
func New(c Config) (*Portal, error) {
	if err := c.Settings.problem(c.Trial); err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	p := &Portal{config: c, logger: c.Logger, now: c.Now, started: c.Now(), sessions: newSessions(c.Settings.idle(), c.Settings.session(), c.Now), starts: newLimiter(c.Now), specialties: specialtyNames(), painting: semaphore.NewWeighted(maxPainting), holding: semaphore.NewWeighted(maxHeld), streams: slots{most: maxStreams, each: maxOfSession}, takings: slots{most: maxTakings, each: maxOwnTakings}, downloads: slots{most: maxDownloads, each: maxOwnDownloads}}
	origin := c.Settings.Origin
	if origin == "" {
		origin = "https://" + c.Settings.Listen
	}
	u, err := url.Parse(origin)
	if err != nil {
		return nil, fmt.Errorf("%w: origin: %w", ErrSettings, err)
	}
	p.origin.Store(asBrowsersSay(u))
	p.signOn = &signOn{settings: c.Settings.SignOn, trust: c.Trust, origin: p.Origin, now: c.Now, logger: c.Logger, attempts: make(map[sessionKey]attempt)}
	if p.patients, err = newPatientDoor(c, p.Origin); err != nil {
		return nil, err
	}
	if len(c.Settings.Personas) > 0 {
		if p.personas, err = newPersonas(c.Settings.Personas, c.Trust, p.Origin, c.Now); err != nil {
			return nil, err
		}
		p.signOn.client = &http.Client{Transport: p.personas}
	} else if p.signOn.client, err = c.Settings.SignOn.httpClient(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	if p.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if p.pages, err = loadPages(p.assets); err != nil {
		return nil, err
	}
	return p, nil
}

// asBrowsersSay writes the host as browsers do in requests: in small letters, and without the port that https has anyway.
func asBrowsersSay(u *url.URL) *url.URL {
	return &url.URL{Scheme: u.Scheme, Host: strings.TrimSuffix(strings.ToLower(u.Host), ":443")}
}

// Origin returns the portal's address as browsers see it, without a path.
func (p *Portal) Origin() string { return p.origin.Load().String() }

// Listen opens the portal's TCP address with TLS. A port of 0 becomes the one that was free.
func (p *Portal) Listen() (net.Listener, error) {
	s := p.config.Settings
	open := p.config.Socket
	if open == nil {
		open = func(listen string) (net.Listener, error) { return net.Listen("tcp", listen) }
	}
	l, err := open(s.Listen)
	if err != nil {
		return nil, fmt.Errorf("%w: listen: %w", ErrSettings, err)
	}
	if s.Origin == "" {
		p.origin.Store(asBrowsersSay(&url.URL{Scheme: "https", Host: l.Addr().String()}))
	}
	if p.personas != nil {
		p.signOn.settings = p.personas.settings() // the issuer has the port that was free
	}
	p.patients.listens()
	certificate, err := s.certificate(p.now())
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"}}), nil
}

// Serve serves l until ctx ends, and returns once nothing runs any more.
func (p *Portal) Serve(ctx context.Context, l net.Listener) error {
	p.server = &http.Server{
		Handler: p.Handler(), ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: answerTime, IdleTimeout: keepAlive, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(quiet{p.logger.Handler()}, slog.LevelDebug), BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stopped := make(chan struct{})
	var rounds sync.WaitGroup
	defer rounds.Wait()
	going, end := context.WithCancel(ctx)
	defer end()
	rounds.Go(func() { p.rounds(going) })
	go func() {
		defer close(stopped)
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		if err := p.server.Shutdown(stop); err != nil {
			_ = p.server.Close() // what did not end in time is cut off
		}
	}()
	err := p.server.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		<-stopped
		p.round(context.WithoutCancel(ctx), true) // the last requests are over
		return nil
	}
	return err
}

// quiet drops what the HTTP server says of its clients: it quotes requests.
type quiet struct{ slog.Handler }

// Handle logs that there was something, without its words.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Message = "a browser's connection failed"
	return q.Handler.Handle(ctx, r)
}
