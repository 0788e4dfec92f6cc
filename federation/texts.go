package federation

import "strings"

// The sizes in bytes of the pieces of Texts: the first, and what later ones grow to.
const (
	firstTexts = 512
	mostTexts  = 4 << 10
)

// Texts keeps the texts of values that are decoded one after another in few pieces of memory: allocating each for itself was the
// most of what a search left to the garbage collector. A piece stays as long as one of its texts does. The zero Texts is ready to use.
type Texts struct {
	piece strings.Builder // what is in it is never written again
	next  int
}

// keep returns b as a text.
func (t *Texts) keep(b []byte) string {
	if t.piece.Cap()-t.piece.Len() < len(b) {
		t.next = min(max(2*t.next, firstTexts), mostTexts)
		t.piece.Reset()
		t.piece.Grow(max(t.next, len(b)))
	}
	from := t.piece.Len()
	t.piece.Write(b)
	return t.piece.String()[from:]
}

// Pointer is DecodePointer with its texts kept in t.
func (t *Texts) Pointer(custodian TrustID, b []byte) (Pointer, error) {
	d := Decoder{buf: b, what: "pointer", texts: t}
	p := d.pointer(custodian)
	return p, d.Finish()
}

// document is NewDocumentID with its text among the others.
func (d *Decoder) document(custodian TrustID, key DocumentKey) DocumentID {
	if d.texts == nil {
		return NewDocumentID(custodian, key)
	}
	var room [maxDocumentID]byte
	return DocumentID(d.texts.keep(appendDocumentID(room[:0], custodian, key)))
}
