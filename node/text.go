package node

import (
	"strings"
	"unicode"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// oneLine makes one line of at most n bytes of text that another trust has sent, or that was agreed on: nothing in it ends the line,
// steers a terminal or turns the order of what stands beside it.
func oneLine(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || !federation.TextRune(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return clipText(strings.Join(strings.Fields(s), " "), n)
}

// lineProblem refuses text that somebody has typed and that is not one line.
func lineProblem(what, s string, limit int) error {
	if fault := federation.LineFault(s, limit); fault != "" {
		return admin.Errorf(admin.CodeBadInput, "%s %s: give it as one line of text", what, fault)
	}
	return nil
}

// clipText makes text fit for an audit entry of at most n bytes.
func clipText(s string, n int) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "?") {
		if !federation.TextRune(r) {
			r = ' '
		}
		if b.Len()+len(string(r)) > n {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}
