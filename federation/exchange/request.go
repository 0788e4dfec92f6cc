package exchange

import (
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Request says what one user wants and why. The user belongs to this node's trust.
type Request struct {
	Document     federation.DocumentID
	Subject      federation.Subject // the patient that the user has in view; refused if the document is of another. Zero: not checked
	Selection    Selection
	User         string // staff id
	Role         string // a code of policy.Roles
	Purpose      string // a code of policy.Purposes
	Relationship string
	Vouch        Vouch  // of this trust for the evidence of the relationship; none if zero
	Emergency    string // reason for breaking the glass; empty to leave it whole
	Export       bool   // the copy is to be kept in another system

	// Begin is called once, before the first segment, with the verified manifest; also when nothing was selected of it. An
	// error ends the fetch, which then fails with that error. It may be nil.
	Begin func(federation.Manifest) error

	Resume Resume
	Bulk   bool // nobody waits for it: what somebody waits for goes first, and it may take several connections
	Whole  bool // check the SHA-256 of every part that was fetched in full too, beyond that of each chunk
}

// Resume is what an earlier fetch of the same selection has delivered. The zero value is nothing.
type Resume struct {
	Manifest federation.Digest
	Chunks   int // of the selection, in its order
}

// Segment is one verified chunk. Data is valid until the function that it was given to returns.
type Segment struct {
	Part   int   // number, starting at 1
	Offset int64 // in the part
	Data   []byte
	Last   bool // of the selection
}

// Sink takes segments in ascending order, each once. An error ends the fetch, which then fails with that error.
type Sink func(Segment) error

// Result is what a fetch has delivered, all of it verified; after an error what it had delivered by then.
type Result struct {
	Manifest  federation.Manifest
	Bytes     int64         // given to the sink
	Resume    Resume        // for a later fetch to go on from here
	FirstByte time.Duration // from the call to the first segment
	Resumed   int           // times that a stream was lost and taken up again
	Rejected  int           // chunks that were not what they should be, and were not delivered
	Stripes   int           // most connections used at once
	Glass     bool          // the request asked for the glass to be broken
	Transfer  Transfer      // the entries of both audit logs bear it
}
