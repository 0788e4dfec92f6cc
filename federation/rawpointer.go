package federation

import (
	"fmt"
	"time"
)

// RawPointer is a pointer of a publish statement as it was signed, checked like Pointer but not taken apart: what an index
// needs to file it, and the bytes that DecodePointer reads.
type RawPointer struct {
	Raw        []byte // aliases the statement; what EncodePointer writes
	Subject    Subject
	Key        DocumentKey
	Supersedes DocumentKey // with Replaces
	Replaces   bool        // another document of the same custodian
	Sealed     bool
	Date       time.Time // zero when sealed or not known
}

// DecodeRawPointers reads the pointers of a publish statement. It takes what DecodeBody takes, and fails as that does.
func DecodeRawPointers(s Statement) ([]RawPointer, error) {
	if s.Kind != KindPublish {
		return nil, fmt.Errorf("%s statement: %w", s.Kind, ErrVersion)
	}
	d := NewDecoder(s.Kind.String()+" statement of "+string(s.Trust), s.Body)
	if v := d.U8(); d.Err() == nil && v != bodyVersion {
		return nil, fmt.Errorf("%s statement, body version %d: %w", s.Kind, v, ErrVersion)
	}
	n := d.Count(MaxPointers, minPointer)
	out := make([]RawPointer, n)
	for i := range out {
		if out[i] = d.rawPointer(); d.err != nil {
			return nil, d.err
		}
	}
	if n == 0 {
		d.Fail("no pointers")
	}
	if err := d.Finish(); err != nil {
		return nil, err
	}
	return out, nil
}

// rawPointer checks what pointer checks.
func (d *Decoder) rawPointer() RawPointer {
	var p RawPointer
	before := d.buf
	d.Into(p.Subject[:])
	d.Into(p.Key[:])
	flags := d.U8()
	level := Confidentiality(d.U8())
	var manifest Digest
	d.Into(manifest[:])
	if p.Replaces = flags&flagSupersedes != 0; p.Replaces {
		d.Into(p.Supersedes[:])
	}
	if d.err == nil && (flags > 3 || level < Unrestricted || level > VeryRestricted || level.Sealed() != (flags&flagSealed != 0)) {
		d.Fail("flags %d with confidentiality %d", flags, level)
	}
	if d.err == nil && (p.Subject.IsZero() || manifest.IsZero()) {
		d.Fail("subject and manifest must be set")
	}
	p.Sealed = level.Sealed()
	if d.err == nil && !p.Sealed {
		d.rawFields(&p)
	}
	if d.err == nil {
		p.Raw = before[: len(before)-len(d.buf) : len(before)-len(d.buf)]
	}
	return p
}

// rawFields reads what a sealed pointer does not have.
func (d *Decoder) rawFields(p *RawPointer) {
	kind := d.rawCode()
	for range 4 {
		d.rawCode()
	}
	d.rawText(MaxTitle)
	d.rawText(MaxAuthor)
	d.Uvarint(maxPages)
	d.Uvarint(maxPages)
	d.Uvarint(maxBytes)
	status := DocumentStatus(d.U8())
	p.Date = d.Time()
	if d.err == nil && (status < Current || status > Superseded || !kind) {
		d.Fail("status %d, type set %v", status, kind)
	}
}

// rawCode passes over a code and reports whether it is not empty.
func (d *Decoder) rawCode() bool {
	i := d.Uvarint(uint64(len(dictionary)))
	if d.err != nil {
		return false
	}
	if i > 0 {
		return dictionary[i-1] != ""
	}
	b := d.rawText(MaxCode)
	if _, ok := dictionaryPlace[string(b)]; ok && d.err == nil {
		d.Fail("code %q written out", b)
	}
	return len(b) > 0
}

// rawText passes over text. Plain printable ASCII, which most is, needs no look at runes.
func (d *Decoder) rawText(limit int) []byte {
	b := d.Blob(limit)
	for _, c := range b {
		if c < 0x20 || c >= 0x7f {
			if text := checkText(string(b), limit); text != "" {
				d.Fail("text %s", text)
				return nil
			}
			break
		}
	}
	return b
}
