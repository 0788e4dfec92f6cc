package federation

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
)

// TrustID names an organisation by its ODS code: capital letters and digits, 3 to 12 of them ("RYJ", "Y05868").
type TrustID string

// ParseTrustID returns the ODS code in s, in capitals. It fails with ErrTrustID.
func ParseTrustID(s string) (TrustID, error) {
	t := TrustID(strings.ToUpper(strings.TrimSpace(s)))
	if !t.Valid() {
		return "", fmt.Errorf("%q: %w", s, ErrTrustID)
	}
	return t, nil
}

// Valid reports whether t has the form of an ODS code. It does not say that such an organisation exists.
func (t TrustID) Valid() bool {
	if len(t) < 3 || len(t) > 12 {
		return false
	}
	for i := range len(t) {
		if c := t[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// Digest is a SHA-256.
type Digest [sha256.Size]byte

// Sum returns the SHA-256 of b.
func Sum(b []byte) Digest { return sha256.Sum256(b) }

// parseDigest reads the 64 hexadecimal digits that String writes. It fails with ErrDigest.
func parseDigest(s string) (Digest, error) {
	var d Digest
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(d) {
		return Digest{}, fmt.Errorf("%q: %w", s, ErrDigest)
	}
	copy(d[:], b)
	return d, nil
}

// String returns the digest as 64 lower-case hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether d is all zeros, which stands for "none".
func (d Digest) IsZero() bool { return d == Digest{} }

// NodeID names a node: the SHA-256 of its TLS key's SubjectPublicKeyInfo (RFC 5280 §4.1.2.7). Zero is no node.
type NodeID [sha256.Size]byte

// NodeOf returns the id of the node that holds the private half of key.
func NodeOf(key PublicKey) NodeID {
	return sha256.Sum256(append(spkiOfEd25519[:len(spkiOfEd25519):len(spkiOfEd25519)], key[:]...))
}

// spkiOfEd25519 is what the DER form of a SubjectPublicKeyInfo has before the 32 bytes of an Ed25519 key (RFC 8410 §4).
var spkiOfEd25519 = []byte{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}

// ParseNodeID reads the 64 hexadecimal digits that String writes. It fails with ErrDigest.
func ParseNodeID(s string) (NodeID, error) {
	d, err := parseDigest(s)
	return NodeID(d), err
}

// String returns the id as 64 lower-case hexadecimal digits.
func (n NodeID) String() string { return hex.EncodeToString(n[:]) }

// Short returns the first eight digits, for people.
func (n NodeID) Short() string { return n.String()[:8] }

// IsZero reports whether n names no node.
func (n NodeID) IsZero() bool { return n == NodeID{} }

// Subject is a patient as the region sees one: a keyed pseudonym of the NHS number, 128 bits. Only storage/record makes one.
type Subject [16]byte

// String returns the pseudonym as 32 lower-case hexadecimal digits.
func (s Subject) String() string { return hex.EncodeToString(s[:]) }

// IsZero reports whether s names no patient.
func (s Subject) IsZero() bool { return s == Subject{} }

// LogValue keeps the pseudonym out of logs: it links everything that is known of one patient.
func (s Subject) LogValue() slog.Value { return slog.StringValue("subject") }

// DocumentKey is the part of a document's id that its custodian chose, 80 bits.
type DocumentKey [10]byte

// crockfordAlphabet is base 32 without I, L, O and U, so that an id can be read aloud.
const crockfordAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// crockfordPlace is the inverse of crockfordAlphabet; it never changes.
var crockfordPlace = func() (places [256]uint8) {
	for c := range places {
		places[c] = noPlace
	}
	for i := range len(crockfordAlphabet) {
		places[crockfordAlphabet[i]] = uint8(i)
	}
	return places
}()

const noPlace = 0xff

var crockford = base32.NewEncoding(crockfordAlphabet).WithPadding(base32.NoPadding)

// DocumentID names a document in the region: the custodian's ODS code, a hyphen, and 16 characters of Crockford's base 32.
// Only the custodian can publish it. It says nothing of the patient or of the content.
type DocumentID string

// NewDocumentID returns the id of a custodian's document.
func NewDocumentID(custodian TrustID, key DocumentKey) DocumentID {
	return DocumentID(appendDocumentID(make([]byte, 0, maxDocumentID), custodian, key))
}

const maxDocumentID = 12 + 1 + 16 // bytes

func appendDocumentID(b []byte, custodian TrustID, key DocumentKey) []byte {
	return crockford.AppendEncode(append(append(b, custodian...), '-'), key[:])
}

// ParseDocumentID reads an id as people write it: any case, O for 0, I and L for 1. It fails with ErrDocumentID.
func ParseDocumentID(s string) (DocumentID, error) {
	trust, key, ok := strings.Cut(strings.ToUpper(strings.TrimSpace(s)), "-")
	key = strings.NewReplacer("O", "0", "I", "1", "L", "1").Replace(key)
	if d := DocumentID(trust + "-" + key); ok && d.Valid() {
		return d, nil
	}
	return "", fmt.Errorf("%q: %w", s, ErrDocumentID)
}

// Valid reports whether d is in canonical form.
func (d DocumentID) Valid() bool { return d.Custodian() != "" }

// Custodian returns the trust that holds the document; empty when d is not valid.
func (d DocumentID) Custodian() TrustID {
	const text = 1 + 16
	at := len(d) - text
	if at < 0 || d[at] != '-' || !TrustID(d[:at]).Valid() {
		return ""
	}
	bad := uint8(0) // all places are below 32
	for _, c := range []byte(d[at+1:]) {
		bad |= crockfordPlace[c]
	}
	if bad >= 32 {
		return ""
	}
	return TrustID(d[:at])
}

// Key returns the custodian's part of the id; zero when d is not valid.
func (d DocumentID) Key() DocumentKey {
	_, key, _ := d.split()
	return key
}

// split takes d apart. It does not use the decoder of encoding/base32, which passes over line breaks.
func (d DocumentID) split() (TrustID, DocumentKey, bool) {
	trust, text, ok := strings.Cut(string(d), "-")
	if !ok || len(text) != 16 || !TrustID(trust).Valid() {
		return "", DocumentKey{}, false
	}
	var key DocumentKey
	for half := range 2 {
		var v uint64 // 40 bits
		for _, c := range []byte(text[half*8 : half*8+8]) {
			place := crockfordPlace[c]
			if place == noPlace {
				return "", DocumentKey{}, false
			}
			v = v<<5 | uint64(place)
		}
		for i := range 5 {
			key[half*5+i] = byte(v >> (32 - 8*i))
		}
	}
	return TrustID(trust), key, true
}

// PublicKey is an Ed25519 public key (RFC 8032).
type PublicKey [ed25519.PublicKeySize]byte

// PublicOf returns the public half of key.
func PublicOf(key ed25519.PrivateKey) PublicKey {
	var p PublicKey
	if pub, ok := key.Public().(ed25519.PublicKey); ok {
		copy(p[:], pub)
	}
	return p
}

// Verify reports whether sig is k's signature of message.
func (k PublicKey) Verify(message []byte, sig Signature) bool {
	return ed25519.Verify(k[:], message, sig[:])
}

// IsZero reports whether k is no key.
func (k PublicKey) IsZero() bool { return k == PublicKey{} }

// Signature is an Ed25519 signature (RFC 8032).
type Signature [ed25519.SignatureSize]byte
