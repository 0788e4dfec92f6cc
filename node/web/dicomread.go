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
	tagModality     = 0x0008_0060
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
	tagPadding      = 0x0028_0120
	tagWindowCentre = 0x0028_1050
	tagWindowWidth  = 0x0028_1051
	tagIntercept    = 0x0028_1052
	tagSlope        = 0x0028_1053
	tagWindowNames  = 0x0028_1055
	tagWindows      = 0x0028_9132 // sequences of an enhanced image: windows
	tagMeaning      = 0x0028_9145 // and what values mean
	tagShared       = 0x5200_9229 // what holds for all frames of an enhanced image (PS3.3 section C.7.6.16)
	tagPerFrame     = 0x5200_9230 // and what for one of them
	tagOffsets      = 0x7fe0_0001 // of frames, where 32 bits are too few
	tagPixels       = 0x7fe0_0010
	tagItem         = 0xfffe_e000
	tagItemEnd      = 0xfffe_e00d
	tagSequenceEnd  = 0xfffe_e0dd

	undefinedLength = math.MaxUint32
	maxNesting      = 16
	maxFrames       = 1 << 14
	maxFragments    = 1 << 16 // pieces that the pictures of a file may be in
)

var (
	errDICOM = errors.New("the data elements cannot be read")
	// errMore is returned for the beginning of a file of which more must be read.
	errMore = errors.New("the head of the file is longer")
)

// elements are what lies at the top of a DICOM data set, as slices of its beginning. Nothing is allocated by a length that the file
// only claims. Values of sequences are passed over, but for those that say how frames are to be seen.
type elements struct {
	data     []byte
	size     int64 // of the file, of which data is the beginning
	at       int
	implicit bool
	values   map[uint32][]byte
	frames   []map[uint32][]byte // what holds for a frame alone

	pixels     int64 // where they begin: with their first byte, or with the first fragment; 0: there are none
	length     int64 // of native pixels; -1: they are in fragments
	table      []byte
	unreadable bool // of another order of bytes, or compressed as a whole
}

// parseDICOM walks the data set up to its pixels (PS3.5 section 7.1), after the preamble and the head where there are any. It fails
// with errMore when data, the beginning of a file of size bytes, ends before.
func parseDICOM(data []byte, size int64) (*elements, error) {
	e := &elements{data: data, size: size, values: make(map[uint32][]byte)}
	if len(data) >= 132 && string(data[128:132]) == "DICM" {
		e.at = 132
	}
	// A data set without a head is implicit unless a value representation stands where the length would.
	bare := e.at == 0 && len(data) >= 6 && (data[4] < 'A' || data[5] < 'A')
	for int64(e.at) < size {
		if e.unreadable = e.peekGroup() > 2 && otherwiseWritten(e.word(tagSyntax)); e.unreadable {
			return e, nil
		}
		tag, length, err := e.head(e.peekGroup() > 2 && (bare || e.word(tagSyntax) == implicitLittle))
		if err != nil {
			return nil, err
		}
		if tag == tagPixels {
			return e, e.pixelHead(length)
		}
		if tag == tagShared || tag == tagPerFrame {
			err = e.groups(tag, length)
		} else if length == undefinedLength {
			err = e.skipSequence(0)
		} else if err = e.have(int64(length)); err == nil {
			if wanted(tag) { // a file may have millions of others
				e.values[tag] = e.data[e.at : e.at+int(length)]
			}
			e.at += int(length)
		}
		if err != nil {
			return nil, err
		}
	}
	return e, nil
}

// have reports whether there are n bytes more: errMore when they are in the file, but not here.
func (e *elements) have(n int64) error {
	switch at := int64(e.at); {
	case n > e.size-at:
		return errDICOM
	case n > int64(len(e.data))-at:
		return errMore
	default:
		return nil
	}
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
	if err := e.have(8); err != nil {
		return 0, 0, err
	}
	b := e.data[e.at:]
	tag = uint32(binary.LittleEndian.Uint16(b))<<16 | uint32(binary.LittleEndian.Uint16(b[2:]))
	if implicit || tag>>16 == 0xfffe {
		e.at += 8
		return tag, binary.LittleEndian.Uint32(b[4:]), nil
	}
	switch string(b[4:6]) {
	case "OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV":
		if err := e.have(12); err != nil {
			return 0, 0, err
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
	return e.inside(e.size, depth, nil)
}

// inside goes through what lies in a sequence or an item, up to end or to where it says that it ends, and has found hear of each
// value in it; without found, what has a length is passed over.
func (e *elements) inside(end int64, depth int, found func(tag uint32, value []byte)) error {
	if depth > maxNesting {
		return errDICOM
	}
	for int64(e.at) < end {
		tag, length, err := e.head(e.implicit)
		if err != nil {
			return err
		}
		if tag == tagSequenceEnd || tag == tagItemEnd {
			return nil
		}
		deeper := found
		if tag != tagItem && tag != tagWindows && tag != tagMeaning {
			deeper = nil
		}
		if length == undefinedLength {
			err = e.inside(end, depth+1, deeper)
		} else if err = e.have(int64(length)); err == nil && deeper != nil {
			err = e.inside(int64(e.at)+int64(length), depth+1, deeper)
		} else if err == nil {
			if found != nil && tag >= tagWindowCentre && tag <= tagSlope {
				found(tag, e.data[e.at:e.at+int(length)])
			}
			e.at += int(length)
		}
		if err != nil {
			return err
		}
	}
	if end == e.size {
		return errDICOM // it never said that it ends
	}
	return nil
}

// groups reads what an enhanced image says of all its frames, or of each.
func (e *elements) groups(group, length uint32) error {
	end := e.size
	if length != undefinedLength {
		if err := e.have(int64(length)); err != nil {
			return err
		}
		end = int64(e.at) + int64(length)
	}
	for int64(e.at) < end {
		tag, n, err := e.head(e.implicit)
		if err != nil || tag == tagSequenceEnd {
			return err
		}
		if tag != tagItem || len(e.frames) >= maxFrames {
			return errDICOM
		}
		to := into(e.values)
		if group == tagPerFrame {
			own := make(map[uint32][]byte)
			e.frames, to = append(e.frames, own), into(own)
		}
		until := end
		if n != undefinedLength {
			if err := e.have(int64(n)); err != nil {
				return err
			}
			until = int64(e.at) + int64(n)
		}
		if err := e.inside(until, 1, to); err != nil {
			return err
		}
	}
	return nil
}

// into keeps the first value of each element: of two windows, the first is the one to begin with.
func into(values map[uint32][]byte) func(uint32, []byte) {
	return func(tag uint32, value []byte) {
		if _, found := values[tag]; !found {
			values[tag] = value
		}
	}
}

// pixelHead notes where pixels lie. Those in fragments begin with a table of offsets, which may be empty (PS3.5 annex A.4).
func (e *elements) pixelHead(length uint32) error {
	if length != undefinedLength {
		e.pixels, e.length = int64(e.at), int64(length)
		if e.length > e.size-e.pixels {
			return errDICOM
		}
		return nil
	}
	tag, n, err := e.head(true)
	if err == nil && tag != tagItem {
		err = errDICOM
	}
	if err == nil {
		err = e.have(int64(n))
	}
	if err != nil {
		return err
	}
	e.table = e.data[e.at : e.at+int(n)]
	e.at += int(n)
	e.pixels, e.length = int64(e.at), -1
	return nil
}

// fragments reads pieces of encapsulated pixels, to the end of them or of data. offsets are where they begin.
func fragments(data []byte) (pieces [][]byte, offsets []int64, err error) {
	e := &elements{data: data, size: int64(len(data))}
	for e.at < len(data) {
		from := int64(e.at)
		tag, length, err := e.head(true)
		switch {
		case err != nil:
			return nil, nil, err
		case tag == tagSequenceEnd:
			return pieces, offsets, nil
		case tag != tagItem || int64(length) > int64(len(data)-e.at) || len(pieces) >= maxFragments:
			return nil, nil, errDICOM
		}
		pieces, offsets = append(pieces, data[e.at:e.at+int(length)]), append(offsets, from)
		e.at += int(length)
	}
	return pieces, offsets, nil
}

// wanted reports whether an element is one that a picture, or whose it is, depends on.
func wanted(tag uint32) bool {
	return tag == tagSyntax || tag == tagModality || tag == tagOffsets || tag>>16 == tagPatientName>>16 && tag <= tagBirthDate || tag>>16 == tagRows>>16 && tag <= tagWindowNames
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
	if n, ok := decimal(e.word(tag)); ok {
		return n
	}
	return other
}

func decimal(text string) (float64, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return n, err == nil && math.Abs(n) < 1e9 // no NaN is
}

// words returns all values of an element that is text, of the first 4096 bytes of it.
func (e *elements) words(tag uint32) []string {
	out := strings.Split(decodeText(e.values[tag][:min(len(e.values[tag]), 4096)]), `\`)
	for i, w := range out {
		out[i] = strings.Trim(w, " \x00")
	}
	return out
}
