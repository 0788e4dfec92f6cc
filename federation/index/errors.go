package index

import (
	"errors"
	"fmt"
)

var (
	// ErrUnfit is returned by Vet for a command that no replica could take.
	ErrUnfit = errors.New("command is no statement that this program knows")
	// ErrUnknownStatement is returned by Apply for a valid statement of a kind or version that this program does not know.
	// The replica must stop: to skip it would be to disagree with those who know it.
	ErrUnknownStatement = errors.New("statement is newer than this program")
	// ErrCorrupt is returned when a row of the state cannot be read or contradicts another. It is never a missing answer.
	ErrCorrupt = errors.New("ledger state is damaged")
	// ErrOrder is returned by Apply when the index of a command is not above that of the one before.
	ErrOrder = errors.New("command out of order")
	// ErrSnapshot is returned by Restore when a snapshot fails a check.
	ErrSnapshot = errors.New("snapshot refused")
	// ErrRegion is returned for a charter, or a snapshot, of another region than the one that the Ledger is of.
	ErrRegion = errors.New("this is another region")
	// ErrNotEmpty is returned by Restore when the store has a state already.
	ErrNotEmpty = errors.New("store is not empty")
	// ErrCursor is returned by Locate for a cursor that it did not make, or made for another subject.
	ErrCursor = errors.New("not a cursor of this query")
	// ErrQuery is returned by Locate for a query that cannot be answered.
	ErrQuery = errors.New("query")
	// ErrResponse is returned by DecodeResponse for bytes that are no response.
	ErrResponse = errors.New("not a response of the ledger")
	// ErrConfig is returned by New for a Config that cannot work.
	ErrConfig = errors.New("configuration")
)

// refusal is why a statement is not accepted. It travels as an error from a rule to apply and no further.
type refusal struct {
	code   Code
	detail string
}

func (r *refusal) Error() string { return r.code.String() + ": " + r.detail }

// refuse returns a refusal. The detail is for people and outside the root.
func refuse(code Code, format string, args ...any) error {
	return &refusal{code: code, detail: fmt.Sprintf(format, args...)}
}

func isRefusal(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

// corrupt says that the row under key is damaged.
func corrupt(key []byte, err error) error {
	return fmt.Errorf("row %q…, %d bytes of key: %w: %w", key[:1], len(key), ErrCorrupt, err)
}
