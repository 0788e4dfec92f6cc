package policy

import (
	"strings"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/eval"
)

// variable is one thing that a rule can depend on.
type variable int

const (
	varAction variable = iota
	varTrust
	varRole
	varPurpose
	varConfidentiality
	varKind
	varVerified
	varConsented
	varGlass
	varHours
	varDated
	varType
	varCategory
	varSpecialty
	varAuthor
	varDocument
	varUser
	varRelationship
	varNow
	varDate
	varLabel // the first label of sensitivityTable; the others follow
)

const maxVariables = int(varLabel) + 32

// attributeVariables say which variable an attribute is, by what it is of; the map never changes.
var attributeVariables = map[string]variable{
	"principal.trust": varTrust, "principal.role": varRole, "principal.id": varUser,
	"resource.type": varType, "resource.category": varCategory, "resource.specialty": varSpecialty, "resource.author": varAuthor,
	"resource.id": varDocument, "resource.confidentiality": varConfidentiality, "resource.dated": varDated, "resource.date": varDate,
	"context.purpose": varPurpose, "context.relationship": varRelationship, "context.relationship_kind": varKind,
	"context.relationship_verified": varVerified, "context.consented": varConsented, "context.break_glass": varGlass,
	"context.out_of_hours": varHours, "context.now": varNow,
}

func (v variable) text() bool { return v >= varType && v <= varRelationship }
func (v variable) time() bool { return v == varNow || v == varDate }

// labelVariable returns the variable of a label that is known, else false.
func labelVariable(e cedar.EntityUID) (variable, bool) {
	for i, s := range sensitivityTable {
		if e.Type == typeSensitivity && s.Code == string(e.ID) {
			return varLabel + variable(i), true
		}
	}
	return 0, false
}

// accessOf returns the variable that an expression reads directly.
func accessOf(n ast.IsNode) (variable, bool) {
	if a, ok := n.(ast.NodeTypeAccess); ok {
		if of, ok := a.Arg.(ast.NodeTypeVariable); ok {
			v, ok := attributeVariables[string(of.Name)+"."+string(a.Value)]
			return v, ok
		}
	}
	return 0, false
}

// fresh starts the id of an entity, and a string, that stands for all that the rules do not name. No code has it in it.
const fresh = "\x00"

// world is what is known of a request. A variable that has no value can have any.
type world struct {
	own    cedar.EntityUID // the custodian
	values [maxVariables]cedar.Value
}

// finding of an expression in a world: its value, nil where that depends on what is not known; and whether evaluating it
// may fail instead. A rule that fails refuses, so that it neither permits nor lets anything pass.
type outcome3 struct {
	value cedar.Value
	fails bool
}

func isTrue(o outcome3) bool  { return o.value == cedar.True }
func isFalse(o outcome3) bool { return o.value == cedar.False }

func truth(b bool) outcome3 { return outcome3{value: cedar.Boolean(b)} }

// rule evaluates a rule's head and conditions, in Cedar's order.
func (w *world) rule(p *ast.Policy) outcome3 {
	all := and3(and3(w.scope("principal", p.Principal), w.scope("action", p.Action)), w.scope("resource", p.Resource))
	for _, c := range p.Conditions {
		if isFalse(all) {
			return all
		}
		o := w.eval(c.Body)
		if c.Condition == ast.ConditionUnless {
			o = not3(o)
		}
		all = and3(all, o)
	}
	return all
}

func (w *world) scope(name string, scope any) outcome3 {
	v := ast.NodeTypeVariable{Name: cedar.String(name)}
	switch s := scope.(type) {
	case ast.ScopeTypeEq:
		return w.equal(v, ast.NodeValue{Value: s.Entity})
	case ast.ScopeTypeIn:
		return w.in(v, s.Entity)
	case ast.ScopeTypeIsIn:
		return and3(w.is(v, s.Type), w.in(v, s.Entity))
	case ast.ScopeTypeIs:
		return w.is(v, s.Type)
	case ast.ScopeTypeInSet:
		any := truth(false)
		for _, e := range s.Entities {
			any = or3(any, w.in(v, e))
		}
		return any
	default:
		return truth(true)
	}
}

func and3(l, r outcome3) outcome3 {
	switch {
	case isFalse(l):
		return l
	case isTrue(l) || isFalse(r):
		return outcome3{r.value, l.fails || r.fails}
	default:
		return outcome3{nil, l.fails || r.fails}
	}
}

func or3(l, r outcome3) outcome3 { return not3(and3(not3(l), not3(r))) }

func not3(o outcome3) outcome3 {
	if b, ok := o.value.(cedar.Boolean); ok {
		o.value = !b
	}
	return o
}

// eval evaluates an expression.
func (w *world) eval(n ast.IsNode) outcome3 {
	switch n := n.(type) {
	case ast.NodeValue:
		return outcome3{value: n.Value}
	case ast.NodeTypeVariable:
		if n.Name == "action" {
			return outcome3{value: w.values[varAction]}
		}
		return outcome3{}
	case ast.NodeTypeAccess:
		return w.access(n)
	case ast.NodeTypeHas:
		// Every attribute of the schema is always there.
		_, known := accessOf(ast.NodeTypeAccess(n))
		if known {
			return truth(true)
		}
		return outcome3{}
	case ast.NodeTypeAnd:
		l := w.eval(n.Left)
		if isFalse(l) {
			return l
		}
		return and3(l, w.eval(n.Right))
	case ast.NodeTypeOr:
		l := w.eval(n.Left)
		if isTrue(l) {
			return l
		}
		return or3(l, w.eval(n.Right))
	case ast.NodeTypeNot:
		return not3(w.eval(n.Arg))
	case ast.NodeTypeIfThenElse:
		return w.choose(n)
	case ast.NodeTypeEquals:
		return w.equal(n.Left, n.Right)
	case ast.NodeTypeNotEquals:
		return not3(w.equal(n.Left, n.Right))
	case ast.NodeTypeIn:
		return w.inAny(n.Left, n.Right)
	case ast.NodeTypeIs:
		return w.is(n.Left, n.EntityType)
	case ast.NodeTypeIsIn:
		return and3(w.is(n.Left, n.EntityType), w.inAny(n.Left, n.Entity))
	case ast.NodeTypeContains:
		return w.contains(n.Left, n.Right)
	case ast.NodeTypeContainsAll:
		return w.containsEach(n.Left, n.Right, true)
	case ast.NodeTypeContainsAny:
		return w.containsEach(n.Left, n.Right, false)
	case ast.NodeTypeLike:
		o := w.eval(n.Arg)
		if s, ok := o.value.(cedar.String); ok && !strings.HasPrefix(string(s), fresh) {
			return outcome3{cedar.Boolean(n.Value.Match(s)), o.fails}
		}
		return outcome3{fails: o.fails}
	default:
		return w.compute(n)
	}
}

func (w *world) access(n ast.NodeTypeAccess) outcome3 {
	if v, ok := accessOf(n); ok {
		return outcome3{value: w.values[v]}
	}
	if of, ok := n.Arg.(ast.NodeTypeVariable); ok && of.Name == "resource" && n.Value == "custodian" && w.own.Type != "" {
		return outcome3{value: w.own}
	}
	return outcome3{}
}

func (w *world) choose(n ast.NodeTypeIfThenElse) outcome3 {
	c := w.eval(n.If)
	var o outcome3
	switch {
	case isTrue(c):
		o = w.eval(n.Then)
	case isFalse(c):
		o = w.eval(n.Else)
	default:
		x, y := w.eval(n.Then), w.eval(n.Else)
		o.fails = x.fails || y.fails
		if b, ok := x.value.(cedar.Boolean); ok && b == y.value {
			o.value = b
		}
	}
	o.fails = o.fails || c.fails
	return o
}

// compute evaluates comparisons and arithmetic: Cedar does, when all that they need is known.
func (w *world) compute(n ast.IsNode) outcome3 {
	var rebuilt ast.IsNode
	known, fails := true, false
	part := func(n ast.IsNode) ast.IsNode {
		o := w.eval(n)
		fails = fails || o.fails
		if s, ok := o.value.(cedar.String); o.value == nil || ok && strings.HasPrefix(string(s), fresh) {
			known = false
		}
		return ast.NodeValue{Value: o.value}
	}
	two := func(b ast.BinaryNode) ast.BinaryNode { return ast.BinaryNode{Left: part(b.Left), Right: part(b.Right)} }
	arithmetic := true
	switch n := n.(type) {
	case ast.NodeTypeLessThan:
		rebuilt, arithmetic = ast.NodeTypeLessThan{BinaryNode: two(n.BinaryNode)}, false
	case ast.NodeTypeLessThanOrEqual:
		rebuilt, arithmetic = ast.NodeTypeLessThanOrEqual{BinaryNode: two(n.BinaryNode)}, false
	case ast.NodeTypeGreaterThan:
		rebuilt, arithmetic = ast.NodeTypeGreaterThan{BinaryNode: two(n.BinaryNode)}, false
	case ast.NodeTypeGreaterThanOrEqual:
		rebuilt, arithmetic = ast.NodeTypeGreaterThanOrEqual{BinaryNode: two(n.BinaryNode)}, false
	case ast.NodeTypeAdd:
		rebuilt = ast.NodeTypeAdd{BinaryNode: two(n.BinaryNode)}
	case ast.NodeTypeSub:
		rebuilt = ast.NodeTypeSub{BinaryNode: two(n.BinaryNode)}
	case ast.NodeTypeMult:
		rebuilt = ast.NodeTypeMult{BinaryNode: two(n.BinaryNode)}
	case ast.NodeTypeNegate:
		rebuilt = ast.NodeTypeNegate{UnaryNode: ast.UnaryNode{Arg: part(n.Arg)}}
	case ast.NodeTypeExtensionCall:
		call := ast.NodeTypeExtensionCall{Name: n.Name, Args: make([]ast.IsNode, len(n.Args))}
		for i, a := range n.Args {
			call.Args[i] = part(a)
		}
		rebuilt = call
	default:
		return outcome3{fails: true} // records, tags: not looked into
	}
	if !known {
		return outcome3{fails: fails || arithmetic}
	}
	v, err := eval.Eval(rebuilt, eval.Env{Entities: cedar.EntityMap{}})
	if err != nil {
		return outcome3{fails: true}
	}
	return outcome3{v, fails}
}
