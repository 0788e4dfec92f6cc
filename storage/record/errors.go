package record

import "errors"

// Sentinel errors of the package. Damage, and the absence of what must be there, is storage.ErrIntegrity; what is simply
// not there is storage.ErrNotFound.
var (
	// ErrNHSNumber is returned when text is not an NHS number, or not one for this kind of region.
	ErrNHSNumber = errors.New("not a valid NHS number")

	// ErrDocument is returned when a document cannot be kept or published as it is described.
	ErrDocument = errors.New("the document's description is not acceptable")

	// ErrLost is returned for a rejected entry of which nothing is left that could be said again.
	ErrLost = errors.New("nothing is left of the entry")

	// ErrSupersedes is returned when a document cannot replace the one that it names.
	ErrSupersedes = errors.New("the document cannot replace the other")

	// ErrWithdrawn is returned when a document has been withdrawn and what is asked for needs one that has not.
	ErrWithdrawn = errors.New("the document has been withdrawn")

	// ErrErased is returned when a document's content and description have been erased.
	ErrErased = errors.New("the document has been erased")

	// ErrInFlight is returned when a signed statement waits for its outcome and another would be put in its place, or
	// when there is none to complete.
	ErrInFlight = errors.New("not the signed statement that waits for its outcome")

	// ErrTooLarge is returned when values do not fit in one transaction, or one value in a row.
	ErrTooLarge = errors.New("too large to be written at once")

	// ErrInvitation is returned when an invitation has been used or has expired.
	ErrInvitation = errors.New("the invitation is not valid")

	// ErrDirective is returned when a directive is not one that can be queued in this way.
	ErrDirective = errors.New("not such a directive")

	// ErrPerson is returned when who a patient is said to be is not acceptable, or contradicts what this trust knows.
	ErrPerson = errors.New("the patient's particulars are not acceptable")

	// ErrRepaired is returned by Sweep for a store that has lost rows in a repair: the folder "damaged" in it has the files
	// as they were. When nothing is missed any more, or all of it has been taken in again, remove that folder.
	ErrRepaired = errors.New("the record store has lost rows in a repair, so that nothing is cleared away until its folder \"damaged\" is removed")
)
