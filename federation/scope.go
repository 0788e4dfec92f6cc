package federation

import (
	"fmt"
	"time"
)

// MaxExceptions is the most exceptions that one directive has.
const MaxExceptions = 16

// Scope says what a directive is about: every field that is set must match. The zero Scope is everything.
//
//	size  field                          size  field
//	2     which of these follow          v+n   64   sensitivity
//	1+n   1    trust                     1+n   128  document: custodian,
//	v+n   2    role                      10         and its key
//	v+n   4    person                    8     256  from
//	1+n   8    custodian                 8     512  to
//	v+n   16   type                      v+n   1024 purpose
//	v+n   32   category
//
// A field that is there is not empty, so that each scope has one form.
type Scope struct {
	Trust       TrustID    // who asks is staff of this trust
	Role        string     // who asks is in this role, or in a role within it; at most 64 bytes
	Person      string     // who asks is this member of staff, by the id that Trust, which must be set, knows them by; at most 128 bytes
	Custodian   TrustID    // the document is held by this trust
	Type        string     // the document is of this type: SNOMED CT or local code, at most 64 bytes
	Category    string     // the document is of this category; at most 64 bytes
	Sensitivity string     // the document bears this label, or one within it: HL7 v3-ActCode such as HIV or PSY; at most 64 bytes
	Document    DocumentID // the document is this one
	From        time.Time  // the document's clinical date is not before; zero: open
	To          time.Time  // the document's clinical date is before; zero: open
	Purpose     string     // it is asked for this purpose: HL7 v3-ActReason; at most 64 bytes
}

const (
	scopeTrust = 1 << iota
	scopeRole
	scopePerson
	scopeCustodian
	scopeType
	scopeCategory
	scopeSensitivity
	scopeDocument
	scopeFrom
	scopeTo
	scopePurpose

	scopeFields = scopePurpose<<1 - 1
)

// minScope is the least that a scope takes.
const minScope = 2

// IsZero reports whether s is about everything.
func (s Scope) IsZero() bool { return s.fields() == 0 }

// Equal reports whether s and o are about the same.
func (s Scope) Equal(o Scope) bool {
	return s.Trust == o.Trust && s.Role == o.Role && s.Person == o.Person && s.Custodian == o.Custodian && s.Type == o.Type &&
		s.Category == o.Category && s.Sensitivity == o.Sensitivity && s.Document == o.Document && s.Purpose == o.Purpose &&
		s.From.Equal(o.From) && s.To.Equal(o.To)
}

// Check reports what is wrong with s whoever reads it. It fails with ErrMalformed. Whether codes are known is not its matter:
// they are policy's.
func (s Scope) Check() error {
	switch {
	case s.Trust != "" && !s.Trust.Valid(), s.Custodian != "" && !s.Custodian.Valid():
		return fmt.Errorf("scope: %q or %q is not an ODS code: %w", string(s.Trust), string(s.Custodian), ErrMalformed)
	case s.Person != "" && s.Trust == "":
		return fmt.Errorf("scope: a person is named without their trust: %w", ErrMalformed)
	case s.Document != "" && !s.Document.Valid():
		return fmt.Errorf("scope: %q is not the id of a document: %w", string(s.Document), ErrMalformed)
	case !s.From.IsZero() && !s.To.IsZero() && !s.From.Before(s.To):
		return fmt.Errorf("scope: the range of dates ends before it begins: %w", ErrMalformed)
	}
	return nil
}

// fields says which fields are set.
func (s Scope) fields() uint16 {
	var f uint16
	for i, set := range [...]bool{
		s.Trust != "", s.Role != "", s.Person != "", s.Custodian != "", s.Type != "", s.Category != "", s.Sensitivity != "",
		s.Document != "", !s.From.IsZero(), !s.To.IsZero(), s.Purpose != "",
	} {
		if set {
			f |= 1 << i
		}
	}
	return f
}

// Scope appends s.
func (e *Encoder) Scope(s Scope) {
	fields := s.fields()
	e.U8(uint8(fields >> 8))
	e.U8(uint8(fields))
	if s.Trust != "" {
		e.trust(s.Trust)
	}
	for _, text := range [...]string{s.Role, s.Person} {
		if text != "" {
			e.Text(text)
		}
	}
	if s.Custodian != "" {
		e.trust(s.Custodian)
	}
	for _, text := range [...]string{s.Type, s.Category, s.Sensitivity} {
		if text != "" {
			e.Text(text)
		}
	}
	if s.Document != "" {
		key := s.Document.Key()
		e.trust(s.Document.Custodian())
		e.Fixed(key[:])
	}
	for _, t := range [...]time.Time{s.From, s.To} {
		if !t.IsZero() {
			e.Time(t)
		}
	}
	if s.Purpose != "" {
		e.Text(s.Purpose)
	}
}

// Scope reads what Encoder.Scope wrote.
func (d *Decoder) Scope() Scope {
	var s Scope
	fields := uint16(d.U8())<<8 | uint16(d.U8())
	has := func(bit uint16) bool { return d.Err() == nil && fields&bit != 0 }
	if has(scopeTrust) {
		s.Trust = d.trust()
	}
	if has(scopeRole) {
		s.Role = d.Text(MaxCode)
	}
	if has(scopePerson) {
		s.Person = d.Text(MaxAuthor)
	}
	if has(scopeCustodian) {
		s.Custodian = d.trust()
	}
	if has(scopeType) {
		s.Type = d.Text(MaxCode)
	}
	if has(scopeCategory) {
		s.Category = d.Text(MaxCode)
	}
	if has(scopeSensitivity) {
		s.Sensitivity = d.Text(MaxCode)
	}
	if has(scopeDocument) {
		var key DocumentKey
		custodian := d.trust()
		d.Into(key[:])
		s.Document = NewDocumentID(custodian, key)
	}
	if has(scopeFrom) {
		s.From = d.Time()
	}
	if has(scopeTo) {
		s.To = d.Time()
	}
	if has(scopePurpose) {
		s.Purpose = d.Text(MaxCode)
	}
	if d.Err() == nil && (fields > scopeFields || s.fields() != fields) {
		d.Fail("scope with fields %#x has %#x", fields, s.fields())
	}
	if err := s.Check(); err != nil && d.Err() == nil {
		d.Fail("%v", err)
	}
	return s
}

// Scopes appends the exceptions of a directive.
func (e *Encoder) Scopes(list []Scope) {
	e.Uvarint(uint64(len(list)))
	for _, s := range list {
		e.Scope(s)
	}
}

// Scopes reads what Encoder.Scopes wrote: at most MaxExceptions, none of them about everything. No scope is nil.
func (d *Decoder) Scopes() []Scope {
	n := d.Count(MaxExceptions, minScope)
	if n == 0 {
		return nil
	}
	out := make([]Scope, 0, n)
	for range n {
		s := d.Scope()
		if d.Err() == nil && s.IsZero() {
			d.Fail("an exception that leaves nothing")
		}
		if d.Err() != nil {
			return nil
		}
		out = append(out, s)
	}
	return out
}

// More reports whether there is more to read and no fault yet: for forms that end early when the rest would be empty.
func (d *Decoder) More() bool { return d.err == nil && len(d.buf) > 0 }
