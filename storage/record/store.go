package record

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// Options configure Open.
type Options struct {
	Dir        string
	Trust      federation.TrustID // whose documents these are
	Sealer     *storage.Sealer    // seals the rows; for nothing but this store
	SubjectKey [32]byte           // the region's: the same at every node, kept out of the data folder's reach
	IDKey      [32]byte           // this node's: makes document ids
	Logger     *slog.Logger       // nil discards
	Space      *storage.Space     // asked before each write; nil asks nobody
	Now        func() time.Time   // nil is time.Now
	Small      bool               // for many nodes in one process

	SealedTypes, SealedSpecialties []string          // kinds of documents that are published sealed, whatever their labels
	LegalTypes                     map[string]string // types of documents that are of a legally restricted class, and which

	Sync func(*os.File) error
}

// A Store keeps a trust's patients and documents. It may be used by many goroutines at once.
type Store struct {
	dir     string
	db      *storage.DB
	sealer  *storage.Sealer
	trust   federation.TrustID
	subject [32]byte
	id      [32]byte
	now     func() time.Time
	adding  adding

	objectors objectors
	changes   changes
	published atomic.Uint64 // no entry of the outbox before this one publishes a document
	idle      atomic.Uint64 // one more than the number of changes at which nothing waited; 0 when that is not known

	sealedTypes, sealedSpecialties []string
	legalTypes                     map[string]string
}

// Open opens the store in opt.Dir, or starts one. It fails with storage.ErrIntegrity when the store has lost its totals or
// was sealed with another key, and as storage.Open does.
func Open(ctx context.Context, opt Options) (*Store, error) {
	if err := opt.check(); err != nil {
		return nil, err
	}
	db, err := storage.Open(opt.storage())
	if err != nil {
		return nil, fmt.Errorf("open records: %w", err)
	}
	s := &Store{dir: opt.Dir, db: db, sealer: opt.Sealer, trust: opt.Trust, subject: opt.SubjectKey, id: opt.IDKey, now: opt.Now, sealedTypes: opt.SealedTypes, sealedSpecialties: opt.SealedSpecialties, legalTypes: opt.LegalTypes}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open records %s: %w", opt.Dir, err), db.Close())
	}
	return s, nil
}

func (o *Options) storage() storage.Options {
	return storage.Options{Dir: o.Dir, Profile: storage.Records, Logger: o.Logger, Space: o.Space, Small: o.Small, Sync: o.Sync}
}

func (o *Options) check() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("no folder"))
	}
	if !o.Trust.Valid() {
		errs = append(errs, fmt.Errorf("%q: %w", string(o.Trust), federation.ErrTrustID))
	}
	if o.Sealer == nil {
		errs = append(errs, errors.New("no sealer"))
	}
	if o.SubjectKey == [32]byte{} || o.IDKey == [32]byte{} {
		errs = append(errs, errors.New("no subject key or no id key"))
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("open records: %w", err)
	}
	return nil
}

// start reads the totals, or writes the first ones into an empty store.
func (s *Store) start(ctx context.Context) error {
	empty := false
	err := s.db.View(func(txn *badger.Txn) error {
		s.findObjectors(txn)
		_, err := s.totals(txn)
		if !errors.Is(err, errNoTotals) {
			return err
		}
		it := txn.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		it.Rewind()
		// Rows of package storage itself begin with 0xFF and are there from the start.
		if empty = !it.Valid() || it.Item().Key()[0] == 0xFF; empty {
			return nil
		}
		return err
	})
	if err != nil || !empty {
		return err
	}
	return s.db.Update(ctx, func(txn *badger.Txn) error { return s.putTotals(txn, totals{next: 1}) })
}

// Close closes the files. It is idempotent.
func (s *Store) Close() error { return s.db.Close() }

// Err returns nil while the store takes writes, and storage.ErrFailed with the cause after one has failed.
func (s *Store) Err() error { return s.db.Err() }

// Trust returns the trust whose documents these are.
func (s *Store) Trust() federation.TrustID { return s.trust }

// Subject returns the region's pseudonym of the patient with number n: the first 16 bytes of HMAC-SHA256 (RFC 2104) under
// the region's subject key. It is zero for the zero number. Whoever has the key can try out all NHS numbers in minutes:
// the pseudonym protects from those without the key, and from nobody else.
func (s *Store) Subject(n NHSNumber) federation.Subject {
	var out federation.Subject
	if n.IsZero() {
		return out
	}
	mac := hmac.New(sha256.New, s.subject[:])
	mac.Write([]byte("ridgeway subject v1\x00" + n.digits))
	copy(out[:], mac.Sum(nil))
	return out
}

// NHSNumber returns the number of a patient who has, or has had, a document or an objection here, for display to this
// trust's own staff. It fails with storage.ErrNotFound for any other.
func (s *Store) NHSNumber(subject federation.Subject) (NHSNumber, error) {
	var n NHSNumber
	err := s.db.View(func(txn *badger.Txn) error {
		plain, found, err := s.get(txn, key(rowNumber, subject[:]))
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("patient: %w", storage.ErrNotFound)
		}
		if n, err = ParseNHSNumber(string(plain)); err != nil || s.Subject(n) != subject {
			return fmt.Errorf("the number kept for a patient is not theirs: %w", storage.ErrIntegrity)
		}
		return nil
	})
	if err != nil {
		return NHSNumber{}, err
	}
	return n, nil
}

// Remember keeps whose pseudonym a subject is, for somebody of whom this trust holds nothing, such as a patient of whom its staff
// have declared an emergency.
func (s *Store) Remember(ctx context.Context, n NHSNumber) error {
	return s.update(ctx, 0, func(txn *badger.Txn, _ *totals) error { return s.remember(txn, s.Subject(n), n) })
}

// remember keeps the number of a patient.
func (s *Store) remember(txn *badger.Txn, subject federation.Subject, n NHSNumber) error {
	k := key(rowNumber, subject[:])
	if known, err := exists(txn, k); err != nil || known {
		return err
	}
	return s.put(txn, k, []byte(n.digits))
}

// view runs fn in a read-only transaction.
func (s *Store) view(ctx context.Context, fn func(txn *badger.Txn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.db.View(fn)
}
