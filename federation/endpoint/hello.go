package endpoint

import (
	"bytes"
	"fmt"
)

// A connection starts with one stream of the dialling end, the hello, and the acknowledgement on
// it. A TLS 1.3 client believes itself connected before the server has looked at its certificate;
// only the acknowledgement proves that both ends have admitted each other.
//
// Hello, 16 bytes:
//
//	0        4      5      6      7        8      11               16
//	+--------+------+------+------+--------+------+----------------+
//	| "RDGW" | lane | min  | max  | stripe | life | reserved, zero |
//	+--------+------+------+------+--------+------+----------------+
//
// min and max are the versions that the dialling end speaks. Acknowledgement, 8 bytes, where
// version is the highest that both speak:
//
//	0        4         5      8
//	+--------+---------+------+
//	| "RDGW" | version | life |
//	+--------+---------+------+
//
// A refusal is a CONNECTION_CLOSE with a closeCode and a line of text. Reserved bytes are sent as
// zero and ignored when received, so that a later version can use them.
const (
	helloSize = 16
	ackSize   = 8

	oldestVersion = 1
	newestVersion = 1
)

var helloMagic = [4]byte{'R', 'D', 'G', 'W'}

// versions is a range of protocol versions, both ends included.
type versions struct{ min, max uint8 }

// common returns the highest version in both ranges.
func (v versions) common(w versions) (uint8, error) {
	top := min(v.max, w.max)
	if top < v.min || top < w.min {
		return 0, fmt.Errorf("%w: this node speaks %d to %d, the other %d to %d", ErrVersion, v.min, v.max, w.min, w.max)
	}
	return top, nil
}

type hello struct {
	lane     Lane
	versions versions
	stripe   uint8
	life     life
}

func (h hello) encode() [helloSize]byte {
	var b [helloSize]byte
	copy(b[:], helloMagic[:])
	b[4], b[5], b[6], b[7] = byte(h.lane), h.versions.min, h.versions.max, h.stripe
	copy(b[8:11], h.life[:])
	return b
}

func parseHello(b []byte) (hello, error) {
	if len(b) != helloSize || !bytes.Equal(b[:4], helloMagic[:]) {
		return hello{}, fmt.Errorf("%w: not a hello", ErrProtocol)
	}
	h := hello{lane: Lane(b[4]), versions: versions{b[5], b[6]}, stripe: b[7], life: life(b[8:11])}
	if !h.lane.valid() {
		return hello{}, fmt.Errorf("%w: hello for lane %d", ErrProtocol, b[4])
	}
	if h.versions.min == 0 || h.versions.min > h.versions.max {
		return hello{}, fmt.Errorf("%w: hello with versions %d to %d", ErrProtocol, h.versions.min, h.versions.max)
	}
	if h.stripe != 0 && h.lane != LaneDocument {
		return hello{}, fmt.Errorf("%w: stripe %d of lane %s", ErrProtocol, h.stripe, h.lane)
	}
	return h, nil
}

func encodeAck(version uint8, l life) [ackSize]byte {
	var b [ackSize]byte
	copy(b[:], helloMagic[:])
	b[4] = version
	copy(b[5:], l[:])
	return b
}

func parseAck(b []byte, offered versions) (uint8, life, error) {
	if len(b) != ackSize || !bytes.Equal(b[:4], helloMagic[:]) {
		return 0, life{}, fmt.Errorf("%w: not an acknowledgement", ErrProtocol)
	}
	if v := b[4]; v < offered.min || v > offered.max {
		return 0, life{}, fmt.Errorf("%w: acknowledged version %d of %d to %d", ErrProtocol, v, offered.min, offered.max)
	}
	return b[4], life(b[5:8]), nil
}

// headerSize is the length of what Dial writes before the caller does: the service, then zeros.
// The zeros make the first packet of a stream long enough (quic-go: over 42 bytes) to be answered
// with a stateless reset by a peer that restarted; with the service alone it would be met with
// silence (RFC 9000 §10.3 forbids a reset that is longer than its cause).
const headerSize = 16

func encodeHeader(s Service) [headerSize]byte { return [headerSize]byte{0: byte(s)} }
