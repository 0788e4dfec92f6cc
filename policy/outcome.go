package policy

import (
	"fmt"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Outcome is how a request ends. Zero is invalid and permits nothing. Do not reorder.
type Outcome uint8

// The outcomes.
const (
	Permit      Outcome = iota + 1 // may be shown or sent
	Denied                         // a rule refuses
	StalePolicy                    // would be permitted, if the copy of the agreed state were recent enough
	Unavailable                    // cannot be decided or served at present
	Integrity                      // what is held is not what was agreed on
	NotFound                       // no such document, or none that the user may know of
	TooMany                        // more than the custodian lets one user or trust have in a time
)

var outcomeNames = [...]string{"INVALID", "PERMIT", "DENIED", "STALE_POLICY", "UNAVAILABLE", "INTEGRITY", "NOT_FOUND", "TOO_MANY"}

// String returns the outcome's published name.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return fmt.Sprintf("OUTCOME_%d", uint8(o))
}

// Safe returns what any user may be told of the outcome.
func (o Outcome) Safe() string {
	switch o {
	case Permit:
		return "Permitted."
	case Denied:
		return "The trust that holds this document does not share it for this role and purpose. Ask its records team."
	case StalePolicy:
		return "The trust that holds this document cannot confirm at present that sharing is still allowed. Try again shortly."
	case Unavailable:
		return "The document cannot be reached at present. Try again shortly."
	case Integrity:
		return "The document failed its integrity check and was not delivered."
	case NotFound:
		return "There is no such document."
	case TooMany:
		return "Too many patients' records were asked for within an hour. The trust that holds this document releases no more for now."
	default:
		return "The request was refused."
	}
}

// Reason is one rule that took part in a decision.
type Reason struct {
	Rule    string             // "standing", "legal", "directive", "agreement/direct-care", "lease", "break-glass", ...
	Text    string             // for people with governance duties; never for the user
	Version uint64             // of the agreement; or the index at which a directive was agreed, 0 when it is local
	Source  federation.TrustID // whose rule it is; empty for the region's own
}

// String returns the reason in one line.
func (r Reason) String() string {
	s := r.Rule
	if r.Source != "" {
		s += " of " + string(r.Source)
	}
	if r.Version != 0 {
		s += fmt.Sprintf(" (version %d)", r.Version)
	}
	if r.Text == "" {
		return s
	}
	return s + ": " + r.Text
}

// Decision is an outcome and why. The zero value is a refusal.
type Decision struct {
	Outcome  Outcome
	Visible  bool     // the user may know that the document exists
	Glass    bool     // permitted only because the glass was broken: both sites must audit and alert
	CanBreak bool     // refused, visible, and the agreement would let this user break the glass
	Chain    []Reason // what made the decision, in order of precedence; the last is decisive
}

// Permitted reports whether the document may be shown or sent.
func (d Decision) Permitted() bool { return d.Outcome == Permit }

// Outward returns the outcome as the user may learn it: a document the user may not know of is NotFound.
func (d Decision) Outward() Outcome {
	if d.Outcome == 0 || d.Outcome == Denied && !d.Visible {
		return NotFound
	}
	return d.Outcome
}

// Safe returns what the user may see of the decision. It is the same text for a document that does not exist and for one
// that the user may not know of, and names no rule and no directive; whoever is shared with otherwise is told that the patient has dissented.
func (d Decision) Safe() string {
	s := d.Outward().Safe()
	if d.Outward() == Denied && len(d.Chain) > 0 && d.Chain[len(d.Chain)-1].Rule == ruleDirective {
		s = "The patient has asked that their record is not shared with other trusts."
	}
	if d.CanBreak && d.Outward() == Denied {
		s += " In an emergency you may be able to open it by giving a reason."
	}
	return s
}
