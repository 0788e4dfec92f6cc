package web

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// trustTyped is which trust somebody means: of the region's by its code, its name or the beginning of a word of it, or one that has
// left by its code. Else why not.
func trustTyped(typed string, trusts []choice) (code, wrong string) {
	typed = strings.TrimSpace(typed)
	if typed == "" {
		return "", ""
	}
	for _, t := range trusts {
		if strings.EqualFold(typed, t.Value) || strings.EqualFold(typed, t.Label) {
			return t.Value, ""
		}
	}
	fit, whole := trustsNamed(typed, trusts)
	upper := strings.ToUpper(typed)
	switch {
	case whole != "":
		return whole, ""
	case len(fit) == 1:
		return fit[0].Value, ""
	case len(fit) > 1:
		return "", "“" + typed + "” can be " + eitherOf(fit) + ". Choose one of them"
	case federation.TrustID(upper).Valid() && (strings.ContainsAny(upper, "0123456789") || len(upper) <= longestLetters):
		return upper, ""
	default:
		return "", "No trust of this region is called that. Choose one of the list, or enter the ODS code of one that has left, such as RYJ"
	}
}

// longestLetters is how long a word without a digit may be to be looked for as the code of a trust that has left.
const longestLetters = 3

// trustsNamed are the trusts in whose names the words that were typed stand next to each other, the last perhaps begun only, and the
// one whose whole name they are.
func trustsNamed(typed string, trusts []choice) (fit []choice, whole string) {
	words := nameWords(typed)
	if len(words) == 0 {
		return nil, ""
	}
	var same []choice
	for _, t := range trusts {
		name := nameWords(strings.TrimSuffix(t.Label, "("+t.Value+")"))
		if slices.Equal(name, words) {
			same = append(same, t)
		}
		if haveBegun(name, words) {
			fit = append(fit, t)
		}
	}
	switch len(same) {
	case 0:
		return fit, ""
	case 1:
		return nil, same[0].Value
	default: // the region does not keep two trusts from having one name
		return same, ""
	}
}

func haveBegun(name, words []string) bool {
	for at := 0; at+len(words) <= len(name); at++ {
		last := at + len(words) - 1
		if slices.Equal(name[at:last], words[:len(words)-1]) && strings.HasPrefix(name[last], words[len(words)-1]) {
			return true
		}
	}
	return false
}

// nameWords are the words of a name in small letters, without accents and apostrophes; "the" in front is left out.
func nameWords(name string) []string {
	plain := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) || r == '\'' || r == '’' {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(name))
	words := strings.FieldsFunc(plain, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if len(words) > 1 && words[0] == "the" {
		words = words[1:]
	}
	return words
}

func eitherOf(trusts []choice) string {
	var names []string
	for _, t := range trusts {
		names = append(names, t.Label)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
