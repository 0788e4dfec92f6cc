package media

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"strings"
)

const (
	// maxDICOMHeader bounds what is read of a DICOM file to find its number of frames, in bytes. The elements before
	// (0028,0008) are text and small sequences; a file that has more than this before it is taken as one frame.
	maxDICOMHeader = 4 << 20
	// maxDICOMNesting is how deep sequences may lie in each other.
	maxDICOMNesting = 32

	dicomSyntax   = 0x0002_0010
	dicomFrames   = 0x0028_0008
	dicomItem     = 0xfffe_e000
	dicomItemEnd  = 0xfffe_e00d
	dicomEnd      = 0xfffe_e0dd
	dicomNoLength = 1<<32 - 1
)

var (
	errDICOMElement = errors.New("an element that cannot be")
	errDICOMMore    = errors.New("it ends early")
)

// looksLikeBareDICOM recognises a data set that was stored without the preamble and "DICM" (PS3.10 §7.1 asks for them;
// old exports leave them out): it begins with group 0002 or 0008, little-endian.
func looksLikeBareDICOM(head []byte) bool {
	if len(head) < 16 {
		return false
	}
	group := binary.LittleEndian.Uint16(head)
	return (group == 2 || group == 8) && binary.LittleEndian.Uint16(head[2:]) <= 0x1150
}

// dicomWalk goes through the elements at the top of a data set (PS3.5 section 7.1). Time and memory grow with what is read and with
// nothing that it claims.
type dicomWalk struct {
	data     []byte
	at       int
	order    binary.ByteOrder
	implicit bool
}

// countFrames returns NumberOfFrames (0028,0008), 1 when the element is absent.
func countFrames(r io.ReaderAt, size int64) (int, error) {
	data := make([]byte, min(size, maxDICOMHeader))
	if err := readFull(r, data, 0); err != nil {
		return 0, err
	}
	w := &dicomWalk{data: data, order: binary.LittleEndian}
	if len(data) >= 132 && string(data[128:132]) == "DICM" {
		w.at = 132
	} else { // a data set alone is implicit unless a value representation stands where the length would
		w.implicit = len(data) >= 6 && (data[4] < 'A' || data[5] < 'A')
	}
	frames, err := w.frames()
	switch {
	case err == nil:
		return frames, nil
	case size > maxDICOMHeader && errors.Is(err, errDICOMMore):
		return 1, nil // the header is longer than is read, so its end is not the file's
	default:
		return 0, err
	}
}

// frames walks up to the number of frames. Elements stand in the order of their tags.
func (w *dicomWalk) frames() (int, error) {
	damaged := func(err error) error {
		return &CorruptError{Format: FormatDICOM, Offset: int64(w.at), What: "the data elements cannot be read", Err: err}
	}
	syntax, inside := "", false // past the file meta information, which is always explicit and little-endian
	for w.at < len(w.data) {
		if !inside && w.group() > 2 {
			inside = true
			if err := w.enter(syntax); err != nil {
				return 0, damaged(err)
			}
			continue
		}
		tag, length, err := w.head(w.implicit)
		switch {
		case err != nil:
			return 0, damaged(err)
		case tag>>16 > dicomFrames>>16:
			return 1, nil
		case length == dicomNoLength:
			err = w.pass(0)
		case int64(length) > int64(len(w.data)-w.at):
			err = errDICOMMore
		default:
			value := w.data[w.at : w.at+int(length)]
			w.at += int(length)
			switch tag {
			case dicomSyntax:
				syntax = strings.TrimRight(string(value[:min(len(value), 64)]), " \x00")
			case dicomFrames:
				return frameCount(value)
			}
		}
		if err != nil {
			return 0, damaged(err)
		}
	}
	return 1, nil
}

// enter begins with what stands after the file meta information, in the order of bytes and with the compression of a transfer
// syntax (PS3.5 annex A).
func (w *dicomWalk) enter(syntax string) error {
	switch syntax {
	case "": // is not said
		w.implicit = w.implicit || len(w.data)-w.at >= 6 && (w.data[w.at+4] < 'A' || w.data[w.at+5] < 'A')
	case "1.2.840.10008.1.2":
		w.implicit = true
	case "1.2.840.10008.1.2.2":
		w.order = binary.BigEndian
	case "1.2.840.10008.1.2.1.99": // all of it is deflated
		data, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(w.data[w.at:])), maxDICOMHeader))
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		w.data, w.at = data, 0
	}
	return nil
}

func (w *dicomWalk) group() uint16 {
	if len(w.data)-w.at < 2 {
		return 0
	}
	return w.order.Uint16(w.data[w.at:])
}

// head reads the head of an element: its tag, its value representation unless that is implicit, and its length.
func (w *dicomWalk) head(implicit bool) (tag, length uint32, err error) {
	if len(w.data)-w.at < 8 {
		return 0, 0, errDICOMMore
	}
	b := w.data[w.at:]
	tag = uint32(w.order.Uint16(b))<<16 | uint32(w.order.Uint16(b[2:]))
	if implicit || tag>>16 == dicomItem>>16 {
		w.at += 8
		return tag, w.order.Uint32(b[4:]), nil
	}
	switch string(b[4:6]) {
	case "OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV":
		if len(b) < 12 {
			return 0, 0, errDICOMMore
		}
		w.at += 12
		return tag, w.order.Uint32(b[8:]), nil
	default:
		if b[4] < 'A' || b[4] > 'Z' || b[5] < 'A' || b[5] > 'Z' {
			return 0, 0, errDICOMElement
		}
		w.at += 8
		return tag, uint32(w.order.Uint16(b[6:])), nil
	}
}

// pass passes over a sequence or an item that says where it ends.
func (w *dicomWalk) pass(depth int) error {
	if depth > maxDICOMNesting {
		return errDICOMElement
	}
	for {
		tag, length, err := w.head(w.implicit)
		switch {
		case err != nil:
			return err
		case tag == dicomEnd, tag == dicomItemEnd:
			return nil
		case length == dicomNoLength:
			err = w.pass(depth + 1)
		case int64(length) > int64(len(w.data)-w.at):
			err = errDICOMMore
		default:
			w.at += int(length)
		}
		if err != nil {
			return err
		}
	}
}

func frameCount(value []byte) (int, error) {
	text := strings.Trim(string(value[:min(len(value), 64)]), " \x00")
	if text == "" {
		return 1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1<<24 {
		return 0, &CorruptError{Format: FormatDICOM, Offset: -1, What: "the number of frames (0028,0008) is not a count"}
	}
	return n, nil
}
