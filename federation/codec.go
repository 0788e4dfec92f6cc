package federation

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"
	"unicode/utf8"
)

// Encoder appends values in the canonical form. The zero value is ready to use.
type Encoder struct{ buf []byte }

// Grow makes room for n more bytes.
func (e *Encoder) Grow(n int) { e.buf = slices.Grow(e.buf, n) }

// Bytes returns what was appended; the encoder must not be used afterwards.
func (e *Encoder) Bytes() []byte { return e.buf }

// Len returns how many bytes were appended.
func (e *Encoder) Len() int { return len(e.buf) }

// U8 appends one byte.
func (e *Encoder) U8(v uint8) { e.buf = append(e.buf, v) }

// U64 appends eight bytes, big-endian.
func (e *Encoder) U64(v uint64) { e.buf = binary.BigEndian.AppendUint64(e.buf, v) }

// Uvarint appends an unsigned varint in its shortest form.
func (e *Encoder) Uvarint(v uint64) { e.buf = binary.AppendUvarint(e.buf, v) }

// Fixed appends b without a length; both sides know how long it is.
func (e *Encoder) Fixed(b []byte) { e.buf = append(e.buf, b...) }

// Blob appends a length and b.
func (e *Encoder) Blob(b []byte) {
	e.Uvarint(uint64(len(b)))
	e.buf = append(e.buf, b...)
}

// Text appends a length and s.
func (e *Encoder) Text(s string) {
	e.Uvarint(uint64(len(s)))
	e.buf = append(e.buf, s...)
}

// Bool appends 1 or 0.
func (e *Encoder) Bool(v bool) {
	if v {
		e.U8(1)
		return
	}
	e.U8(0)
}

// Times lie between the years 1 and 9999, which is what calendars and JSON can say.
const (
	noTime  = math.MinInt64 // the zero time
	badTime = math.MinInt64 + 1
	minTime = -62135596800000000 + 1 // the zero time's own value is left out: it has one form
	maxTime = 253402300799999999
)

// Time appends microseconds since 1970 UTC in eight bytes, two's complement; the zero time is the smallest value. Of a
// time that is out of range it writes what no decoder takes.
func (e *Encoder) Time(t time.Time) {
	v := int64(noTime)
	if !t.IsZero() {
		if v = t.UnixMicro(); t.Year() < 1 || t.Year() > 9999 || v < minTime {
			v = badTime
		}
	}
	e.U64(uint64(v))
}

// small appends v in one byte. Of a value that does not fit it writes zero, which must be invalid where it is used.
func (e *Encoder) small(v int) {
	if v < 0 || v > math.MaxUint8 {
		v = 0
	}
	e.U8(uint8(v))
}

// Decoder reads the canonical form and remembers the first fault; after a fault every read gives zero.
// Its slices alias the input.
type Decoder struct {
	buf  []byte
	what string
	err  error
	all  string // the end of the input, from before its first text on, when all texts share one copy; else each has its own
	// texts keeps them with those of other values; nil when there are none.
	texts *Texts
}

// NewDecoder reads b; what names the thing being read, for messages.
func NewDecoder(what string, b []byte) *Decoder { return &Decoder{buf: b, what: what} }

// ShareTexts has all texts that follow share one copy of the rest of the input, which stays as long as one of them does.
func (d *Decoder) ShareTexts() { d.all = string(d.buf) }

// Fail records a fault, unless there is one already.
func (d *Decoder) Fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%s: %s: %w", d.what, fmt.Sprintf(format, args...), ErrMalformed)
	}
}

// Err returns the first fault.
func (d *Decoder) Err() error { return d.err }

// Finish returns the first fault, and counts bytes left over as one.
func (d *Decoder) Finish() error {
	if d.err == nil && len(d.buf) != 0 {
		d.Fail("%d bytes after the end", len(d.buf))
	}
	return d.err
}

// Fixed reads n bytes.
func (d *Decoder) Fixed(n int) []byte {
	if d.err != nil || n < 0 || n > len(d.buf) {
		d.Fail("ends early")
		return nil
	}
	b := d.buf[:n:n]
	d.buf = d.buf[n:]
	return b
}

// Into fills dst.
func (d *Decoder) Into(dst []byte) { copy(dst, d.Fixed(len(dst))) }

// U8 reads one byte.
func (d *Decoder) U8() uint8 {
	if b := d.Fixed(1); b != nil {
		return b[0]
	}
	return 0
}

// U64 reads eight bytes.
func (d *Decoder) U64() uint64 {
	if b := d.Fixed(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Uvarint reads a varint of at most limit; a longer form than needed is a fault.
func (d *Decoder) Uvarint(limit uint64) uint64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Uvarint(d.buf)
	if n <= 0 || (n > 1 && d.buf[n-1] == 0) {
		d.Fail("bad number")
		return 0
	}
	if v > limit {
		d.Fail("number %d is over its limit %d", v, limit)
		return 0
	}
	d.buf = d.buf[n:]
	return v
}

// Blob reads a length of at most limit and that many bytes.
func (d *Decoder) Blob(limit int) []byte { return d.Fixed(int(d.Uvarint(uint64(limit)))) }

// Text reads UTF-8 of at most limit bytes without control characters other than newline and tab.
func (d *Decoder) Text(limit int) string {
	b := d.Blob(limit)
	var s string
	switch end := len(d.all) - len(d.buf); {
	case d.texts != nil:
		s = d.texts.keep(b)
	case len(d.all) > 0 && d.err == nil:
		s = d.all[end-len(b) : end]
	default:
		s = string(b)
	}
	if err := checkText(s, limit); err != "" {
		d.Fail("text %s", err)
		return ""
	}
	return s
}

// Bool reads 1 or 0; any other byte is a fault.
func (d *Decoder) Bool() bool {
	v := d.U8()
	if v > 1 {
		d.Fail("%d is neither true nor false", v)
	}
	return v == 1
}

// Time reads what Encoder.Time wrote, in UTC.
func (d *Decoder) Time() time.Time {
	v := int64(d.U64())
	if d.err != nil || v == noTime {
		return time.Time{}
	}
	if v < minTime || v > maxTime {
		d.Fail("time is out of range")
		return time.Time{}
	}
	return time.UnixMicro(v).UTC()
}

// Count reads how many things of at least size bytes follow, so that a claimed count is never more than the input can hold.
func (d *Decoder) Count(limit, size int) int {
	n := int(d.Uvarint(uint64(limit)))
	if n*size > len(d.buf) {
		d.Fail("%d items do not fit in %d bytes", n, len(d.buf))
		return 0
	}
	return n
}

// checkText returns what is wrong with s as text on the wire, or "".
func checkText(s string, limit int) string {
	if len(s) > limit {
		return fmt.Sprintf("of %d bytes is over its limit %d", len(s), limit)
	}
	if plainText(s) {
		return ""
	}
	if !utf8.ValidString(s) {
		return "is not UTF-8"
	}
	for _, r := range s {
		if !TextRune(r) {
			return fmt.Sprintf("has a control character U+%04X", r)
		}
	}
	return ""
}

// plainText reports whether s is made of printable ASCII only, as nearly all text is.
func plainText(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// TextRune reports whether text that is signed or stored may hold r: no control characters but newline and tab, and not the
// separators U+2028 and U+2029, which some viewers break lines at.
func TextRune(r rune) bool {
	return (r >= 0x20 || r == '\n' || r == '\t') && r != 0x7f && r != 0x2028 && r != 0x2029
}
