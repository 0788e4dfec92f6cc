package exchange

import (
	"context"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// EventKind says what an audit event tells. Zero is invalid. Do not reorder.
type EventKind uint8

// The kinds: the first four at the custodian, the others at the requester.
const (
	Intent      EventKind = iota + 1 // bytes are about to leave; durable before the first of them
	Refused                          // nothing left
	Released                         // everything that was asked for has left
	Interrupted                      // some of it may have left: Bytes
	Asked                            // the user is about to get bytes; durable before the first of them
	Received                         // everything that was asked for was received, verified and handed on
	Failed                           // some of it was handed on: Bytes
)

// String returns the kind in one word.
func (k EventKind) String() string {
	names := [...]string{"invalid", "intent", "refused", "released", "interrupted", "asked", "received", "failed"}
	if int(k) < len(names) {
		return names[k]
	}
	return "invalid"
}

// Event is what an audit log keeps of a release. It names people: it is for the audit log alone.
type Event struct {
	Kind     EventKind
	At       time.Time
	Transfer Transfer // joins the entries of both ends
	Local    bool     // own staff at this node; there is no peer

	Peer      federation.NodeID // the other end, as TLS proved it
	PeerTrust federation.TrustID

	Trust        federation.TrustID // of the user
	User         string
	Role         string
	Purpose      string
	Relationship string
	Vouched      bool   // by the user's trust, which has found the evidence of the relationship
	Export       bool   // the copy is to be kept in another system
	Emergency    string // reason given for breaking the glass
	Subject      federation.Subject
	Document     federation.DocumentID
	Selection    Selection
	Manifest     federation.Digest

	Outcome policy.Outcome
	Glass   bool            // permitted only because the glass was broken
	Chain   []policy.Reason // full form of the decision
	State   uint64          // index that the agreed state was proven to have when it was decided on; 0: none was
	Age     time.Duration   // how old that proof was; 0: there was none
	Detail  string          // what else governance should know: why an assertion was not believed, why a stream ended

	Intent    uint64 // Released, Interrupted: index of the Intent. Received, Failed, with Receipt: of the custodian's, in its log
	Chunks    int
	Bytes     int64
	Assertion []byte // as signed by the requesting trust
	Receipt   []byte // Released: the Receipt as signed by the requesting trust. Received, Failed: the Ruling as signed by the custodian. nil when none came
}

// Auditor keeps events.
type Auditor interface {
	// Append returns when the event is durable.
	Append(ctx context.Context, event Event) (index uint64, err error)
}

func (e *Event) describe(a Assertion) {
	e.Transfer, e.Trust, e.User, e.Role, e.Purpose = a.Transfer, a.Trust, a.User, a.Role, a.Purpose
	e.Relationship, e.Emergency, e.Subject, e.Document = a.Relationship, a.Emergency, a.Subject, a.Document
	e.Selection, e.Manifest, e.Vouched, e.Export = a.Selection, a.Manifest, !a.Vouch.IsZero(), a.Export
}
