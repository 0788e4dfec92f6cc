package federation

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// LineFault returns what keeps s from being one line of text that somebody has typed, of at most limit bytes, or "": it is not UTF-8,
// it has a control character or ends a line, or it has a mark that turns the order of the text around it (UAX #9), so that what
// people read would not be what was said. Reasons, evidence, notes and names are held to it where they come in. Statements are not:
// a refused objection would protect nobody, so that what shows their text cleans it.
func LineFault(s string, limit int) string {
	switch {
	case !utf8.ValidString(s):
		return "is not UTF-8"
	case len(s) > limit:
		return fmt.Sprintf("has %d bytes, at most %d", len(s), limit)
	}
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == 0x2028 || r == 0x2029 || r == 0x85:
			return "has more than one line"
		case unicode.IsControl(r):
			return fmt.Sprintf("has a control character, U+%04X", r)
		case unicode.Is(unicode.Bidi_Control, r):
			return fmt.Sprintf("has a mark that turns the order of text, U+%04X", r)
		case r == unicode.ReplacementChar:
			return "has a character that could not be read, U+FFFD"
		}
	}
	return ""
}
