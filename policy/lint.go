package policy

import (
	"fmt"
	"strings"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// lint finds names that no request can ever have: a rule that names one never applies, and a forbid that never applies
// is an objection that nobody hears.
func lint(text string, p *cedar.Policy) []Fault {
	var faults []Fault
	seen := map[cedar.EntityUID]bool{}
	check := func(e cedar.EntityUID) {
		if seen[e] {
			return
		}
		seen[e] = true
		if problem := unknown(e); problem != "" {
			line, column := find(text, p.Position(), quotedEntity(e))
			faults = append(faults, Fault{line, column, problem})
		}
	}
	for _, e := range named(p) {
		check(e)
	}
	return faults
}

// named returns every entity that the rule names, in the order of its text.
func named(p *cedar.Policy) []cedar.EntityUID {
	var all []cedar.EntityUID
	tree := (*ast.Policy)(p.AST())
	for _, scope := range []any{tree.Principal, tree.Action, tree.Resource} {
		all = append(all, scopeEntities(scope)...)
	}
	for _, c := range tree.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			if v, ok := n.(ast.NodeValue); ok {
				if e, ok := v.Value.(cedar.EntityUID); ok {
					all = append(all, e)
				}
			}
			return true
		})
	}
	return all
}

func scopeEntities(scope any) []cedar.EntityUID {
	switch s := scope.(type) {
	case ast.ScopeTypeEq:
		return []cedar.EntityUID{s.Entity}
	case ast.ScopeTypeIn:
		return []cedar.EntityUID{s.Entity}
	case ast.ScopeTypeInSet:
		return s.Entities
	case ast.ScopeTypeIsIn:
		return []cedar.EntityUID{s.Entity}
	default:
		return nil
	}
}

// unknown returns why no request can have e, or "".
func unknown(e cedar.EntityUID) string {
	id := string(e.ID)
	ok := true
	switch e.Type {
	case typeRole:
		ok = IsRole(id)
	case typePurpose:
		ok = IsPurpose(id)
	case typeConfidentiality:
		_, err := federation.ParseConfidentiality(id)
		ok = err == nil
	case typeSensitivity:
		ok = knownSensitivity(id)
	case typeRelationship:
		ok = id == noRelationship || knownRelationship(id)
	case typeTrust:
		ok = federation.TrustID(id).Valid()
	case typeDocument:
		ok = federation.DocumentID(id).Valid()
	case typeUser:
		trust, user, cut := strings.Cut(id, "/")
		ok = cut && user != "" && federation.TrustID(trust).Valid()
	}
	if ok {
		return ""
	}
	return fmt.Sprintf("%s::%q is not one that exists", e.Type, id)
}

func quotedEntity(e cedar.EntityUID) string { return fmt.Sprintf("%s::%q", e.Type, string(e.ID)) }

// find returns where the rule at pos has the text, or else where the rule starts.
func find(text string, pos cedar.Position, what string) (int, int) {
	if pos.Offset >= 0 && pos.Offset <= len(text) {
		if n := strings.Index(text[pos.Offset:], what); n >= 0 {
			return lineColumn(text, pos.Offset+n)
		}
	}
	return pos.Line, pos.Column
}
