package ingest

import (
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

func TestConceptIDs(t *testing.T) {
	for _, c := range []struct{ code, want string }{
		{"373942005", ""},
		{"22298006", ""},
		{"900000000000207008", ""},
		{"823681000000100", ""},
		{"16521000000101", ""},
		{"1363501000000100", ""},
		{"1382601000000107", ""},
		{"2181441000000107", ""},
		{"local:letter-7", ""},
		{"local:", "local code"},
		{"local:a b", "local code"},
		{"abc", "digits only"},
		{"373942005x", "digits only"},
		{"1", "6 to 18 digits"},
		{"0373942005", "6 to 18 digits"},
		{"3739420053739420050", "6 to 18 digits"},
		{"373942006", "check digit"},
		{"373492005", "check digit"}, // two digits changed places
		{"37436014", "description"},
	} {
		err := checkConcept(c.code)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.code, err, c.want)
		}
	}
}

// TestEveryWrongDigitIsFound: Verhoeff's algorithm finds each single wrong digit and each swap of neighbours.
func TestEveryWrongDigitIsFound(t *testing.T) {
	const code = "823681000000100"
	for i := range code {
		for d := byte('0'); d <= '9'; d++ {
			wrong := code[:i] + string(d) + code[i+1:]
			if got := verhoeff(wrong); got != (wrong == code) {
				t.Errorf("%s: %v", wrong, got)
			}
		}
		if i > 0 && code[i] != code[i-1] && verhoeff(code[:i-1]+string(code[i])+string(code[i-1])+code[i+1:]) {
			t.Errorf("a swap at %d is not found", i)
		}
	}
}

// TestInventedDocumentsHaveRealTypes: what demonstrations take in must pass as well.
func TestInventedDocumentsHaveRealTypes(t *testing.T) {
	s := synth.New(1)
	for _, p := range s.Patients(20) {
		for d := range s.Documents(p, 10) {
			if err := checkConcept(d.Type.Code); err != nil {
				t.Errorf("%v", err)
			}
			if err := checkConcept(d.Category.Code); d.Category.Code != "" && err != nil {
				t.Errorf("%v", err)
			}
		}
	}
}
