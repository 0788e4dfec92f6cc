package policy

import (
	"errors"
	"strings"
	"testing"
)

func TestRelationshipsAreReadStrictly(t *testing.T) {
	for text, want := range map[string]Relationship{
		"": {}, "referral": {Kind: Referral}, "mdt:Tuesday 14:00, lung": {Kind: MDT, Evidence: "Tuesday 14:00, lung"},
	} {
		if got, err := ParseRelationship(text); err != nil || got != want || got.String() != text || got.Verified {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"Referral", "enc-1", " referral", "referral:", "referral: ", "none", ":x", "referral:a\nb", "referral:\x00", "referral:" + strings.Repeat("x", maxRelationship)} {
		if got, err := ParseRelationship(text); !errors.Is(err, ErrRelationship) {
			t.Errorf("%q is read as %+v, %v", text, got, err)
		}
	}
}

func FuzzParseRelationship(f *testing.F) {
	f.Add("referral:UBRN 1")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := ParseRelationship(text); err == nil && got.String() != text {
			t.Errorf("%q is read as %+v", text, got)
		}
	})
}
