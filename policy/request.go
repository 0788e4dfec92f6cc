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
	See    Action = iota + 1 // learn that the document exists, with its metadata
	Open                     // read its content
	Export                   // take a copy into another system, to be kept there
)

// String returns the action's name in agreements.
func (a Action) String() string {
	switch a {
	case See:
		return "see"
	case Open:
		return "open"
	case Export:
		return "export"
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
	Sensitivity       []string  // codes of Sensitivities: what the document bears
	Sealed            bool      // only what a sealed pointer says is known: what is empty above is unknown, Sensitivity too
	LegalClass        string    // a code of LegalClasses, empty for none; any other is taken for one
	LegallyRestricted bool      // of a class that statute keeps from sharing, whichever it is

	// Versions are the documents that it has replaced and that have replaced it, one after the other. What a patient refuses of one
	// of them they refuse of all; what they permit of one they permit of that one.
	Versions     []federation.DocumentID
	MoreVersions bool // there may be versions that Versions does not name
}

// Restricted reports whether statute keeps the document from being shared.
func (d Document) Restricted() bool { return d.LegallyRestricted || d.LegalClass != "" }

// DocumentOf returns what a pointer says of its document. Legal restriction and sensitivity do not stand in a pointer: a
// document that has one of them is published sealed.
func DocumentOf(p federation.Pointer) Document {
	var d Document
	d.Describe(&p)
	return d
}

// Describe makes d what DocumentOf returns for p, without a copy of either: both are large, and lists have many.
func (d *Document) Describe(p *federation.Pointer) {
	d.ID, d.Custodian, d.Subject = p.Document, p.Document.Custodian(), p.Subject
	d.Type, d.Category, d.Specialty, d.Author = p.Type, p.Category, p.Specialty, p.Author
	d.Confidentiality, d.Date, d.Sealed = p.Confidentiality, p.Date, p.Confidentiality.Sealed()
	d.Sensitivity, d.LegalClass, d.LegallyRestricted = nil, "", false
	d.Versions, d.MoreVersions = nil, false
}

// RelationshipKind says what makes a relationship between a user and a patient legitimate. Zero is none.
type RelationshipKind string

// The kinds of relationship.
const (
	NoRelationship RelationshipKind = ""
	Referral       RelationshipKind = "referral"
	Appointment    RelationshipKind = "appointment"
	Admission      RelationshipKind = "admission"
	RegisteredList RelationshipKind = "registered-list" // the patient is on the practice's list
	MDT            RelationshipKind = "mdt"             // a multidisciplinary team discusses the patient
	SelfClaimed    RelationshipKind = "self-claimed"
)

// Relationship is what the user says links them to the patient, and whether anybody else says so too.
type Relationship struct {
	Kind     RelationshipKind
	Evidence string // such as an encounter's id; may be empty
	Verified bool   // the evidence was found in the records of By

	By federation.TrustID // who has looked: the requester's trust, or the custodian
	At time.Time          // when
}

// Request is one thing that one user wants.
type Request struct {
	User         User
	Action       Action
	Purpose      string // a code of Purposes
	Relationship string // evidence of a legitimate relationship, such as an encounter id; may be empty
	Link         Relationship
	Document     Document
	BreakGlass   bool // the user has broken the glass for this patient, with a reason, and the time for it has not run out
	Now          time.Time

	consented bool // a consent of the patient covers the request; Decide sets it for the agreement
}

// Directive is what a patient has said, as the facts have it.
type Directive struct {
	ID      federation.DirectiveID
	Effect  federation.DirectiveEffect
	Target  federation.DirectiveID // Withdrew: the directive withdrawn
	Version uint64                 // log index at which the region agreed on it; of two, the larger is newer
	By      federation.TrustID     // who recorded it

	Scope      federation.Scope       // what it is about
	Except     []federation.Scope     // there an objection says nothing, and a consent refuses
	Until      time.Time              // in force until then; zero: until withdrawn
	Supersedes federation.DirectiveID // the directive whose place it takes; zero: none
	Withdrawn  bool                   // the region agreed on its withdrawal; it counts no more
	Superseded bool                   // the region agreed on one that takes its place; it counts no more
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
