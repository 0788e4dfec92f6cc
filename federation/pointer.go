package federation

import (
	"fmt"
	"time"
)

// MaxPointers is the most pointers that one publish statement carries.
const MaxPointers = 1000

// Confidentiality is HL7 v3-Confidentiality. Zero is invalid. Do not reorder.
type Confidentiality uint8

// The levels, from least to most confidential.
const (
	Unrestricted   Confidentiality = iota + 1 // U
	Low                                       // L
	Moderate                                  // M
	Normal                                    // N
	Restricted                                // R
	VeryRestricted                            // V
)

const confidentialityCodes = "ULMNRV"

// ParseConfidentiality reads a code of HL7 v3-Confidentiality: U, L, M, N, R or V.
func ParseConfidentiality(s string) (Confidentiality, error) {
	for i := range len(confidentialityCodes) {
		if s == confidentialityCodes[i:i+1] {
			return Confidentiality(i + 1), nil
		}
	}
	return 0, fmt.Errorf("confidentiality %q is none of U, L, M, N, R, V", s)
}

// String returns the code, or "?" for a value that is none.
func (c Confidentiality) String() string {
	if c < Unrestricted || c > VeryRestricted {
		return "?"
	}
	return confidentialityCodes[c-1 : c]
}

// Sealed reports whether the index may say no more of such a document than whose it is and who holds it.
func (c Confidentiality) Sealed() bool { return c >= Restricted }

// DocumentStatus is the FHIR DocumentReference.status of a document. Zero is invalid. Do not reorder.
type DocumentStatus uint8

// The states of a document.
const (
	Current    DocumentStatus = iota + 1 // current
	Superseded                           // superseded
)

// String returns the FHIR code.
func (s DocumentStatus) String() string {
	switch s {
	case Current:
		return "current"
	case Superseded:
		return "superseded"
	default:
		return "?"
	}
}

// Pointer is the index entry of one document. The custodian is the trust that signed the publish statement, and stands in
// Document. A sealed pointer has Subject, Document, Confidentiality and Manifest only.
//
//	size  field                     size  field
//	16    subject                   v+n   type, category, specialty (dictionary or text)
//	10    document key              v+n   content type, language (dictionary or text)
//	1     flags: 1 sealed,          v+n   title, author
//	      2 supersedes follows      v     parts, pages, bytes
//	1     confidentiality
//	32    manifest digest           1     status
//	(10)  superseded document key   8     date, microseconds since 1970 UTC
//
// The right column is absent when the pointer is sealed.
type Pointer struct {
	Subject         Subject
	Document        DocumentID
	Confidentiality Confidentiality
	Manifest        Digest     // of the encoded Manifest: what the custodian must deliver
	Supersedes      DocumentID // an earlier document of the same custodian; empty for none

	Type        string // SNOMED CT or local code, at most 64 bytes
	Category    string // SNOMED CT code
	Specialty   string // treatment function or practice setting code
	ContentType string // MIME type of the first part
	Language    string // BCP 47
	Title       string // at most 256 bytes
	Author      string // at most 128 bytes
	Status      DocumentStatus
	Date        time.Time // clinical date, UTC
	Parts       int
	Pages       int   // of all parts; 0 when not known
	Bytes       int64 // of all parts
}

// Custodian returns the trust that holds the document.
func (p Pointer) Custodian() TrustID { return p.Document.Custodian() }

// Sealed reports whether the pointer withholds what the document is.
func (p Pointer) Sealed() bool { return p.Confidentiality.Sealed() }

// Seal returns p without what a sealed pointer withholds.
func (p Pointer) Seal() Pointer {
	return Pointer{Subject: p.Subject, Document: p.Document, Confidentiality: p.Confidentiality, Manifest: p.Manifest, Supersedes: p.Supersedes}
}

// The most bytes that texts of a pointer may have: whoever takes documents in holds them to it, so that each can be published.
const (
	MaxCode   = 64 // type, category, specialty, content type, language
	MaxTitle  = 256
	MaxAuthor = 128
)

const (
	flagSealed     = 1
	flagSupersedes = 2
	maxPages       = 1 << 24
	maxBytes       = 1 << 50
	minPointer     = 16 + 10 + 1 + 1 + 32
)

// EncodePointer returns the canonical bytes of p, for the index's own rows.
func EncodePointer(p Pointer) []byte {
	e := Encoder{buf: make([]byte, 0, pointerRoom)}
	e.pointer(p)
	return e.Bytes()
}

// pointerRoom is more than most pointers take. Without it the buffer is grown six times for each.
const pointerRoom = 256

// DecodePointer reads what EncodePointer wrote for a document of custodian. It fails with ErrMalformed.
func DecodePointer(custodian TrustID, b []byte) (Pointer, error) {
	d := Decoder{buf: b, what: "pointer", all: string(b[min(len(b), minPointer):])}
	p := d.pointer(custodian)
	return p, d.Finish()
}

func (e *Encoder) pointer(p Pointer) {
	key, old := p.Document.Key(), p.Supersedes.Key()
	var flags uint8
	if p.Sealed() {
		flags |= flagSealed
	}
	if p.Supersedes != "" {
		flags |= flagSupersedes
	}
	e.Fixed(p.Subject[:])
	e.Fixed(key[:])
	e.U8(flags)
	e.U8(uint8(p.Confidentiality))
	e.Fixed(p.Manifest[:])
	if p.Supersedes != "" {
		e.Fixed(old[:])
	}
	if p.Sealed() {
		return
	}
	for _, code := range []string{p.Type, p.Category, p.Specialty, p.ContentType, p.Language} {
		e.code(code)
	}
	e.Text(p.Title)
	e.Text(p.Author)
	e.Uvarint(uint64(p.Parts))
	e.Uvarint(uint64(p.Pages))
	e.Uvarint(uint64(p.Bytes))
	e.U8(uint8(p.Status))
	e.Time(p.Date)
}

func (d *Decoder) pointer(custodian TrustID) Pointer {
	var p Pointer
	var key DocumentKey
	d.Into(p.Subject[:])
	d.Into(key[:])
	p.Document = d.document(custodian, key)
	flags := d.U8()
	p.Confidentiality = Confidentiality(d.U8())
	d.Into(p.Manifest[:])
	if flags&flagSupersedes != 0 {
		d.Into(key[:])
		p.Supersedes = d.document(custodian, key)
	}
	if d.Err() == nil && (flags > 3 || p.Confidentiality < Unrestricted || p.Confidentiality > VeryRestricted || p.Sealed() != (flags&flagSealed != 0)) {
		d.Fail("flags %d with confidentiality %d", flags, p.Confidentiality)
	}
	if d.Err() == nil && (p.Subject.IsZero() || p.Manifest.IsZero()) {
		d.Fail("subject and manifest must be set")
	}
	if d.Err() != nil || p.Sealed() {
		return p
	}
	for _, code := range []*string{&p.Type, &p.Category, &p.Specialty, &p.ContentType, &p.Language} {
		*code = d.code()
	}
	p.Title = d.Text(MaxTitle)
	p.Author = d.Text(MaxAuthor)
	p.Parts = int(d.Uvarint(maxPages))
	p.Pages = int(d.Uvarint(maxPages))
	p.Bytes = int64(d.Uvarint(maxBytes))
	p.Status = DocumentStatus(d.U8())
	p.Date = d.Time()
	if d.Err() == nil && (p.Status < Current || p.Status > Superseded || p.Type == "") {
		d.Fail("status %d, type %q", p.Status, p.Type)
	}
	return p
}
