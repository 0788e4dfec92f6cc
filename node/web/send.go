package web

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/media"
)

const (
	// inertPolicy is for bytes of a document: whatever they are, they run nothing and load nothing.
	inertPolicy = "default-src 'none'; frame-ancestors 'none'; sandbox"
	// retriedHeader tells the viewer that the first copy of a page failed its check, so that it can say so.
	retriedHeader = "Ridgeway-Check"
	writeTime     = 30 * time.Second // for a browser to take a piece
)

// sendPage sends the picture of a page.
func (p *Portal) sendPage(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	x, err := p.read(r, s, of)
	if err != nil {
		p.refuse(w, r, s, of, nil, err)
		return
	}
	if f, known := x.format(); known && !paintable(f) {
		unpaintable(w)
		return
	}
	pic, there := s.shelf.take(x.document, x.part, x.page, p.now())
	if !there || x.located == nil {
		var got piece
		if got, pic, err = p.fetchPage(r.Context(), x); err != nil {
			if errors.Is(err, ErrPicture) || errors.Is(err, errTooLarge) {
				unpaintable(w)
				return
			}
			p.refuse(w, r, s, of, nil, err)
			return
		}
		pic.retried = got.retried
	}
	h := w.Header()
	h.Set("Content-Security-Policy", inertPolicy)
	h.Set("Content-Type", pic.contentType)
	h.Set("Content-Length", strconv.Itoa(len(pic.data)))
	if pic.retried {
		h.Set(retriedHeader, "retried")
	}
	_, _ = w.Write(pic.data) // a browser that has gone needs nothing
}

func unpaintable(w http.ResponseWriter) {
	http.Error(w, "This page is of a kind that cannot be shown here. Download the document to read it.", http.StatusUnsupportedMediaType)
}

// sendFile sends a part as it is, or a range of it. Each piece was verified before it is sent; when one is missing, the
// connection is cut rather than let a part of a file look whole.
func (p *Portal) sendFile(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	x, err := p.read(r, s, of)
	if err != nil {
		p.refuse(w, r, s, of, nil, err)
		return
	}
	q := x.request()
	ranged := readRange(r.Header.Get("Range"), q)
	d := &download{w: w, control: http.NewResponseController(w), ranged: ranged, from: q.GetOffset(), show: r.URL.Query().Get("show") != ""}
	if !ranged {
		d.sum = sha256.New()
	}
	err = p.config.Region.Fetch(r.Context(), q, d.step)
	if ranged && !d.begun {
		if size, over := p.pastEnd(r, x, q, err); over && q.GetOffset() >= size {
			w.Header().Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
			http.Error(w, "There is no such range.", http.StatusRequestedRangeNotSatisfiable)
			return
		} else if over {
			q.Length = size - q.GetOffset()
			err = p.config.Region.Fetch(r.Context(), q, d.step)
		}
	}
	switch {
	case err == nil && d.whole():
	case d.begun:
		panic(http.ErrAbortHandler)
	default:
		p.refuse(w, r, s, of, nil, err)
	}
}

// pastEnd reports whether a range was refused because it goes past the end of the file, and how many bytes the file has. A
// custodian says of such a range no more than that there is nothing to find, so the size is asked for as anything else of it is.
func (p *Portal) pastEnd(r *http.Request, x reading, q *admin.FetchRequest, err error) (size int64, over bool) {
	if code := admin.CodeOf(err); code != admin.CodeNotFound && code != admin.CodeBadInput {
		return 0, false
	}
	head, err := p.probe(r.Context(), x.request())
	if err != nil {
		return 0, false
	}
	size = head.GetSize()
	return size, q.GetOffset() >= size || q.GetLength() > size-q.GetOffset()
}

// readRange puts the one range of a request into q; every other form of Range asks for the whole (RFC 9110 section 14.2).
func readRange(header string, q *admin.FetchRequest) bool {
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	from, err := strconv.ParseInt(first, 10, 63)
	if !ok || !dash || err != nil || from < 0 {
		return false
	}
	if last == "" {
		q.Offset = from
		return from > 0
	}
	to, err := strconv.ParseInt(last, 10, 63)
	if err != nil || to < from {
		return false
	}
	q.Offset, q.Length = from, to-from+1
	return true
}

// download writes a part to a browser as it comes.
type download struct {
	w       http.ResponseWriter
	control *http.ResponseController
	ranged  bool
	show    bool // to the portal's own script instead of the disk
	from    int64
	begun   bool
	want    int64
	sent    int64
	digest  []byte
	sum     hash.Hash
}

func (d *download) step(reply *admin.FetchReply) error {
	switch {
	case reply.GetHead() != nil:
		d.begin(reply.GetHead())
	case reply.GetData() != nil:
		// Without a deadline, a browser that takes nothing would hold the transfer for ever. A writer that knows none has no
		// network behind it.
		_ = d.control.SetWriteDeadline(time.Now().Add(writeTime))
		if d.sum != nil {
			_, _ = d.sum.Write(reply.GetData()) // a hash never fails
		}
		n, err := d.w.Write(reply.GetData())
		d.sent += int64(n)
		return err
	}
	return nil
}

func (d *download) begin(head *admin.Head) {
	d.want, d.digest, d.begun = head.GetSending(), head.GetSha256(), true
	h := d.w.Header()
	h.Set("Content-Security-Policy", inertPolicy)
	h.Set("Content-Type", sentType(head.GetContentType()))
	h.Set("Content-Length", strconv.FormatInt(d.want, 10))
	h.Set("Accept-Ranges", "bytes")
	if !d.show {
		h.Set("Content-Disposition", disposition(head))
	}
	if d.ranged {
		h.Set("Content-Range", "bytes "+strconv.FormatInt(d.from, 10)+"-"+strconv.FormatInt(d.from+d.want-1, 10)+"/"+strconv.FormatInt(head.GetSize(), 10))
		d.w.WriteHeader(http.StatusPartialContent)
	}
}

// whole reports whether all has been sent, and is what the region agreed on.
func (d *download) whole() bool {
	return d.begun && d.sent == d.want && (d.sum == nil || hex.EncodeToString(d.sum.Sum(nil)) == hex.EncodeToString(d.digest))
}

// sentType is the type by which a file is sent: what a browser might run is bytes.
func sentType(contentType string) string {
	switch f := media.FormatOf(contentType); f {
	case media.FormatPDF, media.FormatTIFF, media.FormatJPEG, media.FormatPNG, media.FormatDICOM:
		return f.ContentType()
	default:
		return media.FormatBinary.ContentType()
	}
}

// disposition has the browser keep the file, under its name without what could lead elsewhere or hide its kind.
func disposition(head *admin.Head) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r < 0x20, r == 0x7f, unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar, strings.ContainsRune(`/\:*?"<>|%`, r):
			return '_'
		default:
			return r
		}
	}, clip(head.GetName(), 120))
	if name = strings.Trim(name, ". "); name == "" {
		name = "document"
	}
	ext := "." + media.FormatOf(head.GetContentType()).Extension()
	if !strings.HasSuffix(strings.ToLower(name), ext) && media.FormatOf(head.GetContentType()) != media.FormatBinary {
		name += ext
	}
	if text := mime.FormatMediaType("attachment", map[string]string{"filename": name}); text != "" {
		return text
	}
	return "attachment"
}
