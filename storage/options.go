package storage

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// A Profile says what a store holds, and so how Badger is set up for it. Do not reorder.
type Profile uint8

// The profiles.
const (
	Records Profile = iota + 1 // documents' metadata: values in the tree
	Audit                      // the audit log: values in the tree; writable until the last reserve of space
	Chunks                     // document content: values in the value log
)

// String returns the profile's name for logs.
func (p Profile) String() string {
	switch p {
	case Records:
		return "records"
	case Audit:
		return "audit"
	case Chunks:
		return "chunks"
	default:
		return "invalid"
	}
}

const (
	kib = 1 << 10
	mib = 1 << 20

	treeThreshold  = mib // Records and Audit: values are smaller, so that none enters the value log
	chunkThreshold = kib // Chunks: what is smaller is the store's own bookkeeping

	// txnPercent is the part of a memtable that one transaction may fill; Badger fixes it.
	txnPercent = 15
)

// Options configure Open. Dir, Profile and Logger matter most; the zero value of the rest is right for a node.
type Options struct {
	Dir     string
	Profile Profile
	Logger  *slog.Logger // nil discards
	Space   *Space       // asked before each write; nil asks nobody

	// Small keeps the store within a few MiB of memory, for many nodes in one process and for tests.
	Small bool
	// MemTable is the size in bytes of Badger's memtable; 0 is 16 MiB, or 4 MiB with Small. What one Update
	// writes is bounded to 15 % of it, values in the value log not counted.
	MemTable int64
	// ValueLogFile is the size in bytes at which a value log file is ended; 0 is 256 MiB, or 16 MiB with Small.
	ValueLogFile int64
	// BlockCache and IndexCache are bytes of cache; 0 is none: blocks are read through the file's mapping.
	BlockCache, IndexCache int64

	// VerifyAll has Open read every byte of every value log file, not only those that a crash can have touched.
	VerifyAll bool
	// Sync makes a file's content durable; nil is fdatasync. Tests hand in one that fails.
	Sync func(*os.File) error
}

// RoomForWrites returns what each write to a store with the usual memtable asks of the free space beside its own bytes, for
// SpaceConfig.Write.
func RoomForWrites(small bool) uint64 { return uint64(flushed * memTable(small)) }

// flushed is how many memtables are counted on top of a write: it can start one, and make Badger flush another into tables.
const flushed = 3

func memTable(small bool) int64 {
	if small {
		return 4 * mib
	}
	return 16 * mib
}

func (o *Options) setDefaults() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("no folder given"))
	}
	if o.Profile < Records || o.Profile > Chunks {
		errs = append(errs, fmt.Errorf("unknown profile %d", o.Profile))
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MemTable == 0 {
		o.MemTable = memTable(o.Small)
	}
	if o.ValueLogFile == 0 {
		o.ValueLogFile = 256 * mib
		if o.Small {
			o.ValueLogFile = 16 * mib
		}
	}
	if o.Sync == nil {
		o.Sync = fdatasync
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	return nil
}

// badgerOptions is the one place where Badger's settings are chosen.
func (o *Options) badgerOptions(log badgerLogger) badger.Options {
	threshold := min(int64(treeThreshold), o.MemTable*txnPercent/100) // Badger refuses a greater one
	if o.Profile == Chunks {
		threshold = chunkThreshold
	}
	log.log = o.Logger.With(slog.String("store", o.Profile.String()))
	opt := badger.DefaultOptions(o.Dir).
		WithLogger(log).
		WithBypassLockGuard(true).     // DB has locked the folder as Badger would, and gives it back whatever programs are started
		WithSyncWrites(false).         // the guard does, before a write is acknowledged
		WithDetectConflicts(false).    // one goroutine writes
		WithNumVersionsToKeep(1).      // history is kept by the stores above
		WithCompression(options.None). // sealed values do not compress; nor is a block cache needed
		WithBlockCacheSize(o.BlockCache).
		WithIndexCacheSize(o.IndexCache).
		WithChecksumVerificationMode(options.OnTableRead). // the other modes hide damage or panic
		WithVerifyValueChecksum(true).
		WithMetricsEnabled(false). // Badger's are package state
		WithValueThreshold(threshold).
		WithMemTableSize(o.MemTable).
		WithValueLogFileSize(o.ValueLogFile).
		WithNumMemtables(3).
		WithNumCompactors(2).
		WithNumGoroutines(2).
		WithCompactL0OnClose(o.Profile == Chunks) // merging is what counts garbage in the value log
	if o.Small {
		opt = opt.WithBaseTableSize(mib).WithBaseLevelSize(4 * mib).WithNumMemtables(1)
	}
	return opt
}
