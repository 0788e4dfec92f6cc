package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const (
	firstHead = 1 << 20  // bytes of a file that are fetched first: of many, that is all
	mostHead  = 16 << 20 // in which the head of a file is looked for
	keptHeads = 32
)

// headKey names a part of a document.
type headKey struct {
	document string
	part     int
}

// heads keeps what the heads of the files that were read last say of where frames lie, so that the next frame is one range. They are
// about whoever the files are about, and of no use to who is not given the range. It is safe for concurrent use.
type heads struct {
	mu    sync.Mutex
	order []headKey // oldest first
	byKey map[headKey]*radiograph
}

func (h *heads) get(k headKey) *radiograph {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.byKey[k]
}

func (h *heads) put(k headKey, r *radiograph) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.byKey == nil {
		h.byKey = make(map[headKey]*radiograph)
	}
	if h.byKey[k] == nil {
		h.order = append(h.order, k)
	}
	h.byKey[k] = r
	if len(h.order) > keptHeads {
		delete(h.byKey, h.order[0])
		h.order = h.order[1:]
	}
}

// forget lets go of what is not true any more.
func (h *heads) forget(k headKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.byKey[k] != nil {
		delete(h.byKey, k)
		h.order = slices.DeleteFunc(h.order, func(other headKey) bool { return other == k })
	}
}

// opening is a DICOM file of which a frame is wanted.
type opening struct {
	portal *Portal
	x      reading
	told   func(came, of int64) // hears of a frame as it comes; may be nil
	r      *radiograph
	got    piece // the beginning of the file, as far as it was fetched now, and later the frame
	agrees string
}

func (o *opening) key() headKey { return headKey{o.x.document, o.x.part} }

// picture is the frame that is wanted. That it may be shown, to this user and as one of this patient, is known by then.
func (o *opening) picture(ctx context.Context) (picture, error) {
	if err := o.readHead(ctx); err != nil {
		return picture{}, err
	}
	raw, err := o.frame(ctx)
	if err == nil && o.agrees == "" { // what was known of the file is held against the patient once the custodian has given of it
		o.agrees, err = o.portal.crossCheck(ctx, o.x, o.r.subject)
	}
	if err != nil {
		return picture{}, err
	}
	out, err := o.portal.paintFrame(ctx, o.r, o.x, raw)
	out.agrees = o.agrees
	return out, err
}

// readHead has what the head of the file says: kept from before, or from as much of the file as it takes. What is read now is held
// against the patient.
func (o *opening) readHead(ctx context.Context) error {
	if o.r != nil {
		return nil
	}
	if o.r = o.portal.heads.get(o.key()); o.r != nil {
		return nil
	}
	size := int64(0) // not known
	if b := o.x.located.GetBytes(); o.x.part == 1 && !o.x.located.GetSealed() && b < math.MaxInt64 {
		size = int64(b)
	}
	for want := int64(firstHead); o.r == nil; want *= 4 {
		if err := o.fetchTo(ctx, want, &size); err != nil {
			return err
		}
		r, err := readDICOM(o.got.data, size)
		if err != nil && (!errors.Is(err, errMore) || want >= mostHead) {
			return unseen("It is damaged, or a DICOM file of a kind that cannot be shown here. Download it, and open it in a DICOM viewer.")
		}
		o.r = r
	}
	o.r.sum = bytes.Clone(o.got.head.GetSha256())
	var err error
	if o.agrees, err = o.portal.crossCheck(ctx, o.x, o.r.subject); err != nil {
		return err
	}
	if err := o.r.check(); err != nil {
		return err
	}
	o.portal.heads.put(o.key(), o.r)
	return nil
}

// fetchTo has at least so many of the file's first bytes, if it has as many. size is what it has; 0: not known. The index counts
// the bytes of a document, which may be more than those of a part; a range that goes past its end is refused as what is not there.
func (o *opening) fetchTo(ctx context.Context, want int64, size *int64) error {
	have := int64(len(o.got.data))
	if *size > 0 && have > 0 && have >= min(want, *size) {
		return fmt.Errorf("%w: %w", ErrPicture, errMore)
	}
	var got piece
	err := error(admin.Errorf(admin.CodeNotFound, "its size is not known"))
	if *size > 0 {
		got, err = o.fetch(ctx, have, min(want, *size)-have, nil)
	}
	if code := admin.CodeOf(err); have == 0 && (code == admin.CodeNotFound || code == admin.CodeBadInput) {
		head, failed := o.portal.probe(ctx, o.x.request())
		if failed != nil {
			return failed
		}
		got, err = o.fetch(ctx, 0, min(want, head.GetSize()), nil)
	}
	if err != nil {
		o.got.head = got.head
		return err
	}
	*size = got.head.GetSize()
	o.got.head, o.got.retried, o.got.held = got.head, o.got.retried || got.retried, o.got.held+got.held
	o.got.data = append(o.got.data, got.data...)
	return nil
}

func (o *opening) fetch(ctx context.Context, from, length int64, told func(came, of int64)) (piece, error) {
	q := o.x.request()
	q.Offset, q.Length = from, length
	return o.portal.collectTold(ctx, q, maxPage, told)
}

// frame returns the bytes of the frame that is wanted: of what is there, or by a range.
func (o *opening) frame(ctx context.Context) ([]byte, error) {
	if o.x.page > o.r.frames {
		return nil, unseen("There is no image %d in this file.", o.x.page)
	}
	from, length, known := o.r.lies(o.x.page)
	if !known {
		from, length = o.r.start, o.r.end-o.r.start
	}
	if length > maxPage {
		return nil, errTooLarge
	}
	raw, err := o.bytes(ctx, from, length)
	if err != nil || known {
		return raw, err
	}
	r, err := o.r.learn(raw)
	if err != nil {
		return nil, err
	}
	o.r = r
	o.portal.heads.put(o.key(), r)
	at, length, _ := r.lies(o.x.page)
	return raw[at-from:][:length], nil
}

// bytes are those of a range of the file.
func (o *opening) bytes(ctx context.Context, from, length int64) ([]byte, error) {
	if from+length <= int64(len(o.got.data)) {
		return o.got.data[from:][:length], nil
	}
	got, err := o.fetch(ctx, from, length, o.told)
	if err != nil {
		return nil, err
	}
	got.retried = got.retried || o.got.retried
	o.portal.drop(o.got)
	o.got = got
	if int64(len(got.data)) != length || !bytes.Equal(o.r.sum, got.head.GetSha256()) {
		o.portal.heads.forget(o.key())
		return nil, errShort
	}
	return got.data, nil
}

// fetchFrame fetches a frame of a DICOM file and makes a picture of it.
func (p *Portal) fetchFrame(ctx context.Context, x reading, told func(came, of int64)) (piece, picture, error) {
	o := &opening{portal: p, x: x, told: told}
	defer func() { p.drop(o.got) }()
	pic, err := o.picture(ctx)
	if errors.Is(err, ErrPicture) || errors.Is(err, errTooLarge) { // why is told to who may open the file
		if refused := o.ask(ctx); refused != nil {
			err = refused
		}
	}
	return piece{head: o.got.head, retried: o.got.retried}, pic, err
}

// fillFrame puts in a frame of a DICOM file. One that takes its time is fetched by the page itself, which says how large it is.
func (p *Portal) fillFrame(ctx context.Context, s *session, x reading, body *documentPage) (*admin.Head, error) {
	o := &opening{portal: p, x: x}
	defer func() { p.drop(o.got) }()
	err := o.readHead(ctx)
	var pic picture
	if err == nil && x.page <= o.r.frames && o.waits() {
		body.FrameBytes, pic = o.waitsFor(), picture{width: o.r.columns, height: o.r.rows}
		err = o.ask(ctx)
		pic.agrees = o.agrees
	} else if err == nil {
		if pic, err = o.picture(ctx); err == nil {
			s.shelf.put(shelved{document: x.document, part: x.part, page: x.page, window: x.window, picture: pic}, p.now())
		}
	}
	body.Kind, body.Radiograph, body.Width, body.Height, body.Retried, body.Agrees = "picture", err == nil, pic.width, pic.height, o.got.retried, pic.agrees
	body.Window = o.windowing(pic)
	if errors.Is(err, ErrPicture) || errors.Is(err, errTooLarge) {
		body.Kind, body.Why, body.Window = "file", whyUnseen(err), nil
		err = o.ask(ctx)
		body.Agrees = o.agrees
	}
	return o.got.head, err
}

// ask has the custodian say whether the file may be opened, if it was not asked yet.
func (o *opening) ask(ctx context.Context) (err error) {
	if o.got.head == nil {
		o.got.head, err = o.portal.probe(ctx, o.x.request())
	}
	if err == nil && o.r != nil && o.agrees == "" {
		o.agrees, err = o.portal.crossCheck(ctx, o.x, o.r.subject)
	}
	return err
}

// waitsFor is how many bytes have to come before the frame that is wanted can be shown.
func (o *opening) waitsFor() int64 {
	from, length, known := o.r.lies(o.x.page)
	if !known {
		from, length = o.r.start, o.r.end-o.r.start
	}
	if from+length <= int64(len(o.got.data)) {
		return 0
	}
	return length
}

// waits reports whether those are so many that a page is better shown before they have come.
func (o *opening) waits() bool { n := o.waitsFor(); return n > small && n <= maxPage }

// whyUnseen is what to tell somebody of a page that is not shown.
func whyUnseen(err error) string {
	var kind *unseenError
	switch {
	case errors.As(err, &kind):
		return kind.why
	case errors.Is(err, errTooLarge):
		return "It is too large to be shown here."
	default:
		return "This page is of a kind that cannot be shown here."
	}
}
