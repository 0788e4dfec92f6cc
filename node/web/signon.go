package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

const (
	signOnCookie   = "__Host-ridgeway-sign-on"
	signOnTime     = 10 * time.Minute
	maxSignOns     = 10_000
	callbackPath   = "/sign-on/callback"
	providerWait   = 10 * time.Second
	clockSkew      = 30 * time.Second // between the provider and this machine
	maxIDTokenSize = 64 << 10
)

// attempt is a sign-on under way, bound to one browser by a cookie of its own.
type attempt struct {
	state, nonce, verifier string
	begun                  time.Time
	fresh                  bool // the provider was told to ask the person again
	launch                 bool // by a record system, at a patient
}

// signOn has people signed on by an OpenID Connect provider: authorization code with PKCE (RFC 7636), state and nonce.
type signOn struct {
	settings SignOn
	trust    federation.TrustID
	origin   func() string
	client   *http.Client
	now      func() time.Time
	logger   *slog.Logger
	own      *patientSignOn // of patients; nil: of staff

	mu       sync.Mutex
	provider *oidc.Provider // nil until it was reached
	reached  time.Time      // when it was last
	attempts map[sessionKey]attempt
}

// httpClient returns the client that reaches the provider.
func (o SignOn) httpClient() (*http.Client, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("sign_on: ca_file: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("sign_on: ca_file: there is no certificate in %s", o.CAFile)
		}
	}
	return &http.Client{Timeout: providerWait, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: t, ForceAttemptHTTP2: true}}, nil
}

func (o SignOn) secret() (string, error) {
	if o.SecretFile == "" {
		return "", nil
	}
	b, err := os.ReadFile(o.SecretFile)
	if err != nil {
		return "", fmt.Errorf("sign_on: client_secret_file: %w", err)
	}
	return string(bytes.TrimSpace(b)), nil
}

// start returns where to send the browser, and the id of the attempt for its cookie.
func (s *signOn) start(ctx context.Context, again bool) (id, to string, err error) {
	return s.startFor(ctx, again, launchRequest{})
}

// startFor is start for a record system that has opened the portal at a patient.
func (s *signOn) startFor(ctx context.Context, again bool, x launchRequest) (id, to string, err error) {
	_, client, err := s.discover(ctx, providerFresh)
	if err != nil {
		return "", "", err
	}
	a := attempt{state: secret(), nonce: secret(), verifier: oauth2.GenerateVerifier(), begun: s.now(), fresh: again, launch: x.launch != ""}
	options := []oauth2.AuthCodeOption{oidc.Nonce(a.nonce), oauth2.S256ChallengeOption(a.verifier)}
	if again { // a locked session wants the person, not the provider's memory of them
		// With max_age a provider must say when the person was asked (OpenID Connect Core 1.0 section 3.1.2.1).
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	options = append(append(options, s.own.asks()...), x.options(client)...)
	if len(s.settings.Assurance) > 0 {
		options = append(options, oauth2.SetAuthURLParam("acr_values", strings.Join(s.settings.Assurance, " ")))
	}
	id = secret()
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, x := range s.attempts {
		if s.late(x) || len(s.attempts) >= maxSignOns {
			delete(s.attempts, k)
		}
	}
	s.attempts[keyOf(id)] = a
	return id, client.AuthCodeURL(a.state, options...), nil
}

func (s *signOn) late(a attempt) bool { return s.now().Sub(a.begun) > signOnTime }

// arrival is somebody who came back from the provider.
type arrival struct {
	person
	context *launched // that a record system has sent along; nil: none
	level   string    // how strictly they were checked, as the provider says; may be empty
	begun   bool      // the browser came back from a sign-on of this portal
	fresh   bool      // the person proved who they are since the attempt began: a locked session may go on
}

// finish returns who came back from the provider. An attempt can be finished once, by the browser that started it.
//
// Where it fails, the arrival says as much as is known: that one was under way, and who the provider has proved.
func (s *signOn) finish(r *http.Request) (arrival, error) {
	cookie, err := r.Cookie(s.cookie())
	if err != nil {
		return arrival{}, fmt.Errorf("%w: this browser did not start it", ErrSignOn)
	}
	s.mu.Lock()
	a, found := s.attempts[keyOf(cookie.Value)]
	delete(s.attempts, keyOf(cookie.Value))
	s.mu.Unlock()
	if !found || s.late(a) {
		return arrival{}, fmt.Errorf("%w: it took too long, or was used before", ErrSignOn)
	}
	return s.complete(r, a)
}

// complete has the provider say who came back.
func (s *signOn) complete(r *http.Request, a attempt) (arrival, error) {
	out := arrival{begun: true, fresh: a.fresh}
	query := r.URL.Query()
	switch {
	case query.Get("state") != a.state:
		return out, fmt.Errorf("%w: the answer is to another question", ErrSignOn)
	case query.Has("iss") && query.Get("iss") != s.settings.Issuer: // RFC 9207
		return out, fmt.Errorf("%w: the answer is of another identity provider", ErrSignOn)
	case query.Get("error") != "":
		return out, fmt.Errorf("%w: the identity provider did not sign you on", ErrSignOn)
	}
	ctx := oidc.ClientContext(r.Context(), s.client)
	provider, client, err := s.discover(ctx, always)
	if err != nil {
		return out, err
	}
	proof, err := s.own.proof(client, s.now())
	if err != nil {
		return out, err
	}
	token, err := client.Exchange(ctx, query.Get("code"), append(proof, oauth2.VerifierOption(a.verifier))...)
	if err != nil {
		return out, fmt.Errorf("%w: the identity provider did not stand by it: %w", ErrSignOn, hide(err))
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok || len(raw) > maxIDTokenSize {
		return out, fmt.Errorf("%w: the identity provider sent no ID token", ErrSignOn)
	}
	verified, err := provider.Verifier(&oidc.Config{ClientID: s.settings.ClientID, Now: s.now}).Verify(ctx, raw)
	if err != nil {
		return out, fmt.Errorf("%w: the ID token does not hold: %w", ErrSignOn, err)
	}
	if verified.Nonce != a.nonce {
		return out, fmt.Errorf("%w: the ID token is of another sign-on", ErrSignOn)
	}
	var payload json.RawMessage
	if err := verified.Claims(&payload); err != nil {
		return out, fmt.Errorf("%w: the ID token cannot be read", ErrSignOn)
	}
	claims, err := claimsOf(payload)
	if err != nil {
		return out, fmt.Errorf("%w: the ID token cannot be read", ErrSignOn)
	}
	if err := s.complement(ctx, provider, token, claims); err != nil {
		return out, err
	}
	out.person, err = s.identify(claims)
	out.level = levelOf(claims, s.levelClaim())
	if err == nil && a.fresh && !asked(claims, a.begun) {
		err = fmt.Errorf("%w: the provider did not ask you again who you are", ErrSignOn)
	}
	if err == nil && a.launch {
		out.context, err = s.settings.Launch.context(token.Extra, claims)
	}
	return out, err
}

// asked reports whether the provider says that the person proved who they are after a moment. What it does not say, it did not
// do: prompt=login alone stands in the address, where whoever sits at the browser can take it away.
func asked(claims map[string]any, after time.Time) bool {
	at, ok := claims["auth_time"].(json.Number)
	if !ok {
		return false
	}
	seconds, err := at.Float64()
	return err == nil && seconds >= float64(after.Add(-clockSkew).Unix())
}

// hide keeps what a provider answered, which may hold a code or a token, out of messages and logs.
func hide(err error) error {
	var answer *oauth2.RetrieveError
	if errors.As(err, &answer) {
		return fmt.Errorf("token endpoint: %s", answer.ErrorCode)
	}
	return errors.New("token endpoint: no answer that can be used")
}
