package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Texts in rows came through a body's decoder, with its limits; a row only has to be long enough for any of them.
const (
	rowText = 4 << 10
	rowBlob = federation.MaxStatement
)

var errMissing = errors.New("it is missing")

// get reads and decodes one row; found is false when it is not there.
func get[T any](r Reader, key []byte, decode func(*federation.Decoder) T) (T, bool, error) {
	var zero T
	b, found, err := r.Get(key)
	if err != nil {
		return zero, false, fmt.Errorf("read row %q: %w", key[:1], err)
	}
	if !found {
		return zero, false, nil
	}
	v, err := decodeRow(key, b, decode)
	return v, err == nil, err
}

func decodeRow[T any](key, value []byte, decode func(*federation.Decoder) T) (T, error) {
	d := federation.NewDecoder("row", value)
	v := decode(d)
	if err := d.Finish(); err != nil {
		var zero T
		return zero, corrupt(key, err)
	}
	return v, nil
}

// headRow is the end of a trust's chain.
type headRow struct {
	seq    uint64
	digest federation.Digest
}

func (h headRow) encode() []byte {
	var e federation.Encoder
	e.U64(h.seq)
	e.Fixed(h.digest[:])
	return e.Bytes()
}

func decodeHead(d *federation.Decoder) headRow {
	h := headRow{seq: d.U64()}
	d.Into(h.digest[:])
	return h
}

// statementRow finds the envelope of a trust's statement.
type statementRow struct {
	digest federation.Digest
	index  uint64
}

func (s statementRow) encode() []byte {
	var e federation.Encoder
	e.Fixed(s.digest[:])
	e.U64(s.index)
	return e.Bytes()
}

func decodeStatementRow(d *federation.Decoder) statementRow {
	var s statementRow
	d.Into(s.digest[:])
	s.index = d.U64()
	return s
}

// documentRow finds a document's pointer, or says that it was withdrawn.
type documentRow struct {
	subject   federation.Subject
	at        place
	index     uint64 // of the statement that published or withdrew it
	withdrawn bool
}

func (r documentRow) encode() []byte { return r.append(nil) }

func (r documentRow) append(b []byte) []byte {
	b = append(b, r.subject[:]...)
	b = binary.AppendUvarint(b, uint64(r.at))
	b = binary.AppendUvarint(b, r.index)
	if r.withdrawn {
		return append(b, 1)
	}
	return append(b, 0)
}

func decodeDocument(d *federation.Decoder) documentRow {
	var r documentRow
	d.Into(r.subject[:])
	r.at = place(d.Uvarint(uint64(undated)))
	r.index = d.Uvarint(1<<64 - 1)
	r.withdrawn = d.Bool()
	return r
}

// pointerSkip is how many bytes at the start of an encoded pointer repeat what its key says: subject and document key.
const pointerSkip = len(federation.Subject{}) + len(federation.DocumentKey{})

// pointerRow returns the row's value for p.
func pointerRow(p federation.Pointer) []byte { return federation.EncodePointer(p)[pointerSkip:] }

// pointerRows decodes pointers' rows, one after another. The zero pointerRows is ready to use.
type pointerRows struct {
	texts federation.Texts
	whole []byte
	trust federation.TrustID // of the row before
}

// decode returns the pointer under key.
func (d *pointerRows) decode(key, value []byte) (federation.Pointer, error) {
	const subjectEnd = 1 + len(federation.Subject{})
	if len(key) < subjectEnd {
		return federation.Pointer{}, corrupt(key, federation.ErrMalformed)
	}
	trust, document, ok := splitPlace(key[subjectEnd:])
	if !ok {
		return federation.Pointer{}, corrupt(key, federation.ErrMalformed)
	}
	if string(trust) != string(d.trust) {
		d.trust = federation.TrustID(trust)
	}
	d.whole = append(d.whole[:0], key[1:subjectEnd]...)
	d.whole = append(d.whole, document[:]...)
	d.whole = append(d.whole, value...)
	p, err := d.texts.Pointer(d.trust, d.whole)
	if err != nil {
		return federation.Pointer{}, corrupt(key, err)
	}
	return p, nil
}

// decodePointerRow returns the pointer under key.
func decodePointerRow(key, value []byte) (federation.Pointer, error) {
	var rows pointerRows
	return rows.decode(key, value)
}

func encodeTrust(t federation.Trust) []byte {
	var e federation.Encoder
	e.Text(t.Name)
	e.Bool(t.Governing)
	e.U8(uint8(t.Standing))
	e.Fixed(t.StatementKey[:])
	e.Fixed(t.AuditKey[:])
	e.Uvarint(uint64(len(t.Nodes)))
	for _, n := range t.Nodes {
		e.Fixed(n.Key[:])
		e.Text(n.Address)
		e.U8(uint8(n.Standing))
	}
	return e.Bytes()
}

func decodeTrust(d *federation.Decoder) federation.Trust {
	t := federation.Trust{Name: d.Text(rowText), Governing: d.Bool(), Standing: federation.Standing(d.U8())}
	d.Into(t.StatementKey[:])
	d.Into(t.AuditKey[:])
	for range d.Count(rowText, len(federation.PublicKey{})) {
		var n federation.RosterNode
		d.Into(n.Key[:])
		n.Address, n.Standing = d.Text(rowText), federation.Standing(d.U8())
		n.ID = federation.NodeOf(n.Key)
		t.Nodes = append(t.Nodes, n)
	}
	if t.Standing < federation.Active || t.Standing > federation.Suspended || len(t.Nodes) == 0 {
		d.Fail("standing %d, %d nodes", t.Standing, len(t.Nodes))
	}
	return t
}

// charterRow is what the region was founded on.
type charterRow struct {
	region  federation.Digest
	founder federation.TrustID
	body    []byte
}

func (c charterRow) encode() []byte {
	var e federation.Encoder
	e.Fixed(c.region[:])
	e.Text(string(c.founder))
	e.Blob(c.body)
	return e.Bytes()
}

func decodeCharter(d *federation.Decoder) charterRow {
	var c charterRow
	d.Into(c.region[:])
	c.founder = federation.TrustID(d.Text(rowText))
	c.body = d.Blob(rowBlob)
	return c
}

// proposalRow is an Enrol or Suspend that waits for approvals.
type proposalRow struct {
	index     uint64
	by        federation.TrustID
	at        time.Time
	kind      federation.Kind
	body      []byte
	approvals []federation.TrustID // the proposer's first
}

func (p proposalRow) encode() []byte {
	var e federation.Encoder
	e.U64(p.index)
	e.Text(string(p.by))
	e.Time(p.at)
	e.U8(uint8(p.kind))
	e.Blob(p.body)
	e.Uvarint(uint64(len(p.approvals)))
	for _, t := range p.approvals {
		e.Text(string(t))
	}
	return e.Bytes()
}

func decodeProposal(d *federation.Decoder) proposalRow {
	p := proposalRow{index: d.U64(), by: federation.TrustID(d.Text(rowText)), at: d.Time(), kind: federation.Kind(d.U8()), body: d.Blob(rowBlob)}
	for range d.Count(maxTrusts, 1) {
		p.approvals = append(p.approvals, federation.TrustID(d.Text(rowText)))
	}
	return p
}

// decoded returns the Enrol or Suspend.
func (p proposalRow) decoded() (federation.Body, error) {
	return federation.DecodeBody(federation.Statement{Trust: p.by, Kind: p.kind, Body: p.body})
}

// keyRow says whose a key is or was. It stays when the key is replaced: a key that was given up must not come back.
type keyRow struct {
	trust federation.TrustID
	role  federation.KeyRole
}

func (k keyRow) encode() []byte {
	var e federation.Encoder
	e.U8(uint8(k.role))
	e.Text(string(k.trust))
	return e.Bytes()
}

func decodeKey(d *federation.Decoder) keyRow {
	return keyRow{role: federation.KeyRole(d.U8()), trust: federation.TrustID(d.Text(rowText))}
}
