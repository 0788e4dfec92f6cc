package record

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Document describes one document that this trust holds. The fields are those that a FHIR R4 DocumentReference needs.
// Times are UTC, to the microsecond. Text is UTF-8 without control characters other than newline and tab.
type Document struct {
	ID         federation.DocumentID // set by Add
	Subject    federation.Subject    // set by Add from the NHS number
	Supersedes federation.DocumentID // an earlier document of this trust that this one replaces; empty for none

	Type            string // SNOMED CT or local code; required, at most 64 bytes, as every code is
	Category        string
	Specialty       string    // practice setting or treatment function
	Facility        string    // facility type
	Event           string    // main clinical act
	Title           string    // at most 256 bytes
	Description     string    // at most 4 KiB; stays here, the region's index has the title only
	Author          string    // at most 128 bytes
	Date            time.Time // clinical date: of what the document is about; required
	Created         time.Time // when the document was written; zero when not known
	Indexed         time.Time // when it was taken in; required
	Confidentiality federation.Confidentiality
	Labels          []string // sensitivity codes (HL7 v3-ActCode), at most 16
	Legal           string   // class that statute keeps from being shared, such as HFEA; empty for none. Such a document is never published
	Language        string   // BCP 47
	Format          string   // format code of the content
	Source          string   // where it came from: system, batch, message; at most 256 bytes
	SourceID        string   // its id there, at most 256 bytes

	// Parts are the files. What Document, BySubject and ByPhase return has neither the pages nor the chunks of a part:
	// Manifest has those.
	Parts    []federation.Part
	Manifest federation.Digest // of the encoded manifest; set by Add

	State State // set by reading

	Closed bool // of a type or specialty that this trust publishes sealed; set by reading
}

// Sealed reports whether the region is told no more of d than that it exists, whose it is and who holds it: its
// confidentiality, a sensitivity label, or what kind of document it is would give the patient away.
func (d *Document) Sealed() bool { return d.Confidentiality.Sealed() || len(d.Labels) > 0 || d.Closed }

const (
	documentVersion = 1
	legalVersion    = 2 // with Legal, at the end
	maxCode         = 64
	maxName         = 256
	maxPerson       = 128
	maxDescription  = 4 << 10
	maxLabels       = 16
	maxParts        = 2048
	maxBytes        = 1 << 50
	maxPages        = 1 << 24
)

// Bytes returns the size of all parts.
func (d *Document) Bytes() int64 {
	return federation.Manifest{Parts: d.Parts}.Bytes()
}

// Pages returns the pages of all parts; 0 when a part's number is not known.
func (d *Document) Pages() int {
	return federation.Manifest{Parts: d.Parts}.PageCount()
}

// Pointer returns what the region's index holds of d: as little as its confidentiality demands.
func (d *Document) Pointer() federation.Pointer {
	p := federation.Pointer{
		Subject: d.Subject, Document: d.ID, Confidentiality: d.Confidentiality, Manifest: d.Manifest, Supersedes: d.Supersedes,
		Type: d.Type, Category: d.Category, Specialty: d.Specialty, Language: d.Language, Title: d.Title, Author: d.Author,
		Status: d.State.Status, Date: d.Date, Parts: len(d.Parts), Pages: d.Pages(), Bytes: d.Bytes(),
	}
	if len(d.Parts) > 0 {
		p.ContentType = d.Parts[0].ContentType
	}
	if d.Sealed() {
		// A pointer is sealed by its confidentiality. The true one stays here, where releases are decided on.
		p.Confidentiality = max(p.Confidentiality, federation.Restricted)
		return p.Seal()
	}
	return p
}

// identify sets the id: a keyed digest of whose the document is, what it is and its bytes, so that the same document taken
// in twice has one id, which says nothing to those without the key.
func (d *Document) identify(key []byte, custodian federation.TrustID) {
	var e federation.Encoder
	e.Fixed(d.Subject[:])
	e.Text(d.Type)
	e.Time(d.Date)
	e.Text(d.Title)
	e.Uvarint(uint64(len(d.Parts)))
	for _, p := range d.Parts {
		e.Fixed(p.SHA256[:])
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(e.Bytes())
	var k federation.DocumentKey
	copy(k[:], mac.Sum(nil))
	d.ID = federation.NewDocumentID(custodian, k)
}

// check reports what makes d unfit to be kept or published. d has its id, subject and manifest.
func (d *Document) check() error {
	switch {
	case d.Subject.IsZero():
		return fmt.Errorf("no patient: %w", ErrDocument)
	case d.Type == "":
		return fmt.Errorf("no type: %w", ErrDocument)
	case d.Date.IsZero() || d.Indexed.IsZero():
		return fmt.Errorf("no date: %w", ErrDocument)
	case len(d.Parts) == 0 || len(d.Parts) > maxParts:
		return fmt.Errorf("%d parts, 1 to %d can be kept: %w", len(d.Parts), maxParts, ErrDocument)
	case d.Supersedes != "" && (d.Supersedes.Custodian() != d.ID.Custodian() || d.Supersedes == d.ID):
		return fmt.Errorf("%s is not another document of this trust: %w", d.Supersedes, ErrSupersedes)
	}
	if _, err := decodeDocument(d.ID, d.encode()); err != nil {
		return fmt.Errorf("%w: %w", ErrDocument, err)
	}
	open := *d
	open.State.Status = federation.Current
	open.Confidentiality, open.Labels, open.Closed = min(open.Confidentiality, federation.Normal), nil, false // a sealed pointer would hide what could not be published once unsealed
	if _, err := federation.DecodePointer(d.ID.Custodian(), federation.EncodePointer(open.Pointer())); err != nil {
		return fmt.Errorf("%w: %w", ErrDocument, err)
	}
	return nil
}

func (d *Document) encode() []byte {
	var e federation.Encoder
	if d.Legal == "" {
		e.U8(documentVersion)
	} else {
		e.U8(legalVersion)
	}
	e.Fixed(d.Subject[:])
	old := d.Supersedes.Key()
	e.Fixed(old[:])
	for _, s := range d.texts() {
		e.Text(*s.at)
	}
	e.Time(d.Date)
	e.Time(d.Created)
	e.Time(d.Indexed)
	e.U8(uint8(d.Confidentiality))
	e.Uvarint(uint64(len(d.Labels)))
	for _, s := range d.Labels {
		e.Text(s)
	}
	e.Fixed(d.Manifest[:])
	e.Uvarint(uint64(len(d.Parts)))
	for _, p := range d.Parts {
		e.Text(p.ContentType)
		e.Text(p.Name)
		e.Uvarint(uint64(p.Size))
		e.Fixed(p.SHA256[:])
		e.Fixed(p.SHA1[:])
		e.Uvarint(uint64(p.PageCount))
	}
	if d.Legal != "" {
		e.Text(d.Legal)
	}
	return e.Bytes()
}

type textField struct {
	at    *string
	limit int
}

// texts lists the plain texts in the order of the encoding.
func (d *Document) texts() []textField {
	return []textField{
		{&d.Type, maxCode},
		{&d.Category, maxCode},
		{&d.Specialty, maxCode},
		{&d.Facility, maxCode},
		{&d.Event, maxCode},
		{&d.Title, maxName},
		{&d.Description, maxDescription},
		{&d.Author, maxPerson},
		{&d.Language, maxCode},
		{&d.Format, maxName},
		{&d.Source, maxName},
		{&d.SourceID, maxName},
	}
}

// decodeDocument reads what encode wrote. It fails with federation.ErrMalformed and federation.ErrVersion.
func decodeDocument(id federation.DocumentID, b []byte) (Document, error) {
	doc := Document{ID: id}
	d := federation.NewDecoder("document", b)
	v := d.U8()
	if d.Err() == nil && v != documentVersion && v != legalVersion {
		return doc, fmt.Errorf("document version %d: %w", v, federation.ErrVersion)
	}
	var old federation.DocumentKey
	d.Into(doc.Subject[:])
	d.Into(old[:])
	if old != (federation.DocumentKey{}) {
		doc.Supersedes = federation.NewDocumentID(id.Custodian(), old)
	}
	for _, s := range doc.texts() {
		*s.at = d.Text(s.limit)
	}
	doc.Date, doc.Created, doc.Indexed = d.Time(), d.Time(), d.Time()
	doc.Confidentiality = federation.Confidentiality(d.U8())
	if d.Err() == nil && (doc.Confidentiality < federation.Unrestricted || doc.Confidentiality > federation.VeryRestricted) {
		d.Fail("confidentiality %d", doc.Confidentiality)
	}
	for range d.Count(maxLabels, 1) {
		doc.Labels = append(doc.Labels, d.Text(maxCode))
	}
	d.Into(doc.Manifest[:])
	for range d.Count(maxParts, 2+1+32+20+1) {
		p := federation.Part{ContentType: d.Text(maxCode), Name: d.Text(maxName), Size: int64(d.Uvarint(maxBytes))}
		d.Into(p.SHA256[:])
		d.Into(p.SHA1[:])
		p.PageCount = int(d.Uvarint(maxPages))
		doc.Parts = append(doc.Parts, p)
	}
	if v == legalVersion {
		if doc.Legal = d.Text(maxCode); d.Err() == nil && doc.Legal == "" {
			d.Fail("no legal class")
		}
	}
	return doc, d.Finish()
}

// legallyRestricted reads of what encode wrote whether statute keeps the document from being shared, by its own class or by
// that of its type.
func legallyRestricted(b []byte, types map[string]string) (bool, error) {
	d := federation.NewDecoder("document", b)
	if v := d.U8(); d.Err() != nil || v != documentVersion {
		return v == legalVersion, d.Err()
	}
	if len(types) == 0 {
		return false, nil
	}
	var subject federation.Subject
	var old federation.DocumentKey
	d.Into(subject[:])
	d.Into(old[:])
	return types[d.Text(maxCode)] != "", d.Err()
}
