package exchange

import (
	"errors"
	"fmt"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

var (
	// ErrDenied is returned when the custodian's rules refuse.
	ErrDenied = errors.New("denied")
	// ErrStalePolicy is returned when the custodian cannot prove that its rules are recent enough to permit.
	ErrStalePolicy = errors.New("stale policy")
	// ErrUnavailable is returned when the custodian cannot be reached or cannot answer at present.
	ErrUnavailable = errors.New("unavailable")
	// ErrStopped is the ErrUnavailable of a custodian that releases nothing to other trusts until its operator has acted.
	ErrStopped = fmt.Errorf("releases are stopped until an operator acts: %w", ErrUnavailable)
	// ErrIntegrity is returned when what is held or was sent is not what the region agreed on.
	ErrIntegrity = errors.New("integrity check failed")
	// ErrNotFound is returned when there is no such document, part or page, or none that the user may know of.
	ErrNotFound = errors.New("not found")
	// ErrTooMany is returned when the custodian releases no more to this user or trust for now.
	ErrTooMany = errors.New("too many")

	// ErrProtocol is returned when the other end breaks the rules of this package.
	ErrProtocol = errors.New("protocol violation")
	// ErrSelection is returned when a selection names a part, page or range that the document cannot have.
	ErrSelection = errors.New("no such part, page or range")
	// ErrChanged is returned when the document that was to be resumed has been replaced by another version.
	ErrChanged = errors.New("document has changed")
	// ErrAudit is returned when an audit entry could not be written; nothing was released or shown.
	ErrAudit = errors.New("audit entry could not be written")
	// ErrOwnDocument is returned when a document of the own trust is fetched: it is opened at the Custodian instead.
	ErrOwnDocument = errors.New("document of this trust is not fetched from a peer")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("exchange is closed")
)

// EmergencyOver is what a user is told of a document that only an emergency has opened, once its time has run out.
const EmergencyOver = "The emergency that was declared is over."

// Stopped is what a user is told of a trust that releases nothing to others until its operator has acted. It says nothing of the
// document or the patient: every trust that asks for anything is told it.
const Stopped = "The trust that holds this document releases nothing to other trusts until its operator has acted. Trying again does not help: ask that trust."

// cutOff is the text of a refusal that ends a release under way: the custodian says no more than the outcome then.
const cutOff = "The trust that holds this document stopped sending it, because it is no longer shared with you. Ask for it again to be told why."

// errUnproven is that this node's copy of the agreed state was never proven to be recent.
var errUnproven = errors.New("the copy of the agreed state was not proven to be whole since it was opened")

// Refusal is an answer that is not the document. It is one of ErrDenied, ErrStalePolicy, ErrUnavailable, ErrIntegrity,
// ErrNotFound and ErrTooMany, by Outcome.
type Refusal struct {
	Outcome policy.Outcome
	Text    string            // what the user may see
	Node    federation.NodeID // who refused; zero when it was this node
	Cause   error             // what happened underneath; nil when the custodian said no more. Not for users
}

// glassOver is the refusal of what only an emergency has opened.
func glassOver() *Refusal { return &Refusal{Outcome: policy.Denied, Text: EmergencyOver} }

// Error returns the outcome and its text.
func (r *Refusal) Error() string {
	if r.Cause != nil {
		return fmt.Sprintf("%s: %v", r.Outcome, r.Cause)
	}
	return fmt.Sprintf("%s: %s", r.Outcome, r.Text)
}

// Unwrap returns the sentinel of the outcome, and the cause.
func (r *Refusal) Unwrap() []error {
	errs := []error{sentinel(r.Outcome)}
	if r.Cause != nil {
		errs = append(errs, r.Cause)
	}
	return errs
}

// refuse makes a refusal with the outcome's own safe text.
func refuse(o policy.Outcome, cause error) *Refusal {
	return &Refusal{Outcome: o, Text: o.Safe(), Cause: cause}
}
