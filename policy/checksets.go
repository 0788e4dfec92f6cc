package policy

import (
	"strings"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// isFresh reports whether v stands for what the rules do not name.
func isFresh(v cedar.Value) bool {
	switch v := v.(type) {
	case cedar.String:
		return strings.HasPrefix(string(v), fresh)
	case cedar.EntityUID:
		return strings.HasPrefix(string(v.ID), fresh)
	default:
		return false
	}
}

// equal compares two expressions.
func (w *world) equal(left, right ast.IsNode) outcome3 {
	for _, side := range [2][2]ast.IsNode{{left, right}, {right, left}} {
		if v, ok := side[0].(ast.NodeTypeVariable); ok && v.Name != "action" {
			if e, ok := w.eval(side[1]).value.(cedar.EntityUID); ok {
				return w.identity(string(v.Name), e)
			}
			return outcome3{}
		}
	}
	l, r := w.eval(left), w.eval(right)
	o := outcome3{fails: l.fails || r.fails}
	if l.value == nil || r.value == nil {
		return o
	}
	if _, text := l.value.(cedar.String); text && (isFresh(l.value) || isFresh(r.value)) && l.value != r.value {
		// A string that is none of those that this attribute is compared with can still be one of those that another is.
		_, literalL := left.(ast.NodeValue)
		_, literalR := right.(ast.NodeValue)
		if !literalL && !literalR {
			return o
		}
	}
	o.value = cedar.Boolean(l.value.Equal(r.value))
	return o
}

// identity says whether the user or the document is e: not known, but a user is of one trust and a document of the
// custodian.
func (w *world) identity(name string, e cedar.EntityUID) outcome3 {
	switch {
	case name == "principal" && e.Type != typeUser, name == "resource" && e.Type != typeDocument:
		return truth(false)
	case name == "principal":
		trust, _, _ := strings.Cut(string(e.ID), "/")
		if t, ok := w.values[varTrust].(cedar.EntityUID); ok && string(t.ID) != trust {
			return truth(false)
		}
	}
	return outcome3{}
}

// in says whether an expression is or is in e.
func (w *world) in(n ast.IsNode, e cedar.EntityUID) outcome3 {
	v, ok := n.(ast.NodeTypeVariable)
	if !ok || v.Name == "action" {
		o := w.eval(n)
		x, ok := o.value.(cedar.EntityUID)
		if !ok {
			return outcome3{fails: o.fails}
		}
		return outcome3{cedar.Boolean(x == e || fixedEntities[x].Parents.Contains(e)), o.fails}
	}
	var of cedar.Value
	switch {
	case v.Name == "principal" && e.Type == typeTrust:
		of = w.values[varTrust]
	case v.Name == "principal" && e.Type == typeRole:
		of = w.values[varRole]
	case v.Name == "resource" && e.Type == typeTrust && w.own.Type != "":
		of = w.own
	default:
		return w.identity(string(v.Name), e)
	}
	x, ok := of.(cedar.EntityUID)
	if !ok {
		return outcome3{}
	}
	return truth(x == e || fixedEntities[x].Parents.Contains(e))
}

func (w *world) inAny(n, right ast.IsNode) outcome3 {
	members, ok := elements(right)
	if !ok {
		if e, ok := w.eval(right).value.(cedar.EntityUID); ok {
			return w.in(n, e)
		}
		return outcome3{fails: true}
	}
	any := truth(false)
	for _, m := range members {
		e, ok := w.eval(m).value.(cedar.EntityUID)
		if !ok {
			any = or3(any, outcome3{fails: true})
			continue
		}
		any = or3(any, w.in(n, e))
	}
	return any
}

func (w *world) is(n ast.IsNode, t cedar.EntityType) outcome3 {
	if v, ok := n.(ast.NodeTypeVariable); ok && v.Name != "action" {
		return truth(v.Name == "principal" && t == typeUser || v.Name == "resource" && t == typeDocument)
	}
	o := w.eval(n)
	if e, ok := o.value.(cedar.EntityUID); ok {
		return outcome3{cedar.Boolean(e.Type == t), o.fails}
	}
	return outcome3{fails: o.fails}
}

// elements returns the members of a set that is written out.
func elements(n ast.IsNode) ([]ast.IsNode, bool) {
	switch n := n.(type) {
	case ast.NodeTypeSet:
		return n.Elements, true
	case ast.NodeValue:
		s, ok := n.Value.(cedar.Set)
		if !ok {
			return nil, false
		}
		var all []ast.IsNode
		for v := range s.All() {
			all = append(all, ast.NodeValue{Value: v})
		}
		return all, true
	default:
		return nil, false
	}
}

// labelsRead reports whether n is the labels of the document.
func labelsRead(n ast.IsNode) bool {
	a, ok := n.(ast.NodeTypeAccess)
	if !ok || a.Value != "sensitivity" {
		return false
	}
	v, ok := a.Arg.(ast.NodeTypeVariable)
	return ok && v.Name == "resource"
}

func (w *world) contains(left, member ast.IsNode) outcome3 {
	if labelsRead(left) {
		o := w.eval(member)
		if e, ok := o.value.(cedar.EntityUID); ok {
			if v, ok := labelVariable(e); ok {
				return outcome3{w.values[v], o.fails}
			}
		}
		return outcome3{fails: o.fails}
	}
	members, ok := elements(left)
	if !ok {
		return outcome3{fails: true}
	}
	any := truth(false)
	for _, m := range members {
		o := w.equal(m, member)
		// Every member is evaluated, so that one that fails makes the whole fail.
		any = outcome3{or3(any, o).value, any.fails || o.fails}
	}
	return any
}

func (w *world) containsEach(left, right ast.IsNode, every bool) outcome3 {
	members, ok := elements(right)
	if !ok {
		return outcome3{fails: true}
	}
	all := truth(every)
	for _, m := range members {
		o := w.contains(left, m)
		if every {
			all = outcome3{and3(all, o).value, all.fails || o.fails}
		} else {
			all = outcome3{or3(all, o).value, all.fails || o.fails}
		}
	}
	return all
}
