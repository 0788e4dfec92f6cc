package audit

import "errors"

// Sentinel errors of the package. Damage that reading meets is storage.ErrIntegrity; a log
// opened by Examine answers storage.ErrReadOnly to what would change or sign it.
var (
	// ErrEntry is returned by Append for an entry that cannot be encoded: a text too long or with control
	// characters, a missing time. Nothing was written and the log goes on.
	ErrEntry = errors.New("audit entry is not well formed")

	// ErrFailed is returned by every Append after one that could not be made durable, until the log is opened
	// again: whoever must leave evidence before acting must then not act.
	ErrFailed = errors.New("the audit log has failed and takes no more entries")

	// ErrRolledBack is returned by Open when the log is shorter than, or differs from, what was acknowledged: it
	// was replaced by an older copy, truncated or rewritten. Nothing has been changed on the disk.
	ErrRolledBack = errors.New("the audit log is not the one that was acknowledged")

	// ErrRange is returned for an index or size that the log does not have.
	ErrRange = errors.New("no such entry in the audit log")

	// ErrProof is returned when the proof of an entry does not hold for the root that it is checked against.
	ErrProof = errors.New("the proof of the audit entry does not hold")
)
