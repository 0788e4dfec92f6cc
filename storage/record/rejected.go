package record

import (
	"context"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// A Rejection is an outbox entry that the region refused, or that was damaged here and could not be written anew. It stays until somebody retries or dismisses it.
type Rejection struct {
	Entry  OutboxEntry
	Seq    uint64 // of the statement that was refused
	Reason string
	Lost   bool // it was set aside by Mend: nothing is left of it that could be said again
}

// Rejected returns what the region refused, at most limit entries.
func (s *Store) Rejected(ctx context.Context, limit int) ([]Rejection, error) {
	var out []Rejection
	err := s.view(ctx, func(txn *badger.Txn) error {
		return s.scan(txn, []byte{rowRefused}, func(k, plain []byte) (bool, error) {
			if len(out) >= limit {
				return false, nil
			}
			r, err := s.decodeRejection(EntryID(lastUint64(k)), plain)
			out = append(out, r)
			return true, err
		})
	})
	return out, err
}

// Retry puts a rejected entry back into the outbox and returns its other id; zero when the same is waiting already, or when
// the document has been withdrawn since. It fails with storage.ErrNotFound, and with ErrLost for an entry that Mend has set aside.
func (s *Store) Retry(ctx context.Context, id EntryID) (EntryID, error) {
	var again EntryID
	err := s.update(ctx, maxBody, func(txn *badger.Txn, t *totals) error {
		again = 0
		r, err := s.takeRejection(txn, t, id)
		if err != nil {
			return err
		}
		if r.Lost {
			return fmt.Errorf("rejected entry %x: %s: %w", uint64(id), lostEntry, ErrLost)
		}
		if r.Entry.Document == "" {
			again, err = s.queue(txn, t, uint64(id>>priorityShift), outboxRow{kind: r.Entry.Kind, body: r.Entry.Body})
			return err
		}
		k := r.Entry.Document.Key()
		st, found, err := s.state(txn, k)
		if err != nil || !found {
			return fmt.Errorf("state of %s: %w", r.Entry.Document, orIntegrity(err))
		}
		gone := st.Phase == Withdrawn || st.Phase == Erased
		if st.entry != 0 || gone != (r.Entry.Kind == federation.KindWithdraw) {
			return nil
		}
		if st.Phase == Refused {
			t.setPhase(&st, Queued)
			st.At, st.Reason = s.now().UTC(), ""
		}
		st.entry, err = s.queue(txn, t, uint64(id>>priorityShift), outboxRow{kind: r.Entry.Kind, document: k, reason: r.Entry.Reason})
		if err != nil {
			return err
		}
		again = st.entry
		return s.putState(txn, k, st)
	})
	return again, err
}

// Dismiss forgets a rejected entry. It fails with storage.ErrNotFound.
func (s *Store) Dismiss(ctx context.Context, id EntryID) error {
	return s.update(ctx, 64, func(txn *badger.Txn, t *totals) error {
		_, err := s.takeRejection(txn, t, id)
		return err
	})
}

func (s *Store) takeRejection(txn *badger.Txn, t *totals, id EntryID) (Rejection, error) {
	k := entryKey(rowRefused, id)
	plain, found, err := s.get(txn, k)
	if err != nil {
		return Rejection{}, err
	}
	if !found {
		return Rejection{}, fmt.Errorf("rejected entry %d: %w", id, storage.ErrNotFound)
	}
	r, err := s.decodeRejection(id, plain)
	if err != nil {
		return Rejection{}, err
	}
	t.rejected--
	return r, txn.Delete(k)
}

// reject keeps an entry that was refused.
func (s *Store) reject(txn *badger.Txn, t *totals, e OutboxEntry, row []byte, o Outcome) error {
	var enc federation.Encoder
	enc.U64(o.Seq)
	enc.Text(o.Refused)
	enc.Blob(row)
	t.rejected++
	return s.put(txn, entryKey(rowRefused, e.ID), enc.Bytes())
}

func (s *Store) decodeRejection(id EntryID, plain []byte) (Rejection, error) {
	d := federation.NewDecoder("rejected entry", plain)
	r := Rejection{Seq: d.U64(), Reason: d.Text(maxReason)}
	r.Lost = r.Reason == lostEntry
	row := d.Blob(maxBody + 4096)
	if err := d.Finish(); err != nil {
		return r, damaged(err)
	}
	var err error
	r.Entry, err = s.decodeEntry(id, row)
	return r, err
}
