package web

import (
	"fmt"
	"html/template"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestChoicesAreWrittenAsATemplateWouldWriteThem(t *testing.T) {
	const hostile = "\"><script>alert('1')</script>&amp;\x00\u2028"
	f := facet{Name: byAuthor, Options: []option{{hostile, hostile, 1234, true}, {"Dr O'Neill", "Dr O'Neill", 2, false}}}
	page := template.Must(template.New("").Funcs(template.FuncMap{"count": countOf}).Parse(`{{$f := .}}{{range $o := $f.Options}}` +
		`      <label class="rw-option"><input type="checkbox" name="{{$f.Name}}" value="{{$o.Value}}"{{if $o.Chosen}} checked{{end}}><span>{{$o.Label}}</span> ` +
		`<span class="rw-count" data-rw-count="{{$f.Name}}:{{$o.Value}}">{{count $o.Count}}</span></label>` + "\n{{end}}" +
		`{{range .Options}}<data data-rw-new="{{$f.Name}}:{{.Value}}" value="{{count .Count}}"></data>{{end}}`))
	var want strings.Builder
	if err := page.Execute(&want, f); err != nil {
		t.Fatal(err)
	}
	if got := string(f.Markup() + f.Changes()); got != want.String() {
		t.Errorf("got\n%q, want\n%q", got, want.String())
	}
}

// What is counted is what a list would have that is narrowed down by the value and by all the other facets.
func TestAFacetCountsWhatItsValuesWouldLeave(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	all := make([]entry, 60)
	for i := range all {
		all[i] = entry{
			Document: fmt.Sprint(i), Title: []string{"letter", "report"}[dice.IntN(2)], Type: fmt.Sprint("type ", dice.IntN(3)), Trust: fmt.Sprint("T", dice.IntN(3)), Author: []string{"", "A", "B"}[dice.IntN(3)],
			Specialty: []string{"", "300"}[dice.IntN(2)], Date: time.Date(2020+dice.IntN(3), 1, 1, 0, 0, 0, 0, time.UTC), New: dice.IntN(2) == 0, ReplacedBy: []string{"", "", "-"}[dice.IntN(3)],
		}
	}
	passes := func(f filter, e *entry) bool {
		return !(f.Hide && e.ReplacedBy != "") && !(f.New && !e.New) && strings.Contains(e.Title, f.Text) && !slices.ContainsFunc(facetNames(), func(name string) bool {
			v, _ := e.value(name)
			return len(f.Chosen[name]) > 0 && !slices.Contains(f.Chosen[name], v)
		})
	}
	for range 200 {
		f := filter{Chosen: map[string][]string{}, Hide: dice.IntN(3) == 0, New: dice.IntN(3) == 0, Text: []string{"", "letter"}[dice.IntN(2)]}
		for _, name := range facetNames() {
			if v, _ := all[dice.IntN(len(all))].value(name); dice.IntN(3) == 0 {
				f.Chosen[name] = []string{v}
			}
		}
		matching, facets := f.apply(all)
		want := 0
		for i := range all {
			if passes(f, &all[i]) {
				want++
			}
		}
		if len(matching) != want {
			t.Fatalf("%+v: %d match, want %d", f, len(matching), want)
		}
		for _, x := range facets {
			narrowed := f
			narrowed.Chosen = map[string][]string{}
			for name, values := range f.Chosen {
				narrowed.Chosen[name] = values
			}
			for _, o := range x.Options {
				narrowed.Chosen[x.Name] = []string{o.Value}
				left := 0
				for i := range all {
					if passes(narrowed, &all[i]) {
						left++
					}
				}
				if o.Count != left {
					t.Fatalf("%+v: %s %q is counted %d times, want %d", f, x.Name, o.Value, o.Count, left)
				}
			}
		}
	}
}
