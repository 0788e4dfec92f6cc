package endpoint

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
)

// PeerID names a node: the SHA-256 of its key's DER SubjectPublicKeyInfo.
type PeerID [sha256.Size]byte

// String returns the id as 64 lower-case hexadecimal digits.
func (p PeerID) String() string { return hex.EncodeToString(p[:]) }

// Short returns the first 12 digits of the id, for log lines.
func (p PeerID) Short() string { return hex.EncodeToString(p[:6]) }

// KeyID returns the id of the node that holds the private half of key.
func KeyID(key ed25519.PublicKey) PeerID {
	// MarshalPKIXPublicKey fails on key types it does not know only; this one it knows. A key of
	// the wrong length encodes to something that no certificate carries, so it names nobody.
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return PeerID{}
	}
	return sha256.Sum256(der)
}

// Lane is a kind of traffic with connections of its own, so that the flow control and the losses
// of one lane never hold up another. The zero Lane is invalid. Do not reorder: the number is sent
// in the hello.
type Lane uint8

// The lanes.
const (
	// LaneRaft carries the consensus protocol.
	LaneRaft Lane = iota + 1
	// LaneControl carries remote calls, and the packets of Send.
	LaneControl
	// LaneDocument carries documents. A peer may have several connections of it, the stripes.
	LaneDocument
	// LaneJoin carries the request of a node that is not in the roster yet.
	LaneJoin
)

// String returns the lane's name as metrics and logs show it.
func (l Lane) String() string {
	switch l {
	case LaneRaft:
		return "raft"
	case LaneControl:
		return "control"
	case LaneDocument:
		return "document"
	case LaneJoin:
		return "join"
	default:
		return fmt.Sprintf("lane(%d)", uint8(l))
	}
}

// lanes lists every lane, member lanes first.
func lanes() [4]Lane { return [...]Lane{LaneRaft, LaneControl, LaneDocument, LaneJoin} }

func (l Lane) valid() bool { return l >= LaneRaft && l <= LaneJoin }

// alpn returns the application protocol (RFC 7301) that a connection of the lane negotiates.
func (l Lane) alpn() string { return "ridgeway-" + l.String() }

func laneOf(alpn string) (Lane, bool) {
	for _, l := range lanes() {
		if l.alpn() == alpn {
			return l, true
		}
	}
	return 0, false
}

// Service is the first byte of each stream and names who should read the rest. The caller chooses
// the numbers; they are unique within a lane. The zero Service is invalid, and so is 255, which is the endpoint's own.
type Service byte

// ServiceJoin is the one service of the join lane: DialJoin opens it.
const ServiceJoin Service = 1
