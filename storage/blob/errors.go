package blob

import (
	"errors"
	"fmt"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// Sentinel errors of the package; compare with errors.Is. ErrDamaged, ErrDiskFull, ErrFailed, ErrClosed and
// ErrReadOnly of package storage are returned as they are.
var (
	// ErrNotFound is returned when no chunk of a digest is stored. Whoever holds a reference to the chunk must
	// take that for damage.
	ErrNotFound = storage.ErrNotFound

	// ErrIntegrity is returned when a stored chunk cannot be read back as it was written.
	ErrIntegrity = storage.ErrIntegrity

	// ErrBatchDone is returned for a Put into a Batch that has been committed, has failed or was released.
	ErrBatchDone = errors.New("the batch is done")
)

// A ChunkError names the chunk that a read failed on. It wraps ErrIntegrity or ErrNotFound.
type ChunkError struct {
	Digest federation.Digest
	Err    error
}

// Error names the chunk and the cause.
func (e *ChunkError) Error() string { return fmt.Sprintf("chunk %s: %v", e.Digest, e.Err) }

// Unwrap returns the cause.
func (e *ChunkError) Unwrap() error { return e.Err }

// A DamagedError is returned by Open with what is known of the chunks that the damage touches. It wraps
// storage.ErrDamaged.
type DamagedError struct {
	// Digests are the chunks whose entries are known to be damaged.
	Digests []federation.Digest
	// Complete is false when there is damage that does not tell which chunks it touches: read all of them in
	// the store that OpenDamaged returns to know.
	Complete bool
	Err      error
}

// Error counts the chunks and gives the cause.
func (e *DamagedError) Error() string {
	more := ""
	if !e.Complete {
		more = " or more"
	}
	return fmt.Sprintf("chunks touched: %d%s: %v", len(e.Digests), more, e.Err)
}

// Unwrap returns the cause, a *storage.DamageError.
func (e *DamagedError) Unwrap() error { return e.Err }
