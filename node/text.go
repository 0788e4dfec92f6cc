package node

import (
	"strings"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

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
