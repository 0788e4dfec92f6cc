package web

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

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
	Picture              string // address of the page's picture
	Width, Height        int
	Retried              bool
	Text                 string
	Structured           *structured
	Other                string // NHS number in the document, when it is another patient's
	Previous, Next       string
	PartBefore, PartNext string
	File                 string
	Self                 string // without page
	Digest               string // first bytes of the part's SHA-256
}

// reading is a request for a part or page of a document.
type reading struct {
	document   string
	part, page int
	asker      *admin.Asker
	located    *admin.Located // nil: kept from the user; only the custodian may say why
}

// read checks that the document is one of the patient's, and reads which part and page are wanted.
func (p *Portal) read(r *http.Request, s *session, of *patient) (reading, error) {
	x := reading{document: r.PathValue("document"), part: number(r, "part"), page: number(r, "page"), asker: s.asker(of)}
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
	body := documentPage{Part: x.part, Page: x.page, Self: documentPath(of, x.document)}
	body.Entry = entry{Document: x.document, Title: "Document", TrustName: p.holder(x.document)}
	if x.located != nil {
		body.Entry = p.entry(of, x.located)
	}
	head, err := p.fill(r.Context(), s, x, &body)
	if err != nil {
		var known *entry
		if x.located != nil {
			known = &body.Entry
		}
		p.refuse(w, r, s, of, known, err)
		return
	}
	if body.Structured != nil && body.Structured.other(of.Number) != "" {
		// Another patient's document: nothing of it is shown but what makes it one.
		body.Kind, body.Other, body.Structured = "mismatch", spaced(body.Structured.other(of.Number)), nil
	}
	body.frame(head)
	p.show(w, r, s, http.StatusOK, view{Name: "document", Title: body.Entry.Title, Of: of, Glass: p.emergency(r.Context(), s, of), Wide: true, Body: body, Wait: body.script()})
}

// fill opens the part and puts in what the page shows of it.
func (p *Portal) fill(ctx context.Context, s *session, x reading, body *documentPage) (*admin.Head, error) {
	format, head, err := p.format(ctx, x)
	if err != nil {
		return nil, err
	}
	switch {
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
	return f == media.FormatTIFF || f == media.FormatJPEG || f == media.FormatPNG
}

func (p *Portal) fillPicture(ctx context.Context, s *session, x reading, body *documentPage) (*admin.Head, error) {
	got, pic, err := p.fetchPage(ctx, x)
	switch {
	case errors.Is(err, ErrPicture), errors.Is(err, errTooLarge):
		body.Kind, body.Why = "file", "This page is of a kind that cannot be shown here."
		return got.head, nil
	case err != nil:
		return nil, err
	}
	s.shelf.put(shelved{document: x.document, part: x.part, page: x.page, picture: pic}, p.now())
	body.Kind, body.Width, body.Height, body.Retried = "picture", pic.width, pic.height, got.retried
	return got.head, nil
}

// fetchPage fetches one page and makes a picture of it.
func (p *Portal) fetchPage(ctx context.Context, x reading) (piece, picture, error) {
	q := x.request()
	q.Pages = strconv.Itoa(x.page)
	got, err := p.collect(ctx, q, maxPage)
	if err != nil {
		return got, picture{}, err
	}
	defer p.drop(got)
	pic, err := p.paint(ctx, got.head.GetContentType(), got.data)
	return got, pic, err
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
	d.Parts, d.Pages = int(head.GetParts()), max(int(head.GetPages()), 1)
	d.Digest = hex.EncodeToString(head.GetSha256()[:min(8, len(head.GetSha256()))])
	at := func(part, page int) string {
		return d.Self + "?part=" + strconv.Itoa(part) + "&page=" + strconv.Itoa(page)
	}
	if d.Kind == "picture" {
		d.Picture = d.Self + "/page?part=" + strconv.Itoa(d.Part) + "&page=" + strconv.Itoa(d.Page)
		if d.Page > 1 {
			d.Previous = at(d.Part, d.Page-1)
		}
		if d.Page < d.Pages {
			d.Next = at(d.Part, d.Page+1)
		}
	}
	if d.Part > 1 {
		d.PartBefore = at(d.Part-1, 1)
	}
	if d.Part < d.Parts {
		d.PartNext = at(d.Part+1, 1)
	}
	d.File = d.Self + "/file?part=" + strconv.Itoa(d.Part)
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
