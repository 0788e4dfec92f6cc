package policy

import (
	"cmp"
	"slices"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// groupKey is what requests that are decided otherwise have in common.
type groupKey struct {
	gained             bool
	action             string
	role, purpose, typ string
	trust              federation.TrustID
	before, after      string // the rules that decide
}

// group is what there is of one key. It keeps its first case only, because there can be many groups.
type group struct {
	count  int
	first  Case
	number int // of the first case
}

func (x *Impact) group(c *Case, was, is Decision, number int) {
	key := groupOf(&c.Request, was, is)
	if g := x.groups[key]; g != nil && g.number < number {
		g.count++
		return
	}
	x.join(key, &group{1, *c, number})
}

func groupOf(r *Request, was, is Decision) groupKey {
	return groupKey{is.Permitted(), actionOf(r), r.User.Role, r.Purpose, r.Document.Type, r.User.Trust, decisive(was), decisive(is)}
}

func (x *Impact) join(key groupKey, g *group) {
	if x.groups == nil {
		x.groups = make(map[groupKey]*group)
	}
	if same := x.groups[key]; same != nil {
		g.count += same.count
		if same.number < g.number {
			g.first, g.number = same.first, same.number
		}
	}
	x.groups[key] = g
}

// choose takes the examples: one after the other the group that shows most that has not been shown, the larger of two. By size
// alone, all could be of one trust's staff, who differ in their purpose. They stay in this order: whoever shows a few shows the
// first of them.
func (x *Impact) choose(before, after *Agreement) {
	type candidate struct {
		key groupKey
		*group
	}
	left := make([]candidate, 0, len(x.groups))
	for key, g := range x.groups {
		left = append(left, candidate{key, g})
	}
	x.groups = nil
	slices.SortFunc(left, func(a, b candidate) int { return cmp.Or(b.count-a.count, a.number-b.number) })
	shown := make(map[[2]string]bool)
	for len(left) > 0 && len(x.Examples) < MaxExamples {
		best, most := 0, -1
		for i := range left {
			fresh := 0
			for _, v := range left[i].key.shows() {
				if !shown[v] {
					fresh++
				}
			}
			if fresh > most {
				best, most = i, fresh
			}
		}
		c := left[best]
		for _, v := range c.key.shows() {
			shown[v] = true
		}
		was, is := decideBoth(before, after, &c.first)
		x.Examples = append(x.Examples, Example{Request: c.first.Request, Gained: c.key.gained, Before: was, After: is, Count: c.count})
		left = slices.Delete(left, best, best+1)
	}
}

// shows returns what an example of the group shows. Who gains and who loses is told for each action and rule.
func (k groupKey) shows() [6][2]string {
	way := "lost "
	if k.gained {
		way = "gained "
	}
	return [6][2]string{{"way", way + k.action}, {"role", k.role}, {"purpose", k.purpose}, {"type", k.typ}, {"trust", string(k.trust)}, {"rule", way + k.before + " " + k.after}}
}

// decisive returns the name of the rule that made the decision.
func decisive(d Decision) string {
	if len(d.Chain) == 0 {
		return ""
	}
	return d.Chain[len(d.Chain)-1].Rule
}
