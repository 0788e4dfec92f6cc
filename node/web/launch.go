package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"

	"golang.org/x/oauth2"

	"github.com/ridgeway-exchange/ridgeway/policy"
)

// Launch says which record systems may open the portal at a patient (SMART App Launch 2.2, EHR launch). The provider of the
// sign-on is their authorisation server: its answer names the patient.
type Launch struct {
	From              []string `yaml:"from,omitempty"`               // FHIR addresses (iss) of the systems; empty: none may
	Number            string   `yaml:"number,omitempty"`             // what has the NHS number, in the answer or the ID token: patient
	Purpose           string   `yaml:"purpose,omitempty"`            // where the answer says none: TREAT
	Relationship      string   `yaml:"relationship,omitempty"`       // the same, with its evidence after a colon: self-claimed
	PurposeClaim      string   `yaml:"purpose_claim,omitempty"`      // what has the purpose of use; empty: nothing
	RelationshipClaim string   `yaml:"relationship_claim,omitempty"` // what has the relationship; empty: nothing
}

func (l Launch) withDefaults() Launch {
	for _, d := range []struct {
		to   *string
		word string
	}{{&l.Number, "patient"}, {&l.Purpose, "TREAT"}, {&l.Relationship, string(policy.SelfClaimed)}} {
		if *d.to == "" {
			*d.to = d.word
		}
	}
	return l
}

// check returns what is wrong with the settings.
func (l Launch) check() []string {
	var wrong []string
	for _, from := range l.From {
		if u, err := url.Parse(from); err != nil || u.Scheme != "https" || u.Host == "" {
			wrong = append(wrong, fmt.Sprintf("portal: sign_on: launch: from: %q is not the https address of a FHIR server", from))
		}
	}
	l = l.withDefaults()
	if !offered(purposes(), l.Purpose) {
		wrong = append(wrong, fmt.Sprintf("portal: sign_on: launch: purpose: %q is none that the portal offers", l.Purpose))
	}
	if r, err := policy.ParseRelationship(l.Relationship); err != nil || !offered(relationships(), string(r.Kind)) {
		wrong = append(wrong, fmt.Sprintf("portal: sign_on: launch: relationship: %q is none that the portal offers", l.Relationship))
	}
	return wrong
}

// launchRequest is what a record system sends a browser with. The zero value is a sign-on without one.
type launchRequest struct{ from, launch string }

// options ask the authorisation server for the context of the launch.
func (x launchRequest) options(c *oauth2.Config) []oauth2.AuthCodeOption {
	if x.launch == "" {
		return nil
	}
	c.Scopes = append(slices.Clone(c.Scopes), "launch")
	return []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("launch", x.launch), oauth2.SetAuthURLParam("aud", x.from)}
}

// launched is the context that an answer has brought along.
type launched struct {
	number, purpose string
	relationship    policy.Relationship
}

// context reads the patient, and why they are asked about, out of an answer. What the answer says badly is not taken for a
// default: an error in why would stand in the evidence as if somebody had said it.
func (l Launch) context(extra func(string) any, claims map[string]any) (*launched, error) {
	l = l.withDefaults()
	find := func(name string) string {
		if text, ok := extra(name).(string); ok && text != "" {
			return text
		}
		return first(values(claims, name))
	}
	out := &launched{number: find(l.Number), purpose: l.Purpose}
	kind := l.Relationship
	if l.PurposeClaim != "" && find(l.PurposeClaim) != "" {
		out.purpose = find(l.PurposeClaim)
	}
	if l.RelationshipClaim != "" && find(l.RelationshipClaim) != "" {
		kind = find(l.RelationshipClaim)
	}
	var err error
	if out.relationship, err = policy.ParseRelationship(kind); err != nil || !offered(relationships(), string(out.relationship.Kind)) || !offered(purposes(), out.purpose) {
		return nil, fmt.Errorf("%w: the record system gave a reason that this portal does not know", ErrSignOn)
	}
	if out.number == "" {
		return nil, fmt.Errorf("%w: the record system did not say which patient it was about", ErrSignOn)
	}
	return out, nil
}

// startLaunch is where a record system sends a browser. Who it is for is asked of the authorisation server, never of the address.
func (p *Portal) startLaunch(w http.ResponseWriter, r *http.Request) {
	x := launchRequest{from: r.URL.Query().Get("iss"), launch: r.URL.Query().Get("launch")}
	if !slices.Contains(p.signOn.settings.Launch.From, x.from) || x.launch == "" || len(x.launch) > 4096 {
		p.show(w, r, nil, http.StatusBadRequest, view{Name: "message", Title: "This system may not open the portal", Body: message{
			Text: []string{"The link that opened this page comes from a record system that is not known here. Tell your IT service desk."}, Link: "/find", LinkText: "Find a patient",
		}})
		return
	}
	if !p.starts.allow(r) {
		p.tooManySignOns(w, r)
		return
	}
	s, locked := p.sessions.of(r, "")
	id, to, err := p.signOn.startFor(r.Context(), s != nil && locked, x)
	if err != nil {
		p.noProvider(w, r, err)
		return
	}
	setCookie(w, signOnCookie, id, signOnTime)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// openLaunched opens the patient of a launch in a session and returns the address of their documents. Every patient has an
// address of their own, so that no other tab changes.
func (p *Portal) openLaunched(r *http.Request, id string, x *launched) (string, error) {
	s := p.sessions.find(id)
	number, wrong := p.readNumber(x.number)
	if s == nil || wrong != "" {
		return "", errors.New("the record system named no patient that can be opened")
	}
	of := s.open(number, p.now())
	s.recognise(of.Key, p.known(r, s, of))
	s.explain(of.Key, x.purpose, x.relationship.Kind, x.relationship.Evidence)
	p.keepPlace(r.Context(), s)
	p.logger.Info("a record system has opened the portal", slog.String("role", s.user.Role))
	return "/patients/" + of.Key, nil
}
