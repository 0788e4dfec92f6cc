package policy

import (
	"fmt"
	"slices"
	"strings"

	cedar "github.com/cedar-policy/cedar-go"
)

// ruleText is one Cedar rule before it is written out.
type ruleText struct {
	id, reason string
	forbid     bool
	principal  string // the head's condition after "principal", empty for any
	resource   string
	actions    []string
	when       []string // all of them
	unless     []string // any of them
}

// render writes the rule the way people lay Cedar out.
func (r ruleText) render(b *strings.Builder) {
	fmt.Fprintf(b, "@id(%s)\n@reason(%s)\n", quoted(r.id), quoted(r.reason))
	effect := "permit"
	if r.forbid {
		effect = "forbid"
	}
	var actions []string
	for _, a := range allActions {
		if slices.Contains(r.actions, a) {
			actions = append(actions, entity(typeAction, a))
		}
	}
	action := "action in [" + strings.Join(actions, ", ") + "]"
	if len(actions) == 1 {
		action = "action == " + actions[0]
	}
	fmt.Fprintf(b, "%s (\n  principal%s,\n  %s,\n  resource%s\n)", effect, r.principal, action, r.resource)
	clause := func(word, joint string, conditions []string) {
		if len(conditions) > 0 {
			fmt.Fprintf(b, "\n%s {\n  %s\n}", word, strings.Join(conditions, joint))
		}
	}
	clause("when", " &&\n  ", r.when)
	clause("unless", " ||\n  ", r.unless)
	b.WriteString(";\n")
}

// whose restricts the rule to the staff of trusts, in its head where one trust is meant: decisions are indexed by it.
func (r *ruleText) whose(g given, t trustSet) {
	switch {
	case t.all:
	case t.others:
		r.when = append(r.when, "principal.trust != "+entity(typeTrust, string(g.own)))
	case len(t.listed) == 1:
		r.principal = " in " + entity(typeTrust, t.listed[0])
	default:
		r.when = append(r.when, set(typeTrust, t.listed)+".contains(principal.trust)")
	}
}

// who restricts the rule to roles, in its head where that is free and one role is meant.
func (r *ruleText) who(roles []string) {
	switch {
	case len(roles) == 1 && r.principal == "":
		r.principal = " in " + entity(typeRole, roles[0])
	case len(roles) == 1:
		r.when = append(r.when, "principal in "+entity(typeRole, roles[0]))
	default:
		r.when = append(r.when, "principal in "+set(typeRole, roles))
	}
}

func (r *ruleText) purposes(codes []string) {
	if len(codes) > 0 {
		r.when = append(r.when, set(typePurpose, codes)+".contains(context.purpose)")
	}
}

func (r *ruleText) upTo(level string) {
	r.when = append(r.when, "resource.confidentiality in "+entity(typeConfidentiality, level))
}

// kinds returns the condition that a document is of one of the types, categories or specialties, or "" when none is named.
func kinds(g given) string {
	var any []string
	for _, p := range []struct{ name, attribute string }{{"types", "type"}, {"categories", "category"}, {"specialties", "specialty"}} {
		switch codes := g.list(p.name); len(codes) {
		case 0:
		case 1:
			any = append(any, "resource."+p.attribute+" == "+quoted(codes[0]))
		default:
			any = append(any, set("", codes)+".contains(resource."+p.attribute+")")
		}
	}
	if len(any) > 1 {
		return "(" + strings.Join(any, " || ") + ")"
	}
	return strings.Join(any, "")
}

func not(condition string) string {
	if strings.HasPrefix(condition, "(") {
		return "!" + condition
	}
	return "!(" + condition + ")"
}

// quoted returns text as a Cedar string.
func quoted(text string) string { return string(cedar.String(text).MarshalCedar()) }

func entity(t cedar.EntityType, id string) string { return string(t) + "::" + quoted(id) }

// set returns a Cedar set of entities, or of strings when t is empty.
func set(t cedar.EntityType, ids []string) string {
	all := make([]string, len(ids))
	for i, id := range ids {
		if t == "" {
			all[i] = quoted(id)
		} else {
			all[i] = entity(t, id)
		}
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func commas(words []string) string { return strings.Join(words, ", ") }

// theirs says whose staff is meant.
func (t trustSet) theirs(g given) string {
	switch {
	case t.all:
		return "any trust of the region"
	case t.others:
		return "other trusts than " + string(g.own)
	default:
		return commas(t.listed)
	}
}
