package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	providerFresh = 10 * time.Second // for how long a provider that was reached counts as there
	always        = time.Duration(math.MaxInt64)
)

// discover returns the provider's addresses and keys, which are asked for once they are needed: a portal starts while its
// provider is away. Before a browser is sent there, they must have come lately, so that a provider that is down is told in words,
// and one that has moved is found.
func (s *signOn) discover(ctx context.Context, within time.Duration) (*oidc.Provider, *oauth2.Config, error) {
	s.mu.Lock()
	p := s.provider
	if p != nil && s.now().Sub(s.reached) >= within {
		p = nil
	}
	s.mu.Unlock()
	if p == nil {
		// The provider keeps the context to fetch keys later.
		var err error
		p, err = oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), s.client), s.settings.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("reach the identity provider: %w", err)
		}
		s.mu.Lock()
		s.provider, s.reached = p, s.now()
		s.mu.Unlock()
	}
	password, err := s.settings.secret()
	if err != nil {
		return nil, nil, err
	}
	at := p.Endpoint()
	at.AuthStyle = authStyle(p, password)
	return p, &oauth2.Config{
		ClientID: s.settings.ClientID, ClientSecret: password, Endpoint: at, RedirectURL: s.origin() + s.callback(),
		Scopes: append([]string{oidc.ScopeOpenID}, s.settings.Scopes...),
	}, nil
}

// authStyle is how the portal says who it is when it redeems a code: as the provider says. To try one way and then the other would
// cost a request, and providers may void a code that was sent wrongly once (RFC 6749 section 4.1.2).
func authStyle(p *oidc.Provider, password string) oauth2.AuthStyle {
	if password == "" {
		return oauth2.AuthStyleInParams
	}
	var said struct {
		Methods []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := p.Claims(&said); err != nil || len(said.Methods) == 0 || slices.Contains(said.Methods, "client_secret_basic") {
		return oauth2.AuthStyleInHeader // what holds when a provider says nothing (OpenID Connect Discovery 1.0 section 3)
	}
	return oauth2.AuthStyleInParams
}

// complement takes what the ID token leaves out of who a member of staff is from the provider's UserInfo (OpenID Connect Core 1.0
// section 5.3): many providers tell names and roles only there. When and how the person was checked is the ID token's alone.
func (s *signOn) complement(ctx context.Context, p *oidc.Provider, token *oauth2.Token, claims map[string]any) error {
	if s.own != nil || p.UserInfoEndpoint() == "" || s.settings.told(claims) {
		return nil
	}
	info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return fmt.Errorf("%w: the identity provider did not say who you are", ErrSignOn)
	}
	if info.Subject == "" || info.Subject != first(values(claims, "sub")) {
		return fmt.Errorf("%w: the identity provider told of somebody else", ErrSignOn)
	}
	var payload json.RawMessage
	if err := info.Claims(&payload); err != nil {
		return fmt.Errorf("%w: what the identity provider said cannot be read", ErrSignOn)
	}
	more, err := claimsOf(payload)
	if err != nil {
		return fmt.Errorf("%w: what the identity provider said cannot be read", ErrSignOn)
	}
	for name, value := range more {
		if _, has := claims[name]; !has && !slices.Contains([]string{"acr", "amr", "auth_time", "nonce", "aud", "azp", "iss"}, name) {
			claims[name] = value
		}
	}
	return nil
}

// told reports whether claims have all that says who a member of staff is.
func (o SignOn) told(claims map[string]any) bool {
	names := o.Claims.withDefaults()
	for _, name := range []string{names.User, names.Name, names.Role, names.Organisation} {
		if name != noOrganisation && len(values(claims, name)) == 0 {
			return false
		}
	}
	return true
}

// claimsOf reads claims with their numbers as they were written.
func claimsOf(payload []byte) (map[string]any, error) {
	claims := map[string]any{}
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.UseNumber()
	return claims, dec.Decode(&claims)
}
