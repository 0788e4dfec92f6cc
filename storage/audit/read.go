package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// maxRead bounds how many entries one call returns.
const maxRead = 10_000

// searchBudget is how many entries one Search opens before it returns what it has, so that no call runs for long.
const searchBudget = 50_000

// A Record is an entry with its place in the log.
type Record struct {
	Index uint64
	Leaf  federation.Digest // RFC 6962 leaf hash of the sealed entry
	Entry
}

// At returns the entry at index. It fails with ErrRange, and with storage.ErrIntegrity when the entry is damaged.
func (l *Log) At(index uint64) (Record, error) {
	var r Record
	if err := l.settle(); err != nil {
		return r, err
	}
	err := l.db.View(func(txn *badger.Txn) error {
		f, err := loadHead(txn)
		if err != nil {
			return err
		}
		if index >= f.size {
			return fmt.Errorf("entry %d of %d: %w", index, f.size, ErrRange)
		}
		rows := newShelf(txn)
		defer rows.close()
		r, err = l.load(rows, index)
		return err
	})
	return r, err
}

// Read returns entries from index from on, at most limit (at most 10,000). At the end of the log it returns none. At a
// damaged entry it returns those before it and storage.ErrIntegrity; Verify lists all that is damaged.
func (l *Log) Read(ctx context.Context, from uint64, limit int) ([]Record, error) {
	var out []Record
	if err := l.settle(); err != nil {
		return nil, err
	}
	err := l.db.View(func(txn *badger.Txn) error {
		f, err := loadHead(txn)
		if err != nil {
			return err
		}
		rows := newShelf(txn)
		defer rows.close()
		for i := from; i < f.size && len(out) < min(limit, maxRead); i++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			r, err := l.load(rows, i)
			if err != nil {
				return err
			}
			out = append(out, r)
		}
		return nil
	})
	return out, err
}

// load opens one entry and compares it with its leaf hash.
func (l *Log) load(rows *shelf, index uint64) (Record, error) {
	sealed, err := rows.entries.get(index)
	return l.opened(index, sealed, err)
}

// opened is load when the row has been read, or has failed to.
func (l *Log) opened(index uint64, sealed []byte, err error) (Record, error) {
	if only, ok := l.lost[index]; ok && errors.Is(err, storage.ErrIntegrity) {
		sealed, err = only, nil
	}
	if err != nil {
		return Record{}, fmt.Errorf("entry %d: %w", index, err)
	}
	plain, err := l.sealer.Open(nil, entryKey(index), sealed)
	if err != nil {
		return Record{}, fmt.Errorf("entry %d: %w", index, err)
	}
	e, err := decodeEntry(plain)
	if err != nil {
		return Record{}, fmt.Errorf("entry %d: %w: %w", index, storage.ErrIntegrity, err)
	}
	return Record{Index: index, Leaf: digest(leafHash(sealed)), Entry: e}, nil
}

// A Filter says which entries Search returns: those that match every field that is set.
type Filter struct {
	Subject    federation.Subject
	Document   federation.DocumentID
	Trust      federation.TrustID // of who acted
	User       string             // staff id of who acted
	Custodian  federation.TrustID
	Kinds      []Kind // any of them
	Outcome    string
	Request    federation.Digest
	Since      time.Time // not before
	Until      time.Time // before
	BreakGlass bool      // only emergencies
	Newest     bool      // newest first
}

func (f *Filter) matches(e *Entry) bool {
	switch {
	case !f.Subject.IsZero() && e.Subject != f.Subject,
		f.Document != "" && e.Document != f.Document,
		f.Trust != "" && e.Trust != f.Trust,
		f.User != "" && e.User != f.User,
		f.Custodian != "" && e.Custodian != f.Custodian,
		f.Outcome != "" && e.Outcome != f.Outcome,
		!f.Request.IsZero() && e.Request != f.Request,
		!f.Since.IsZero() && e.Time.Before(f.Since),
		!f.Until.IsZero() && !e.Time.Before(f.Until),
		f.BreakGlass && !e.BreakGlass:
		return false
	}
	if len(f.Kinds) == 0 {
		return true
	}
	for _, k := range f.Kinds {
		if e.Kind == k {
			return true
		}
	}
	return false
}

// A Page is part of an answer.
type Page struct {
	Records []Record
	Damaged []uint64 // entries that might have matched and cannot be read: the answer is not complete
	Next    Ref      // hand it to the next call; zero when there is no more
}

// Search returns at most limit entries (at most 10,000) that match f, from where the page before ended; from is zero for
// the first. A page can be shorter than limit, or empty, although there is more: look at Next. A search with a Subject
// reads that patient's entries only; any other reads the log.
func (l *Log) Search(ctx context.Context, f Filter, from Ref, limit int) (Page, error) {
	var page Page
	limit = min(limit, maxRead)
	if err := l.settle(); err != nil {
		return page, err
	}
	err := l.db.View(func(txn *badger.Txn) error {
		head, err := loadHead(txn)
		if err != nil || head.size == 0 || limit <= 0 {
			return err
		}
		budget := searchBudget
		rows := newShelf(txn)
		defer rows.close()
		return l.walk(txn, f, start(from, head.size, f.Newest), func(index uint64) (bool, error) {
			if len(page.Records) == limit || budget == 0 {
				page.Next = RefTo(index)
				return false, nil
			}
			budget--
			if err := ctx.Err(); err != nil {
				return false, err
			}
			r, err := l.load(rows, index)
			switch {
			case errors.Is(err, storage.ErrIntegrity):
				page.Damaged = append(page.Damaged, index)
			case err != nil:
				return false, err
			case f.matches(&r.Entry):
				page.Records = append(page.Records, r)
			}
			return true, nil
		})
	})
	return page, err
}

// start returns the index at which a search begins.
func start(from Ref, size uint64, newest bool) uint64 {
	index, set := from.Index()
	switch {
	case set:
		return index
	case newest:
		return size - 1
	default:
		return 0
	}
}

// walk calls fn with the indexes that can match f, in its order, until fn says no.
func (l *Log) walk(txn *badger.Txn, f Filter, from uint64, fn func(index uint64) (bool, error)) error {
	if f.Subject.IsZero() {
		head, err := loadHead(txn)
		if err != nil {
			return err
		}
		// Counting finds what an iterator would silently step over: an entry that is missing.
		for i := from; i < head.size; {
			more, err := fn(i)
			if err != nil || !more || f.Newest && i == 0 {
				return err
			}
			if f.Newest {
				i--
			} else {
				i++
			}
		}
		return nil
	}
	it := txn.NewIterator(badger.IteratorOptions{Reverse: f.Newest, Prefix: subjectPrefix(f.Subject)})
	defer it.Close()
	for it.Seek(subjectKey(f.Subject, from)); it.Valid(); it.Next() {
		if more, err := fn(indexOf(it.Item().Key())); err != nil || !more {
			return err
		}
	}
	return nil
}
