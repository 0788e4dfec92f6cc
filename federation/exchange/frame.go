package exchange

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// A stream is a sequence of frames: one byte of type, four bytes of length (big-endian), and the payload.
//
//	requester                     custodian
//	request: signed assertion ->
//	                           <- ruling: signed                    of the custodian; not always before a refusal
//	                           <- grant: intent, path, manifest     or  refusal: code, text
//	                           <- chunk: part, index, bytes         as many as Push says
//	want: first, count        ->                                    as often as needed
//	                           <- chunk ...                         path in between
//	receipt: signed           ->
//
// The custodian may end the stream at any time by a reset whose code is an outcome.
type frameType uint8

const (
	frameRequest frameType = iota + 1
	frameGrant
	frameRefusal
	frameChunk
	frameWant
	framePath
	frameReceipt
	frameRuling
)

const (
	frameHeader = 5
	chunkHeader = 8
	grantHeader = 8 + pathSize + 1 + 32
	pathSize    = 8 + 8 + 4
	wantSize    = 16
	maxSafeText = 512
)

// limit returns the most bytes that the payload of a frame of this type may have.
func (t frameType) limit() int {
	switch t {
	case frameRequest:
		return MaxRequest
	case frameGrant:
		return grantHeader + federation.MaxManifest
	case frameRefusal:
		return 1 + maxSafeText
	case frameChunk:
		return chunkHeader + federation.ChunkSize
	case frameWant:
		return wantSize
	case framePath:
		return pathSize
	case frameReceipt:
		return 1024
	case frameRuling:
		return maxRuling
	default:
		return -1
	}
}

// appendFrame appends the header of a frame; the payload follows.
func appendFrame(b []byte, t frameType, payload int) []byte {
	return binary.BigEndian.AppendUint32(append(b, byte(t)), uint32(payload))
}

// readHeader reads the header of a frame and checks its length. It fails with ErrProtocol.
func readHeader(r io.Reader) (frameType, int, error) {
	var h [frameHeader]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, 0, err
	}
	t, n := frameType(h[0]), binary.BigEndian.Uint32(h[1:])
	if limit := t.limit(); limit < 0 || n > uint32(limit) {
		return 0, 0, fmt.Errorf("frame of type %d and %d bytes: %w", t, n, ErrProtocol)
	}
	return t, int(n), nil
}

// readPayload reads n bytes. Memory grows with what arrives, not with what was announced.
func readPayload(r io.Reader, n int) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(min(n, 64<<10))
	if m, err := io.CopyN(&b, r, int64(n)); err != nil {
		if m > 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return b.Bytes(), nil
}

// Path is what the custodian's end knows of the connection that it sends on. Counts begin with the connection.
type Path struct {
	Sent, Lost uint64        // packets
	RTT        time.Duration // the least of the connection: what its own queue adds is not the path's
}

func (p Path) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, p.Sent), p.Lost)
	return binary.BigEndian.AppendUint32(b, uint32(min(max(p.RTT.Microseconds(), 0), 1<<32-1)))
}

func decodePath(b []byte) (Path, error) {
	if len(b) != pathSize {
		return Path{}, fmt.Errorf("path of %d bytes: %w", len(b), ErrProtocol)
	}
	return Path{
		Sent: binary.BigEndian.Uint64(b), Lost: binary.BigEndian.Uint64(b[8:]),
		RTT: time.Duration(binary.BigEndian.Uint32(b[16:])) * time.Microsecond,
	}, nil
}

// grant is the custodian's permission.
type grant struct {
	intent   uint64
	path     Path
	digest   federation.Digest
	manifest []byte // empty when the requester has it
}

func (g grant) append(b []byte) []byte {
	b = appendFrame(b, frameGrant, grantHeader+len(g.manifest))
	b = binary.BigEndian.AppendUint64(b, g.intent)
	b = g.path.append(b)
	flag := byte(0)
	if len(g.manifest) > 0 {
		flag = 1
	}
	b = append(append(b, flag), g.digest[:]...)
	return append(b, g.manifest...)
}

func decodeGrant(b []byte) (grant, error) {
	if len(b) < grantHeader || b[8+pathSize] > 1 || (b[8+pathSize] == 1) != (len(b) > grantHeader) {
		return grant{}, fmt.Errorf("grant of %d bytes: %w", len(b), ErrProtocol)
	}
	g := grant{intent: binary.BigEndian.Uint64(b), manifest: b[grantHeader:]}
	var err error
	if g.path, err = decodePath(b[8 : 8+pathSize]); err != nil {
		return grant{}, err
	}
	copy(g.digest[:], b[8+pathSize+1:])
	return g, nil
}

func appendRefusal(b []byte, o policy.Outcome, text string) []byte {
	text = text[:min(len(text), maxSafeText)]
	b = appendFrame(b, frameRefusal, 1+len(text))
	return append(append(b, wireCode(o)), text...)
}

func decodeRefusal(b []byte) (*Refusal, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("empty refusal: %w", ErrProtocol)
	}
	r := &Refusal{Outcome: outcomeOfWire(b[0])}
	// The text ends up before a user: one that is not plain text is replaced by our own.
	if r.Text = string(b[1:]); !plain(r.Text) {
		r.Text = r.Outcome.Safe()
	}
	return r, nil
}

func wantFrame(first, count int) []byte {
	b := appendFrame(nil, frameWant, wantSize)
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, uint64(first)), uint64(count))
}

// decodeWant reads a run of a plan with total chunks.
func decodeWant(b []byte, total int) (first, count int, err error) {
	if len(b) == wantSize {
		f, n := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
		if n > 0 && n <= uint64(total) && f <= uint64(total)-n {
			return int(f), int(n), nil
		}
	}
	return 0, 0, fmt.Errorf("want outside of the selection: %w", ErrProtocol)
}

func appendChunkHeader(b []byte, p piece, size int) []byte {
	b = appendFrame(b, frameChunk, chunkHeader+size)
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, uint32(p.part)), uint32(p.index))
}

// plain reports whether s is text that can be shown as it is.
func plain(s string) bool {
	var e federation.Encoder
	e.Text(s)
	d := federation.NewDecoder("text", e.Bytes())
	return d.Text(maxSafeText) == s && d.Finish() == nil && s != ""
}
