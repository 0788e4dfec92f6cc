package policy

import (
	"slices"
	"strings"
	"time"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/eval"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// maxWorlds is the most worlds that one question is asked of. When the variables give more, those with the most values
// are left unknown: then less can be claimed, but nothing false.
const maxWorlds = 15_000

// usage is what rules depend on, and the values that they name.
type usage struct {
	reads  [maxVariables]bool
	opaque [maxVariables]bool                     // of times: compared with more than literals
	texts  [varRelationship + 1][]cedar.Value     // strings that an attribute is compared with
	loose  []cedar.Value                          // strings that any attribute may be compared with
	times  [varDate + 1][]int64                   // milliseconds that now, or the document's date, is compared with
	named  map[cedar.EntityType][]cedar.EntityUID // entities, in the order of the rules
}

// usageOf returns what a rule depends on.
func usageOf(p *ast.Policy) *usage {
	u := &usage{named: map[cedar.EntityType][]cedar.EntityUID{}}
	for _, e := range scopeEntities(p.Principal) {
		u.entity(e)
		switch e.Type {
		case typeRole:
			u.reads[varRole] = true
		default:
			u.reads[varTrust] = true
		}
	}
	if _, all := p.Action.(ast.ScopeTypeAll); !all {
		u.reads[varAction] = true
	}
	for _, c := range p.Conditions {
		ast.Inspect(ast.NewNode(c.Body), u.visit)
	}
	return u
}

func (u *usage) entity(e cedar.EntityUID) {
	if e.Type == typeUser {
		trust, _, _ := strings.Cut(string(e.ID), "/")
		e = uid(typeTrust, trust)
		u.reads[varTrust] = true
	}
	if v, ok := labelVariable(e); ok {
		u.reads[v] = true
	}
	if !slices.Contains(u.named[e.Type], e) {
		u.named[e.Type] = append(u.named[e.Type], e)
	}
}

// visit notes what an expression reads. It returns false where it has dealt with the parts.
func (u *usage) visit(n ast.IsNode) bool {
	switch n := n.(type) {
	case ast.NodeTypeEquals:
		return !u.direct(n.BinaryNode)
	case ast.NodeTypeNotEquals:
		return !u.direct(n.BinaryNode)
	case ast.NodeTypeLessThan:
		return !u.direct(n.BinaryNode)
	case ast.NodeTypeLessThanOrEqual:
		return !u.direct(n.BinaryNode)
	case ast.NodeTypeGreaterThan:
		return !u.direct(n.BinaryNode)
	case ast.NodeTypeGreaterThanOrEqual:
		return !u.direct(n.BinaryNode)
	case ast.NodeTypeContains:
		return !u.member(n)
	case ast.NodeTypeAccess:
		if v, ok := accessOf(n); ok {
			u.reads[v] = true
			u.opaque[v] = true
			return false
		}
	case ast.NodeTypeExtensionCall:
		if len(n.Args) == 1 {
			if _, literal := n.Args[0].(ast.NodeValue); literal {
				return false // datetime("..."), duration("..."): no string that an attribute is compared with
			}
		}
	case ast.NodeTypeVariable:
		switch n.Name {
		case "action":
			u.reads[varAction] = true
		case "principal": // principal in Trust::"RAS", principal in Role::"nurse"
			u.reads[varTrust], u.reads[varRole] = true, true
		}
	case ast.NodeValue:
		switch v := n.Value.(type) {
		case cedar.EntityUID:
			u.entity(v)
		case cedar.String:
			u.loose = append(u.loose, v)
		}
	}
	return true
}

// direct notes a comparison of an attribute with a literal, and returns false for any other.
func (u *usage) direct(b ast.BinaryNode) bool {
	for _, side := range [2][2]ast.IsNode{{b.Left, b.Right}, {b.Right, b.Left}} {
		v, ok := accessOf(side[0])
		if !ok {
			continue
		}
		if s, ok := side[1].(ast.NodeValue); ok && v.text() {
			if _, text := s.Value.(cedar.String); text {
				u.reads[v] = true
				u.texts[v] = append(u.texts[v], s.Value)
				return true
			}
		}
		if ms, ok := literalTime(side[1]); ok && v.time() {
			u.reads[v] = true
			u.times[v] = append(u.times[v], ms)
			return true
		}
	}
	return false
}

// member notes the search for an attribute in a set of strings that is written out, and returns false for any other.
func (u *usage) member(n ast.NodeTypeContains) bool {
	v, ok := accessOf(n.Right)
	members, written := elements(n.Left)
	if !ok || !written || !v.text() {
		return false
	}
	var all []cedar.Value
	for _, m := range members {
		s, ok := m.(ast.NodeValue)
		if !ok {
			return false
		}
		all = append(all, s.Value)
	}
	u.reads[v] = true
	u.texts[v] = append(u.texts[v], all...)
	return true
}

func literalTime(n ast.IsNode) (int64, bool) {
	call, ok := n.(ast.NodeTypeExtensionCall)
	if !ok || call.Name != "datetime" || len(call.Args) != 1 {
		return 0, false
	}
	if _, literal := call.Args[0].(ast.NodeValue); !literal {
		return 0, false
	}
	v, err := eval.Eval(call, eval.Env{Entities: cedar.EntityMap{}})
	if err != nil {
		return 0, false
	}
	t, ok := v.(cedar.Datetime)
	return t.Milliseconds(), ok
}

// joined returns what all of them depend on together.
func joined(all ...*usage) *usage {
	u := &usage{named: map[cedar.EntityType][]cedar.EntityUID{}}
	for _, x := range all {
		for i := range u.reads {
			u.reads[i] = u.reads[i] || x.reads[i]
			u.opaque[i] = u.opaque[i] || x.opaque[i]
		}
		for i := range u.texts {
			u.texts[i] = append(u.texts[i], x.texts[i]...)
		}
		for i := range u.times {
			u.times[i] = append(u.times[i], x.times[i]...)
		}
		u.loose = append(u.loose, x.loose...)
		for _, entities := range x.named {
			for _, e := range entities {
				u.entity(e)
			}
		}
	}
	return u
}

// domain is every value that matters of one variable.
type domain struct {
	of     variable
	values []cedar.Value
}

// space is the worlds in which rules can differ.
type space struct {
	own     cedar.EntityUID
	fixed   map[variable]cedar.Value
	domains []domain
}

// spaceOf returns the worlds that the usage can tell apart, with some variables fixed. From is the earliest time that
// requests are made; zero for any.
func spaceOf(u *usage, own federation.TrustID, from time.Time, fixed map[variable]cedar.Value) space {
	s := space{own: uid(typeTrust, string(own)), fixed: fixed}
	size := 1
	for i := range u.reads {
		v := variable(i)
		if _, is := fixed[v]; is || !u.reads[i] {
			continue
		}
		values := u.values(v, s.own, from)
		if len(values) == 0 || len(values) > maxWorlds {
			continue
		}
		s.domains = append(s.domains, domain{v, values})
		size *= len(values)
		for size > maxWorlds {
			widest := 0
			for j, d := range s.domains {
				if len(d.values) >= len(s.domains[widest].values) {
					widest = j
				}
			}
			size /= len(s.domains[widest].values)
			s.domains = slices.Delete(s.domains, widest, widest+1)
		}
	}
	return s
}

// values returns the values of a variable that the rules can tell apart: each that they name, and one for all others.
func (u *usage) values(v variable, own cedar.EntityUID, from time.Time) []cedar.Value {
	var all []cedar.Value
	switch {
	case v == varAction:
		for _, a := range allActions {
			all = append(all, uid(typeAction, a))
		}
	case v == varTrust:
		all = append(all, own)
		for _, e := range u.named[typeTrust] {
			if e != own {
				all = append(all, e)
			}
		}
		all = append(all, uid(typeTrust, fresh))
	case v == varRole:
		return u.roles()
	case v == varPurpose:
		others := 0
		for _, p := range purposeTable {
			e := uid(typePurpose, p.Code)
			if slices.Contains(u.named[typePurpose], e) {
				all = append(all, e)
			} else if others++; others == 1 {
				all = append(all, e)
			}
		}
	case v == varConfidentiality:
		for c := federation.Unrestricted; c <= federation.VeryRestricted; c++ {
			all = append(all, uid(typeConfidentiality, c.String()))
		}
	case v == varKind:
		all = append(all, uid(typeRelationship, noRelationship))
		for _, k := range relationshipTable {
			all = append(all, uid(typeRelationship, string(k)))
		}
	case v.text():
		all = append(append(all, u.texts[v]...), u.loose...)
		all = append(all, cedar.String(fresh+string(rune('a'+int(v)))))
	case v.time():
		return u.moments(v, from)
	default:
		all = []cedar.Value{cedar.False, cedar.True}
	}
	return distinct(all)
}

// roles returns the roles that are named, and of each group one that stands for those that are not.
func (u *usage) roles() []cedar.Value {
	var all []cedar.Value
	others := map[string]bool{}
	for _, r := range roleTable {
		e := uid(typeRole, r.Code)
		switch named := slices.Contains(u.named[typeRole], e); {
		case named:
			all = append(all, e)
		case !others[r.Group]:
			others[r.Group] = true
			all = append(all, e)
		}
	}
	return all
}

// moments returns the times that comparisons with literals can tell apart, or nothing when there are other comparisons.
func (u *usage) moments(v variable, from time.Time) []cedar.Value {
	if u.opaque[v] {
		return nil
	}
	var all []cedar.Value
	for _, ms := range u.times[v] {
		for _, near := range []int64{ms - 1, ms, ms + 1} {
			if v != varNow || from.IsZero() || near >= from.UnixMilli() {
				all = append(all, cedar.NewDatetimeFromMillis(near))
			}
		}
	}
	if v == varNow && !from.IsZero() {
		all = append(all, cedar.NewDatetime(from))
	}
	return distinct(all)
}

func distinct(values []cedar.Value) []cedar.Value {
	var once []cedar.Value
	seen := map[cedar.Value]bool{} // strings, entities, booleans and times, all of which can be keys
	for _, v := range values {
		if !seen[v] {
			seen[v] = true
			once = append(once, v)
		}
	}
	return once
}

// each calls visit with every world until it returns false.
func (s space) each(visit func(*world) bool) {
	w := &world{own: s.own}
	for v, value := range s.fixed {
		w.values[v] = value
	}
	s.fill(w, 0, visit)
}

func (s space) fill(w *world, i int, visit func(*world) bool) bool {
	if i == len(s.domains) {
		return visit(w)
	}
	for _, value := range s.domains[i].values {
		w.values[s.domains[i].of] = value
		if !s.fill(w, i+1, visit) {
			return false
		}
	}
	return true
}
