package record

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// maxCovered is how many outbox entries one statement covers.
const maxCovered = 2 * federation.MaxPointers

// InFlight is a signed statement whose outcome is not known, and the outbox entries it tells. A trust's statements are one
// chain: after a crash, or a submission without an answer, the same bytes are submitted again, never others with the same
// sequence number.
type InFlight struct {
	Envelope []byte // federation.Signed.Encode
	Entries  []EntryID
}

// SetInFlight makes f durable, before it is submitted for the first time. It fails with ErrInFlight when a statement is in
// flight already, unless it is the same, and with storage.ErrNotFound when an entry is not in the outbox.
func (s *Store) SetInFlight(ctx context.Context, f InFlight) error {
	if len(f.Envelope) == 0 || len(f.Envelope) > federation.MaxStatement || len(f.Entries) > maxCovered {
		return fmt.Errorf("statement of %d bytes that covers %d entries: %w", len(f.Envelope), len(f.Entries), ErrTooLarge)
	}
	return s.update(ctx, int64(len(f.Envelope)+8*len(f.Entries)), func(txn *badger.Txn, _ *totals) error {
		if old, found, err := s.get(txn, []byte{rowInFlight}); err != nil || found {
			if err == nil && !bytes.Equal(old, f.Envelope) {
				err = fmt.Errorf("another statement waits for its outcome: %w", ErrInFlight)
			}
			return err
		}
		covered := make([]byte, 0, 8*len(f.Entries))
		for _, id := range f.Entries {
			there, err := exists(txn, entryKey(rowOutbox, id))
			if err != nil {
				return err
			}
			if !there {
				return fmt.Errorf("outbox entry %d: %w", id, storage.ErrNotFound)
			}
			covered = binary.BigEndian.AppendUint64(covered, uint64(id))
		}
		if err := s.put(txn, []byte{rowInFlight}, f.Envelope); err != nil {
			return err
		}
		return s.put(txn, []byte{rowCovered}, covered)
	})
}

// InFlight returns the statement in flight; found is false when there is none.
func (s *Store) InFlight(ctx context.Context) (f InFlight, found bool, err error) {
	err = s.view(ctx, func(txn *badger.Txn) error {
		if f.Envelope, found, err = s.get(txn, []byte{rowInFlight}); err != nil || !found {
			return err
		}
		f.Entries, err = s.coveredList(txn)
		return err
	})
	return f, found, err
}

// coveredList returns the entries that the statement in flight covers.
func (s *Store) coveredList(txn *badger.Txn) ([]EntryID, error) {
	inFlight, err := exists(txn, []byte{rowInFlight})
	if err != nil || !inFlight {
		return nil, err
	}
	plain, err := s.must(txn, []byte{rowCovered})
	if err != nil {
		return nil, err
	}
	if len(plain)%8 != 0 {
		return nil, fmt.Errorf("entries in flight: %w", storage.ErrIntegrity)
	}
	out := make([]EntryID, 0, len(plain)/8)
	for ; len(plain) > 0; plain = plain[8:] {
		out = append(out, EntryID(binary.BigEndian.Uint64(plain)))
	}
	return out, nil
}

func (s *Store) covered(txn *badger.Txn) (map[EntryID]bool, error) {
	list, err := s.coveredList(txn)
	out := make(map[EntryID]bool, len(list))
	for _, id := range list {
		out[id] = true
	}
	return out, err
}

// Outcome is what the region made of a statement.
type Outcome struct {
	Statement federation.Digest // Signed.ID of the statement
	Seq       uint64            // its place in the trust's chain
	Refused   string            // why the region refused it, in words; empty when it was accepted
}

// Complete records the outcome of the statement in flight and empties the slot, in one durable transaction: documents are
// published or withdrawn, entries leave the outbox, and objections that have been committed stop being local ones. Call it
// when this node's own copy of the region's state has applied the statement: until then the local objection is what
// protects the patient. What the region refused is kept aside; see Rejected. It fails with ErrInFlight when o is not about
// the statement in flight; for one that has been completed already that is to be expected after a crash.
func (s *Store) Complete(ctx context.Context, o Outcome) error {
	o.Refused = cut(o.Refused)
	return s.update(ctx, 1<<20, func(txn *badger.Txn, t *totals) error {
		envelope, found, err := s.get(txn, []byte{rowInFlight})
		if err != nil {
			return err
		}
		signed, err := federation.DecodeSigned(envelope)
		if !found || err != nil || signed.ID() != o.Statement {
			return fmt.Errorf("outcome of statement %s: %w", o.Statement, ErrInFlight)
		}
		entries, err := s.coveredList(txn)
		if err != nil {
			return err
		}
		for n, id := range entries {
			e, plain, err := s.entry(txn, id)
			if errors.Is(err, storage.ErrIntegrity) {
				e, plain, err = s.said(signed, entries, n)
			}
			if err == nil {
				err = s.settle(txn, t, e, plain, o)
			}
			if err != nil {
				return err
			}
		}
		if err := txn.Delete([]byte{rowInFlight}); err != nil {
			return err
		}
		return txn.Delete([]byte{rowCovered})
	})
}

// settle applies the outcome to one entry, whose row plain is.
func (s *Store) settle(txn *badger.Txn, t *totals, e OutboxEntry, plain []byte, o Outcome) error {
	if err := s.unqueue(txn, t, e.ID); err != nil {
		return err
	}
	if o.Refused != "" {
		if err := s.reject(txn, t, e, plain, o); err != nil {
			return err
		}
	}
	switch e.Kind {
	case federation.KindPublish, federation.KindWithdraw:
		return s.settleDocument(txn, t, e, o)
	case federation.KindDirective:
		if o.Refused != "" {
			return nil // the patient has objected, whatever the region makes of it
		}
		return s.committed(txn, t, e.Body)
	default:
		return nil
	}
}

func (s *Store) settleDocument(txn *badger.Txn, t *totals, e OutboxEntry, o Outcome) error {
	k := e.Document.Key()
	st, found, err := s.state(txn, k)
	if err != nil || !found {
		return fmt.Errorf("state of %s: %w", e.Document, orIntegrity(err))
	}
	if st.entry == e.ID {
		st.entry = 0
	}
	switch {
	case o.Refused == "":
		st.Statement = o.Seq
		if e.Kind == federation.KindPublish && (st.Phase == Queued || st.Phase == Refused) {
			t.setPhase(&st, Published)
			st.At, st.Reason = s.now().UTC(), ""
		}
	case e.Kind == federation.KindPublish && st.Phase == Queued:
		t.setPhase(&st, Refused)
		st.At, st.Reason = s.now().UTC(), o.Refused
	}
	return s.putState(txn, k, st)
}

// cut shortens text to what a reason holds, at a character's boundary, and drops what the encoding refuses.
func cut(text string) string {
	out := make([]rune, 0, len(text))
	size := 0
	for _, r := range text {
		if !federation.TextRune(r) {
			r = ' '
		}
		if size += len(string(r)); size > maxReason {
			break
		}
		out = append(out, r)
	}
	return string(out)
}
