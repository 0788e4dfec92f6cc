package federation

import (
	"crypto/ed25519"
	"fmt"
	"time"
)

// MaxStatement is the most bytes a signed statement may have.
const MaxStatement = 256 << 10

// statementVersion is the first byte of an encoded statement.
const statementVersion = 1

// signingContext separates signatures of statements from all others made with the same key.
const signingContext = "ridgeway statement v1\x00"

// Kind says what a statement does. Zero is invalid. Do not reorder; add at the end.
type Kind uint8

// The kinds of statements.
const (
	KindCharter    Kind = iota + 1 // founds the region
	KindEnrol                      // proposes a trust and its node
	KindApprove                    // approves a proposal
	KindSuspend                    // suspends a trust or node, or lifts a suspension
	KindRotate                     // replaces a key or an address
	KindPublish                    // puts pointers into the index
	KindWithdraw                   // takes pointers out of the index
	KindDirective                  // records what a patient has objected to or withdrawn
	KindAgreement                  // sets the trust's own sharing rules
	KindLink                       // says that two subjects are one patient
	KindCheckpoint                 // witnesses an audit log
	KindBreakGlass                 // tells the region of an emergency access
)

var kindNames = [...]string{"", "charter", "enrol", "approve", "suspend", "rotate", "publish", "withdraw", "directive", "agreement", "link", "checkpoint", "break-glass"}

// String returns the kind's name.
func (k Kind) String() string {
	if k.Valid() {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Valid reports whether k is a kind that this program knows.
func (k Kind) Valid() bool { return k >= KindCharter && k <= KindBreakGlass }

// Statement is one thing that a trust says to the region.
//
//	offset  size  field
//	0       1     version, 1
//	1       1     kind
//	2       1+n   trust: length, ODS code
//	        8     seq: 1 for a trust's first statement, then without gaps
//	        32    prev: digest of the same trust's statement seq-1; for the first one the region's id; for the charter zero
//	        8     at: microseconds since 1970 UTC, by the trust's clock
//	        v+n   body: length as a varint, bytes
//
// Integers are big-endian. The chain of Seq and Prev makes a trust's statements one sequence that nobody, the leader
// included, can reorder, drop from the middle, or play into another region.
type Statement struct {
	Trust TrustID
	Seq   uint64
	Prev  Digest
	Kind  Kind
	At    time.Time
	Body  []byte
}

// Signed is a statement as it travels: the exact bytes that were signed, and the signature. It is never re-encoded.
type Signed struct {
	Raw []byte    // the encoded Statement; covered by the signature
	Sig Signature // by the trust's statement key, over "ridgeway statement v1", a zero byte, and Raw
}

// Encode returns the canonical bytes of s.
func (s Statement) Encode() []byte {
	e := Encoder{buf: make([]byte, 0, len(s.Body)+128)}
	e.U8(statementVersion)
	e.U8(uint8(s.Kind))
	e.trust(s.Trust)
	e.U64(s.Seq)
	e.Fixed(s.Prev[:])
	e.Time(s.At)
	e.Blob(s.Body)
	return e.Bytes()
}

// Sign encodes s and signs it with the trust's statement key. It fails with ErrTooLarge, and with ErrMalformed when a
// field could not be read back.
func Sign(s Statement, key ed25519.PrivateKey) (Signed, error) {
	raw := s.Encode()
	if len(raw)+ed25519.SignatureSize > MaxStatement {
		return Signed{}, fmt.Errorf("%s statement of %d bytes, at most %d: %w", s.Kind, len(raw), MaxStatement-ed25519.SignatureSize, ErrTooLarge)
	}
	if _, err := DecodeStatement(raw); err != nil {
		return Signed{}, err
	}
	signed := Signed{Raw: raw}
	copy(signed.Sig[:], ed25519.Sign(key, signedBytes(raw)))
	return signed, nil
}

// Verify reports whether key made the signature. It fails with ErrSignature.
func (s Signed) Verify(key PublicKey) error {
	if key.IsZero() || !key.Verify(signedBytes(s.Raw), s.Sig) {
		return fmt.Errorf("statement %s: %w", s.ID(), ErrSignature)
	}
	return nil
}

// ID returns the digest of the statement, which the next statement of the trust names as Prev.
func (s Signed) ID() Digest { return Sum(s.Raw) }

// Statement decodes what was signed. It does not check the signature. It fails with ErrMalformed, ErrVersion or ErrTooLarge.
func (s Signed) Statement() (Statement, error) { return DecodeStatement(s.Raw) }

// Encode returns the envelope as it is replicated and kept: the signature, then the statement's bytes.
func (s Signed) Encode() []byte {
	out := make([]byte, 0, len(s.Sig)+len(s.Raw))
	return append(append(out, s.Sig[:]...), s.Raw...)
}

// DecodeSigned reads what Encode wrote; Raw aliases b. It fails with ErrMalformed or ErrTooLarge.
func DecodeSigned(b []byte) (Signed, error) {
	var s Signed
	if len(b) > MaxStatement {
		return s, fmt.Errorf("signed statement of %d bytes, at most %d: %w", len(b), MaxStatement, ErrTooLarge)
	}
	if len(b) <= len(s.Sig) {
		return s, fmt.Errorf("signed statement of %d bytes: %w", len(b), ErrMalformed)
	}
	copy(s.Sig[:], b)
	s.Raw = b[len(s.Sig):]
	return s, nil
}

// DecodeStatement reads the canonical form; Body aliases b. A kind that this program does not know is returned as it is:
// the caller decides what an unknown kind means. It fails with ErrMalformed, ErrVersion or ErrTooLarge.
func DecodeStatement(b []byte) (Statement, error) {
	var s Statement
	if len(b) > MaxStatement {
		return s, fmt.Errorf("statement of %d bytes, at most %d: %w", len(b), MaxStatement, ErrTooLarge)
	}
	d := NewDecoder("statement", b)
	if v := d.U8(); d.Err() == nil && v != statementVersion {
		return s, fmt.Errorf("statement version %d: %w", v, ErrVersion)
	}
	s.Kind = Kind(d.U8())
	s.Trust = d.trust()
	s.Seq = d.U64()
	d.Into(s.Prev[:])
	s.At = d.Time()
	s.Body = d.Blob(MaxStatement)
	if d.Err() == nil && (s.Kind == 0 || s.Seq == 0 || s.At.IsZero()) {
		d.Fail("kind, seq and time must be set")
	}
	return s, d.Finish()
}

// trust reads a length byte and an ODS code.
func (d *Decoder) trust() TrustID {
	t := TrustID(d.Fixed(int(d.U8())))
	if d.err == nil && !t.Valid() {
		d.Fail("%q is not an ODS code", string(t))
	}
	return t
}

// trust appends a length byte and the code. Of what is no code it writes the empty one, which no decoder takes.
func (e *Encoder) trust(t TrustID) {
	if !t.Valid() {
		t = ""
	}
	e.U8(uint8(len(t)))
	e.Fixed([]byte(t))
}

func signedBytes(raw []byte) []byte {
	return append([]byte(signingContext), raw...)
}

// Place is where in a trust's chain a statement stands.
type Place struct {
	Trust TrustID
	Seq   uint64 // one more than that of the statement before
	Prev  Digest // digest of the statement before
	At    time.Time
}

// Compose signs a statement with this body. The body is read back first, to be sure that every replica can. It fails as
// Sign and DecodeBody do, and with ErrMalformed for a document that is not the trust's own: the form of a publication or
// withdrawal has no room for its custodian, and would name another document.
func Compose(place Place, body Body, key ed25519.PrivateKey) (Signed, error) {
	if err := ownDocuments(place.Trust, body); err != nil {
		return Signed{}, err
	}
	s := Statement{Trust: place.Trust, Seq: place.Seq, Prev: place.Prev, At: place.At, Kind: body.Kind(), Body: EncodeBody(body)}
	if _, err := DecodeBody(s); err != nil {
		return Signed{}, err
	}
	return Sign(s, key)
}

func ownDocuments(trust TrustID, body Body) error {
	var documents []DocumentID
	switch b := body.(type) {
	case Publish:
		for _, p := range b.Pointers {
			documents = append(documents, p.Document)
			if p.Supersedes != "" {
				documents = append(documents, p.Supersedes)
			}
		}
	case Withdraw:
		documents = b.Documents
	default:
		return nil
	}
	for _, d := range documents {
		if d.Custodian() != trust {
			return fmt.Errorf("document %q of a statement by %s: %w", string(d), trust, ErrMalformed)
		}
	}
	return nil
}
