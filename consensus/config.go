package consensus

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	defaultElection          = 500 * time.Millisecond
	defaultCommandTimeout    = 5 * time.Second
	defaultSlowLogWrite      = 2 * time.Second
	defaultSnapshotInterval  = 30 * time.Second
	defaultSnapshotThreshold = 50_000
	defaultTrailingLogs      = 100_000
	defaultMaxSnapshot       = 256 << 30
)

// Config says what a replica is made of. ID, Dir, Network, Machine and Member must be set; the zero value of all else means
// the documented default.
type Config struct {
	// ID is this replica's own, and what the other replicas' Network.Peer returns for it.
	ID ID
	// Dir holds the log, the state and the high-water mark. It is made if missing and belongs to one replica at a time.
	Dir string
	// Network reaches the other replicas. The replica closes it.
	Network Network
	// Machine gives the commands their meaning.
	Machine Machine
	// Sealer seals what lies in Dir. Nil leaves it in clear, for tests only.
	Sealer Sealer
	// Member reports whether an id belongs to the region. It is asked for each stream, each RPC and each server that a new
	// configuration adds, so it must be quick; it must not call the Replica.
	Member func(ID) bool

	// Heartbeat is how long a follower waits for its leader before it stands for election, and Election how long an
	// election may take; both 500 ms by default. A network's round trip should be at most a tenth of it.
	Heartbeat, Election time.Duration
	// CommandTimeout bounds Submit, ReadIndex and membership changes where the context does not; 5 s by default.
	CommandTimeout time.Duration
	// SlowLogWrite is how long a leader's log write may take before it gives up leadership; 2 s by default.
	SlowLogWrite time.Duration

	// SnapshotThreshold is how many entries the log grows by before it is cut again, 50,000 by default, and
	// SnapshotInterval how often that is looked at, 30 s by default, at random up to twice as long.
	SnapshotThreshold uint64
	SnapshotInterval  time.Duration
	// TrailingLogs is how many entries stay in the log for followers that lag, 100,000 by default. A follower
	// that lags more gets a snapshot.
	TrailingLogs uint64
	// MaxSnapshot is the largest snapshot in bytes that is accepted from a leader, 256 GiB by default.
	MaxSnapshot int64
	// Storage sizes memory and files; the zero value suits one replica a process.
	Storage Storage

	// Logger gets what an operator needs to know; nil discards.
	Logger *slog.Logger
	// Metrics registers the replica's metrics; may be nil.
	Metrics prometheus.Registerer

	// Sync syncs a file or a folder of the state; (*os.File).Sync if nil. Tests note what power cuts would leave.
	Sync func(*os.File) error

	wrapLog func(logFile) logFile // tests put a slow or failing log in between
}

// Storage sizes the memory and files of a replica. Zero fields get the defaults.
type Storage struct {
	// MemTable is how many bytes of new rows gather in memory before they go into a table, 32 MiB by default and at least
	// 16 MiB, and MemTables how many times as much may wait for that, 2 by default.
	MemTable  int64
	MemTables int
	// BlockCache is how many bytes of the tables are kept in memory in clear, 64 MiB by default.
	BlockCache int64
	// LogKeep is how many bytes of the log stay for followers that lag, four segments by default, unless
	// TrailingLogs is less. The log is cut when it has half as much again. While a snapshot is sent, and for a while after, what
	// follows it stays as well.
	LogKeep int64
	// LogSegment is the size in bytes of one file of the log, 64 MiB by default.
	LogSegment int
	// LogCache is how many bytes of the newest log entries are kept in memory, 32 MiB by default.
	LogCache int
}

// SmallStorage suits many replicas in one process, as in tests and demonstrations: tens of megabytes each at most.
func SmallStorage() Storage {
	return Storage{
		MemTable: 16 << 20, MemTables: 1, BlockCache: 1 << 20, LogSegment: 4 << 20, LogCache: 2 << 20,
	}
}

// minMemTable keeps tables from becoming many and small.
const minMemTable = 16 << 20

// withDefaults returns the Config with all defaults filled in, or an ErrConfig that names all that is wrong.
func (c Config) withDefaults() (Config, error) {
	var wrong []error
	check := func(ok bool, text string) {
		if !ok {
			wrong = append(wrong, errors.New(text))
		}
	}
	fill(&c.Heartbeat, defaultElection)
	fill(&c.Election, max(c.Heartbeat, defaultElection))
	fill(&c.CommandTimeout, defaultCommandTimeout)
	fill(&c.SlowLogWrite, defaultSlowLogWrite)
	fill(&c.SnapshotInterval, defaultSnapshotInterval)
	fill(&c.SnapshotThreshold, defaultSnapshotThreshold)
	fill(&c.TrailingLogs, defaultTrailingLogs)
	fill(&c.MaxSnapshot, int64(defaultMaxSnapshot))
	fill(&c.Storage.MemTable, 32<<20)
	fill(&c.Storage.MemTables, 2)
	fill(&c.Storage.BlockCache, 64<<20)
	fill(&c.Storage.LogSegment, 64<<20)
	fill(&c.Storage.LogKeep, 4*int64(c.Storage.LogSegment))
	fill(&c.Storage.LogCache, 32<<20)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Sealer == nil {
		c.Sealer = unsealed{}
	}
	check(c.ID.Valid(), "ID must be 64 lower-case hexadecimal digits")
	check(c.Dir != "", "Dir must be set")
	check(c.Network != nil, "Network must be set")
	check(c.Machine != nil, "Machine must be set")
	check(c.Member != nil, "Member must be set")
	check(c.Heartbeat >= 20*time.Millisecond, "Heartbeat must be at least 20 ms")
	check(c.Election >= c.Heartbeat, "Election must be at least Heartbeat")
	check(c.CommandTimeout > 0 && c.SlowLogWrite > 0 && c.SnapshotInterval > 0, "durations must be positive")
	check(c.MaxSnapshot > 0, "MaxSnapshot must be positive")
	check(c.Storage.MemTable >= minMemTable, "Storage.MemTable must be at least 16 MiB")
	check(c.Storage.MemTables > 0 && c.Storage.BlockCache > 0, "Storage sizes must be positive")
	check(c.Storage.LogSegment >= 1<<20 && c.Storage.LogSegment < 1<<30, "Storage.LogSegment must be from 1 MiB to 1 GiB")
	check(c.Storage.LogKeep > 0, "Storage.LogKeep must be positive")
	check(c.Storage.LogCache > 0, "Storage.LogCache must be positive")
	if len(wrong) > 0 {
		return Config{}, fmt.Errorf("%w: %w", ErrConfig, errors.Join(wrong...))
	}
	return c, nil
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// unsealed is the Sealer that seals nothing.
type unsealed struct{}

func (unsealed) Seal(dst, _, plaintext []byte) []byte { return append(dst, plaintext...) }

func (unsealed) Open(dst, _, sealed []byte) ([]byte, error) { return append(dst, sealed...), nil }
