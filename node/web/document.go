package web

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/media"
)

// maxText is how many bytes of text or structure are shown in a page.
const maxText = 4 << 20

// documentPage is a document being read.
type documentPage struct {
	Entry                entry
	Kind                 string // picture, pdf, text, structured, file
	Why                  string // it is a file to download, where it might have been shown
	Part, Parts          int
	Page, Pages          int
	NoPage               string // that was wanted and is none of the document
	Picture              string // address of the page's picture
	Width, Height        int
	Bytes                int64 // of the part
	Retried              bool
	Text                 string
	Structured           *structured
	Differs              []difference // when it is another patient's
	Previous, Next       string
	PartBefore, PartNext string
	File                 string
	Self                 string     // without page
	Digest               string     // first bytes of the part's SHA-256
	Radiograph           bool       // it is a DICOM image
	Window               *windowing // through which it is seen; nil: through none
	FrameBytes           int64      // that have to come before it is shown; 0: it has been fetched
	Terms                Terms      // under which it is shared; zero: not known
	Own                  bool       // this trust holds it
	Glass                bool       // it was asked for in an emergency, whether or not it is shared otherwise
	ReplacedBy           string     // address of the document that has taken its place; "-" when that is not known
	Replaces             string     // address of the document whose place it took
	Pane                 string     // what sets its fields apart from those of another on the page
	Beside               string     // address at which another document is chosen to stand beside it
	Refused              *refusal   // it stands beside another and cannot be opened

	Agrees string // what of the document's own words about its patient was compared, and is right
	Number string // of the patient
	Key    string
	Query  url.Values // of the page, where it stands beside another
}

// reading is a request for a part or page of a document.
type reading struct {
	document    string
	part, page  int
	window      window // through which an image is wanted
	windowFault string // what is wrong with the one in the address
	noPage      string // what was wanted and is no page of the document
	asker       *admin.Asker
	number      string         // of the patient
	located     *admin.Located // nil: kept from the user; only the custodian may say why
}

// read checks that the document is one of the patient's, and reads which part and page are wanted.
func (p *Portal) read(r *http.Request, s *session, of *patient) (reading, error) {
	return p.readPane(r, s, of, "document", "")
}

// readPane is read for one of several documents on a page.
func (p *Portal) readPane(r *http.Request, s *session, of *patient, name, pane string) (reading, error) {
	x := reading{document: r.PathValue(name), part: number(r, "part"+pane), page: number(r, "page"+pane), asker: s.asker(of), number: of.Number}
	x.window, x.windowFault = windowOf(r, pane)
	var err error
	x.located, err = p.config.Region.Describe(r.Context(), of.Number, x.document, x.asker)
	return x, err
}

// number reads a number from 1 on out of an address; anything else is 1.
func number(r *http.Request, name string) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil || n < 1 || n > 1<<20 {
		return 1
	}
	return n
}

func (x reading) request() *admin.FetchRequest {
	return &admin.FetchRequest{Document: x.document, Part: uint32(x.part), Asker: x.asker}
}

// format is what the part is, where the index says so; a document of several parts may have parts of several kinds.
func (x reading) format() (f media.Format, known bool) {
	if x.part != 1 || x.located == nil || x.located.GetSealed() || x.located.GetContentType() == "" {
		return 0, false
	}
	return media.FormatOf(x.located.GetContentType()), true
}

// format is what the part is; its custodian is asked where the index does not say.
func (p *Portal) format(ctx context.Context, x reading) (media.Format, *admin.Head, error) {
	if f, known := x.format(); known {
		return f, nil, nil
	}
	head, err := p.probe(ctx, x.request())
	if err != nil {
		return 0, nil, err
	}
	return media.FormatOf(head.GetContentType()), head, nil
}

// showDocument opens a document at a page. Whether it may be opened is decided by its custodian before anything is said of it.
func (p *Portal) showDocument(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	x, err := p.read(r, s, of)
	if err != nil {
		p.refuse(w, r, s, of, nil, err)
		return
	}
	x.turnTo(r, "")
	body, err := p.open(r.Context(), s, of, x, documentPage{Self: documentPath(of, x.document)})
	if err != nil {
		var known *entry
		if x.located != nil {
			known = &body.Entry
		}
		p.refuse(w, r, s, of, known, err)
		return
	}
	glass := p.emergency(r.Context(), s, of)
	body.Glass = !glass.IsZero()
	s.openedUntil(x.document, glass)
	p.show(w, r, s, http.StatusOK, view{Name: "document", Title: body.Entry.Title, Of: of, Glass: glass, Wide: true, Body: body, Wait: body.script()})
}

// open makes what is shown of a document.
func (p *Portal) open(ctx context.Context, s *session, of *patient, x reading, body documentPage) (documentPage, error) {
	body.Part, body.Page, body.NoPage, body.Number, body.Key, body.Own = x.part, x.page, x.noPage, of.Number, of.Key, p.holds(x.document)
	body.Entry = entry{Document: x.document, Title: "Document", TrustName: p.holder(x.document)}
	if x.located != nil {
		body.Entry = p.entry(of, x.located)
		if before := x.located.GetSupersedes(); before != "" {
			body.Replaces = documentPath(of, before)
		}
		if by := s.replacement(x.document); by != "" {
			body.ReplacedBy = documentPath(of, by)
		} else if x.located.GetStatus() == federation.Superseded.String() {
			body.ReplacedBy = "-"
		}
	}
	head, err := p.fill(ctx, s, x, &body)
	if code := admin.CodeOf(err); x.page > 1 && (code == admin.CodeBadInput || code == admin.CodeNotFound) {
		x.noPage, x.page = strconv.Itoa(x.page), 1 // a page, of a part, that only the custodian knows not to be
		body.NoPage, body.Page = x.noPage, x.page
		head, err = p.fill(ctx, s, x, &body)
	}
	var other *mismatchError
	switch {
	case errors.As(err, &other):
		// Another patient's document: nothing of it is shown but what makes it one.
		body.Kind, body.Differs, body.Structured, body.Text = "mismatch", other.found, nil, ""
	case err != nil:
		return body, err
	}
	if terms, err := p.config.Region.Terms(ctx, x.document); err == nil { // without them the line says less
		body.Terms = terms
	}
	body.frame(head)
	body.Beside = "/patients/" + of.Key + "?" + filter{Beside: x.document, Place: body.place()}.query(1).Encode()
	return body, nil
}

// holds reports whether a document is this trust's own.
func (p *Portal) holds(document string) bool {
	id, err := federation.ParseDocumentID(document)
	return err == nil && id.Custodian() == p.config.Trust
}

// fill opens the part and puts in what the page shows of it.
func (p *Portal) fill(ctx context.Context, s *session, x reading, body *documentPage) (*admin.Head, error) {
	format, head, err := p.format(ctx, x)
	if err != nil {
		return nil, err
	}
	switch {
	case format == media.FormatDICOM:
		return p.fillFrame(ctx, s, x, body)
	case paintable(format):
		return p.fillPicture(ctx, s, x, body)
	case format == media.FormatText, format == media.FormatCDA:
		got, err := p.collect(ctx, x.request(), maxText)
		if errors.Is(err, errTooLarge) {
			body.Kind, body.Why = "file", "It is too large to be shown here."
			return got.head, nil
		} else if err != nil {
			return nil, err
		}
		defer p.drop(got)
		body.Retried = got.retried
		body.fillText(got)
		if body.Structured != nil {
			body.Agrees, err = p.crossCheck(ctx, x, body.Structured.subject)
			return got.head, err
		}
		return got.head, nil
	}
	if head == nil {
		if head, err = p.probe(ctx, x.request()); err != nil {
			return nil, err
		}
	}
	body.Kind = "file"
	if format == media.FormatPDF {
		body.Kind = "pdf"
	}
	return head, nil
}

// paintable reports whether pages of a format are shown as pictures.
func paintable(f media.Format) bool {
	return f == media.FormatTIFF || f == media.FormatJPEG || f == media.FormatPNG || f == media.FormatDICOM
}

func (p *Portal) fillPicture(ctx context.Context, s *session, x reading, body *documentPage) (*admin.Head, error) {
	got, pic, err := p.fetchPage(ctx, x, nil)
	switch {
	case errors.Is(err, ErrPicture), errors.Is(err, errTooLarge):
		body.Kind, body.Why = "file", whyUnseen(err)
		return got.head, nil
	case err != nil:
		return got.head, err
	}
	s.shelf.put(shelved{document: x.document, part: x.part, page: x.page, window: x.window, picture: pic}, p.now())
	body.Kind, body.Width, body.Height, body.Retried, body.Agrees = "picture", pic.width, pic.height, got.retried, pic.agrees
	return got.head, nil
}

// fetchPage fetches one page and makes a picture of it. told hears of what has come; it may be nil.
func (p *Portal) fetchPage(ctx context.Context, x reading, told func(came, of int64)) (piece, picture, error) {
	f, known := x.format()
	if known && f == media.FormatDICOM || !known && p.heads.get(headKey{x.document, x.part}) != nil {
		return p.fetchFrame(ctx, x, told)
	}
	q := x.request()
	q.Pages = strconv.Itoa(x.page)
	got, err := p.collectTold(ctx, q, maxPage, told)
	if beyond := admin.CodeOf(err) == admin.CodeBadInput && x.page > 1; !known && (beyond || errors.Is(err, errTooLarge)) {
		if head, failed := p.probe(ctx, x.request()); failed == nil { // of what was not cut into pages, there is one page
			got.head = head
		}
	}
	if !known && media.FormatOf(got.head.GetContentType()) == media.FormatDICOM {
		p.drop(got) // its frames are fetched otherwise
		return p.fetchFrame(ctx, x, told)
	}
	if err != nil {
		return got, picture{}, err
	}
	defer p.drop(got)
	pic, err := p.paint(ctx, got.head.GetContentType(), got.data)
	return got, pic, err
}

// crossCheck fails with a mismatchError for a document that says it is about somebody else than the patient. It returns what
// was compared, in words; empty when the document does not say enough to tell.
func (p *Portal) crossCheck(ctx context.Context, x reading, said subject) (agrees string, err error) {
	known, err := p.config.Region.Person(ctx, x.number, x.asker)
	if err != nil {
		return "", err
	}
	if found := said.compare(x.number, known); len(found) > 0 {
		return "", &mismatchError{found}
	}
	return said.agrees(known), nil
}

// fillText puts in text, or the narrative of a structured document.
func (d *documentPage) fillText(got piece) {
	if media.FormatOf(got.head.GetContentType()) == media.FormatText {
		d.Kind, d.Text = "text", decodeText(got.data)
		return
	}
	s, err := readStructured(got.data)
	if err != nil {
		d.Kind, d.Why = "file", "It is a structured document of a kind that cannot be shown here."
		return
	}
	d.Kind, d.Structured = "structured", s
}

// spaced writes an NHS number as people read it, and anything else as it is.
func spaced(n string) string {
	if len(n) != 10 {
		return n
	}
	return n[:3] + " " + n[3:6] + " " + n[6:]
}

// decodeText reads UTF-8, and what is none as windows-1252, in which every byte is some character.
func decodeText(data []byte) string {
	if utf8.Valid(data) {
		return string(data)
	}
	text, err := charmap.Windows1252.NewDecoder().Bytes(data)
	if err != nil { // cannot be: see above
		return "This text cannot be read."
	}
	return string(text)
}

// frame puts in what leads on from here.
func (d *documentPage) frame(head *admin.Head) {
	d.Parts, d.Pages, d.Bytes = int(head.GetParts()), max(int(head.GetPages()), 1), head.GetSize()
	d.Digest = hex.EncodeToString(head.GetSha256()[:min(8, len(head.GetSha256()))])
	own := documentPath(&patient{Key: d.Key}, d.Entry.Document)
	at := func(part, page int, level, width string) string {
		q := url.Values{}
		for name, values := range d.Query {
			q[name] = values
		}
		q.Set("part"+d.Pane, strconv.Itoa(part))
		q.Set("page"+d.Pane, strconv.Itoa(page))
		return d.Self + "?" + d.windowed(q, level, width).Encode()
	}
	if d.Kind == "picture" {
		level, width := d.chosen()
		q := url.Values{"part": {strconv.Itoa(d.Part)}, "page": {strconv.Itoa(d.Page)}}
		if width != "" {
			q.Set("level", level)
			q.Set("width", width)
		}
		d.Picture = own + "/page?" + q.Encode()
		if d.Page > 1 {
			d.Previous = at(d.Part, d.Page-1, level, width)
		}
		if d.Page < d.Pages {
			d.Next = at(d.Part, d.Page+1, level, width)
		}
	}
	if d.Window != nil {
		d.Window.Own = at(d.Part, d.Page, "", "")
		for i, p := range d.Window.Presets {
			d.Window.Presets[i].Path = at(d.Part, d.Page, p.Level, p.Width)
		}
	}
	if d.Part > 1 {
		d.PartBefore = at(d.Part-1, 1, "", "")
	}
	if d.Part < d.Parts {
		d.PartNext = at(d.Part+1, 1, "", "")
	}
	d.File = own + "/file?part=" + strconv.Itoa(d.Part)
}

// script is what the page needs beside the common script.
func (d *documentPage) script() string {
	switch d.Kind {
	case "picture":
		return "viewer.js"
	case "pdf":
		return "pdfview.js"
	default:
		return ""
	}
}
