package index

import (
	"encoding/binary"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Each row's key starts with one of these. Do not change: DESIGN.md has the table.
const (
	rowMeta        = 'm'
	rowCharter     = 'g'
	rowTrust       = 't'
	rowHead        = 'h'
	rowStatement   = 's'
	rowEnvelope    = 'e'
	rowPointer     = 'p'
	rowDocument    = 'd'
	rowDirective   = 'o'
	rowDirectiveID = 'i'
	rowAgreement   = 'a'
	rowLink        = 'l'
	rowProposal    = 'q'
	rowKey         = 'k'
	rowCheckpoint  = 'c'
	rowRefusal     = 'x'
	rowBreakGlass  = 'b'
)

func metaKey() []byte    { return []byte{rowMeta} }
func charterKey() []byte { return []byte{rowCharter} }

func trustKey(t federation.TrustID) []byte { return append([]byte{rowTrust}, t...) }
func headKey(t federation.TrustID) []byte  { return append([]byte{rowHead}, t...) }

// appendTrust writes the code with its length in front, so that RYJ's rows never mix with RYJ1's.
func appendTrust(k []byte, t federation.TrustID) []byte {
	return append(append(k, byte(len(t))), t...)
}

func statementKey(t federation.TrustID, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(appendTrust([]byte{rowStatement}, t), seq)
}

func numberKey(row byte, n uint64) []byte { return binary.BigEndian.AppendUint64([]byte{row}, n) }

func agreementPrefix(t federation.TrustID) []byte { return appendTrust([]byte{rowAgreement}, t) }

func agreementKey(t federation.TrustID, version uint64) []byte {
	return binary.BigEndian.AppendUint64(agreementPrefix(t), version)
}

func proposalKey(d federation.Digest) []byte     { return append([]byte{rowProposal}, d[:]...) }
func publicKeyKey(p federation.PublicKey) []byte { return append([]byte{rowKey}, p[:]...) }
func checkpointKey(n federation.NodeID) []byte   { return append([]byte{rowCheckpoint}, n[:]...) }

func subjectPrefix(row byte, s federation.Subject) []byte { return append([]byte{row}, s[:]...) }

func directiveKey(s federation.Subject, id federation.DirectiveID) []byte {
	return append(subjectPrefix(rowDirective, s), id[:]...)
}

func directiveIDKey(id federation.DirectiveID) []byte {
	return append([]byte{rowDirectiveID}, id[:]...)
}

func linkKey(s, other federation.Subject) []byte {
	return append(subjectPrefix(rowLink, s), other[:]...)
}

func breakGlassKey(s federation.Subject, index uint64) []byte {
	return binary.BigEndian.AppendUint64(subjectPrefix(rowBreakGlass, s), index)
}

func documentKey(t federation.TrustID, key federation.DocumentKey) []byte {
	return appendDocument(nil, t, key)
}

func appendDocument(k []byte, t federation.TrustID, key federation.DocumentKey) []byte {
	return append(appendTrust(append(k, rowDocument), t), key[:]...)
}

// place is where a pointer stands among those of its subject: a later date sorts first.
type place uint32

// undated places sealed pointers, whose date the index does not hold, and undated ones after all others.
const undated = place(1<<32 - 1)

// epoch is before any record; 2^32 minutes from it end in the year 9966.
var epoch = time.Date(1800, 1, 1, 0, 0, 0, 0, time.UTC).Unix()

// placeOf returns the place of p: its minutes since epoch, counted backwards.
func placeOf(p federation.Pointer) place {
	if p.Sealed() {
		return undated
	}
	return placeAt(p.Date)
}

// placeAt returns the place of a date; undated for the zero date.
func placeAt(date time.Time) place {
	if date.IsZero() {
		return undated
	}
	minutes := (date.Unix() - epoch) / 60
	return undated - 1 - place(min(max(minutes, 0), int64(undated)-1))
}

// appendPlace writes what follows the subject in a pointer's key: 4 bytes of place, trust with its length, 10 of document key.
func appendPlace(k []byte, at place, t federation.TrustID, key federation.DocumentKey) []byte {
	k = binary.BigEndian.AppendUint32(k, uint32(at))
	return append(appendTrust(k, t), key[:]...)
}

func pointerKey(s federation.Subject, at place, t federation.TrustID, key federation.DocumentKey) []byte {
	return appendPlace(subjectPrefix(rowPointer, s), at, t, key)
}

// splitPlace reads what appendPlace wrote.
func splitPlace(b []byte) (trust []byte, key federation.DocumentKey, ok bool) {
	if len(b) < 5 || len(b) != 5+int(b[4])+len(key) {
		return nil, key, false
	}
	trust = b[5 : 5+int(b[4])]
	copy(key[:], b[5+len(trust):])
	return trust, key, federation.TrustID(trust).Valid()
}
