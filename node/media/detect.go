package media

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

const (
	headBytes = 4096    // read first; every signature lies within it
	ioBytes   = 1 << 16 // piece in which a file is read through
)

// detect tells the format from the content. claimed only decides where content alone cannot: a DICOM file without its preamble.
func detect(r io.ReaderAt, size int64, head []byte, claimed Format) (Format, error) {
	if f := bySignature(head); f != 0 {
		if f == FormatTIFF && isBigTIFF(head) {
			return 0, fmt.Errorf("BigTIFF (64-bit offsets) is %w: save it as classic TIFF or PDF", ErrUnsupported)
		}
		return f, nil
	}
	if claimed == FormatDICOM && looksLikeBareDICOM(head) {
		return FormatDICOM, nil
	}
	if f := markup(r, size, head); f != 0 {
		return f, nil
	}
	switch text, err := isText(r, size); {
	case err != nil:
		return 0, err
	case text:
		return FormatText, nil
	}
	// ISO 32000-1 Annex H: readers accept junk before the header, within the first 1,024 bytes.
	if i := bytes.Index(head[:min(len(head), 1024)], []byte("%PDF-")); i >= 0 {
		return FormatPDF, nil
	}
	return FormatBinary, nil
}

func bySignature(head []byte) Format {
	has := func(sig string) bool { return bytes.HasPrefix(head, []byte(sig)) }
	switch {
	case has("%PDF-"):
		return FormatPDF
	case has("II*\x00"), has("MM\x00*"), has("II+\x00"), has("MM\x00+"):
		return FormatTIFF
	case has("\xff\xd8\xff"):
		return FormatJPEG
	case has(pngSignature):
		return FormatPNG
	case has("GIF87a"), has("GIF89a"):
		return FormatGIF
	case has("PK\x03\x04"), has("PK\x05\x06"):
		return FormatZIP
	case has(`{\rtf`):
		return FormatRTF
	case len(head) >= 132 && string(head[128:132]) == "DICM":
		return FormatDICOM
	default:
		return 0
	}
}

func isBigTIFF(head []byte) bool { return head[2] == '+' || head[3] == '+' }

// markup recognises XML and HTML by their first element, after a byte order mark and white space.
func markup(r io.ReaderAt, size int64, head []byte) Format {
	start := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	if isUTF16(head) {
		return xmlRoot(r, size)
	}
	if len(start) == 0 || start[0] != '<' {
		return 0
	}
	low := bytes.ToLower(start[:min(len(start), 64)])
	for _, tag := range []string{"<!doctype html", "<html", "<head", "<body"} {
		if bytes.HasPrefix(low, []byte(tag)) {
			return FormatHTML
		}
	}
	return xmlRoot(r, size)
}

// isText reads the file through and reports whether it is text: in UTF-8, or with bytes that are not but without control
// characters, as in Windows-1252.
func isText(r io.ReaderAt, size int64) (bool, error) {
	buf := make([]byte, ioBytes)
	kept := 0 // bytes of an incomplete rune carried over
	for off := int64(0); off < size; {
		n := int(min(int64(len(buf)-kept), size-off))
		if err := readFull(r, buf[kept:kept+n], off); err != nil {
			return false, fmt.Errorf("read text at byte %d: %w", off, err)
		}
		off += int64(n)
		piece := buf[:kept+n]
		kept = 0
		for i := 0; i < len(piece); {
			c := piece[i]
			if c < utf8.RuneSelf {
				if c < ' ' && !bytes.ContainsRune([]byte("\t\n\r\f\v\x1b"), rune(c)) || c == 0x7f {
					return false, nil
				}
				i++
				continue
			}
			if off < size && !utf8.FullRune(piece[i:]) {
				kept = copy(buf, piece[i:])
				break
			}
			_, w := utf8.DecodeRune(piece[i:])
			i += w
		}
	}
	return true, nil
}

// errIsEnd reports that err means the data ended, rather than that it could not be read.
func errIsEnd(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
