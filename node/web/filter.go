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
	Place  url.Values          // where that is open: what its address says beside the document
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
	if f.Beside != "" {
		f.Place = readPlace(q.Get("place"))
	}
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
		if len(f.Place) > 0 {
			q.Set("place", f.Place.Encode())
		}
	}
	if page > 1 {
		q.Set("page", strconv.Itoa(page))
	}
	return q
}

// Query is the filter as it is saved.
func (f filter) Query() string {
	f.Beside, f.Place = "", nil
	return f.query(1).Encode()
}

// notStated is the value of what a document does not say, in a facet.
const notStated = "none"

func (e *entry) value(facet string) (value, label string) {
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

// misses returns the facets of the filter that an entry does not pass, a bit for each in the order of facetNames; ok is false when
// it does not pass something else. words are those of its text, folded.
func (f filter) misses(e *entry, words []string) (facets uint8, ok bool) {
	if f.Hide && e.ReplacedBy != "" || f.New && !e.New || !e.says(words) {
		return 0, false
	}
	if len(f.Chosen) == 0 {
		return 0, true
	}
	for i, name := range facetNames() {
		if chosen := f.Chosen[name]; len(chosen) > 0 {
			if v, _ := e.value(name); !slices.Contains(chosen, v) {
				facets |= 1 << i
			}
		}
	}
	return facets, true
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

// apply returns the entries that pass the filter, and the facets with how many each of their values would leave: what all the
// others do. It looks at each entry once.
func (f filter) apply(all []entry) (matching []entry, facets []facet) {
	names, legends := facetNames(), [...]string{"Trust", "Type", "Specialty", "Author", "Year"}
	facets = make([]facet, len(names))
	places := make([]map[string]int, len(names))
	for x, name := range names {
		facets[x], places[x] = facet{Name: name, Legend: legends[x]}, make(map[string]int)
	}
	words := f.words()
	for j := range all {
		e := &all[j]
		missed, ok := f.misses(e, words)
		if ok && missed == 0 {
			matching = append(matching, *e)
		}
		for x := range facets {
			o := facets[x].option(places[x], e, f)
			if ok && missed&^(1<<x) == 0 {
				o.Count++
			}
		}
	}
	for x := range facets {
		facets[x].arrange(len(f.Chosen[facets[x].Name]) > 0)
	}
	return matching, facets
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

// option returns the option of an entry's value. places are those of the options that there are.
func (x *facet) option(places map[string]int, e *entry, f filter) *option {
	value, label := e.value(x.Name)
	i, known := places[value]
	if !known {
		i = len(x.Options)
		places[value] = i
		x.Options = append(x.Options, option{Value: value, Label: label, Chosen: slices.Contains(f.Chosen[x.Name], value)})
	}
	return &x.Options[i]
}

// arrange puts the options in order: years newest first, all others by what they leave.
func (x *facet) arrange(chosen bool) {
	slices.SortFunc(x.Options, func(a, b option) int {
		if x.Name == byYear {
			return cmp.Compare(b.Value, a.Value)
		}
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Label, b.Label))
	})
	x.Open = chosen || len(x.Options) <= 8 && (x.Name == byTrust || x.Name == byType)
}
