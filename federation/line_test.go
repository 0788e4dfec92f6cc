package federation

import (
	"strings"
	"testing"
)

func TestOneLineOfTextIsHeldToWhatPeopleRead(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "chest pain, O2 85 %": "", "Siân Wynne-Jones “urgent” – 日本語 مريض": "", "👩‍⚕️ on call": "",
		"a\nb": "line", "a\r\nb": "line", "a\u2028b": "line", "a\u0085b": "line", "a\tb": "control", "a\x1b[2Jb": "control", "a\x00b": "control", "a\u009bb": "control", "a\x7fb": "control",
		"a\u202eb": "order", "a\u2066b": "order", "a\u200fb": "order", "a\u061cb": "order",
		"a\xffb": "UTF-8", "a\ufffdb": "could not be read", strings.Repeat("é", 51): "at most 100",
	} {
		if got := LineFault(s, 100); got == "" && want != "" || want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}
