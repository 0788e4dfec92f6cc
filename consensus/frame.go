package consensus

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A stream starts with one byte that names the service. Then come frames, in both directions:
//
//	0  4  length of all that follows, big endian
//	4  1  kind
//	5     body
const (
	serviceRaft  byte = 'R'
	serviceCalls byte = 'C'
)

// frameKind says what a frame's body is. Do not reorder.
type frameKind byte

const (
	frameAppend frameKind = iota + 1
	frameVote
	framePreVote
	frameSnapshot // followed by as many raw bytes as it announces
	frameTimeout
	frameAnswer // to any of the above
	frameFailed // body: text
	frameWorking
	frameSubmit
	frameReadIndex
	frameWaitApplied
	frameMember
	frameReply // to a call
)

const (
	// maxFrame bounds an AppendEntries, and so what a peer can make a replica hold for one stream.
	maxFrame = 16 << 20
	// maxSmallFrame bounds every other frame but those that carry a command or a configuration.
	maxSmallFrame = 4 << 10
	// trustedBytes are allocated on a peer's word; more only as it arrives.
	trustedBytes = 64 << 10
)

var errFrame = errors.New("malformed frame")

// limit returns the largest body of a kind; 0 for an unknown kind.
func (k frameKind) limit() int {
	switch k {
	case frameAppend:
		return maxFrame
	case frameSnapshot:
		return maxConfiguration + maxSmallFrame
	case frameSubmit:
		return MaxCommand + maxSmallFrame
	case frameReply:
		return maxPayload + maxSmallFrame
	case frameVote, framePreVote, frameTimeout, frameAnswer, frameFailed, frameWorking, frameReadIndex, frameWaitApplied, frameMember:
		return maxSmallFrame
	}
	return 0
}

// maxPayload bounds the response to a forwarded command.
const maxPayload = 1 << 20

func readFrame(r *bufio.Reader) (frameKind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	kind := frameKind(head[4])
	length := int64(binary.BigEndian.Uint32(head[:])) - 1
	if limit := kind.limit(); limit == 0 || length < 0 || length > int64(limit) {
		return 0, nil, fmt.Errorf("%w: kind %d, %d bytes", errFrame, kind, length)
	}
	body, err := readBody(r, int(length))
	return kind, body, err
}

// readBody reads n bytes and allocates no more than has arrived, but for the first trustedBytes.
func readBody(r io.Reader, n int) ([]byte, error) {
	if n <= trustedBytes {
		body := make([]byte, n)
		_, err := io.ReadFull(r, body)
		return body, err
	}
	var buf bytes.Buffer
	buf.Grow(trustedBytes)
	if _, err := io.CopyN(&buf, r, int64(n)); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func writeFrame(w *bufio.Writer, kind frameKind, body []byte) error {
	var head [5]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(body)+1))
	head[4] = byte(kind)
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	if _, err := w.Write(body); err != nil {
		return err
	}
	return w.Flush()
}

// encoder builds a body of uvarints and byte strings with their length before them.
type encoder struct{ b []byte }

func (e *encoder) uint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }

func (e *encoder) bytes(v []byte) {
	e.uint(uint64(len(v)))
	e.b = append(e.b, v...)
}

func (e *encoder) bool(v bool) {
	if v {
		e.b = append(e.b, 1)
	} else {
		e.b = append(e.b, 0)
	}
}

// decoder reads what an encoder built. After the first error all reads return zero.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) uint() uint64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.err = errFrame
		return 0
	}
	d.b = d.b[n:]
	return v
}

// bytes returns a part of the body, not a copy.
func (d *decoder) bytes() []byte {
	n := d.uint()
	if d.err != nil || n > uint64(len(d.b)) {
		d.err = errFrame
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) byte() byte {
	if d.err != nil || len(d.b) == 0 {
		d.err = errFrame
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) bool() bool {
	v := d.byte()
	if v > 1 {
		d.err = errFrame
	}
	return v == 1
}

// end returns the first error, or one for bytes that are left over.
func (d *decoder) end() error {
	if d.err == nil && len(d.b) > 0 {
		d.err = fmt.Errorf("%w: %d bytes left over", errFrame, len(d.b))
	}
	return d.err
}
