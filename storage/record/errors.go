package record

import "errors"

// Sentinel errors of the package. Damage is storage.ErrIntegrity.
var (
	// ErrNHSNumber is returned when text is not an NHS number, or not one for this kind of region.
	ErrNHSNumber = errors.New("not a valid NHS number")
)
