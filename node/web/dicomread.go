package web

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"strings"
)

// The elements that are read (PS3.6).
const (
	tagSyntax       = 0x0002_0010
	tagPatientName  = 0x0010_0010
	tagPatientID    = 0x0010_0020
	tagBirthDate    = 0x0010_0030
	tagSamples      = 0x0028_0002
	tagPhotometric  = 0x0028_0004
	tagPlanar       = 0x0028_0006
	tagFrames       = 0x0028_0008
	tagRows         = 0x0028_0010
	tagColumns      = 0x0028_0011
	tagAllocated    = 0x0028_0100
	tagStored       = 0x0028_0101
	tagHighBit      = 0x0028_0102
	tagSigned       = 0x0028_0103
	tagWindowCentre = 0x0028_1050
	tagWindowWidth  = 0x0028_1051
	tagIntercept    = 0x0028_1052
	tagSlope        = 0x0028_1053
	tagPixels       = 0x7fe0_0010
	tagItem         = 0xfffe_e000
	tagItemEnd      = 0xfffe_e00d
	tagSequenceEnd  = 0xfffe_e0dd

	undefinedLength = math.MaxUint32
	maxNesting      = 16
)

var errDICOM = errors.New("the data elements cannot be read")

// elements are what lies at the top of a DICOM data set, as slices of it. Nothing is allocated by a length that the file only
// claims. Values of sequences are passed over.
type elements struct {
	data      []byte
	at        int
	implicit  bool
	values    map[uint32][]byte
	fragments [][]byte // of encapsulated pixels
}

// parseDICOM walks the data set up to its pixels (PS3.5 section 7.1), after the preamble and the head where there are any.
func parseDICOM(data []byte) (*elements, error) {
	e := &elements{data: data, values: make(map[uint32][]byte)}
	if len(data) >= 132 && string(data[128:132]) == "DICM" {
		e.at = 132
	}
	// A data set without a head is implicit unless a value representation stands where the length would.
	bare := e.at == 0 && len(data) >= 6 && (data[4] < 'A' || data[5] < 'A')
	for e.at < len(e.data) {
		tag, length, err := e.head(e.peekGroup() > 2 && (bare || e.word(tagSyntax) == implicitLittle))
		if err != nil {
			return nil, err
		}
		switch {
		case tag == tagPixels && length == undefinedLength:
			return e, e.readFragments()
		case length == undefinedLength:
			err = e.skipSequence(0)
		case int64(length) > int64(len(e.data)-e.at):
			err = errDICOM
		default:
			if wanted(tag) { // a file may have millions of others
				e.values[tag] = e.data[e.at : e.at+int(length)]
			}
			e.at += int(length)
		}
		if err != nil {
			return nil, err
		}
		if tag == tagPixels {
			return e, nil
		}
	}
	return e, nil
}

func (e *elements) peekGroup() uint16 {
	if len(e.data)-e.at < 2 {
		return 0
	}
	return binary.LittleEndian.Uint16(e.data[e.at:])
}

// head reads the head of an element: tag, value representation unless it is implicit, and length.
func (e *elements) head(implicit bool) (tag, length uint32, err error) {
	e.implicit = implicit
	if len(e.data)-e.at < 8 {
		return 0, 0, errDICOM
	}
	b := e.data[e.at:]
	tag = uint32(binary.LittleEndian.Uint16(b))<<16 | uint32(binary.LittleEndian.Uint16(b[2:]))
	if implicit || tag>>16 == 0xfffe {
		e.at += 8
		return tag, binary.LittleEndian.Uint32(b[4:]), nil
	}
	switch string(b[4:6]) {
	case "OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV":
		if len(b) < 12 {
			return 0, 0, errDICOM
		}
		e.at += 12
		return tag, binary.LittleEndian.Uint32(b[8:]), nil
	default:
		e.at += 8
		return tag, uint32(binary.LittleEndian.Uint16(b[6:])), nil
	}
}

// skipSequence passes over a sequence, or an item, of undefined length.
func (e *elements) skipSequence(depth int) error {
	if depth > maxNesting {
		return errDICOM
	}
	for e.at < len(e.data) {
		tag, length, err := e.head(e.implicit)
		switch {
		case err != nil:
			return err
		case tag == tagSequenceEnd || tag == tagItemEnd:
			return nil
		case length == undefinedLength:
			if err := e.skipSequence(depth + 1); err != nil {
				return err
			}
		case int64(length) > int64(len(e.data)-e.at):
			return errDICOM
		default:
			e.at += int(length)
		}
	}
	return errDICOM
}

// readFragments reads encapsulated pixels (PS3.5 annex A.4): a table of offsets, which is passed over, then fragments.
func (e *elements) readFragments() error {
	for n := 0; e.at < len(e.data); n++ {
		tag, length, err := e.head(true)
		switch {
		case err != nil:
			return err
		case tag == tagSequenceEnd:
			return nil
		case tag != tagItem || int64(length) > int64(len(e.data)-e.at):
			return errDICOM
		}
		if n > maxFragments {
			return errDICOM
		}
		if n > 0 {
			e.fragments = append(e.fragments, e.data[e.at:e.at+int(length)])
		}
		e.at += int(length)
	}
	return errDICOM
}

// maxFragments is how many pieces the picture of a file may be in.
const maxFragments = 1 << 16

// wanted reports whether an element is one that a picture, or whose it is, depends on.
func wanted(tag uint32) bool {
	return tag == tagSyntax || tag == tagPixels || tag>>16 == tagPatientName>>16 && tag <= tagBirthDate || tag>>16 == tagRows>>16 && tag <= tagSlope
}

// word returns the first value of an element that is text; empty when there is none.
func (e *elements) word(tag uint32) string {
	first, _, _ := strings.Cut(string(e.values[tag][:min(len(e.values[tag]), 256)]), `\`)
	return strings.Trim(first, " \x00")
}

// short returns an element of 16 bits.
func (e *elements) short(tag uint32, other int) int {
	if v := e.values[tag]; len(v) >= 2 {
		return int(binary.LittleEndian.Uint16(v))
	}
	return other
}

// decimal returns an element that is a number in writing.
func (e *elements) decimal(tag uint32, other float64) float64 {
	if n, err := strconv.ParseFloat(e.word(tag), 64); err == nil && math.Abs(n) < 1e9 { // no NaN is
		return n
	}
	return other
}
