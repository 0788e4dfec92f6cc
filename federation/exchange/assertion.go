package exchange

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// MaxRequest is the most bytes that a signed assertion may have.
const MaxRequest = 16 << 10

const (
	assertionVersion = 1
	// assertionContext and receiptContext separate these signatures from all others made with the same key.
	assertionContext = "ridgeway assertion v1\x00"
	receiptContext   = "ridgeway receipt v1\x00"

	flagBulk    = 1
	flagHave    = 2
	flagExport  = 4
	flagVouched = 8
	allFlags    = flagBulk | flagHave | flagExport | flagVouched

	maxUser, maxRole, maxPurpose, maxRelationship, maxEmergency = 128, 64, 32, 256, 1024

	maxSequence = 1 << 40
)

// BindingSize is how many bytes bind an assertion to a connection.
const BindingSize = 32

// Transfer names one fetch at both ends, over all the streams that it takes.
type Transfer [16]byte

// Assertion is a requesting trust's statement, to one custodian on one connection, of who wants which bytes and why.
//
//	size  field                                   size  field
//	1     version, 1                              32    node that asks
//	1     flags: 1 bulk, 2 manifest is at hand,   32    custodian's node
//	      4 export, 8 vouched for
//	1+n   trust that asks                         32    binding of the connection
//	v+n   user, role, purpose, relationship,      16    nonce
//	      emergency (each its length and text)    16    transfer
//	16    subject                                 8     time, microseconds since 1970 UTC
//	v+n   document                                v     selection: part; pages; ranges of offset and length
//	32    manifest                                v     first chunk; chunks to send unasked
//	                                              40    vouched for: digest of the relationship; when (as time)
//
// All of it is covered by the signature, which is by the trust's statement key over "ridgeway assertion v1", a zero byte,
// and these bytes.
type Assertion struct {
	Trust        federation.TrustID
	User         string // staff id within the trust
	Role         string
	Purpose      string
	Relationship string
	Emergency    string // reason for breaking the glass; empty when it is not broken
	Subject      federation.Subject
	Document     federation.DocumentID
	Manifest     federation.Digest // that the requester's copy of the index has
	Node         federation.NodeID
	Custodian    federation.NodeID
	Binding      [BindingSize]byte
	Nonce        [16]byte
	Transfer     Transfer
	At           time.Time
	Selection    Selection
	Start        int  // the first chunks of the selection that are not wanted: they are held already
	Push         int  // how many chunks from Start on to send without being asked
	Bulk         bool // nobody waits for it
	Have         bool // the manifest is at hand and need not be sent
	Export       bool // the copy is to be kept in another system
	Vouch        Vouch
}

// Vouch is the requesting trust's word that it has found, in its own records, what its user names as evidence of the relationship.
// The zero value is none.
type Vouch struct {
	Relationship federation.Digest // RelationshipDigest of what the user has stated
	At           time.Time         // when it was looked up
}

// IsZero reports whether nothing is vouched for.
func (v Vouch) IsZero() bool { return v == Vouch{} }

// RelationshipDigest is what a Vouch names a stated relationship by: the SHA-256 of "ridgeway relationship v1", a zero byte, the
// patient's subject and the text. A word about one patient, or one reference, is none about another.
func RelationshipDigest(subject federation.Subject, relationship string) federation.Digest {
	return federation.Sum(append(append([]byte("ridgeway relationship v1\x00"), subject[:]...), relationship...))
}

// Encode returns the canonical bytes.
func (a Assertion) Encode() []byte {
	var e federation.Encoder
	var flags uint8
	if a.Bulk {
		flags |= flagBulk
	}
	if a.Have {
		flags |= flagHave
	}
	if a.Export {
		flags |= flagExport
	}
	if !a.Vouch.IsZero() {
		flags |= flagVouched
	}
	e.U8(assertionVersion)
	e.U8(flags)
	for _, text := range []string{string(a.Trust), a.User, a.Role, a.Purpose, a.Relationship, a.Emergency} {
		e.Text(text)
	}
	e.Fixed(a.Subject[:])
	e.Text(string(a.Document))
	e.Fixed(a.Manifest[:])
	e.Fixed(a.Node[:])
	e.Fixed(a.Custodian[:])
	e.Fixed(a.Binding[:])
	e.Fixed(a.Nonce[:])
	e.Fixed(a.Transfer[:])
	e.Time(a.At)
	a.Selection.encode(&e)
	e.Uvarint(uint64(a.Start))
	e.Uvarint(uint64(a.Push))
	if !a.Vouch.IsZero() {
		e.Fixed(a.Vouch.Relationship[:])
		e.Time(a.Vouch.At)
	}
	return e.Bytes()
}

// DecodeAssertion reads the canonical form. It fails with federation.ErrMalformed or federation.ErrVersion.
func DecodeAssertion(b []byte) (Assertion, error) {
	var a Assertion
	d := federation.NewDecoder("assertion", b)
	if v := d.U8(); d.Err() == nil && v != assertionVersion {
		return a, fmt.Errorf("assertion version %d: %w", v, federation.ErrVersion)
	}
	flags := d.U8()
	a.Bulk, a.Have, a.Export = flags&flagBulk != 0, flags&flagHave != 0, flags&flagExport != 0
	a.Trust = federation.TrustID(d.Text(12))
	a.User, a.Role, a.Purpose = d.Text(maxUser), d.Text(maxRole), d.Text(maxPurpose)
	a.Relationship, a.Emergency = d.Text(maxRelationship), d.Text(maxEmergency)
	d.Into(a.Subject[:])
	a.Document = federation.DocumentID(d.Text(12 + 1 + 16))
	d.Into(a.Manifest[:])
	d.Into(a.Node[:])
	d.Into(a.Custodian[:])
	d.Into(a.Binding[:])
	d.Into(a.Nonce[:])
	d.Into(a.Transfer[:])
	a.At = d.Time()
	a.Selection = decodeSelection(d)
	a.Start, a.Push = int(d.Uvarint(maxSequence)), int(d.Uvarint(maxSequence))
	if flags&flagVouched != 0 {
		d.Into(a.Vouch.Relationship[:])
		a.Vouch.At = d.Time()
	}
	if d.Err() == nil {
		switch {
		case flags > allFlags:
			d.Fail("flags %d", flags)
		case flags&flagVouched != 0 && (a.Relationship == "" || a.Vouch.Relationship.IsZero() || a.Vouch.At.IsZero()):
			d.Fail("vouched for nothing")
		case !a.Trust.Valid() || a.User == "" || a.Role == "" || a.Purpose == "":
			d.Fail("trust, user, role and purpose must be set")
		case !oneLine(a.User, a.Role, a.Purpose, a.Relationship, a.Emergency): // lists of who has seen what show each in a line
			d.Fail("user, role, purpose, relationship and emergency must be one line of text each")
		case !a.Document.Valid() || a.Subject.IsZero() || a.Manifest.IsZero() || a.At.IsZero():
			d.Fail("document, subject, manifest and time must be set")
		}
	}
	if err := d.Finish(); err != nil {
		return Assertion{}, err
	}
	return a, nil
}

// SignAssertion returns the signature and the canonical bytes, as they travel. It fails with ErrSelection when they would
// be over MaxRequest, and with federation.ErrMalformed when they could not be read back.
func SignAssertion(a Assertion, key ed25519.PrivateKey) ([]byte, error) {
	raw := a.Encode()
	if len(raw)+ed25519.SignatureSize > MaxRequest {
		return nil, fmt.Errorf("request of %d bytes, at most %d: %w", len(raw), MaxRequest-ed25519.SignatureSize, ErrSelection)
	}
	if _, err := DecodeAssertion(raw); err != nil {
		return nil, err
	}
	return sign(assertionContext, raw, key), nil
}

func sign(context string, raw []byte, key ed25519.PrivateKey) []byte {
	sig := ed25519.Sign(key, append([]byte(context), raw...))
	return append(sig, raw...)
}

// open takes signature and bytes apart and checks the one over the other. It fails with federation.ErrSignature.
func open(context string, signed []byte, key federation.PublicKey) ([]byte, error) {
	var sig federation.Signature
	if len(signed) <= len(sig) {
		return nil, fmt.Errorf("%d signed bytes: %w", len(signed), federation.ErrMalformed)
	}
	copy(sig[:], signed)
	raw := signed[len(sig):]
	if key.IsZero() || !key.Verify(append([]byte(context), raw...), sig) {
		return nil, federation.ErrSignature
	}
	return raw, nil
}

// Receipt is the requester's counter-signature: these bytes of that document reached it and were verified.
type Receipt struct {
	Assertion federation.Digest // of the signed assertion
	Manifest  federation.Digest
	Intent    uint64 // index of the custodian's audit entry
	Chunks    uint64 // verified
	Bytes     uint64 // verified
	At        time.Time
}

func (r Receipt) encode() []byte {
	var e federation.Encoder
	e.U8(assertionVersion)
	e.Fixed(r.Assertion[:])
	e.Fixed(r.Manifest[:])
	e.U64(r.Intent)
	e.Uvarint(r.Chunks)
	e.Uvarint(r.Bytes)
	e.Time(r.At)
	return e.Bytes()
}

// SignReceipt returns the signature by the requester's statement key and the canonical bytes, as they travel.
func SignReceipt(r Receipt, key ed25519.PrivateKey) []byte {
	return sign(receiptContext, r.encode(), key)
}

// VerifyReceipt reads a signed receipt and checks the signature. It fails with federation.ErrSignature,
// federation.ErrMalformed or federation.ErrVersion.
func VerifyReceipt(signed []byte, key federation.PublicKey) (Receipt, error) {
	var r Receipt
	raw, err := open(receiptContext, signed, key)
	if err != nil {
		return r, fmt.Errorf("receipt: %w", err)
	}
	d := federation.NewDecoder("receipt", raw)
	if v := d.U8(); d.Err() == nil && v != assertionVersion {
		return r, fmt.Errorf("receipt version %d: %w", v, federation.ErrVersion)
	}
	d.Into(r.Assertion[:])
	d.Into(r.Manifest[:])
	r.Intent, r.Chunks, r.Bytes, r.At = d.U64(), d.Uvarint(maxSequence), d.Uvarint(1<<50), d.Time()
	return r, d.Finish()
}

// oneLine reports whether each text is one line that reads as it was written.
func oneLine(texts ...string) bool {
	for _, t := range texts {
		if federation.LineFault(t, maxEmergency+maxRelationship) != "" {
			return false
		}
	}
	return true
}
