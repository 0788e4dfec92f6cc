package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// A second implementation of the patient's directives, from the prose: words for answers, no cleverness, no code shared with
// the first. What is not known of the document, or what a code of the scope means, is a "maybe".

var naiveGroups = map[string][]string{
	"doctor": {"clinician"}, "nurse": {"clinician"}, "PSY": {"BH"}, "ETHUD": {"SUD", "BH"}, "HIV": nil,
}

// naiveCovers answers "no", "yes" or "maybe", one field after the other.
func naiveCovers(s federation.Scope, r Request) string {
	var answers []string
	say := func(yes bool) {
		if yes {
			answers = append(answers, "yes")
		} else {
			answers = append(answers, "no")
		}
	}
	maybe := func() { answers = append(answers, "maybe") }
	if s.Trust != "" {
		say(s.Trust == r.User.Trust)
	}
	if s.Person != "" {
		if s.Person != r.User.ID && strings.EqualFold(s.Person, r.User.ID) {
			maybe()
		} else {
			say(s.Person == r.User.ID)
		}
	}
	if s.Custodian != "" {
		say(s.Custodian == r.Document.Custodian)
	}
	if s.Document != "" {
		if s.Document != r.Document.ID && (slices.Contains(r.Document.Versions, s.Document) || r.Document.MoreVersions && strings.HasPrefix(string(s.Document), string(r.Document.Custodian)+"-")) {
			maybe()
		} else {
			say(s.Document == r.Document.ID)
		}
	}
	if s.Role != "" {
		if s.Role == "healer" {
			maybe()
		} else {
			say(s.Role == r.User.Role || slices.Contains(naiveGroups[r.User.Role], s.Role))
		}
	}
	if s.Purpose != "" {
		if s.Purpose == "UNKNOWN" {
			maybe()
		} else {
			say(s.Purpose == r.Purpose)
		}
	}
	for _, f := range [][2]string{{s.Type, r.Document.Type}, {s.Category, r.Document.Category}} {
		switch {
		case f[0] == "":
		case f[1] == "":
			maybe()
		default:
			say(f[0] == f[1])
		}
	}
	if !s.From.IsZero() || !s.To.IsZero() {
		date := r.Document.Date
		switch {
		case date.IsZero(), !s.From.IsZero() && !s.To.IsZero() && s.To.Sub(s.From) <= 0:
			maybe()
		default:
			say((s.From.IsZero() || date.Sub(s.From) >= 0) && (s.To.IsZero() || date.Sub(s.To) < 0))
		}
	}
	if s.Sensitivity != "" {
		bears := map[string]bool{}
		for _, l := range r.Document.Sensitivity {
			bears[l] = true
			for _, g := range naiveGroups[l] {
				bears[g] = true
			}
		}
		switch {
		case bears[s.Sensitivity]:
			say(true)
		case r.Document.Sealed, s.Sensitivity == "UNKNOWN", bears["ODD"]:
			maybe()
		default:
			say(false)
		}
	}
	all := strings.Join(answers, " ")
	switch {
	case strings.Contains(all, "no"):
		return "no"
	case strings.Contains(all, "maybe"):
		return "maybe"
	default:
		return "yes"
	}
}

// naiveDirectives returns whether the directives refuse, and whether the patient has consented.
func naiveDirectives(r Request, f Facts) (refused, consented bool) {
	// In force = not withdrawn, not superseded by an agreed one, now before Until.
	ended := func(d Directive) bool {
		if d.Withdrawn || d.Superseded || !d.Until.IsZero() && !r.Now.Before(d.Until) {
			return true
		}
		for _, o := range f.Directives {
			later := o.Version > d.Version
			if later && o.Effect == federation.Withdrew && o.Target == d.ID {
				return true
			}
			if later && (o.Effect == federation.Object || o.Effect == federation.Consent) && o.Supersedes == d.ID {
				return true
			}
		}
		return false
	}
	// A consent that was taken back at this node permits no more.
	takenBack := func(d Directive) bool {
		for _, o := range f.LocalRefusals {
			if o.Effect == federation.Withdrew && o.Target == d.ID || (o.Effect == federation.Object || o.Effect == federation.Consent) && o.Supersedes == d.ID {
				return true
			}
		}
		return false
	}
	own := r.User.Trust == r.Document.Custodian
	refuses := func(d Directive) bool {
		if own && d.Scope.Trust == "" || naiveCovers(d.Scope, r) == "no" {
			return false
		}
		for _, e := range d.Except {
			if naiveCovers(e, r) == "yes" {
				return false
			}
		}
		return true
	}
	for _, d := range f.LocalRefusals {
		switch d.Effect {
		case federation.Object:
			alive := !d.Withdrawn && !d.Superseded && (d.Until.IsZero() || r.Now.Before(d.Until))
			refused = refused || alive && refuses(d)
		case federation.Consent, federation.Withdrew:
		default:
			refused = true
		}
	}
	for _, d := range f.Directives {
		switch d.Effect {
		case federation.Withdrew:
		case federation.Object:
			if ended(d) || !refuses(d) {
				continue
			}
			cancelled := false
			for _, g := range f.Directives {
				if g.Effect == federation.Consent && !ended(g) && !takenBack(g) && g.Version > d.Version && naiveSame(g.Scope, d.Scope) {
					cancelled = true
				}
			}
			refused = refused || !cancelled
		case federation.Consent:
			if ended(d) || naiveCovers(d.Scope, r) == "no" {
				continue
			}
			excepted, counts := false, false
			for _, e := range d.Except {
				if naiveCovers(e, r) == "no" {
					continue
				}
				excepted = true
				if !own || d.Scope.Trust != "" || e.Trust != "" {
					counts = true
				}
			}
			if excepted {
				refused = refused || counts
			} else if naiveCovers(d.Scope, r) == "yes" && !takenBack(d) {
				consented = true
			}
		default:
			refused = true
		}
	}
	return refused, consented
}

func naiveSame(a, b federation.Scope) bool {
	a.From, a.To, b.From, b.To = a.From.UTC(), a.To.UTC(), b.From.UTC(), b.To.UTC()
	return a == b
}

func TestDecideDoesWhatTheProseSays(t *testing.T) {
	plain := mustCompile(t, `permit (principal, action, resource);`)
	asks := mustCompile(t, `permit (principal, action, resource) when { context.consented };`)
	rapid.Check(t, func(t *rapid.T) {
		r := drawScopedRequest(t)
		r.BreakGlass, r.Action = false, Open
		f := Facts{
			RegionActive: true, RequesterStanding: federation.Active, CustodianStanding: federation.Active, Complete: rapid.IntRange(0, 9).Draw(t, "complete") > 0,
			Directives: drawWishes(t, "directives", 6), LocalRefusals: drawWishes(t, "local", 2), Agreement: plain,
			LeaseAge: time.Duration(rapid.IntRange(-1, 12).Draw(t, "age")) * time.Second, LeaseLimit: 10 * time.Second,
		}
		if rapid.Bool().Draw(t, "asks for consent") {
			f.Agreement = asks
		}
		refused, consented := naiveDirectives(r, f)
		own := r.User.Trust == r.Document.Custodian
		want := Permit
		switch {
		case r.Document.LegallyRestricted || r.Document.LegalClass != "":
			want = Denied
		case !f.Complete:
			want = Unavailable
		case refused, f.Agreement == asks && !consented:
			want = Denied
		case !own && (f.LeaseAge < 0 || f.LeaseAge > f.LeaseLimit):
			want = StalePolicy
		}
		if d := Decide(r, f); d.Outcome != want {
			t.Fatalf("got %s, the prose says %s: %v", d.Outcome, want, d.Chain)
		}
	})
}
