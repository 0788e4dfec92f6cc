package media

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

const (
	pngSignature = "\x89PNG\r\n\x1a\n"
	maxSegments  = 1 << 20 // JPEG segments or PNG chunks walked
)

// checkJPEG walks the segments up to the first scan and then looks for the end-of-image marker (ITU-T T.81 Annex B).
// In entropy-coded data 0xFF is always followed by zero or a restart marker, so FF D9 is the end wherever it stands.
func checkJPEG(r io.ReaderAt, size int64) error {
	bad := func(at int64, what string) error { return &CorruptError{Format: FormatJPEG, Offset: at, What: what} }
	var p [4]byte
	frame := false
	pos := int64(2)
	for range maxSegments {
		if pos+4 > size {
			return bad(pos, "the file ends before the image data")
		}
		if err := readFull(r, p[:], pos); err != nil {
			return fmt.Errorf("read JPEG at byte %d: %w", pos, err)
		}
		if p[0] != 0xff {
			return bad(pos, "a segment marker is missing")
		}
		if p[1] == 0xff { // fill byte
			pos++
			continue
		}
		if p[1] == 0x01 || p[1] >= 0xd0 && p[1] <= 0xd8 { // markers without a length
			pos += 2
			continue
		}
		if p[1] == 0xd9 {
			return bad(pos, "the image ends before its data")
		}
		length := int64(binary.BigEndian.Uint16(p[2:]))
		if length < 2 {
			return bad(pos, "a segment is shorter than its own length field")
		}
		// SOF0 to SOF15, without DHT (C4), JPG (C8) and DAC (CC)
		if p[1] >= 0xc0 && p[1] <= 0xcf && p[1] != 0xc4 && p[1] != 0xc8 && p[1] != 0xcc {
			frame = true
		}
		if p[1] == 0xda {
			if !frame {
				return bad(pos, "a scan stands before the frame header")
			}
			return findEOI(r, pos+2+length, size)
		}
		pos += 2 + length
	}
	return bad(pos, "too many segments before the image data")
}

func findEOI(r io.ReaderAt, pos, size int64) error {
	buf := make([]byte, ioBytes)
	for pos < size-1 {
		p := buf[:min(int64(len(buf)), size-pos)]
		if err := readFull(r, p, pos); err != nil {
			return fmt.Errorf("read JPEG at byte %d: %w", pos, err)
		}
		if bytes.Contains(p, []byte{0xff, 0xd9}) {
			return nil
		}
		pos += int64(len(p)) - 1 // the marker may lie across two pieces
	}
	return &CorruptError{Format: FormatJPEG, Offset: size, What: "the end-of-image marker is missing; the file is cut off"}
}

// checkPNG walks the chunks to IEND (PNG specification, ISO/IEC 15948 §5).
func checkPNG(r io.ReaderAt, size int64) error {
	bad := func(at int64, what string) error { return &CorruptError{Format: FormatPNG, Offset: at, What: what} }
	var p [8]byte
	pos := int64(len(pngSignature))
	for i := range maxSegments {
		if pos+12 > size {
			return bad(pos, "the file is cut off before its end chunk")
		}
		if err := readFull(r, p[:], pos); err != nil {
			return fmt.Errorf("read PNG at byte %d: %w", pos, err)
		}
		length, kind := int64(binary.BigEndian.Uint32(p[:])), string(p[4:])
		if i == 0 && kind != "IHDR" {
			return bad(pos, "the first chunk is not the header")
		}
		if pos+12+length > size {
			return bad(pos, "a chunk goes beyond the end of the file")
		}
		if kind == "IEND" {
			return nil
		}
		pos += 12 + length
	}
	return bad(pos, "too many chunks")
}
