package consensus

import "errors"

var (
	// ErrNoQuorum is returned when there was no leader, or the leader could not reach a majority, within the deadline, and
	// the command is known not to be in any log.
	ErrNoQuorum = errors.New("no quorum")
	// ErrOutcomeUnknown is returned when a command was handed to a leader and no answer came: it may or may not be
	// committed, now or later. The caller submits it again only if it is idempotent, or looks first.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrNotLeader is returned by operations that only the leader can carry out.
	ErrNotLeader = errors.New("not the leader")
	// ErrNotEmpty is returned by Bootstrap when the replica has a log or a state already.
	ErrNotEmpty = errors.New("replica is not empty")
	// ErrClosed is returned by every operation once Close was called.
	ErrClosed = errors.New("replica is closed")
	// ErrRemoved is returned when this replica was removed from the configuration and has stopped.
	ErrRemoved = errors.New("replica was removed from the region")
	// ErrStopped is returned when the replica stopped itself because its Machine or its storage failed; the cause is wrapped.
	ErrStopped = errors.New("replica stopped")
	// ErrLogLost is returned by Open when the high-water mark shows that log entries, a term or a vote which this replica
	// once acknowledged are gone. It must not vote; see Forget for how it rejoins.
	ErrLogLost = errors.New("log lost: behind its own high-water mark")
	// ErrDamaged is returned when what lies on disk fails its checks. Nothing is cut off or repaired silently.
	ErrDamaged = errors.New("damaged")
	// ErrInUse is returned by Open when another process or replica has the folder open.
	ErrInUse = errors.New("folder is in use")
	// ErrTooLarge is returned for a command above MaxCommand, and stops the replica for effects above their limits.
	ErrTooLarge = errors.New("too large")
	// ErrSnapshotRefused is returned inside when a received snapshot fails its checks; the old state keeps serving.
	ErrSnapshotRefused = errors.New("snapshot refused")
	// ErrConfig is returned by Open for a Config that cannot work, with all that is wrong.
	ErrConfig = errors.New("configuration")
	// ErrNotMember is returned for a peer that Config.Member does not know, and for an ID that is malformed.
	ErrNotMember = errors.New("not a member")
	// ErrRefused is returned by Submit for a command that the leader's Machine would not let into the log.
	ErrRefused = errors.New("refused before it reached the log")
	// ErrOverloaded is returned when more commands wait than the queue holds; nothing was submitted.
	ErrOverloaded = errors.New("too many commands waiting")
)
