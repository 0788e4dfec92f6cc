package web

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const (
	locateAtOnce = 1000
	maxDocuments = 5000
	rowsAtOnce   = 50
)

// entry is a document of a timeline.
type entry struct {
	Document, Link    string
	Title, Type, Code string
	Trust, TrustName  string
	Author, Format    string
	Specialty         string // code; empty: not stated
	SpecialtyName     string
	Date              time.Time // zero: not known
	Pages             uint32
	Confidential      string // words for more than normal confidentiality
	Sealed            bool
	ReplacedBy        string // link to the document that has taken its place; "-" when that is not listed
	Silent            bool   // its trust does not answer
	New               bool   // it was not listed at the user's last visit

	bytes uint64
	text  string // what is searched, once it was
}

// Size is how large the document is, in words.
func (e entry) Size() string {
	if e.Sealed {
		return ""
	}
	return sizeName(e.bytes)
}

// silence is a trust that does not answer, or may not take part.
type silence struct {
	Name, Code string
	Since      time.Time // when it was last heard; zero: not since this node started
	Ago        string
	Entries    int  // listed here
	Suspended  bool // by the region
}

// timelinePage is one patient's documents at all trusts.
type timelinePage struct {
	Filter   filter
	Facets   []facet
	Entries  []entry
	All      int // that the user may know of
	Matching int
	From, To int // of Matching, shown here
	Earlier  string
	Later    string
	Clear    string
	Silent   []silence
	AsOf     time.Time
	Old      bool // the copy of the index is not recent
	Ago      string
	Cut      bool // there are more than were read
	Warnings []string
	Swapped  bool // the list takes the place of another, beside choices whose counts have to follow
	Views    []savedView
	Before   time.Time // the user's last visit; zero: none
	New      int       // documents that have come since
	BesideOf *entry    // the document beside which another is to be chosen
	Over     time.Time // when the user's emergency ended; zero: there was none in the last hour, or it lasts
}

// showTimeline lists what the node says that the user may know of. Counts are made of that list and nothing else.
func (p *Portal) showTimeline(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	reply, cut, err := p.locate(r.Context(), s, of)
	if err != nil {
		p.refuse(w, r, s, of, nil, err)
		return
	}
	glass := p.emergency(r.Context(), s, of)
	all := p.entries(s, of, reply)
	before := p.visit(r.Context(), s, of, all)
	fresh := markNew(all, before)
	f := readFilter(r.URL.Query())
	body := timelinePage{Filter: f, All: len(all), Silent: p.silent(reply, all), Cut: cut, Views: p.savedViews(r, s, of, f), Before: before.At, New: fresh}
	for _, text := range reply.GetWarnings() {
		body.Warnings = append(body.Warnings, plainWarning(text))
	}
	if at := reply.GetAsOf(); at > 0 {
		body.AsOf = time.UnixMicro(at)
	}
	body.Old = p.now().Sub(body.AsOf) > time.Minute
	body.Ago = ago(body.AsOf, p.now())
	matching, facets := f.apply(all)
	body.Facets = facets
	body.Matching = len(matching)
	path := "/patients/" + of.Key
	from := min((f.Page-1)*rowsAtOnce, max(len(matching)-1, 0)/rowsAtOnce*rowsAtOnce)
	to := min(from+rowsAtOnce, len(matching))
	body.Entries, body.From, body.To = matching[from:to], from+1, to
	for i := range body.Entries {
		body.Entries[i].Link = documentPath(of, body.Entries[i].Document)
	}
	if from > 0 {
		body.Later = address(path, f.query(from/rowsAtOnce))
	}
	if to < len(matching) {
		body.Earlier = address(path, f.query(from/rowsAtOnce+2))
	}
	if f.set() {
		body.Clear = address(path, filter{Beside: f.Beside, Place: f.Place}.query(1))
	}
	body.choose(of, all)
	if glass.IsZero() {
		body.Over = s.emergencyOver(of.Number, p.now())
	}
	body.Swapped = r.Header.Get("HX-Request") != ""
	p.show(w, r, s, http.StatusOK, view{Name: "timeline", Title: "Documents", Of: of, Glass: glass, Wide: true, Body: body, Wait: "list.js"})
}

// choose has the list lead to each document beside one that was chosen before, when the user wants that.
func (b *timelinePage) choose(of *patient, all []entry) {
	one := b.Filter.Beside
	i := slices.IndexFunc(all, func(e entry) bool { return e.Document == one })
	if one == "" || i < 0 {
		return
	}
	b.BesideOf = &all[i]
	for j := range b.Entries {
		if b.Entries[j].Document != one {
			b.Entries[j].Link = address(besideTo(of, one, b.Entries[j].Document), inPane(b.Filter.Place, "1"))
		}
	}
}

// markNew marks what was not listed at the visit before, and returns how many. At a first visit nothing is.
func markNew(all []entry, before Visit) (n int) {
	if before.At.IsZero() {
		return 0
	}
	for i := range all {
		if !before.Has(all[i].Document) {
			all[i].New = true
			n++
		}
	}
	return n
}

// locate asks the node for all of a patient's documents, as far as a page can show them.
func (p *Portal) locate(ctx context.Context, s *session, of *patient) (*admin.LocateReply, bool, error) {
	q := &admin.LocateRequest{Patient: of.Number, Asker: s.asker(of), Limit: locateAtOnce}
	whole, err := p.config.Region.Locate(ctx, q)
	if err != nil {
		return nil, false, err
	}
	for next := whole.GetNext(); next != ""; {
		if len(whole.GetDocuments()) >= maxDocuments {
			return whole, true, nil
		}
		q.Cursor = next
		more, err := p.config.Region.Locate(ctx, q)
		if err != nil {
			return nil, false, err
		}
		whole.Documents = append(whole.Documents, more.GetDocuments()...)
		next = more.GetNext()
	}
	return whole, false, nil
}

// emergency returns until when an emergency lasts. When that cannot be told, none is shown: it is a notice, and decides nothing.
func (p *Portal) emergency(ctx context.Context, s *session, of *patient) time.Time {
	until, err := p.config.Region.Emergency(ctx, of.Number, s.user.ID)
	if err != nil || !until.After(p.now()) {
		return time.Time{}
	}
	s.inEmergency(of.Number, until, p.now())
	return until
}

// entries makes the rows of a timeline, newest first; what has no date comes last.
func (p *Portal) entries(s *session, of *patient, reply *admin.LocateReply) []entry {
	quiet := make(map[string]bool)
	for _, t := range reply.GetSites() {
		quiet[t.GetTrust()] = !t.GetReachable()
	}
	replaced := make(map[string]string)
	for _, d := range reply.GetDocuments() {
		if d.GetSupersedes() != "" {
			replaced[d.GetSupersedes()] = d.GetDocument()
		}
	}
	s.setReplaced(replaced)
	// Of pointers, because entries are large to move.
	documents := slices.Clone(reply.GetDocuments())
	slices.SortStableFunc(documents, func(a, b *admin.Located) int { return cmp.Compare(dateOf(b), dateOf(a)) })
	out := make([]entry, 0, len(documents))
	formats, trusts := make(map[string]string), make(map[string]string) // finding them takes longer than all else of an entry
	for _, d := range documents {
		format, known := formats[d.GetContentType()]
		if !known {
			format = formatName(d.GetContentType())
			formats[d.GetContentType()] = format
		}
		trust, known := trusts[d.GetCustodian()]
		if !known {
			trust = p.config.Names(federation.TrustID(d.GetCustodian()))
			trusts[d.GetCustodian()] = trust
		}
		e := p.entryOf(d, format, trust)
		e.Silent = quiet[d.GetCustodian()]
		if by := replaced[d.GetDocument()]; by != "" {
			e.ReplacedBy = documentPath(of, by)
		} else if d.GetStatus() == federation.Superseded.String() {
			e.ReplacedBy = "-"
		}
		out = append(out, e)
	}
	return out
}

// dateOf is a document's date in microseconds, before all others where it has none.
func dateOf(d *admin.Located) int64 {
	return cmp.Or(d.GetDate(), math.MinInt64)
}

func documentPath(of *patient, document string) string {
	return "/patients/" + of.Key + "/documents/" + url.PathEscape(document)
}

func (p *Portal) entry(of *patient, d *admin.Located) entry {
	e := p.entryOf(d, formatName(d.GetContentType()), p.config.Names(federation.TrustID(d.GetCustodian())))
	e.Link = documentPath(of, e.Document)
	return e
}

// entryOf is entry without its link, which those only need that are shown.
func (p *Portal) entryOf(d *admin.Located, format, trust string) entry {
	e := entry{
		Document: d.GetDocument(), Title: d.GetTitle(), Type: typeName(d.GetType()), Code: d.GetType(),
		Trust: d.GetCustodian(), TrustName: trust, Author: d.GetAuthor(), Specialty: d.GetSpecialty(), SpecialtyName: p.specialtyName(d.GetSpecialty()), Format: format,
		Pages: d.GetPages(), bytes: d.GetBytes(), Sealed: d.GetSealed(),
	}
	if d.GetDate() != 0 {
		e.Date = time.UnixMicro(d.GetDate()).UTC()
	}
	switch d.GetConfidentiality() {
	case federation.Restricted.String():
		e.Confidential = "Restricted"
	case federation.VeryRestricted.String():
		e.Confidential = "Very restricted"
	}
	if e.Sealed {
		e.Title, e.Type, e.Format, e.Pages = "Details are kept at "+e.TrustName, "Not stated", "", 0
	} else if e.Title == "" {
		e.Title = e.Type
	}
	return e
}

// lastHeard is when a trust was heard of last, as far as its node's report tells (microseconds; 0: it does not, for a node that has said
// farewell is forgotten by the others), or when a page last showed that it could be reached. Zero: neither.
func (p *Portal) lastHeard(trust string, reported int64, reachable bool) time.Time {
	if reachable {
		p.answered.Store(trust, p.now())
	}
	if reported > 0 {
		return time.UnixMicro(reported)
	}
	at, _ := p.answered.Load(trust)
	heard, _ := at.(time.Time)
	return heard
}

// silent names every other trust that does not answer, whether it holds anything of this patient or not: to leave some out
// would say which hold what the user may not know of.
func (p *Portal) silent(reply *admin.LocateReply, all []entry) []silence {
	var out []silence
	for _, t := range reply.GetSites() {
		suspended := t.GetStanding() == federation.Suspended.String()
		heard := p.lastHeard(t.GetTrust(), t.GetAsOf(), t.GetReachable())
		if t.GetReachable() && !suspended || t.GetTrust() == string(p.config.Trust) && !suspended {
			continue
		}
		x := silence{Name: t.GetName(), Code: t.GetTrust(), Suspended: suspended, Since: heard}
		if !x.Since.IsZero() {
			x.Ago = ago(x.Since, p.now())
		}
		for _, e := range all {
			if e.Trust == x.Code {
				x.Entries++
			}
		}
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b silence) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
