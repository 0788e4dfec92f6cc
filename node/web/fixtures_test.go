package web

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// words is a text of a fixture: by itself, or as an object that has it.
type words string

func (w *words) UnmarshalJSON(b []byte) error {
	var text string
	var object struct{ Text string }
	if json.Unmarshal(b, &text) == nil {
		*w = words(text)
	} else if json.Unmarshal(b, &object) == nil {
		*w = words(object.Text)
	}
	return nil
}

// listed is a fault of a summary. Some fixtures have other things in its place, which nothing here is rendered with.
type listed struct{ Text, Href string }

func (l *listed) UnmarshalJSON(b []byte) error {
	type plain listed
	if json.Unmarshal(b, (*plain)(l)) != nil {
		*l = listed{}
	}
	return nil
}

// item is a choice. Some fixtures have other things in its place, too.
type item struct {
	Value, Text string
	Hint        words
}

func (i *item) UnmarshalJSON(b []byte) error {
	type plain item
	if json.Unmarshal(b, (*plain)(i)) != nil {
		*i = item{}
	}
	return nil
}

// fixture is what nhsuk-frontend renders for some options.
type fixture struct {
	Name    string
	HTML    string
	Context struct {
		ID, IDPrefix, Name, Type, Value string
		Small, Code                     bool
		Label, Hint, ErrorMessage       words
		Fieldset                        struct{ Legend words }
		Items                           []item
		ErrorList                       []listed
	}
}

// field is the field of our partial with the same options.
func (f fixture) field() formField {
	c := f.Context
	out := formField{Name: c.ID + c.IDPrefix, Label: string(c.Label + c.Fieldset.Legend), Hint: string(c.Hint), Error: string(c.ErrorMessage), Value: c.Value}
	for _, x := range c.Items {
		out.Options = append(out.Options, choice{Value: x.Value, Label: x.Text, Hint: string(x.Hint)})
	}
	if c.Code {
		out.Kind = "nhs"
	} else if len(c.Items) == 0 {
		out.Kind = c.Type
	}
	return out
}

// element is an element of HTML: blanks, the order of attributes and of classes do not count.
type element struct {
	tag   string
	attrs map[string]string
	text  string // instead of a tag
	kids  []*element
}

func parseHTML(t *testing.T, source string) *element {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(source))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	root := &element{tag: "root"}
	path := []*element{root}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return root
		}
		if err != nil {
			t.Fatalf("%v in %s", err, source)
		}
		at := path[len(path)-1]
		switch x := token.(type) {
		case xml.StartElement:
			e := &element{tag: x.Name.Local, attrs: make(map[string]string)}
			for _, a := range x.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			at.kids, path = append(at.kids, e), append(path, e)
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if text := strings.Join(strings.Fields(string(x)), " "); text != "" {
				at.kids = append(at.kids, &element{text: text})
			}
		}
	}
}

func (e *element) write(out *strings.Builder, indent string) {
	if e.tag == "" {
		fmt.Fprintf(out, "%s%q\n", indent, e.text)
		return
	}
	out.WriteString(indent + e.tag)
	for _, name := range slices.Sorted(maps.Keys(e.attrs)) {
		fmt.Fprintf(out, " %s=%q", name, strings.Join(slices.Sorted(strings.FieldsSeq(e.attrs[name])), " "))
	}
	out.WriteString("\n")
	for _, k := range e.kids {
		k.write(out, indent+"  ")
	}
}

func (e *element) String() string {
	var out strings.Builder
	e.write(&out, "")
	return out.String()
}

// all calls do with every element below e.
func (e *element) all(do func(*element)) {
	for _, k := range e.kids {
		do(k)
		k.all(do)
	}
}

// deviation is where our partials differ from nhsuk-frontend on purpose, and why.
type deviation struct {
	partial, tag string
	change       func(e *element) // makes an element of a fixture one of ours
	why          string
}

func set(name, value string) func(*element) { return func(e *element) { e.attrs[name] = value } }

func drop(names ...string) func(*element) {
	return func(e *element) {
		for _, n := range names {
			delete(e.attrs, n)
		}
	}
}

func class(add string) func(*element) { return func(e *element) { e.attrs["class"] += " " + add } }

func named(e *element) { e.attrs["name"] = strings.TrimSuffix(e.attrs["id"], e.attrs["data-n"]) }

// counted numbers choices from 1 on after the first, where nhsuk-frontend does from 2 on.
func counted(attr string) func(*element) {
	return func(e *element) {
		for n := 2; n < 10; n++ {
			if base, found := strings.CutSuffix(e.attrs[attr], fmt.Sprintf("-%d", n)); found {
				e.attrs[attr], e.attrs["data-n"] = fmt.Sprintf("%s-%d", base, n-1), fmt.Sprintf("-%d", n-1)
				return
			}
		}
	}
}

func countedHint(attr string) func(*element) {
	return func(e *element) {
		if at, found := strings.CutSuffix(e.attrs[attr], "-2-item-hint"); found {
			e.attrs[attr] = at + "-1-item-hint"
		}
	}
}

// plainLegend takes the heading out of a legend: no choice is the heading of a page.
func plainLegend(e *element) (text string) {
	e.all(func(k *element) {
		if k.tag == "legend" && len(k.kids) == 1 && k.kids[0].tag == "h1" {
			k.attrs["class"], k.kids = "nhsuk-fieldset__legend", k.kids[0].kids
			text = k.kids[0].text
		}
	})
	return text
}

func deviations() []deviation {
	return []deviation{
		{"input textarea select", "label", class("nhsuk-label--s"), "labels are bold and small: forms of offices have many fields, and no label is the heading of a page"},
		{"radios checkboxes date-input", "legend", class("nhsuk-fieldset__legend--s"), "the same for the legend of choices"},
		{"radios checkboxes", "input", counted("id"), "choices are numbered as their list is, from 0: the first has no number either way"},
		{"radios checkboxes", "label", counted("for"), "the same"},
		{"radios", "input", countedHint("aria-describedby"), "and what is told of them"},
		{"radios", "div", countedHint("id"), "the same"},
		{"radios check checkboxes", "label", drop("data-n"), "what counted has noted"},
		{"input textarea select radios check checkboxes date-input", "input textarea select", named, "a field's id is its name, so that a fault is found by either"},
		{"radios check checkboxes", "input", drop("data-n"), "what counted has noted"},
		{"input date-input", "input", set("autocomplete", "off"), "what is typed about patients and staff is not kept by browsers"},
		{"input", "input", set("spellcheck", "false"), "nor sent to a spelling service"},
		{"input date-input", "input", set("value", ""), "the value stands there, also when it is empty"},
		{"textarea", "textarea", set("rows", "3"), "reasons are short"},
		{"textarea", "textarea", set("maxlength", "1000"), "and bounded"},
		{"select", "select", class("rw-select"), "long names of trusts must not be wider than a phone"},
		{"check", "input", set("value", "1"), "a box that stands alone is on or off"},
	}
}

// TestPartialsAreThoseOfNHSUKFrontend renders our partials with the options of the fixtures that nhsuk-frontend is published with.
func TestPartialsAreThoseOfNHSUKFrontend(t *testing.T) {
	a, err := loadAssets()
	if err != nil {
		t.Fatal(err)
	}
	p, err := loadPages(a)
	if err != nil {
		t.Fatal(err)
	}
	used := make([]int, len(deviations()))
	for _, c := range []struct {
		component, partial string
		fixtures           []string
	}{
		{"input", "input", []string{"without heading", "with error message, without heading"}},
		{"textarea", "textarea", []string{"without heading", "with error message, without heading", "with error message and hint, without heading"}},
		{"select", "select", []string{"without heading", "with error message, without heading", "with error message and hint, without heading"}},
		{"radios", "radios", []string{"with error message, without heading", "with error message and hint, without heading", "with hints on items"}},
		{"date-input", "date-input", []string{"without heading", "with error message, without heading", "with error message and hint, without heading"}},
		{"checkboxes", "check", []string{"without fieldset"}},
		{"checkboxes", "checkboxes", []string{"with error message, without heading", "with error message and hint, without heading"}},
		{"error-summary", "errors", []string{"default", "with multiple errors"}},
	} {
		for _, name := range c.fixtures {
			f := readFixture(t, c.component, name)
			want := parseHTML(t, f.HTML)
			data := any(f.field())
			switch c.partial {
			case "errors":
				var faults []fault
				for _, x := range f.Context.ErrorList {
					faults = append(faults, fault{strings.TrimPrefix(x.Href, "#"), x.Text})
				}
				data = faults
			case "radios":
				if text := plainLegend(want); text != "" {
					field := f.field()
					field.Label = text
					data = field
				}
			case "date-input":
				field := f.field()
				field.Options = []choice{{"day", "Day", ""}, {"month", "Month", ""}, {"year", "Year", ""}}
				data = field
			case "check": // ours is one box: the first of the fixture's
				data = formField{Name: f.Context.IDPrefix, Label: f.Context.Items[0].Text}
				box := want.kids[0].kids[0]
				box.kids = box.kids[:1]
			}
			var out bytes.Buffer
			if err := p.byName["draft"].ExecuteTemplate(&out, c.partial, data); err != nil {
				t.Fatal(err)
			}
			for i, d := range deviations() {
				if slices.Contains(strings.Fields(d.partial), c.partial) {
					want.all(func(e *element) {
						if e.tag == "" || !slices.Contains(strings.Fields(d.tag), e.tag) || strings.Contains(e.attrs["class"], "__label") && strings.HasPrefix(d.why, "labels") {
							return
						}
						d.change(e)
						used[i]++
					})
				}
			}
			if got, want := parseHTML(t, out.String()).String(), want.String(); got != want {
				t.Errorf("%s, %s: rendered\n%s\nwant\n%s", c.component, name, got, want)
			}
		}
	}
	for i, n := range used {
		if n == 0 {
			t.Errorf("a deviation that nothing needs: %s", deviations()[i].why)
		}
	}
}

// readFixture returns the fixture of a component with a name, the small one where there are two.
func readFixture(t *testing.T, component, name string) (out fixture) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "nhsuk", component+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Fixtures []fixture }
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	for _, f := range all.Fixtures {
		if f.Name == name && (out.Name == "" || f.Context.Small) {
			out = f
		}
	}
	if out.Name == "" {
		t.Fatalf("nhsuk-frontend has no fixture %q of %s", name, component)
	}
	return out
}

// TestSkipLinkIsThatOfNHSUKFrontend looks at both layouts.
func TestSkipLinkIsThatOfNHSUKFrontend(t *testing.T) {
	want := parseHTML(t, readFixture(t, "skip-link", "default").HTML).String()
	g := newRig(t)
	for _, path := range []string{"/sign-on", "/my/sign-on"} {
		_, rest, _ := strings.Cut(g.browser().get(path).body, "<body")
		_, rest, _ = strings.Cut(rest, ">")
		link, _, _ := strings.Cut(rest, "</a>")
		if got := parseHTML(t, link+"</a>").String(); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
