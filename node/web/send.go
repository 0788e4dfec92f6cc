package web

import (
	"context"
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
	// windowHeader tells the viewer through which window an image is seen: level and width.
	windowHeader = "Ridgeway-Window"
	writeTime    = 30 * time.Second // for a browser to take a slice
	slice        = 32 << 10         // bytes that are written at a time
	// Whole files, and what is left of them, that go out at once: of all, and of one session.
	maxDownloads, maxOwnDownloads = 400, 20
	// small is how many bytes are kept until all are there: the transfer is over then, however slow the browser is.
	small     = 1 << 20
	busyRetry = "30" // seconds after which a browser that was told of too many may try again
)

// sendPage sends the picture of a page.
func (p *Portal) sendPage(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	x, err := p.read(r, s, of)
	if err != nil {
		p.refuse(w, r, s, of, nil, err)
		return
	}
	if f, known := x.format(); known && !paintable(f) {
		unpaintable(w, "This page is of a kind that cannot be shown here.")
		return
	}
	if x.windowFault != "" {
		http.Error(w, x.windowFault, http.StatusBadRequest)
		return
	}
	pic, there := s.shelf.take(shelved{document: x.document, part: x.part, page: x.page, window: x.window}, p.now())
	if !there || x.located == nil {
		var got piece
		told, over := s.coming.begin(x)
		got, pic, err = p.fetchPage(r.Context(), x, told)
		over()
		if err != nil {
			if errors.Is(err, ErrPicture) || errors.Is(err, errTooLarge) {
				unpaintable(w, whyUnseen(err))
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
	if pic.window.width > 0 {
		h.Set(windowHeader, pic.window.String())
		s.coming.sent(x, pic.window)
	}
	_, _ = w.Write(pic.data) // a browser that has gone needs nothing
}

func unpaintable(w http.ResponseWriter, why string) {
	if !strings.Contains(why, "Download") {
		why += " Download the document to read it."
	}
	http.Error(w, why, http.StatusUnsupportedMediaType)
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
	d := &download{portal: p, w: w, control: http.NewResponseController(w), ranged: readRange(r.Header.Get("Range"), q), show: r.URL.Query().Get("show") != ""}
	defer d.drop()
	if !d.ranged || q.GetLength() == 0 || q.GetLength() > small {
		leave := p.downloads.enter(string(s.key[:]))
		if leave == nil {
			p.refuse(w, r, s, of, nil, errBusy)
			return
		}
		defer leave()
	}
	// It lasts as long as it lasts: each slice has a deadline of its own, and who waits for the first must not meet that of a page.
	_ = d.control.SetWriteDeadline(time.Time{})
	// The server sends the last of an answer when the handler has returned: who takes nothing must not hold that for ever.
	defer func() { _ = d.control.SetWriteDeadline(time.Now().Add(writeTime)) }()
	err = d.fetch(r.Context(), q)
	if d.show && !d.begun && admin.CodeOf(err) == admin.CodeIntegrity { // as of a page: fetched once more, and it says so
		w.Header().Set(retriedHeader, "retried")
		err = d.fetch(r.Context(), q)
	}
	if d.ranged && !d.begun {
		if size, over := p.pastEnd(r, x, q, err); over && q.GetOffset() >= size {
			w.Header().Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
			http.Error(w, "There is no such range.", http.StatusRequestedRangeNotSatisfiable)
			return
		} else if over {
			q.Length = size - q.GetOffset()
			err = d.fetch(r.Context(), q)
		}
	}
	switch {
	case err == nil:
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

// download writes a part to a browser as it comes; a small one once all of it has come.
type download struct {
	portal  *Portal
	w       http.ResponseWriter
	control *http.ResponseController
	ranged  bool
	show    bool // to the portal's own script instead of the disk
	from    int64
	begun   bool
	head    *admin.Head
	kept    []byte // of a small one
	held    int64
	want    int64
	came    int64
	sum     hash.Hash // of a whole part
}

// fetch sends what q asks for. It fails with errShort for what is not what the region has agreed on.
func (d *download) fetch(ctx context.Context, q *admin.FetchRequest) error {
	d.from, d.came = q.GetOffset(), 0
	if !d.ranged {
		d.sum = sha256.New()
	}
	if err := d.portal.config.Region.Fetch(ctx, q, d.step); err != nil {
		return err
	}
	if d.head == nil || d.came != d.want || d.sum != nil && hex.EncodeToString(d.sum.Sum(nil)) != hex.EncodeToString(d.head.GetSha256()) {
		return errShort
	}
	if d.begun {
		return nil
	}
	d.begin()
	return d.write(d.kept)
}

func (d *download) step(reply *admin.FetchReply) error {
	switch {
	case reply.GetHead() != nil:
		d.drop()
		d.head, d.want = reply.GetHead(), reply.GetHead().GetSending()
		if d.want <= small && d.portal.holding.TryAcquire(d.want) {
			d.held, d.kept = d.want, make([]byte, 0, d.want)
		} else {
			d.begin()
		}
	case reply.GetData() != nil:
		d.came += int64(len(reply.GetData()))
		if d.sum != nil {
			_, _ = d.sum.Write(reply.GetData()) // a hash never fails
		}
		if d.begun {
			return d.write(reply.GetData())
		}
		if d.came > d.want {
			return errShort
		}
		d.kept = append(d.kept, reply.GetData()...)
	}
	return nil
}

// drop gives back the memory of a small one.
func (d *download) drop() {
	d.portal.holding.Release(d.held)
	d.held, d.kept = 0, nil
}

// write gives the browser a slice at a time. It may take as long as it likes for the file, but not to take nothing.
func (d *download) write(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), slice)
		// A writer that knows no deadlines has no network behind it.
		_ = d.control.SetWriteDeadline(time.Now().Add(writeTime))
		if _, err := d.w.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	_ = d.control.SetWriteDeadline(time.Time{}) // the next may have to wait for its turn
	return nil
}

func (d *download) begin() {
	head := d.head
	d.begun = true
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
