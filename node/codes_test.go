package node

import (
	"slices"
	"testing"
)

func TestCodesAreSaidInWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"nurse of RAS opens a document for HRESCH (confidentiality N; type 1)\nno purpose of HRESCH, CLINTRCH is served, up to confidentiality R": {
			"HRESCH is healthcare research", "CLINTRCH is clinical trial research", "N is normal confidentiality", "R is restricted confidentiality",
		},
		"doctor of R opens N for nothing: TREATED, treat (confidentiality unknown)": nil,
		"": nil,
	} {
		if got := CodesIn(text); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
