package policy

import "github.com/ridgeway-exchange/ridgeway/federation"

// Sight says of one document of a custodian after another whether a user may know of it, as a listing needs it. It answers as
// Decide does for Action See, and asks the agreement only once about documents that it cannot tell apart. It is for one
// goroutine, and for as long as its facts hold.
type Sight struct {
	request *Request // all but Document, which is the one that was asked about last; shared by the sights of one user
	facts   Facts
	// remembers is false where what the patient has said looks at the document itself.
	remembers bool
	// plain says that the agreement alone decides, because the patient has said nothing and nothing else refuses. What it has
	// decided for others then counts as well.
	plain bool
	asked bool        // last and sees are set
	last  documentKey // what most documents of one patient at one custodian are like
	sees  bool
	known map[documentKey]bool // what the agreement was asked about, once that were two things
}

// NewSight returns the sight of the user of r, whose Document and Action are of no interest, on what f is about.
func NewSight(r Request, f Facts) *Sight {
	r.Action, r.consented = See, false // Decide finds out itself
	return (&Sight{request: &r}).On(f)
}

// On returns the sight of the same user on what f is about, for the same goroutine.
func (s *Sight) On(f Facts) *Sight {
	on := &Sight{request: s.request, facts: f}
	on.remembers = f.Agreement != nil && !looks(f.Directives) && !looks(f.LocalRefusals)
	on.plain = on.remembers && on.undisputed()
	return on
}

// undisputed reports whether Decide would come to the agreement, of a document that has no fault of its own.
func (s *Sight) undisputed() bool {
	f := &s.facts
	if !f.Complete || len(f.Directives)+len(f.LocalRefusals) > 0 || s.request.BreakGlass || faultOfAsker(s.request) != "" {
		return false
	}
	return f.RegionActive && f.RequesterStanding == federation.Active && f.CustodianStanding == federation.Active
}

// looks reports whether one of the directives looks at the document, and not only at who asks and why.
func looks(all []Directive) bool {
	for i := range all {
		if aboutDocument(&all[i].Scope, all[i].Except) {
			return true
		}
	}
	return false
}

// Sees reports whether the user may know of d. All documents that it is asked about must be of one patient and one custodian.
func (s *Sight) Sees(d *Document) bool {
	if !s.remembers {
		return s.decide(d)
	}
	if d.Restricted() || faultOf(d) != "" {
		return false
	}
	key := s.facts.Agreement.documentKey(d)
	if s.asked && key == s.last {
		return s.sees
	}
	sees, known := s.known[key]
	if !known {
		if s.plain {
			s.request.Document = *d
			sees, _ = s.facts.Agreement.evaluate(s.request, actionSee, s.facts.AgreementVersion)
		} else {
			sees = s.decide(d)
		}
		s.remember(key, sees)
	}
	s.asked, s.last, s.sees = true, key, sees
	return sees
}

// remember notes an answer. The first needs no map, and at most custodians there is no other.
func (s *Sight) remember(key documentKey, sees bool) {
	if !s.asked {
		return
	}
	if s.known == nil {
		s.known = map[documentKey]bool{s.last: s.sees}
	}
	s.known[key] = sees
}

func (s *Sight) decide(d *Document) bool {
	s.request.Document = *d
	decision := Decide(*s.request, s.facts)
	return decision.Visible && decision.Permitted()
}
