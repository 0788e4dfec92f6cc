package ingest

import (
	"fmt"
	"strings"
)

// localPrefix marks a code of the trust's own, for what SNOMED CT has no concept.
const localPrefix = "local:"

// CheckCode says why no document can be taken in with this type or category; nil when one can.
func CheckCode(code string) error { return checkConcept(code) }

// checkConcept says why a code is neither the id of a SNOMED CT concept nor a local code; nil when it is one. The rules are
// those of the SNOMED CT Release File Specifications for component identifiers (SCTID): 6 to 18 digits without a leading
// zero, the last a check digit by Verhoeff's dihedral algorithm, and before it two digits that say of what the id is: 00 and
// 10 are concepts.
func checkConcept(code string) error {
	if local, ok := strings.CutPrefix(code, localPrefix); ok {
		if local == "" || len(code) > 64 || strings.ContainsAny(local, " \t,;\"'") {
			return fmt.Errorf("%q: a local code is %s and up to 58 characters without spaces, such as local:letter-7", clip(code), localPrefix)
		}
		return nil
	}
	switch {
	case !digits(code):
		return fmt.Errorf("%q is not the id of a SNOMED CT concept: such an id has digits only, as in 373942005. For a code of your own write %s before it", clip(code), localPrefix)
	case len(code) < 6 || len(code) > 18 || code[0] == '0':
		return fmt.Errorf("%q is not the id of a SNOMED CT concept: such an id has 6 to 18 digits and no leading zero. For a code of your own write %s before it", clip(code), localPrefix)
	case !verhoeff(code):
		return fmt.Errorf("%q is not the id of a SNOMED CT concept: its check digit does not fit. Look for a digit that is wrong or two that changed places", code)
	}
	if of := code[len(code)-3 : len(code)-1]; of != "00" && of != "10" {
		return fmt.Errorf("%q is the id of a SNOMED CT description or relationship, not of a concept: look up the concept that it belongs to", code)
	}
	return nil
}

// verhoeff reports whether the last digit of a number is its check digit: the digits, permuted by their place and multiplied
// in the dihedral group of the pentagon, come to the identity.
func verhoeff(number string) bool {
	c := 0
	for i := range len(number) {
		digit := int(number[len(number)-1-i] - '0')
		for range i % 8 {
			digit = int("1576283094"[digit] - '0')
		}
		c = dihedral(c, digit)
	}
	return c == 0
}

// dihedral multiplies in D5: 0 to 4 are rotations, 5 to 9 reflections.
func dihedral(a, b int) int {
	switch {
	case a < 5 && b < 5:
		return (a + b) % 5
	case a < 5:
		return 5 + (a+b-5)%5
	case b < 5:
		return 5 + (a-5-b+5)%5
	default:
		return (a - b + 5) % 5
	}
}
