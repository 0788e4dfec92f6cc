package media

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	hl7v3Namespace = "urn:hl7-org:v3"
	maxXMLCheck    = 16 << 20 // bytes: the decoder holds one text node at a time, and an embedded PDF is one
	maxXMLDepth    = 1000     // elements open at once: bounds the decoder's stack
	maxXMLRoot     = 1 << 20  // bytes in which the root element must begin
)

// xmlRoot returns FormatCDA or FormatXML by the root element, or 0 when the text is not XML.
func xmlRoot(r io.ReaderAt, size int64) Format {
	dec := newXMLDecoder(r, min(size, maxXMLRoot))
	for {
		tok, err := dec.Token()
		if err != nil {
			return 0
		}
		switch t := tok.(type) {
		case xml.StartElement:
			switch {
			case t.Name.Space == hl7v3Namespace && t.Name.Local == "ClinicalDocument":
				return FormatCDA
			case strings.EqualFold(t.Name.Local, "html"):
				return FormatHTML
			default:
				return FormatXML
			}
		case xml.CharData:
			if strings.TrimSpace(string(t)) != "" && strings.Trim(string(t), "\ufeff \t\r\n") != "" {
				return 0
			}
		default: // declarations and comments before the root
		}
	}
}

// checkXML reads the document to its end, so that one that was cut off in transfer is told from a whole one.
func checkXML(r io.ReaderAt, size int64, f Format) error {
	if size > maxXMLCheck {
		return nil
	}
	dec := newXMLDecoder(r, size)
	depth, roots := 0, 0
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) && depth == 0 && roots == 1 {
			return nil
		}
		if err != nil {
			var syntax *xml.SyntaxError
			if errors.As(err, &syntax) || errIsEnd(err) {
				return &CorruptError{Format: f, Offset: dec.InputOffset(), What: "the XML is not well-formed", Err: err}
			}
			return err
		}
		switch tok.(type) {
		case xml.StartElement:
			if depth++; depth == 1 {
				roots++
			}
			if depth > maxXMLDepth {
				return &CorruptError{Format: f, Offset: dec.InputOffset(), What: "elements are nested more than 1,000 deep"}
			}
			if roots > 1 {
				return &CorruptError{Format: f, Offset: dec.InputOffset(), What: "there is a second root element"}
			}
		case xml.EndElement:
			depth--
		default: // text, comments and instructions are allowed anywhere
		}
	}
}

func isUTF16(head []byte) bool {
	return len(head) >= 4 && (head[0] == 0xff && head[1] == 0xfe && head[2] == '<' && head[3] == 0 ||
		head[0] == 0xfe && head[1] == 0xff && head[2] == 0 && head[3] == '<')
}

func newXMLDecoder(r io.ReaderAt, size int64) *xml.Decoder {
	var src io.Reader = io.NewSectionReader(r, 0, size)
	var bom [4]byte
	if n, _ := r.ReadAt(bom[:min(size, 4)], 0); n == 4 && isUTF16(bom[:]) { // a read error comes again when decoding
		src = &utf16Reader{src: src, little: bom[0] == 0xff}
	}
	dec := xml.NewDecoder(src)
	dec.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		switch strings.ToLower(charset) {
		case "utf-8", "us-ascii", "ascii", "utf-16", "utf-16le", "utf-16be": // UTF-16 was turned into UTF-8 above
			return in, nil
		default: // one byte a character; only the structure matters here, and that is ASCII
			return &latinReader{src: in}, nil
		}
	}
	return dec
}

// latinReader turns single-byte text into UTF-8.
type latinReader struct {
	src io.Reader
	buf [1024]byte
	out []byte
}

func (l *latinReader) Read(p []byte) (int, error) {
	for len(l.out) == 0 {
		n, err := l.src.Read(l.buf[:])
		for _, b := range l.buf[:n] {
			if b >= 0x80 && b < 0xa0 {
				b = '?' // windows-1252 has letters here, Latin-1 controls that XML forbids
			}
			l.out = utf8.AppendRune(l.out, rune(b))
		}
		if n == 0 && err != nil {
			return 0, err
		}
	}
	n := copy(p, l.out)
	l.out = append(l.out[:0], l.out[n:]...)
	return n, nil
}

// utf16Reader turns UTF-16 with a byte order mark into UTF-8.
type utf16Reader struct {
	src    io.Reader
	little bool
	high   uint16 // a high surrogate that waits for its second half
	out    []byte
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.out) == 0 {
		var b [2]byte
		if _, err := io.ReadFull(u.src, b[:]); err != nil {
			return 0, err
		}
		c := uint16(b[0])<<8 | uint16(b[1])
		if u.little {
			c = uint16(b[1])<<8 | uint16(b[0])
		}
		switch {
		case u.high != 0:
			u.out = utf8.AppendRune(u.out, utf16.DecodeRune(rune(u.high), rune(c)))
			u.high = 0
		case c >= 0xd800 && c < 0xdc00:
			u.high = c
		case c == 0xfeff:
		default:
			u.out = utf8.AppendRune(u.out, rune(c))
		}
	}
	n := copy(p, u.out)
	u.out = append(u.out[:0], u.out[n:]...)
	return n, nil
}
