package web

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
)

// filter is what a user wants to see of a timeline.
type filter struct {
	Trusts, Types, Years []string
	Hide                 bool // documents that were replaced
	Page                 int
}

const maxChoices = 50

func readFilter(q url.Values) filter {
	f := filter{Trusts: some(q["trust"]), Types: some(q["type"]), Years: some(q["year"]), Hide: q.Get("hide") != ""}
	f.Page, _ = strconv.Atoi(q.Get("page")) // whatever is no number is the first page
	f.Page = min(max(f.Page, 1), maxDocuments)
	return f
}

func some(values []string) []string {
	if len(values) > maxChoices {
		values = values[:maxChoices]
	}
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
}

func (f filter) set() bool { return len(f.Trusts)+len(f.Types)+len(f.Years) > 0 || f.Hide }

// query is the filter in an address.
func (f filter) query(page int) url.Values {
	q := url.Values{}
	for name, values := range map[string][]string{"trust": f.Trusts, "type": f.Types, "year": f.Years} {
		if len(values) > 0 {
			q[name] = values
		}
	}
	if f.Hide {
		q.Set("hide", "1")
	}
	if page > 1 {
		q.Set("page", strconv.Itoa(page))
	}
	return q
}

// The facets, by the names of their fields.
const (
	byTrust = "trust"
	byType  = "type"
	byYear  = "year"
)

func (e entry) value(facet string) (value, label string) {
	switch facet {
	case byTrust:
		return e.Trust, e.TrustName
	case byType:
		return e.Type, e.Type
	default:
		if e.Date.IsZero() {
			return "none", "No date"
		}
		year := strconv.Itoa(e.Date.Year())
		return year, year
	}
}

func (f filter) chosen(facet string) []string {
	switch facet {
	case byTrust:
		return f.Trusts
	case byType:
		return f.Types
	default:
		return f.Years
	}
}

// keeps reports whether an entry passes all of the filter but one facet.
func (f filter) keeps(e entry, but string) bool {
	if f.Hide && e.ReplacedBy != "" {
		return false
	}
	for _, name := range []string{byTrust, byType, byYear} {
		if chosen := f.chosen(name); name != but && len(chosen) > 0 {
			if v, _ := e.value(name); !slices.Contains(chosen, v) {
				return false
			}
		}
	}
	return true
}

func (f filter) apply(all []entry) []entry {
	return slices.DeleteFunc(slices.Clone(all), func(e entry) bool { return !f.keeps(e, "") })
}

// facet is one way to narrow a timeline down.
type facet struct {
	Name, Legend string
	Options      []option
	Open         bool
}

// option is a value of a facet, with how many documents it would leave.
type option struct {
	Value, Label string
	Count        int
	Chosen       bool
}

// facets counts the values of each facet among what the others leave.
func (f filter) facets(all []entry) []facet {
	var out []facet
	for _, x := range []facet{{Name: byTrust, Legend: "Trust"}, {Name: byType, Legend: "Type"}, {Name: byYear, Legend: "Year"}} {
		places := make(map[string]int)
		for _, e := range all {
			value, label := e.value(x.Name)
			i, known := places[value]
			if !known {
				i = len(x.Options)
				places[value] = i
				x.Options = append(x.Options, option{Value: value, Label: label, Chosen: slices.Contains(f.chosen(x.Name), value)})
			}
			if f.keeps(e, x.Name) {
				x.Options[i].Count++
			}
		}
		slices.SortFunc(x.Options, func(a, b option) int {
			if x.Name == byYear {
				return cmp.Compare(b.Value, a.Value)
			}
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Label, b.Label))
		})
		x.Open = len(x.Options) <= 8 || len(f.chosen(x.Name)) > 0
		out = append(out, x)
	}
	return out
}
