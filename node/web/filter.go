package web

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// filter is what a user wants to see of a timeline.
type filter struct {
	Chosen map[string][]string // by facet
	Text   string              // words that must all be in what is known of a document
	Hide   bool                // documents that were replaced
	New    bool                // only those that have come since the last visit
	Beside string              // a document beside which another is to be chosen
	Page   int
}

const (
	maxChoices = 50
	maxWords   = 100 // characters of a search
)

// The facets, by the names of their fields.
const (
	byTrust     = "trust"
	byType      = "type"
	bySpecialty = "specialty"
	byAuthor    = "author"
	byYear      = "year"
)

func facetNames() []string { return []string{byTrust, byType, bySpecialty, byAuthor, byYear} }

func readFilter(q url.Values) filter {
	f := filter{Chosen: make(map[string][]string), Hide: q.Get("hide") != "", New: q.Get("new") != "", Beside: clip(q.Get("beside"), maxWords), Text: clip(strings.Join(strings.Fields(q.Get("q")), " "), maxWords)}
	for _, name := range facetNames() {
		if values := some(q[name]); len(values) > 0 {
			f.Chosen[name] = values
		}
	}
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

func (f filter) set() bool { return len(f.Chosen) > 0 || f.Hide || f.New || f.Text != "" }

// query is the filter in an address.
func (f filter) query(page int) url.Values {
	q := url.Values{}
	for name, values := range f.Chosen {
		q[name] = values
	}
	for name, on := range map[string]bool{"hide": f.Hide, "new": f.New} {
		if on {
			q.Set(name, "1")
		}
	}
	if f.Text != "" {
		q.Set("q", f.Text)
	}
	if f.Beside != "" {
		q.Set("beside", f.Beside)
	}
	if page > 1 {
		q.Set("page", strconv.Itoa(page))
	}
	return q
}

// Query is the filter as it is saved.
func (f filter) Query() string {
	f.Beside = ""
	return f.query(1).Encode()
}

// notStated is the value of what a document does not say, in a facet.
const notStated = "none"

func (e entry) value(facet string) (value, label string) {
	switch facet {
	case byTrust:
		return e.Trust, e.TrustName
	case byType:
		return e.Type, e.Type
	case bySpecialty:
		return cmp.Or(e.Specialty, notStated), cmp.Or(e.SpecialtyName, "Not stated")
	case byAuthor:
		return cmp.Or(e.Author, notStated), cmp.Or(e.Author, "Not stated")
	default:
		if e.Date.IsZero() {
			return notStated, "No date"
		}
		year := strconv.Itoa(e.Date.Year())
		return year, year
	}
}

// keeps reports whether an entry passes all of the filter but one facet. words are those of its text, folded.
func (f filter) keeps(e *entry, but string, words []string) bool {
	if f.Hide && e.ReplacedBy != "" || f.New && !e.New {
		return false
	}
	for _, name := range facetNames() {
		if chosen := f.Chosen[name]; name != but && len(chosen) > 0 {
			if v, _ := e.value(name); !slices.Contains(chosen, v) {
				return false
			}
		}
	}
	return e.says(words)
}

// says reports whether all words are in what is known of the document.
func (e *entry) says(words []string) bool {
	if len(words) == 0 {
		return true
	}
	if e.text == "" {
		e.text = plain(strings.Join([]string{e.Title, e.Type, e.TrustName, e.Trust, e.Author, e.SpecialtyName, e.Format, e.Confidential, e.day(), e.Document}, " "))
	}
	for _, w := range words {
		if !strings.Contains(e.text, w) {
			return false
		}
	}
	return true
}

func (e *entry) day() string {
	if e.Date.IsZero() {
		return ""
	}
	return e.Date.Format("2 January 2006 2006-01-02")
}

func (f filter) words() []string { return strings.Fields(plain(f.Text)) }

// plain writes text in small letters without accents, as people search.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(text))
}

func (f filter) apply(all []entry) []entry {
	words := f.words()
	var out []entry
	for i := range all {
		if f.keeps(&all[i], "", words) {
			out = append(out, all[i])
		}
	}
	return out
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
	words := f.words()
	for _, x := range []facet{{Name: byTrust, Legend: "Trust"}, {Name: byType, Legend: "Type"}, {Name: bySpecialty, Legend: "Specialty"}, {Name: byAuthor, Legend: "Author"}, {Name: byYear, Legend: "Year"}} {
		places := make(map[string]int)
		for j := range all {
			e := &all[j]
			value, label := e.value(x.Name)
			i, known := places[value]
			if !known {
				i = len(x.Options)
				places[value] = i
				x.Options = append(x.Options, option{Value: value, Label: label, Chosen: slices.Contains(f.Chosen[x.Name], value)})
			}
			if f.keeps(e, x.Name, words) {
				x.Options[i].Count++
			}
		}
		slices.SortFunc(x.Options, func(a, b option) int {
			if x.Name == byYear {
				return cmp.Compare(b.Value, a.Value)
			}
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Label, b.Label))
		})
		x.Open = len(f.Chosen[x.Name]) > 0 || len(x.Options) <= 8 && (x.Name == byTrust || x.Name == byType)
		out = append(out, x)
	}
	return out
}
