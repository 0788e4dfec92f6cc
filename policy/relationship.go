package policy

import (
	"fmt"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// maxRelationship is the most bytes that a relationship may have in writing.
const maxRelationship = 128

// ParseRelationship reads a relationship as it travels in an assertion and stands in the audit log: a kind, or a kind, a
// colon and its evidence, such as "referral:UBRN 0000 4983 1234". Nothing is none. It fails with ErrRelationship on an
// unknown kind, on empty evidence after a colon, and on evidence that is no plain text. Nothing it returns is verified.
func ParseRelationship(text string) (Relationship, error) {
	if text == "" {
		return Relationship{}, nil
	}
	if len(text) > maxRelationship {
		return Relationship{}, fmt.Errorf("%d bytes, at most %d: %w", len(text), maxRelationship, ErrRelationship)
	}
	kind, evidence, stated := strings.Cut(text, ":")
	switch {
	case !knownRelationship(kind):
		return Relationship{}, fmt.Errorf("kind %q: %w", kind, ErrRelationship)
	case stated && strings.TrimSpace(evidence) == "":
		return Relationship{}, fmt.Errorf("no evidence after the colon: %w", ErrRelationship)
	case strings.ContainsFunc(evidence, func(r rune) bool { return r == '\n' || r == '\t' || !federation.TextRune(r) }):
		return Relationship{}, fmt.Errorf("evidence with control characters: %w", ErrRelationship)
	}
	return Relationship{Kind: RelationshipKind(kind), Evidence: evidence}, nil
}

// String returns the relationship as ParseRelationship reads it.
func (r Relationship) String() string {
	if r.Evidence == "" {
		return string(r.Kind)
	}
	return string(r.Kind) + ":" + r.Evidence
}

// What a chain calls what is said of a relationship. It is no rule: it permits and refuses nothing by itself.
const (
	checkVerified = "relationship-verified"
	checkStated   = "relationship-stated"
)

// VerifiedIn reports whether the chain of a decision, in the lines of its reasons, rests on evidence that somebody has found.
func VerifiedIn(chain string) bool {
	for line := range strings.Lines(chain) {
		if strings.HasPrefix(line, checkVerified+":") {
			return true
		}
	}
	return false
}

// reasons says plainly whether the relationship was only stated, or somebody has found the evidence; nothing when there is none.
func (r Relationship) reasons() []Reason {
	switch {
	case r.Kind == NoRelationship:
		return nil
	case r.Verified && r.By != "":
		return []Reason{{Rule: checkVerified, Text: fmt.Sprintf("%s: %s found the evidence in its records at %s", r.Kind, r.By, r.At.UTC().Format("15:04 on 2 January 2006"))}}
	case r.Verified:
		return []Reason{{Rule: checkVerified, Text: string(r.Kind) + ": the evidence is taken to be verified"}}
	case r.Evidence != "":
		return []Reason{{Rule: checkStated, Text: string(r.Kind) + ": stated by the user; the evidence that they name was found in nobody's records"}}
	default:
		return []Reason{{Rule: checkStated, Text: string(r.Kind) + ": stated by the user, without evidence"}}
	}
}
