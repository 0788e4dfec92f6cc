package policy

import (
	cedar "github.com/cedar-policy/cedar-go"
	written "github.com/cedar-policy/cedar-go/ast"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// settled returns the rule as it is evaluated for requests that the index finds it for. What the index has settled is not
// asked again, and sets of roles are looked up rather than walked through: both cost more than all else in most rules.
// The rule means the same; TestIndexAndMemoryChangeNoDecision holds it to the rule as it was written.
func settled(p *cedar.Policy) *cedar.Policy {
	tree := *(*ast.Policy)(p.AST())
	tree.Action = ast.ScopeTypeAll{}
	switch s := tree.Principal.(type) {
	case ast.ScopeTypeIn:
		if s.Entity.Type == typeTrust || s.Entity.Type == typeRole {
			tree.Principal = ast.ScopeTypeAll{}
		}
	case ast.ScopeTypeIsIn:
		if s.Type == typeUser && (s.Entity.Type == typeTrust || s.Entity.Type == typeRole) {
			tree.Principal = ast.ScopeTypeAll{}
		}
	}
	conditions := make([]ast.ConditionType, len(tree.Conditions))
	for i, c := range tree.Conditions {
		conditions[i] = ast.ConditionType{Condition: c.Condition, Body: lookedUp(c.Body)}
	}
	tree.Conditions = conditions
	return cedar.NewPolicyFromAST((*written.Policy)(&tree))
}

// lookedUp rewrites "principal in [roles]" and "principal.role in [roles]" to a look-up in all roles that are in them.
func lookedUp(n ast.IsNode) ast.IsNode {
	two := func(b ast.BinaryNode) ast.BinaryNode {
		return ast.BinaryNode{Left: lookedUp(b.Left), Right: lookedUp(b.Right)}
	}
	switch n := n.(type) {
	case ast.NodeTypeAnd:
		return ast.NodeTypeAnd{BinaryNode: two(n.BinaryNode)}
	case ast.NodeTypeOr:
		return ast.NodeTypeOr{BinaryNode: two(n.BinaryNode)}
	case ast.NodeTypeNot:
		return ast.NodeTypeNot{UnaryNode: ast.UnaryNode{Arg: lookedUp(n.Arg)}}
	case ast.NodeTypeIfThenElse:
		return ast.NodeTypeIfThenElse{If: lookedUp(n.If), Then: lookedUp(n.Then), Else: lookedUp(n.Else)}
	case ast.NodeTypeIn:
		if roles, ok := rolesIn(n.Right); ok && isRole(n.Left) {
			read := ast.NodeTypeAccess{StrOpNode: ast.StrOpNode{Arg: ast.NodeTypeVariable{Name: "principal"}, Value: "role"}}
			return ast.NodeTypeContains{BinaryNode: ast.BinaryNode{Left: ast.NodeValue{Value: roles}, Right: read}}
		}
		return n
	default:
		return n
	}
}

// isRole reports whether n is the user or the user's role: a user is in a role when the user's role is.
func isRole(n ast.IsNode) bool {
	if v, ok := n.(ast.NodeTypeVariable); ok {
		return v.Name == "principal"
	}
	v, ok := accessOf(n)
	return ok && v == varRole
}

// rolesIn returns every role that is in one of the roles of a set that is written out.
func rolesIn(n ast.IsNode) (cedar.Set, bool) {
	members, ok := elements(n)
	var all []cedar.Value
	for _, m := range members {
		v, _ := m.(ast.NodeValue)
		e, is := v.Value.(cedar.EntityUID)
		if ok = ok && is && e.Type == typeRole; !ok {
			break
		}
		for _, r := range roleTable {
			if r.Code == string(e.ID) || r.Group == string(e.ID) {
				all = append(all, uid(typeRole, r.Code))
			}
		}
	}
	return cedar.NewSet(all...), ok
}
