package index

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

const (
	snapshotMagic = "RWLEDGR1"
	frameHeader   = 1 + 8 + 4
	maxRefusalRow = 1024
)

// snapshotSize counts what writeSnapshot writes.
func snapshotSize(r Reader) (int64, error) {
	m, err := readMeta(r)
	if err != nil {
		return 0, err
	}
	frames := (m.statements + m.kept()) * frameHeader
	return int64(uint64(len(snapshotMagic)+metaSize+sha256.Size) + frames + m.envelopes + m.refusalLog), nil
}

// writeSnapshot writes the ledger as it happened: nothing that Apply can work out again.
//
//	size   field
//	8      "RWLEDGR1"
//	177    meta row: what the result must come to
//	       for each accepted statement, in the order of the commands:
//	1        'e'
//	8        index of the command
//	4+n      length, envelope
//	       for each kept refusal, oldest first:
//	1        'x'
//	8        number of the refusal
//	4+n      length, row
//	32     SHA-256 of all before
func writeSnapshot(r Reader, w io.Writer) error {
	m, err := readMeta(r)
	if err != nil {
		return err
	}
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 256<<10)
	// Errors of a bufio.Writer stay with it; Flush returns the first.
	_, _ = out.WriteString(snapshotMagic)
	_, _ = out.Write(m.encode())
	for _, part := range []struct {
		row   byte
		count uint64
	}{{rowEnvelope, m.statements}, {rowRefusal, m.kept()}} {
		n, err := writeFrames(r, out, part.row)
		if err != nil {
			return fmt.Errorf("write snapshot: %w", err)
		}
		if n != part.count {
			return fmt.Errorf("%d rows %q, %d by the meta row: %w", n, part.row, part.count, ErrCorrupt)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	if _, err := w.Write(sum.Sum(nil)); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return nil
}

func writeFrames(r Reader, w io.Writer, row byte) (uint64, error) {
	var n uint64
	var header [frameHeader]byte
	err := r.Scan([]byte{row}, nil, func(key, value []byte) (bool, error) {
		if len(key) != 1+8 {
			return false, corrupt(key, federation.ErrMalformed)
		}
		copy(header[:], key)
		binary.BigEndian.PutUint32(header[1+8:], uint32(len(value)))
		n++
		if _, err := w.Write(header[:]); err != nil {
			return false, err
		}
		_, err := w.Write(value)
		return true, err
	})
	return n, err
}

// frame is one record of a snapshot.
type frame struct {
	row     byte
	number  uint64
	payload []byte
}

// snapshotReader reads what writeSnapshot wrote. It believes no length beyond what its kind may have.
type snapshotReader struct {
	src io.Reader // behind the frames: the sum is not part of the sum
	in  io.Reader // src, through sum
	got func() []byte
}

func newSnapshotReader(src io.Reader) *snapshotReader {
	sum := sha256.New()
	buffered := bufio.NewReaderSize(src, 256<<10)
	return &snapshotReader{src: buffered, in: io.TeeReader(buffered, sum), got: func() []byte { return sum.Sum(nil) }}
}

func (s *snapshotReader) header() (meta, error) {
	b := make([]byte, len(snapshotMagic)+metaSize)
	if _, err := io.ReadFull(s.in, b); err != nil {
		return meta{}, short(err)
	}
	if !bytes.HasPrefix(b, []byte(snapshotMagic)) {
		return meta{}, fmt.Errorf("%q is no ledger: %w", b[:len(snapshotMagic)], ErrSnapshot)
	}
	m, err := decodeMeta(b[len(snapshotMagic):])
	if err != nil {
		return meta{}, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	return m, nil
}

// next reads a frame of this row.
func (s *snapshotReader) next(row byte) (frame, error) {
	var h [frameHeader]byte
	if _, err := io.ReadFull(s.in, h[:]); err != nil {
		return frame{}, short(err)
	}
	f := frame{row: h[0], number: binary.BigEndian.Uint64(h[1:])}
	size, limit := binary.BigEndian.Uint32(h[9:]), uint32(federation.MaxStatement)
	if row == rowRefusal {
		limit = maxRefusalRow
	}
	if f.row != row || size > limit {
		return frame{}, fmt.Errorf("frame %q of %d bytes where %q was due: %w", f.row, size, row, ErrSnapshot)
	}
	f.payload = make([]byte, size)
	if _, err := io.ReadFull(s.in, f.payload); err != nil {
		return frame{}, short(err)
	}
	return f, nil
}

// finish reads the sum and makes sure that nothing follows it.
func (s *snapshotReader) finish() error {
	want := s.got()
	have := make([]byte, sha256.Size)
	if _, err := io.ReadFull(s.src, have); err != nil {
		return short(err)
	}
	if !bytes.Equal(have, want) {
		return fmt.Errorf("sum does not match: %w", ErrSnapshot)
	}
	var one [1]byte
	switch n, err := io.ReadFull(s.src, one[:]); {
	case n != 0:
		return fmt.Errorf("bytes after the end: %w", ErrSnapshot)
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("read snapshot: %w", err)
	default:
		return nil
	}
}

// short names a stream that ends early as what it is.
func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("ends early: %w", ErrSnapshot)
	}
	return fmt.Errorf("read snapshot: %w", err)
}
