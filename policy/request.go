package policy

import (
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// MaxLease is the oldest that a lease may be, whatever limit the facts give.
const MaxLease = 60 * time.Second

// Action is what the user wants. Zero is invalid. Do not reorder.
type Action uint8

// The actions.
const (
	See  Action = iota + 1 // learn that the document exists, with its metadata
	Open                   // read its content
)

// String returns the action's name in agreements.
func (a Action) String() string {
	switch a {
	case See:
		return "see"
	case Open:
		return "open"
	default:
		return "?"
	}
}

// User is who asks, as the asking trust vouches for them.
type User struct {
	Trust federation.TrustID
	ID    string // staff id within the trust
	Role  string // a code of Roles
}

// Document is what the decision needs to know of a document. Text that is not known is empty.
type Document struct {
	ID                federation.DocumentID
	Custodian         federation.TrustID
	Subject           federation.Subject
	Type              string // SNOMED CT or local code
	Category          string
	Specialty         string
	Author            string
	Confidentiality   federation.Confidentiality
	Date              time.Time // clinical date; zero when not known
	LegallyRestricted bool      // of a class that statute keeps from sharing
}

// DocumentOf returns what a pointer says of its document. Legal restriction does not stand in a pointer.
func DocumentOf(p federation.Pointer) Document {
	return Document{
		ID: p.Document, Custodian: p.Custodian(), Subject: p.Subject, Type: p.Type, Category: p.Category,
		Specialty: p.Specialty, Author: p.Author, Confidentiality: p.Confidentiality, Date: p.Date,
	}
}

// Request is one thing that one user wants.
type Request struct {
	User         User
	Action       Action
	Purpose      string // a code of Purposes
	Relationship string // evidence of a legitimate relationship, such as an encounter id; may be empty
	Document     Document
	BreakGlass   bool // the user has broken the glass for this patient, with a reason, and the time for it has not run out
	Now          time.Time
}

// Directive is what a patient has said, as the facts have it.
type Directive struct {
	ID      federation.DirectiveID
	Effect  federation.DirectiveEffect
	Target  federation.DirectiveID // Withdrew: the directive withdrawn
	Version uint64                 // log index at which the region agreed on it; of two, the larger is newer
	By      federation.TrustID     // who recorded it
}

// Facts are what the region and the custodian have agreed, as one copy of the agreed state had them. The zero value
// refuses everything.
type Facts struct {
	RegionActive      bool                // the region is founded and not suspended
	RequesterStanding federation.Standing // of Request.User.Trust
	CustodianStanding federation.Standing // of Request.Document.Custodian

	Complete      bool        // Directives and LocalRefusals were read in full, without an error
	Directives    []Directive // agreed, of the patient under every linked subject; in any order
	LocalRefusals []Directive // accepted at this node, not agreed on yet; only objections among them count

	Agreement        *Agreement // of the custodian, in force at Request.Now; nil when there is none
	AgreementVersion uint64

	LeaseAge   time.Duration // age of the proof that this copy is recent; negative is stale
	LeaseLimit time.Duration // oldest that it may be; not positive, or over MaxLease, is stale
}
