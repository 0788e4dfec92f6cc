package federation

import (
	"fmt"
	"strings"
)

// ChunkSize is how many bytes of content a chunk has; the last chunk of a part may be shorter.
const ChunkSize = 256 << 10

// MaxManifest is the most bytes that an encoded manifest may have.
const MaxManifest = 64 << 20

const manifestVersion = 1

// Extent is a run of bytes within a part.
type Extent struct{ Offset, Length int64 }

// Page lists the bytes of a part that are needed to show one page. It is empty when the page needs the whole part.
type Page struct {
	Directory int64 // position of the page's own directory within the part (TIFF 6.0 section 2, IFD); 0 for none
	Extents   []Extent
}

// Part is one file of a document.
type Part struct {
	ContentType string // MIME type
	Name        string // file name as it was taken in, without folders; at most 256 bytes
	Size        int64
	SHA256      Digest   // of the whole part
	SHA1        [20]byte // of the whole part; FHIR R4 Attachment.hash is a SHA-1
	PageCount   int      // 0 when not known
	Pages       []Page   // PageCount entries where pages can be sent alone; else none
	Chunks      []Digest // SHA-256 of each ChunkSize bytes
}

// Manifest says what bytes a document is. Its digest stands in the committed pointer, so that a requester can verify
// every chunk against what the region agreed on. Outside the digest: nothing.
//
//	size  field
//	1     version, 1
//	1+n   custodian: length, ODS code; 10 document key; 16 subject
//	v     parts; for each: content type, name, v size, 32 SHA-256, 20 SHA-1, v page count,
//	      v pages; for each: v directory, v extents; for each: v offset, v length
//	      32 for each chunk: their number follows from the size
type Manifest struct {
	Document DocumentID
	Subject  Subject
	Parts    []Part
}

// ChunkCount returns how many chunks a part of size bytes has.
func ChunkCount(size int64) int { return int((size + ChunkSize - 1) / ChunkSize) }

// Bytes returns the size of all parts.
func (m Manifest) Bytes() int64 {
	var n int64
	for _, p := range m.Parts {
		n += p.Size
	}
	return n
}

// PageCount returns the pages of all parts; 0 when a part's number is not known.
func (m Manifest) PageCount() int {
	n := 0
	for _, p := range m.Parts {
		if p.PageCount == 0 {
			return 0
		}
		n += p.PageCount
	}
	return n
}

// Encode returns the canonical bytes. It fails with ErrMalformed or ErrTooLarge when they could not be read back.
func (m Manifest) Encode() ([]byte, error) {
	var e Encoder
	key := m.Document.Key()
	e.U8(manifestVersion)
	e.trust(m.Document.Custodian())
	e.Fixed(key[:])
	e.Fixed(m.Subject[:])
	e.Uvarint(uint64(len(m.Parts)))
	for _, p := range m.Parts {
		if len(p.Chunks) != ChunkCount(p.Size) {
			return nil, fmt.Errorf("manifest of %s: %d chunks for %d bytes: %w", m.Document, len(p.Chunks), p.Size, ErrMalformed)
		}
		e.part(p)
	}
	if _, err := DecodeManifest(e.Bytes()); err != nil {
		return nil, err
	}
	return e.Bytes(), nil
}

func (e *Encoder) part(p Part) {
	e.code(p.ContentType)
	e.Text(p.Name)
	e.Uvarint(uint64(p.Size))
	e.Fixed(p.SHA256[:])
	e.Fixed(p.SHA1[:])
	e.Uvarint(uint64(p.PageCount))
	e.Uvarint(uint64(len(p.Pages)))
	for _, page := range p.Pages {
		e.Uvarint(uint64(page.Directory))
		e.Uvarint(uint64(len(page.Extents)))
		for _, x := range page.Extents {
			e.Uvarint(uint64(x.Offset))
			e.Uvarint(uint64(x.Length))
		}
	}
	for _, c := range p.Chunks {
		e.Fixed(c[:])
	}
}

// DecodeManifest reads the canonical form. It fails with ErrMalformed, ErrVersion or ErrTooLarge.
func DecodeManifest(b []byte) (Manifest, error) {
	var m Manifest
	if len(b) > MaxManifest {
		return m, fmt.Errorf("manifest of %d bytes, at most %d: %w", len(b), MaxManifest, ErrTooLarge)
	}
	d := NewDecoder("manifest", b)
	if v := d.U8(); d.Err() == nil && v != manifestVersion {
		return m, fmt.Errorf("manifest version %d: %w", v, ErrVersion)
	}
	custodian := d.trust()
	var key DocumentKey
	d.Into(key[:])
	d.Into(m.Subject[:])
	m.Document = NewDocumentID(custodian, key)
	n := d.Count(1<<16, 1+1+1+32+20+1+1)
	if d.Err() == nil && n == 0 {
		d.Fail("no parts")
	}
	for range n {
		m.Parts = append(m.Parts, d.part())
		if d.Err() != nil {
			return Manifest{}, d.Err()
		}
	}
	return m, d.Finish()
}

func (d *Decoder) part() Part {
	p := Part{ContentType: d.code(), Name: d.Text(MaxTitle), Size: int64(d.Uvarint(maxBytes))}
	d.Into(p.SHA256[:])
	d.Into(p.SHA1[:])
	p.PageCount = int(d.Uvarint(maxPages))
	if strings.ContainsAny(p.Name, `/\`) || p.Name == "." || p.Name == ".." {
		d.Fail("a file name that leads to another folder") // the name itself may be a patient's: it stays out of errors
	}
	n := d.Count(maxPages, 2)
	if d.Err() == nil && n != 0 && n != p.PageCount {
		d.Fail("%d page maps for %d pages", n, p.PageCount)
	}
	for range n {
		p.Pages = append(p.Pages, d.page(p.Size))
		if d.Err() != nil {
			return p
		}
	}
	chunks := d.Fixed(ChunkCount(p.Size) * len(Digest{}))
	if d.Err() != nil {
		return p
	}
	p.Chunks = make([]Digest, ChunkCount(p.Size))
	for i := range p.Chunks {
		copy(p.Chunks[i][:], chunks[i*len(Digest{}):])
	}
	return p
}

// page reads extents that lie within size bytes, in ascending order and apart.
func (d *Decoder) page(size int64) Page {
	page := Page{Directory: int64(d.Uvarint(maxBytes))}
	if d.Err() == nil && page.Directory > 0 && page.Directory >= size {
		d.Fail("directory at %d of a part of %d bytes", page.Directory, size)
	}
	end := int64(0)
	for range d.Count(1<<20, 2) {
		x := Extent{Offset: int64(d.Uvarint(maxBytes)), Length: int64(d.Uvarint(maxBytes))}
		if d.Err() == nil && (x.Offset < end || x.Length == 0 || x.Offset+x.Length > size) {
			d.Fail("extent %d+%d of a part of %d bytes", x.Offset, x.Length, size)
		}
		if d.Err() != nil {
			return Page{}
		}
		end = x.Offset + x.Length
		page.Extents = append(page.Extents, x)
	}
	return page
}
