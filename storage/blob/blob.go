package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// ChunkSize is the size in bytes of each chunk of a content but the last, which may be shorter.
const ChunkSize = 256 << 10

const (
	keyPrefix   = 'c' // digest: the sealed chunk
	loosePrefix = 'u' // digest: since when a sweep knows that nothing references the chunk, in seconds since 1970
	keySize     = 1 + len(federation.Digest{})
	aadPrefix   = "ridgeway/chunk\x00"

	readAhead = 4 * ChunkSize // that is asked for when a whole chunk is read
)

// A Chunk is a piece of content, addressed by the SHA-256 of its bytes.
type Chunk struct {
	Digest federation.Digest
	Size   int
}

// Content is what Put has stored. Content of no bytes has no chunks.
type Content struct {
	SHA256 federation.Digest
	SHA1   [20]byte // FHIR R4 Attachment.hash asks for it; it proves nothing
	Size   int64
	Chunks []Chunk
}

// Options configure Open. Dir and Sealer are required.
type Options struct {
	Dir    string
	Sealer *storage.Sealer
	Logger *slog.Logger // nil discards

	// The rest is as in storage.Options.
	Space        *storage.Space
	Small        bool
	ValueLogFile int64
	Sync         func(*os.File) error
}

func (o *Options) storage() storage.Options {
	return storage.Options{
		Dir: o.Dir, Profile: storage.Chunks, Logger: o.Logger, Space: o.Space, Small: o.Small,
		ValueLogFile: o.ValueLogFile, Sync: o.Sync,
	}
}

// A Store holds chunks. It may be used by many goroutines at once.
type Store struct {
	dir    string
	db     *storage.DB
	sealer *storage.Sealer
	log    *slog.Logger
	pins   pins
	bufs   sync.Pool // *[]byte of ChunkSize

	putting atomic.Int64 // contents that are being put
}

// Open opens the store in opt.Dir, which is created where it does not exist.
//
// It returns storage.ErrDamaged, with a *DamagedError, when content that was acknowledged is not there as it was
// written; nothing has been changed then. OpenDamaged reads what is left, Repair makes the store usable again.
func Open(opt Options) (*Store, error) {
	if opt.Sealer == nil {
		return nil, errors.New("open chunk store: no sealer given")
	}
	db, err := storage.Open(opt.storage())
	if err != nil {
		return nil, damagedError(err)
	}
	return newStore(db, opt), nil
}

// OpenDamaged opens a store that Open refuses as damaged, for reading only, so that undamaged chunks can be had.
// Nothing in the folder is changed but for a folder of links that is removed by Close.
func OpenDamaged(opt Options) (*Store, error) {
	if opt.Sealer == nil {
		return nil, errors.New("open chunk store: no sealer given")
	}
	db, err := storage.OpenSalvage(opt.storage())
	if err != nil {
		return nil, damagedError(err)
	}
	return newStore(db, opt), nil
}

func newStore(db *storage.DB, opt Options) *Store {
	s := &Store{dir: opt.Dir, db: db, sealer: opt.Sealer, log: opt.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.pins.init()
	s.bufs.New = func() any { b := make([]byte, ChunkSize); return &b }
	return s
}

// Err returns nil while the store takes writes; see storage.DB.Err.
func (s *Store) Err() error { return s.db.Err() }

// Close waits for the writes under way and closes the store. It is idempotent.
func (s *Store) Close() error { return s.db.Close() }

// Has reports whether a chunk of that digest is stored. It does not read it.
func (s *Store) Has(d federation.Digest) (bool, error) {
	err := s.db.View(func(txn *badger.Txn) error {
		_, err := txn.Get(chunkKey(d))
		return err
	})
	if errors.Is(err, badger.ErrKeyNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Chunk returns the bytes of a chunk. They have been authenticated and match d. A *ChunkError wraps ErrNotFound when there is
// none, ErrIntegrity when there is one that cannot be read back as it was written.
func (s *Store) Chunk(ctx context.Context, d federation.Digest) ([]byte, error) {
	return s.AppendChunk(ctx, nil, d)
}

// AppendChunk appends the bytes of a chunk to dst and returns the result; see Chunk. On an error dst is unchanged.
func (s *Store) AppendChunk(ctx context.Context, dst []byte, d federation.Digest) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return dst, fmt.Errorf("read chunk: %w", err)
	}
	return s.appendChunk(dst, d)
}

func (s *Store) appendChunk(dst []byte, d federation.Digest) ([]byte, error) {
	out, err := s.appendOpened(dst, d)
	if err == nil && sha256.Sum256(out[len(dst):]) != d {
		return dst, &ChunkError{Digest: d, Err: ErrIntegrity}
	}
	return out, err
}

// AppendOpened is AppendChunk for who compares the digest in any case, as everybody does who receives a document: the bytes
// are authenticated as those that this store has sealed as the content of d, and d is not computed from them once more.
func (s *Store) AppendOpened(ctx context.Context, dst []byte, d federation.Digest) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return dst, fmt.Errorf("read chunk: %w", err)
	}
	return s.appendOpened(dst, d)
}

func (s *Store) appendOpened(dst []byte, d federation.Digest) ([]byte, error) {
	out := dst
	err := s.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get(chunkKey(d))
		if errors.Is(err, badger.ErrKeyNotFound) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		// Badger gives an empty value and no error for one that it cannot read; that does not open either.
		return item.Value(func(sealed []byte) error {
			if len(sealed) == ChunkSize+storage.SealOverhead { // the content goes on, most likely behind this chunk
				storage.ReadAhead(sealed, readAhead)
			}
			var err error
			out, err = s.sealer.Open(dst, chunkAAD(d), sealed)
			return err
		})
	})
	if err != nil {
		return dst, &ChunkError{Digest: d, Err: err}
	}
	return out, nil
}

// Digests calls fn with the digest of each chunk stored, ascending, until fn returns an error, which it returns.
// Chunks stored or deleted meanwhile may or may not be among them. fn may call other methods of the store.
func (s *Store) Digests(ctx context.Context, fn func(d federation.Digest) error) error {
	return s.digests(ctx, keyPrefix, fn)
}

func (s *Store) digests(ctx context.Context, prefix byte, fn func(d federation.Digest) error) error {
	const page = 512
	from := []byte{prefix}
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("list chunks: %w", err)
		}
		batch := make([]federation.Digest, 0, page)
		err := s.db.View(func(txn *badger.Txn) error {
			it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{prefix}})
			defer it.Close()
			for it.Seek(from); it.Valid() && len(batch) < page; it.Next() {
				if k := it.Item().Key(); len(k) == keySize {
					batch = append(batch, federation.Digest(k[1:]))
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("list chunks: %w", err)
		}
		for _, d := range batch {
			if err := fn(d); err != nil {
				return err
			}
		}
		if len(batch) < page {
			return nil
		}
		from = append(append([]byte{prefix}, batch[page-1][:]...), 0)
	}
}

func chunkKey(d federation.Digest) []byte {
	return append([]byte{keyPrefix}, d[:]...)
}

func chunkAAD(d federation.Digest) []byte {
	return append([]byte(aadPrefix), d[:]...)
}

// damagedError adds what a storage.DamageError tells of chunks.
func damagedError(err error) error {
	var de *storage.DamageError
	if !errors.As(err, &de) {
		return fmt.Errorf("open chunk store: %w", err)
	}
	out := &DamagedError{Complete: true, Err: err}
	for _, d := range de.Damage {
		if len(d.Keys) == 0 {
			out.Complete = false
		}
		for _, k := range d.Keys {
			if len(k) == keySize && k[0] == keyPrefix {
				out.Digests = append(out.Digests, federation.Digest(k[1:]))
			}
		}
	}
	return out
}
