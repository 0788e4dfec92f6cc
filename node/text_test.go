package node

import "testing"

func TestClippedTextIsWholeCharactersThatAnEntryMayHold(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"a letter", 99, "a letter"}, {"a letter", 3, "a l"}, {"über", 1, ""}, {"über", 2, "ü"}, {"a\x00b\u2028c\nd", 9, "a b c\nd"}, {"a\xffb", 9, "a?b"}, {"", 0, ""},
	} {
		if got := clipText(c.in, c.n); got != c.want {
			t.Errorf("%q in %d bytes: got %q, want %q", c.in, c.n, got, c.want)
		}
	}
}
