package federation

import "errors"

var (
	// ErrMalformed is returned when bytes are not in the canonical form of what they claim to be.
	ErrMalformed = errors.New("malformed encoding")
	// ErrVersion is returned when bytes are of a version that this program does not know.
	ErrVersion = errors.New("unknown encoding version")
	// ErrTooLarge is returned when an encoding exceeds the limit of its kind.
	ErrTooLarge = errors.New("encoding too large")
	// ErrSignature is returned when a signature does not verify over the exact bytes it covers.
	ErrSignature = errors.New("signature does not verify")
	// ErrTrustID is returned when text is not an ODS organisation code.
	ErrTrustID = errors.New("not an ODS code (3 to 12 letters and digits, such as RYJ)")
	// ErrDocumentID is returned when text is not the id of a document.
	ErrDocumentID = errors.New("not a document id (such as RYJ-4K7QZ2M9X1B3C5D7)")
	// ErrDigest is returned when text is not a digest in hexadecimal.
	ErrDigest = errors.New("not a digest in hexadecimal")
)
