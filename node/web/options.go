package web

import (
	"html/template"
	"strings"
)

// Markup is the facet's choices. A timeline has hundreds of them, and a template would take half of all the time of a list for
// them: it looks up each field and each function again every time. The escaping is the templates' own, for text and for values in
// quotation marks.
func (x facet) Markup() template.HTML {
	var b strings.Builder
	name := template.HTMLEscapeString(x.Name)
	for _, o := range x.Options {
		value, chosen := template.HTMLEscapeString(o.Value), ""
		if o.Chosen {
			chosen = " checked"
		}
		for _, s := range []string{
			`      <label class="rw-option"><input type="checkbox" name="`, name, `" value="`, value, `"`, chosen, `><span>`, template.HTMLEscapeString(o.Label),
			`</span> <span class="rw-count" data-rw-count="`, name, `:`, value, `">`, countOf(o.Count), "</span></label>\n",
		} {
			b.WriteString(s)
		}
	}
	return template.HTML(b.String()) // #nosec G203 -- whatever is of a document in it was escaped
}

// Changes is what a list that takes the place of another says of the facet's counts, beside choices that stay.
func (x facet) Changes() template.HTML {
	var b strings.Builder
	name := template.HTMLEscapeString(x.Name)
	for _, o := range x.Options {
		for _, s := range []string{`<data data-rw-new="`, name, `:`, template.HTMLEscapeString(o.Value), `" value="`, countOf(o.Count), `"></data>`} {
			b.WriteString(s)
		}
	}
	return template.HTML(b.String()) // #nosec G203 -- as above
}
