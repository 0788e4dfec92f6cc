package consensus

import (
	"context"
	"io"
	"net"
)

const (
	// MaxCommand is the largest command in bytes that Submit takes.
	MaxCommand = 512 << 10
	// MaxEffectBytes bounds what one command may write: the sum of keys and values with effectOverhead bytes for each
	// write. It is the same on every replica, so that none applies what another refuses.
	MaxEffectBytes = 2 << 20
	// MaxEffectKeys bounds how many writes one command may make, deletions included.
	MaxEffectKeys = 16 << 10
	// MaxValue is the largest value in bytes.
	MaxValue = 1<<20 - 4<<10
	// effectOverhead is charged for each write: the store's own bookkeeping.
	effectOverhead = 64
)

// ID names a replica: 64 lower-case hexadecimal digits, the digest of its key. It is raft's ServerID and ServerAddress alike,
// so a replica may move to another network address without a change of configuration.
type ID string

// Valid reports whether the id has the form of an ID.
func (id ID) Valid() bool {
	if len(id) != 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Network carries streams between replicas. Both ends of each stream are authenticated.
type Network interface {
	// Accept waits for the next incoming stream. It returns an error for good once the Network is closed.
	Accept() (net.Conn, error)
	// Dial opens a stream to a replica.
	Dial(ctx context.Context, to ID) (net.Conn, error)
	// Peer returns the proven identity of the other end of a stream of this Network.
	Peer(net.Conn) (ID, error)
	// Close ends Accept. Streams that are open may be cut.
	Close() error
}

// Sealer seals log entries and state values at rest. Opening must fail for bytes that were not sealed with the same aad.
type Sealer interface {
	Seal(dst, aad, plaintext []byte) []byte
	Open(dst, aad, sealed []byte) ([]byte, error)
}

// Machine gives commands their meaning. Its methods that change state are called from one goroutine at a time.
type Machine interface {
	// Apply carries out one committed command. It must be deterministic: same state and command, same effects, on every
	// replica. The response goes to the submitter. An error or a panic stops this replica for good; a command that is merely
	// refused is a response, not an error. cmd must not be kept or changed.
	Apply(tx *Tx, index uint64, cmd []byte) (response []byte, err error)
	// SnapshotSize returns the exact number of bytes that Snapshot writes for the same r.
	SnapshotSize(r Reader) (int64, error)
	// Snapshot writes the whole state. It may run at the same time as Apply; r does not change meanwhile.
	Snapshot(r Reader, w io.Writer) error
	// Restore fills an empty store from what another replica's Snapshot wrote. It must verify everything: an error refuses the
	// snapshot and leaves the old state in service. It must not change what the Machine holds in memory: Applied follows
	// when the new state is in service.
	Restore(src io.Reader, store Store) error
	// Applied is told after commands up to index are in the state, once at Open, and after a received snapshot took the
	// state's place. It must not block.
	Applied(index uint64)
}

// Vetter may be implemented by a Machine to keep commands out of the log that Apply would have to stop at.
type Vetter interface {
	// Vet is asked by the leader for each command before it goes into the log. Its error refuses the command. It is called
	// from many goroutines, and may be called for the same command again. The bytes are those that Apply gets, if they
	// get that far: cmd may be kept until then.
	Vet(cmd []byte) error
}

// Preparer may be implemented by a Machine to do a part of its work on a command before the command's turn.
type Preparer interface {
	// Prepare is told of each command that is put into the log here, before Apply is, if ever: it may be replaced in the log,
	// or be applied without. It must not block. The bytes are those that Apply gets: cmd may be kept until then.
	Prepare(cmd []byte)
}

// ScanPrefixer may be implemented by a Machine to make its scans cheap. It says, by the first byte of a key, how long the
// beginning of keys is that is usually scanned for; a Scan for such a beginning looks only where there is one. It must
// always return the same.
type ScanPrefixer interface {
	ScanPrefixes() map[byte]uint8
}

// Reader reads one state. All reads of a Reader see the same applied index.
type Reader interface {
	// Get returns a value; it is the caller's copy.
	Get(key []byte) (value []byte, found bool, err error)
	// Scan calls fn for each key that starts with prefix and is not before from, in ascending order, until fn returns
	// false or an error. A nil from starts at the prefix. Key and value are valid only within fn, which must not write.
	Scan(prefix, from []byte, fn func(key, value []byte) (more bool, err error)) error
}

// Store is a Reader that is changed by atomic updates. Machine.Restore gets one.
type Store interface {
	Reader
	// Update runs fn and makes its writes visible together, or not at all when fn returns an error. The limits on effects
	// of one command hold for each Update.
	Update(fn func(*Tx) error) error
}

// Priority says how urgent a command is. The zero value is invalid.
type Priority uint8

// Do not reorder: the values go over the wire.
const (
	// Bulk commands wait behind Urgent ones at the leader.
	Bulk Priority = iota + 1
	// Urgent commands go ahead of Bulk ones at the leader, and followers are told of the commit at once rather than
	// with the next traffic.
	Urgent
)

// Result is what became of a submitted command.
type Result struct {
	// Index is the command's place in the log.
	Index uint64
	// Response is what Machine.Apply returned for it on the leader.
	Response []byte
}

// Consistency says how fresh a View must be. The zero value is invalid.
type Consistency struct{ kind consistencyKind }

type consistencyKind uint8

const (
	consistencyLocal consistencyKind = iota + 1
	consistencyLinearizable
)

// Local reads this replica's copy, however old it is. It needs nobody.
func Local() Consistency { return Consistency{kind: consistencyLocal} }

// Linearizable reads a copy that holds everything acknowledged before the View was called.
func Linearizable() Consistency { return Consistency{kind: consistencyLinearizable} }
