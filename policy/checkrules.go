package policy

import (
	"slices"
	"time"

	cedar "github.com/cedar-policy/cedar-go"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// rules finds rules that cannot apply, and that are forbidden wholly.
func (x *check) rules() {
	for _, r := range append(append([]*checkedRule(nil), x.permits...), x.forbids...) {
		x.never(r)
	}
	for _, p := range x.permits {
		p.dead = p.dead || x.contradiction(p)
	}
}

// doubles finds permits that add nothing. It comes last, because it asks of every pair.
func (x *check) doubles() {
	for i, p := range x.permits {
		if !p.dead {
			x.redundant(p, i)
		}
	}
}

func (x *check) space(fixed map[variable]cedar.Value, rules ...*checkedRule) space {
	return x.spaceFrom(x.Now, fixed, rules...)
}

func (x *check) spaceFrom(from time.Time, fixed map[variable]cedar.Value, rules ...*checkedRule) space {
	u := rules[0].usage
	if len(rules) > 1 {
		x.left -= stepsOfSpace
		var all []*usage
		for _, r := range rules {
			all = append(all, r.usage)
		}
		u = joined(all...)
	}
	return spaceOf(u, x.Own, from, fixed)
}

// never finds a rule that is false in every world. A forbid that may fail is not one: it refuses then.
func (x *check) never(r *checkedRule) {
	impossible := func(from time.Time) bool {
		all := true
		x.spaceFrom(from, nil, r).each(func(w *world) bool {
			o := x.eval(r, w)
			if all = isFalse(o) && (!o.fails || r.policy.Effect() == cedar.Permit); !all {
				sample := *w
				r.sample = &sample
			}
			return all
		})
		return all
	}
	switch {
	case impossible(time.Time{}):
		r.dead = true
		x.add(r, SeverityError, "never", "rule %s can never apply: no request meets all its conditions", r.id)
	case !x.Now.IsZero() && impossible(x.Now):
		r.dead = true
		x.add(r, SeverityWarning, "past", "rule %s could only apply in the past", r.id)
	}
}

// contradiction finds a permit that forbids leave nothing of, by one of them or by all together.
func (x *check) contradiction(p *checkedRule) bool {
	var related []*checkedRule
	for _, f := range x.forbids {
		if f.dead || !headsMeet(p, f) {
			continue
		}
		related = append(related, f)
		if x.mayCover(p, f) && x.covered(p, f) {
			x.add(p, SeverityError, "contradiction", "rule %s permits nothing: all that it permits rule %s forbids, which wins", p.id, f.id)
			return true
		}
	}
	const most = 12
	if len(related) < 2 || len(related) > most || !x.covered(p, related...) {
		return false
	}
	var ids []string
	for _, f := range related {
		ids = append(ids, string(f.id))
	}
	x.add(p, SeverityError, "contradiction", "rule %s permits nothing: all that it permits the rules %s forbid together, which win", p.id, commas(ids))
	return true
}

// headsMeet reports whether the heads of two rules can match the same request; it may say yes when they cannot.
func headsMeet(p, q *checkedRule) bool {
	if s, t := principalTrust(p.policy), principalTrust(q.policy); s != "" && t != "" && s != t {
		return false
	}
	for _, a := range allActions {
		if coversAction(p.policy, a) && coversAction(q.policy, a) {
			return true
		}
	}
	return false
}

// mayCover reports whether by may apply in the first world in which p may: a quick way to see that it does not cover p.
func (x *check) mayCover(p, by *checkedRule) bool {
	return p.sample == nil || !isFalse(x.eval(by, p.sample))
}

// covered reports whether in every world in which p may apply one of the others does.
func (x *check) covered(p *checkedRule, by ...*checkedRule) bool {
	covered := true
	x.space(nil, append([]*checkedRule{p}, by...)...).each(func(w *world) bool {
		if isFalse(x.eval(p, w)) {
			return true
		}
		covered = false
		for _, f := range by {
			if isTrue(x.eval(f, w)) {
				covered = true
				break
			}
		}
		return covered
	})
	return covered && x.left > 0
}

// redundant finds a permit all of which another permits. Of two that permit the same the later is named. That of a block which takes
// away as well ("only") is not named: whoever left the block out would give more.
func (x *check) redundant(p *checkedRule, at int) {
	if slices.ContainsFunc(x.forbids, func(f *checkedRule) bool { return f.id == p.id+"."+onlyPart }) {
		return
	}
	for i, q := range x.permits {
		if i == at || q.dead || !headsMeet(p, q) || !x.mayCover(p, q) || !x.covered(p, q) {
			continue
		}
		if i > at && x.covered(q, p) {
			continue
		}
		x.add(p, SeverityWarning, "redundant", "rule %s adds nothing: all that it permits rule %s permits", p.id, q.id)
		return
	}
}

// clinicalRoles are the roles in the group of clinicians.
func clinicalRoles() []string {
	var all []string
	for _, r := range roleTable {
		if r.Group == "clinician" {
			all = append(all, r.Code)
		}
	}
	return all
}

// people finds whom the agreement as a whole locks out, and whom it lets in that it should not.
func (x *check) people() {
	own := uid(typeTrust, string(x.Own))
	var out []string
	roles := clinicalRoles()
	for _, role := range roles {
		if !x.possible(map[variable]cedar.Value{varTrust: own, varAction: uid(typeAction, actionOpen), varRole: uid(typeRole, role)}) {
			out = append(out, role)
		}
	}
	switch {
	case len(out) == len(roles):
		x.add(nil, SeverityError, "locks-out-own", "no clinician of %s can open any of its own documents: add a rule for them, such as the block own-records", x.Own)
	case len(out) > 0:
		x.add(nil, SeverityWarning, "locks-out-role", "of %s's own staff these can open none of its documents, though others can: %s", x.Own, commas(out))
	}
	if !x.possible(map[variable]cedar.Value{varAction: uid(typeAction, actionGlass)}, own) {
		x.add(nil, SeverityWarning, "no-break-glass", "nobody of another trust can break the glass: in an emergency they can open nothing that is not shared with them otherwise")
	}
	for _, p := range x.permits {
		if p.dead {
			continue
		}
		x.people1(p, own)
	}
}

// people1 finds whom one rule lets in.
func (x *check) people1(p *checkedRule, own cedar.EntityUID) {
	lets := func(v variable, e cedar.EntityUID, not ...cedar.EntityUID) bool {
		return x.witness(p, map[variable]cedar.Value{v: e}, not...)
	}
	for _, role := range []string{"admin", "system"} {
		if lets(varRole, uid(typeRole, role)) {
			x.add(p, SeverityWarning, "administrator", "rule %s can permit the role %s, which has no part in care", p.id, role)
		}
	}
	if lets(varRole, uid(typeRole, "researcher")) {
		x.add(p, SeverityWarning, "research", "rule %s can permit researchers", p.id)
	}
	var purposes []string
	for _, code := range []string{"HRESCH", "CLINTRCH", "HMARKT"} {
		if lets(varPurpose, uid(typePurpose, code), own) {
			purposes = append(purposes, code)
		}
	}
	if len(purposes) > 0 {
		x.add(p, SeverityWarning, "research", "rule %s can permit another trust's staff for research or marketing: %s", p.id, commas(purposes))
	}
	if lets(varConfidentiality, uid(typeConfidentiality, federation.VeryRestricted.String())) {
		x.add(p, SeverityWarning, "confidential", "rule %s can permit documents of confidentiality V", p.id)
	}
}

// possible reports whether the agreement may permit anything in the worlds with these values, to users of any trust but
// those. It says yes when it cannot tell.
func (x *check) possible(fixed map[variable]cedar.Value, not ...cedar.EntityUID) bool {
	for _, p := range x.permits {
		if !p.dead && x.witness(p, fixed, not...) {
			return true
		}
	}
	return false
}

// witness reports whether there is a world in which p may apply and no forbid surely does.
func (x *check) witness(p *checkedRule, fixed map[variable]cedar.Value, not ...cedar.EntityUID) bool {
	rules := []*checkedRule{p}
	for _, f := range x.forbids {
		if !f.dead && headsMeet(p, f) {
			rules = append(rules, f)
		}
	}
	found := false
	x.space(fixed, rules...).each(func(w *world) bool {
		for _, e := range not {
			if w.values[varTrust] == e {
				return true
			}
		}
		if isFalse(x.eval(p, w)) {
			return true
		}
		for _, f := range rules[1:] {
			if isTrue(x.eval(f, w)) {
				return true
			}
		}
		found = true
		return false
	})
	return found || x.left <= 0
}
