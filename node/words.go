package node

import (
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// StarterBlocks are the usual building blocks of an agreement's form, for people to begin with.
const StarterBlocks = policy.StarterBlocks

// ScopeFields is the scope of a directive as people write it, field by field.
type ScopeFields = policy.ScopeFields

// DirectiveError lists everything that is wrong with a directive as somebody wrote it.
type DirectiveError = policy.DirectiveError

// ParseScope reads a scope written as "key=value, key=value". It fails with a *DirectiveError.
func ParseScope(text string) (ScopeFields, error) { return policy.ParseScope(text) }

// Precedence returns the rules of a decision in the order in which they count.
func Precedence() []policy.Rule { return policy.Precedence() }

// AgreementSchema returns the Cedar schema that every agreement of the region is checked against.
func AgreementSchema() string { return policy.Schema() }

// RoleWords says in words what a role is.
func RoleWords(code string) string { return roleWords(code) }

// ReasonWords says to a patient what a purpose of use is.
func ReasonWords(code string) string { return reasonWords(code) }

// WriteBack has the system begin to write what was put into a file, so that a sync later has less to wait for.
func WriteBack(f *os.File, from, n int64) { storage.WriteBack(f, from, n) }

// RolesTogether returns the codes of roles in their order, with groups that are there in full apart: each stands for its kinds.
func RolesTogether(codes []string) (groups, roles []string) { return policy.RolesTogether(codes) }

// PurposesTogether returns the codes of purposes in their order, and whether these are all that there are.
func PurposesTogether(codes []string) (purposes []string, all bool) {
	return policy.PurposesTogether(codes)
}

// confidentialityWords are by the codes of HL7 v3-Confidentiality, the least first.
var confidentialityWords = [][2]string{{"U", "unrestricted"}, {"L", "low"}, {"M", "moderate"}, {"N", "normal"}, {"R", "restricted"}, {"V", "very restricted"}}

// CodesIn says in words what the purposes of use and the confidentialities are whose codes stand in a text, each once, such as
// "HRESCH is healthcare research".
func CodesIn(text string) (words []string) {
	apart := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for _, p := range policy.Purposes() {
		if slices.Contains(apart, p.Code) {
			words = append(words, p.Code+" is "+purposeWords(p.Code))
		}
	}
	for _, c := range confidentialityWords {
		named := func(i int) bool { return i > 0 && apart[i] == c[0] && apart[i-1] == "confidentiality" } // one letter can be anything else
		for i := range apart {
			if named(i) {
				words = append(words, c[0]+" is "+c[1]+" confidentiality")
				break
			}
		}
	}
	return words
}
