package web

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/policy"
)

// What stands in for settings that are not given.
const (
	defaultIdle    = 10 * time.Minute
	defaultSession = 4 * time.Hour
)

// Settings are the portal's own, under "portal" in the configuration. Without Listen there is no portal.
type Settings struct {
	Listen      string   `yaml:"listen,omitempty"`      // TCP address, host:port
	Origin      string   `yaml:"origin,omitempty"`      // as browsers see it, such as https://ridgeway.trust.nhs.uk; empty: https://Listen
	Certificate string   `yaml:"certificate,omitempty"` // PEM file with the certificate and those between it and its root
	Key         string   `yaml:"key,omitempty"`         // PEM file with its private key
	SignOn      SignOn   `yaml:"sign_on,omitempty"`
	Idle        int      `yaml:"idle_minutes,omitempty"`    // until an unused session is locked: 10
	Session     int      `yaml:"session_minutes,omitempty"` // until a session ends: 240
	Personas    []string `yaml:"-"`                         // set by the demonstration and tests only: see Trial

	Patients        PatientSignOn    `yaml:"patients,omitempty"` // without an issuer, patients have no pages
	PatientPersonas []PatientPersona `yaml:"-"`                  // as Personas
}

// SignOn says which OpenID Connect provider says who the user is, and how its claims are read.
type SignOn struct {
	Issuer     string            `yaml:"issuer,omitempty"`
	ClientID   string            `yaml:"client_id,omitempty"`
	SecretFile string            `yaml:"client_secret_file,omitempty"` // empty: a public client, with PKCE alone
	CAFile     string            `yaml:"ca_file,omitempty"`            // certificates to trust instead of the system's
	Scopes     []string          `yaml:"scopes,omitempty"`             // besides openid
	Claims     Claims            `yaml:"claims,omitempty"`
	Roles      map[string]string `yaml:"roles,omitempty"`     // what the provider calls a role, to what agreements call it
	Assurance  []string          `yaml:"assurance,omitempty"` // values of acr that are enough; empty: any
	Launch     Launch            `yaml:"launch,omitempty"`
}

// Claims name the claims of an ID token. A dot steps into an object, and lists are looked through.
type Claims struct {
	User         string `yaml:"user,omitempty"`         // staff id: sub
	Name         string `yaml:"name,omitempty"`         // name
	Role         string `yaml:"role,omitempty"`         // role
	Organisation string `yaml:"organisation,omitempty"` // ODS code, which must be this trust's: organisation; "none" where the provider has no other staff
}

// noOrganisation says that the provider knows this trust's staff only.
const noOrganisation = "none"

func (c Claims) withDefaults() Claims {
	for _, d := range []struct {
		to   *string
		word string
	}{{&c.User, "sub"}, {&c.Name, "name"}, {&c.Role, "role"}, {&c.Organisation, "organisation"}} {
		if *d.to == "" {
			*d.to = d.word
		}
	}
	return c
}

func (s Settings) idle() time.Duration {
	if s.Idle == 0 {
		return defaultIdle
	}
	return time.Duration(s.Idle) * time.Minute
}

func (s Settings) session() time.Duration {
	if s.Session == 0 {
		return defaultSession
	}
	return time.Duration(s.Session) * time.Minute
}

// Check returns all that is wrong with the settings, each fault by itself. trial says that the node's keys are those of a
// trial, without which nobody may choose who they are.
func (s Settings) Check(trial bool) []string {
	var wrong []string
	add := func(format string, args ...any) { wrong = append(wrong, "portal: "+fmt.Sprintf(format, args...)) }
	if s.Listen == "" {
		if s.Origin != "" || s.Certificate != "" || s.SignOn.Issuer != "" {
			add("listen: no TCP address: give host:port, such as 0.0.0.0:8443")
		}
		return wrong
	}
	if _, _, err := net.SplitHostPort(s.Listen); err != nil {
		add("listen: %q is not host:port, such as 0.0.0.0:8443", s.Listen)
	}
	if host, _, err := net.SplitHostPort(s.Listen); s.Origin == "" && err == nil {
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			add("origin: %s is every address of this machine, so say by which name browsers reach it, such as https://ridgeway.trust.nhs.uk", s.Listen)
		}
	}
	if s.Origin != "" {
		if u, err := url.Parse(s.Origin); err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.User != nil {
			add("origin: %q is not an https address without a path, such as https://ridgeway.trust.nhs.uk", s.Origin)
		}
	}
	if s.Idle < 0 || s.Idle > 60 {
		add("idle_minutes: %d is not between 1 and 60", s.Idle)
	}
	if s.Session < 0 || s.Session > 12*60 {
		add("session_minutes: %d is not between 1 and 720", s.Session)
	}
	if len(s.Personas)+len(s.PatientPersonas) > 0 {
		return append(wrong, s.checkPersonas(trial)...)
	}
	if s.Certificate == "" || s.Key == "" {
		add("certificate, key: name the PEM files of the portal's certificate and of its private key")
	}
	return append(append(wrong, s.SignOn.check()...), s.Patients.check()...)
}

// checkPersonas refuses a provider that believes everybody, but on a node for trials that only this machine reaches.
func (s Settings) checkPersonas(trial bool) []string {
	host, _, _ := net.SplitHostPort(s.Listen)
	ip := net.ParseIP(host)
	switch {
	case !trial:
		return []string{"portal: personas are for demonstrations: a node whose keys are not those of a trial must name an identity provider (sign_on: issuer)"}
	case ip == nil || !ip.IsLoopback():
		return []string{fmt.Sprintf("portal: personas are for demonstrations, and %s can be reached from other machines: listen on 127.0.0.1", s.Listen)}
	case s.SignOn.Issuer != "" || s.Patients.Issuer != "":
		return []string{"portal: personas and an identity provider at once: keep one"}
	}
	return nil
}

func (o SignOn) check() []string {
	var wrong []string
	add := func(format string, args ...any) {
		wrong = append(wrong, "portal: sign_on: "+fmt.Sprintf(format, args...))
	}
	if u, err := url.Parse(o.Issuer); err != nil || u.Scheme != "https" || u.Host == "" {
		add("issuer: %q is not the https address of an OpenID Connect provider", o.Issuer)
	}
	if o.ClientID == "" {
		add("client_id: give the name by which the provider knows the portal")
	}
	if len(o.Roles) == 0 {
		add("roles: say which role of the provider is which role of the agreements, such as Consultant: doctor")
	}
	known := policy.Roles()
	for theirs, ours := range o.Roles {
		if !slices.ContainsFunc(known, func(r policy.Role) bool { return r.Code == ours }) {
			add("roles: %s: there is no role %q", theirs, ours)
		}
	}
	wrong = append(wrong, o.Launch.check()...)
	slices.Sort(wrong)
	return wrong
}

// problem returns Check's faults as one error.
func (s Settings) problem(trial bool) error {
	if wrong := s.Check(trial); len(wrong) > 0 {
		return errors.Join(ErrSettings, errors.New(strings.Join(wrong, "\n")))
	}
	return nil
}
