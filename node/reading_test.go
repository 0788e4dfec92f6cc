package node

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

var (
	vowels    = regexp.MustCompile(`[aeiouy]+`)
	silentEnd = regexp.MustCompile(`([^aeioulr])(e|es|ed)$`)
	sentences = regexp.MustCompile(`[.:!?]( |$)`)
)

// schoolYear is the year of school, of twelve, that a text asks for (Flesch and Kincaid). Reading age 11 is the sixth.
func schoolYear(text string) float64 {
	words, syllables := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r < 'a' || r > 'z' }), 0
	for _, w := range words {
		syllables += max(1, len(vowels.FindAllString(silentEnd.ReplaceAllString(w, "$1"), -1)))
	}
	return 0.39*float64(len(words))/float64(len(sentences.FindAllString(text, -1))) + 11.8*float64(syllables)/float64(len(words)) - 15.59
}

// TestWhoLookedReadsAtAgeEleven takes every kind of look, by everybody who can look, for every reason. Names of places count as one
// short word: they are what they are.
func TestWhoLookedReadsAtAgeEleven(t *testing.T) {
	t.Parallel()
	var all []string
	for kind := range tellings {
		for _, role := range policy.Roles() {
			for _, purpose := range []string{"TREAT", "COC", "PATRQT", "HOPERAT", "PATADMIN", "HLEGAL"} {
				all = append(all, myAccessWords(&admin.ReportAccess{
					Kind: kind, Outcome: policy.Permit.String(), Role: role.Code, Purpose: purpose, Trust: "A", TrustName: "Leeds", Custodian: "B", CustodianName: "York", Relationship: "admission",
				}))
			}
		}
	}
	slices.Sort(all)
	if year := schoolYear(strings.Join(all, " ")); year > 6 {
		t.Errorf("who looked asks for school year %.1f, want 6", year)
	}
	for _, text := range slices.Compact(all) {
		if year := schoolYear(text); year > 10 {
			t.Errorf("year %.1f: %s", year, text)
		}
	}
}
