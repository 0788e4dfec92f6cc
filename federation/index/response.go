package index

import (
	"fmt"
	"unicode/utf8"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Outcome is what became of a command. Zero is invalid. Do not reorder.
type Outcome uint8

// The outcomes.
const (
	Accepted  Outcome = iota + 1 // in the ledger; a proposal may still wait for approvals
	Duplicate                    // this very statement was accepted before; nothing changed
	Refused                      // not in the ledger; the refusal is recorded
)

var outcomeNames = [...]string{"?", "accepted", "duplicate", "refused"}

// String returns the outcome in one word.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return outcomeNames[0]
}

// Code says why a command was refused. Zero stands for "it was not". Do not reorder; add at the end.
type Code uint8

// The codes.
const (
	Malformed         Code = iota + 1 // not a signed statement in canonical form
	NoRegion                          // there is no charter yet
	RegionExists                      // there is a charter already
	UnknownTrust                      // the signer is not in the roster
	BadSignature                      // not signed with the trust's statement key in force
	TrustSuspended                    // the signer may say nothing until it is lifted
	Fork                              // the trust signed another statement with this number before
	Gap                               // statements of the trust before this one are missing
	BrokenChain                       // does not follow from the trust's statement before, or is of another region
	NotGoverning                      // only a governing trust may do this
	BadMember                         // the proposed member, or a key's proof of possession, does not hold
	TrustExists                       // the trust is enrolled and active
	KeyInUse                          // the key serves, or served, somewhere in the region
	NoProposal                        // no open proposal has this digest
	AlreadyApproved                   // the trust has approved this proposal before
	NoSuchTrust                       // the trust or node named is not in the roster
	LastGoverning                     // nobody would be left to govern
	NoChange                          // what is asked for is already so
	BadRotation                       // the key to be replaced is not the one in force
	BadPointer                        // a pointer contradicts itself
	DirectiveExists                   // another directive has this id, or the one to be replaced has ended
	NoDirective                       // the directive to be withdrawn or replaced does not exist for this patient
	BadAgreement                      // version or dates do not follow
	LinkCycle                         // the subjects are linked already
	TooManyLinks                      // more subjects than one patient may have
	BadCheckpoint                     // not signed by the audit key, or does not grow
	InconsistentAudit                 // the audit log was rewritten: no proof leads from the checkpoint before to this one
	Incomplete                        // a field that must be set is not
	TooManyTrusts                     // the region is full
	BadEmergency                      // ends too long after it was said
)

var codeNames = [...]string{
	"none", "malformed", "no-region", "region-exists", "unknown-trust", "bad-signature", "trust-suspended", "fork", "gap",
	"broken-chain", "not-governing", "bad-member", "trust-exists", "key-in-use", "no-proposal", "already-approved", "no-such-trust", "last-governing",
	"no-change", "bad-rotation", "bad-pointer", "directive-exists", "no-directive", "bad-agreement", "link-cycle", "too-many-links", "bad-checkpoint",
	"inconsistent-audit", "incomplete", "too-many-trusts", "bad-emergency",
}

// String returns the code's stable name.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("code-%d", uint8(c))
}

// AboutContent reports whether a statement of pointers was refused for what one of them says: without that one it would be
// accepted, in the place that comes next.
func (c Code) AboutContent() bool { return c == BadPointer || c == Malformed }

// AboutPlace reports whether a statement was refused for its place in the trust's chain, and not for what it says.
func (c Code) AboutPlace() bool { return c == Fork || c == Gap || c == BrokenChain }

// maxDetail is how many bytes of detail a response and a recorded refusal keep.
const maxDetail = 200

// Response is what Apply answers to the submitter.
//
//	size  field
//	1     version, 1
//	1     outcome
//	1     code
//	v+n   detail: length, UTF-8
type Response struct {
	Outcome Outcome
	Code    Code   // Refused: why; else zero
	Detail  string // for people, at most 200 bytes; its wording is not stable
}

const responseVersion = 1

// EncodeResponse returns the bytes of r; detail is cut to its limit.
func EncodeResponse(r Response) []byte {
	var e federation.Encoder
	e.U8(responseVersion)
	e.U8(uint8(r.Outcome))
	e.U8(uint8(r.Code))
	e.Text(clip(r.Detail))
	return e.Bytes()
}

// DecodeResponse reads what EncodeResponse wrote. A code that this program does not know is returned as it is. It fails
// with ErrResponse.
func DecodeResponse(b []byte) (Response, error) {
	d := federation.NewDecoder("response", b)
	version := d.U8()
	r := Response{Outcome: Outcome(d.U8()), Code: Code(d.U8()), Detail: d.Text(maxDetail)}
	if err := d.Finish(); err != nil {
		return Response{}, fmt.Errorf("%w: %w", ErrResponse, err)
	}
	if version != responseVersion || r.Outcome < Accepted || r.Outcome > Refused || (r.Outcome == Refused) != (r.Code != 0) {
		return Response{}, fmt.Errorf("version %d, outcome %d, code %d: %w", version, r.Outcome, r.Code, ErrResponse)
	}
	return r, nil
}

// clip cuts s to one line of at most maxDetail bytes of text that the encoding takes.
func clip(s string) string {
	out := make([]rune, 0, len(s))
	n := 0
	for _, r := range s {
		if !federation.TextRune(r) || r == '\n' || r == '\t' || r == utf8.RuneError {
			r = '?'
		}
		if n += utf8.RuneLen(r); n > maxDetail {
			break
		}
		out = append(out, r)
	}
	return string(out)
}
