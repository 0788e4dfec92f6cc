package policy

// Sight says of one document of a custodian after another whether a user may know of it, as a listing needs it. It answers as
// Decide does for Action See, and asks the agreement only once about documents that it cannot tell apart. It is for one
// goroutine, and for as long as its facts hold.
type Sight struct {
	request Request // all but Document
	facts   Facts
	known   map[documentKey]bool // nil: what the patient has said looks at the document itself
}

// NewSight returns the sight of the user of r, whose Document and Action are of no interest, on what f is about.
func NewSight(r Request, f Facts) *Sight {
	r.Action = See
	s := &Sight{request: r, facts: f}
	if f.Agreement != nil && !looks(f.Directives) && !looks(f.LocalRefusals) {
		s.known = make(map[documentKey]bool)
	}
	return s
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
func (s *Sight) Sees(d Document) bool {
	if s.known == nil {
		return s.decide(d)
	}
	if d.Restricted() || faultOf(&d) != "" {
		return false
	}
	key := s.facts.Agreement.documentKey(d)
	sees, known := s.known[key]
	if !known {
		sees = s.decide(d)
		s.known[key] = sees
	}
	return sees
}

func (s *Sight) decide(d Document) bool {
	s.request.Document = d
	decision := Decide(s.request, s.facts)
	return decision.Visible && decision.Permitted()
}
