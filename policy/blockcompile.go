package policy

import "fmt"

func ownRecords(g given) []ruleText {
	r := ruleText{
		reason: fmt.Sprintf("staff of %s work with its own records, up to confidentiality %s", g.own, g.text("up-to")), actions: g.actions(),
		principal: " in " + entity(typeTrust, string(g.own)), resource: " in " + entity(typeTrust, string(g.own)),
	}
	r.who(g.list("roles"))
	r.upTo(g.text("up-to"))
	return []ruleText{r}
}

// grant is what every block that gives has in common.
func grant(g given, what string) ruleText {
	r := ruleText{actions: g.actions(), reason: fmt.Sprintf("%s by %s of %s, up to confidentiality %s", what, commas(g.list("roles")), g.trusts().theirs(g), g.text("up-to"))}
	r.whose(g, g.trusts())
	r.who(g.list("roles"))
	r.purposes(g.list("purposes"))
	r.upTo(g.text("up-to"))
	return r
}

func directCare(g given) []ruleText { return []ruleText{grant(g, "direct care")} }

func breakGlass(g given) []ruleText {
	r := grant(g, "emergency access")
	r.actions = []string{actionGlass}
	return []ruleText{r}
}

// onlyPart is what the rule is called that keeps staff from all but what their block gives.
const onlyPart = "only"

// grantKinds gives documents of some kinds, and with "only" takes away all others from the same staff. The custodian's own
// staff keep what they have.
func grantKinds(g given, what string, also ...string) []ruleText {
	r := grant(g, what)
	r.when = append(r.when, also...)
	r.when = append(r.when, kinds(g))
	if !g.flag("only") {
		return []ruleText{r}
	}
	only := ruleText{id: onlyPart, forbid: true, actions: []string{actionSee, actionOpen, actionExport}, reason: fmt.Sprintf("%s of %s get nothing but %s", commas(g.list("roles")), g.trusts().theirs(g), what)}
	only.whose(g, g.trusts())
	only.who(g.list("roles"))
	only.when = append(only.when, also...)
	only.when = append(only.when, not(kinds(g)))
	only.unless = []string{"principal in " + entity(typeTrust, string(g.own))}
	return []ruleText{r, only}
}

func pharmacists(g given) []ruleText { return grantKinds(g, "medication documents") }

func outOfHoursSummaries(g given) []ruleText {
	return grantKinds(g, "summaries out of hours", "context.out_of_hours")
}

func socialCarePlans(g given) []ruleText { return grantKinds(g, "care plans") }

// limit is what every block that takes away has in common.
func limit(g given, reason string, when ...string) []ruleText {
	r := ruleText{forbid: true, actions: g.limited(), reason: reason}
	r.whose(g, g.trusts())
	r.when = append(r.when, when...)
	return []ruleText{r}
}

func onlyTypes(g given) []ruleText {
	return limit(g, "only documents of the named types, categories or specialties are shared with "+g.trusts().theirs(g), not(kinds(g)))
}

func lastYears(g given) []ruleText {
	years := g.number("years")
	old := fmt.Sprintf("resource.date < context.now.offset(duration(\"-%dd\"))", (years*1461+3)/4) // 365.25 days each, rounded up
	reason := fmt.Sprintf("only the last %d years are shared with %s", years, g.trusts().theirs(g))
	if g.text("undated") == "share" {
		return limit(g, reason, "resource.dated && "+old)
	}
	return limit(g, reason+"; documents without a date are not", "(!resource.dated || "+old+")")
}

func researchNever(g given) []ruleText {
	purposes := append([]string{"HRESCH", "CLINTRCH"}, g.list("also")...)
	return []ruleText{{
		forbid: true, actions: allActions[:], reason: "no purpose of " + commas(purposes) + " is served, and no researcher",
		when: []string{"(" + set(typePurpose, purposes) + ".contains(context.purpose) || principal in " + entity(typeRole, "researcher") + ")"},
	}}
}

func needRelationship(g given) []ruleText {
	enough := set(typeRelationship, g.list("kinds")) + ".contains(context.relationship_kind)"
	reason := "a relationship with the patient is needed: " + commas(g.list("kinds"))
	if g.flag("verified") {
		enough, reason = enough+" && context.relationship_verified", reason+"; verified"
	}
	return limit(g, reason, not(enough))
}

func needConsent(g given) []ruleText {
	when, reason := []string{}, "the patient's consent is needed"
	if which := kinds(g); which != "" {
		when, reason = append(when, which), reason+" for documents of the named types or categories"
	}
	return limit(g, reason, append(when, "!context.consented")...)
}

func hideSensitive(g given) []ruleText {
	labels := g.list("labels")
	when := []string{"resource.sensitivity.containsAny(" + set(typeSensitivity, labels) + ")"}
	if len(labels) == 1 {
		when = []string{"resource.sensitivity.contains(" + entity(typeSensitivity, labels[0]) + ")"}
	}
	reason := "documents labelled " + commas(labels) + " are not shared with " + g.trusts().theirs(g)
	if g.flag("unless-consented") {
		when, reason = append(when, "!context.consented"), reason+" unless the patient has consented"
	}
	return limit(g, reason, when...)
}
