package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/suyashkumar/dicom"
	"github.com/suyashkumar/dicom/pkg/tag"
)

// maxDICOMHeader bounds what is read of a DICOM file to find its number of frames, in bytes. The elements before
// (0028,0008) are text and small sequences; a file that has more than this before it is taken as one frame.
const maxDICOMHeader = 4 << 20

// looksLikeBareDICOM recognises a data set that was stored without the preamble and "DICM" (PS3.10 §7.1 asks for them;
// old exports leave them out): it begins with group 0002 or 0008, little-endian.
func looksLikeBareDICOM(head []byte) bool {
	if len(head) < 16 {
		return false
	}
	group := binary.LittleEndian.Uint16(head)
	return (group == 2 || group == 8) && binary.LittleEndian.Uint16(head[2:]) <= 0x1150
}

// countFrames returns NumberOfFrames (0028,0008), 1 when the element is absent.
func countFrames(r io.ReaderAt, size int64) (frames int, err error) {
	// The parser has panicked on hostile input before; a damaged file must not stop a node.
	defer func() {
		if p := recover(); p != nil {
			frames, err = 0, &CorruptError{Format: FormatDICOM, Offset: -1, What: "the data elements cannot be read", Err: fmt.Errorf("%v", p)}
		}
	}()
	limit := min(size, maxDICOMHeader)
	var src io.Reader = io.NewSectionReader(r, 0, limit)
	var magic [132]byte
	if size < 132 || readFull(r, magic[:], 0) != nil || string(magic[128:]) != "DICM" {
		src = io.MultiReader(bytes.NewReader(make([]byte, 128)), strings.NewReader("DICM"), src)
		limit += 132
	}
	p, err := dicom.NewParser(src, limit, nil, dicom.SkipPixelData(), dicom.AllowMissingMetaElementGroupLength(), dicom.AllowUnknownSpecificCharacterSet())
	if err != nil {
		return 0, &CorruptError{Format: FormatDICOM, Offset: -1, What: "the file meta information cannot be read", Err: err}
	}
	for {
		e, err := p.Next()
		switch {
		case errors.Is(err, dicom.ErrorEndOfDICOM):
			return 1, nil
		case err != nil && size > maxDICOMHeader:
			return 1, nil // the header is longer than is read, so its end is not the file's
		case err != nil:
			return 0, &CorruptError{Format: FormatDICOM, Offset: -1, What: "the data elements cannot be read", Err: err}
		case e.Tag == tag.NumberOfFrames:
			return frameValue(e)
		case e.Tag.Group > tag.NumberOfFrames.Group:
			return 1, nil
		}
	}
}

func frameValue(e *dicom.Element) (int, error) {
	s, ok := e.Value.GetValue().([]string)
	if !ok || len(s) == 0 || strings.TrimSpace(s[0]) == "" {
		return 1, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(s[0]))
	if err != nil || n < 1 || n > 1<<24 {
		return 0, &CorruptError{Format: FormatDICOM, Offset: -1, What: "the number of frames (0028,0008) is not a count"}
	}
	return n, nil
}
