package index

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

const (
	// DefaultPage is how many pointers a page has when the query does not say.
	DefaultPage = 50
	// usualPage has room for what most patients have, so that it is not copied while it grows.
	usualPage = 64
	// MaxPage is the most pointers that a page has.
	MaxPage = 1000
)

// Cursor says where a page ended. It is text for a URL and opaque: it names the last pointer of the page, so one made with
// After for a pointer that the reader may see tells them nothing new. The empty Cursor is the beginning.
type Cursor string

// Query asks for a patient's documents.
type Query struct {
	Subject federation.Subject
	Cursor  Cursor // of the page before; empty for the first
	Limit   int    // at most MaxPage; zero for DefaultPage
	// Linked is what Linked has returned for Subject from the same Reader; nil when it has not been asked.
	Linked []federation.Subject
	// Room is where the page's pointers go as long as there is room for them; what was in it is overwritten. It may be nil.
	Room []federation.Pointer
}

// Page is a part of a patient's documents, newest first by the minute of their clinical date, then by document id; sealed
// pointers, whose date the index does not know, come last.
type Page struct {
	Pointers []federation.Pointer // the caller's own
	Next     Cursor               // empty when this is the last page
}

// Locate returns a page of a patient's pointers, those of linked subjects among them. Pages that are read while pointers are
// published have every pointer that was there all the time once; of one that changes its date meanwhile, none or two. It
// decides nothing: what the page has must be filtered before anybody sees or counts it, and the cursor that goes to the user
// must be made with After from the last pointer they saw. It fails with ErrQuery, ErrCursor and ErrCorrupt.
func Locate(r Reader, q Query) (Page, error) {
	if q.Limit == 0 {
		q.Limit = DefaultPage
	}
	if q.Subject.IsZero() || q.Limit < 0 || q.Limit > MaxPage {
		return Page{}, fmt.Errorf("subject must be set and limit be 1 to %d, not %d: %w", MaxPage, q.Limit, ErrQuery)
	}
	after, err := q.Cursor.position(q.Subject)
	if err != nil {
		return Page{}, err
	}
	subjects := q.Linked
	if subjects == nil {
		if subjects, err = Linked(r, q.Subject); err != nil {
			return Page{}, err
		}
	}
	page := Page{Pointers: q.Room[:0]}
	for _, s := range subjects {
		if page.Pointers, err = locate(r, s, after, page.Pointers, q.Limit+1); err != nil {
			return Page{}, err
		}
	}
	if len(subjects) > 1 {
		slices.SortFunc(page.Pointers, Compare)
	}
	if len(page.Pointers) > q.Limit {
		page.Pointers = page.Pointers[:q.Limit:q.Limit]
		page.Next = After(q.Subject, page.Pointers[q.Limit-1])
	}
	return page, nil
}

// locate appends at most limit pointers of one subject that stand after a position.
func locate(r Reader, s federation.Subject, after []byte, out []federation.Pointer, limit int) ([]federation.Pointer, error) {
	prefix := subjectPrefix(rowPointer, s)
	from := prefix
	if len(after) > 0 {
		// No key is a prefix of another, so a zero byte more makes the next key at the earliest.
		from = append(slices.Concat(prefix, after), 0)
	}
	var rows pointerRows
	if cap(out) == 0 {
		out = make([]federation.Pointer, 0, min(limit, usualPage))
	}
	n := 0
	err := r.Scan(prefix, from, func(key, value []byte) (bool, error) {
		p, err := rows.decode(key, value)
		if err != nil {
			return false, err
		}
		out = append(out, p)
		n++
		return n < limit, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read pointers: %w", err)
	}
	return out, nil
}

// Compare says which of two pointers a listing has first: it is negative for a.
func Compare(a, b federation.Pointer) int { return slices.Compare(position(a), position(b)) }

// Passed reports whether p stands at or before the place where the page before ended, so that it is not listed any more. It
// fails with ErrCursor.
func (c Cursor) Passed(subject federation.Subject, p federation.Pointer) (bool, error) {
	after, err := c.position(subject)
	return err == nil && len(after) > 0 && slices.Compare(position(p), after) <= 0, err
}

// position is where p stands in a page, whatever its subject.
func position(p federation.Pointer) []byte {
	return appendPlace(nil, placeOf(p), p.Custodian(), p.Document.Key())
}

const (
	cursorVersion = 1
	cursorCheck   = 8
)

// After returns the cursor for what follows p in the answer to a query for subject.
//
//	base64url: 1 version | position | 8 first bytes of SHA-256( "ridgeway cursor v1" 0 | subject | position )
//
// The check finds a cursor that is cut, altered or taken to another patient's query. It is no secret: who forges one only
// begins elsewhere in an answer they may read anyway.
func After(subject federation.Subject, p federation.Pointer) Cursor {
	b := append([]byte{cursorVersion}, position(p)...)
	return Cursor(base64.RawURLEncoding.EncodeToString(append(b, checkOf(subject, b[1:])...)))
}

func checkOf(subject federation.Subject, position []byte) []byte {
	b := append([]byte("ridgeway cursor v1\x00"), subject[:]...)
	sum := sha256.Sum256(append(b, position...))
	return sum[:cursorCheck]
}

// position returns where the page before ended; nil for the beginning.
func (c Cursor) position(subject federation.Subject) ([]byte, error) {
	if c == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(string(c))
	if err != nil || len(b) < 1+cursorCheck || b[0] != cursorVersion {
		return nil, ErrCursor
	}
	at, check := b[1:len(b)-cursorCheck], b[len(b)-cursorCheck:]
	if !slices.Equal(check, checkOf(subject, at)) {
		return nil, ErrCursor
	}
	if len(at) < 4 {
		return nil, ErrCursor
	}
	if _, _, ok := splitPlace(at); !ok {
		return nil, ErrCursor
	}
	return at, nil
}
