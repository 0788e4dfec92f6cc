package node

import (
	"os"

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
