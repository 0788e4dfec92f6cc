package record

import (
	"fmt"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// A Phase says where a document is on its way into the region's index and out of it. Zero is invalid. Do not reorder.
type Phase uint8

// The phases.
const (
	Queued    Phase = iota + 1 // waits to be published
	Published                  // in the region's index
	Withdrawn                  // withdrawn: nothing of it is released, whether the region knows yet or not
	Refused                    // the region refused to publish it
	Erased                     // withdrawn, and content and description are gone
)

var phaseNames = [...]string{"", "queued", "published", "withdrawn", "refused", "erased"}

// String returns the phase's name.
func (p Phase) String() string {
	if p >= Queued && p <= Erased {
		return phaseNames[p]
	}
	return fmt.Sprintf("phase %d", uint8(p))
}

// State is what changes of a document after it has been taken in.
type State struct {
	Phase        Phase
	Status       federation.DocumentStatus
	SupersededBy federation.DocumentID // the document that replaced it; empty for none
	Statement    uint64                // sequence number of the latest statement of this trust that names it; 0 before the first
	At           time.Time             // since when it is in this phase
	Reason       string                // why it was withdrawn or refused
	entry        EntryID               // the outbox entry about it that waits; 0 for none
}

// Pending reports whether the region has yet to be told.
func (s State) Pending() bool { return s.entry != 0 }

// waits reports whether the region has another word of the document, or none.
func (s State) waits() bool {
	return s.Phase == Queued || s.Phase == Refused || s.Phase == Published && s.Pending()
}

const (
	stateVersion = 1
	maxReason    = 1024
)

func (s State) encode() []byte {
	var e federation.Encoder
	e.U8(stateVersion)
	e.U8(uint8(s.Phase))
	e.U8(uint8(s.Status))
	e.Text(string(s.SupersededBy))
	e.U64(s.Statement)
	e.Time(s.At)
	e.Text(s.Reason)
	e.U64(uint64(s.entry))
	return e.Bytes()
}

func decodeState(b []byte) (State, error) {
	var s State
	d := federation.NewDecoder("document state", b)
	if v := d.U8(); d.Err() == nil && v != stateVersion {
		return s, fmt.Errorf("document state version %d: %w", v, federation.ErrVersion)
	}
	s.Phase, s.Status = Phase(d.U8()), federation.DocumentStatus(d.U8())
	s.SupersededBy = federation.DocumentID(d.Text(maxCode))
	s.Statement, s.At, s.Reason, s.entry = d.U64(), d.Time(), d.Text(maxReason), EntryID(d.U64())
	if d.Err() == nil && (s.Phase < Queued || s.Phase > Erased || s.Status < federation.Current || s.Status > federation.Superseded ||
		s.SupersededBy != "" && !s.SupersededBy.Valid()) {
		d.Fail("phase %d, status %d", s.Phase, s.Status)
	}
	return s, d.Finish()
}
