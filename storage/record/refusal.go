package record

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// A LocalRefusal is an objection, or the withdrawal of a consent, that was recorded here and is not committed yet. It counts
// here all the same: a refusal takes effect on this node's own disk, a grant only when the region has agreed on it.
type LocalRefusal struct {
	Directive federation.Directive
	Recorded  time.Time
	Entry     EntryID // its outbox entry
}

// AddRefusal makes an objection, or the withdrawal of a consent, durable and in effect here, and queues it for the region, in
// one transaction. patient may be zero when only the pseudonym is known. Recording the same directive again changes nothing.
// It fails with ErrDirective when d is a consent.
func (s *Store) AddRefusal(ctx context.Context, patient NHSNumber, d federation.Directive) error {
	if !refuses(d) || !patient.IsZero() && s.Subject(patient) != d.Subject {
		return fmt.Errorf("not a refusal of this patient: %w", ErrDirective)
	}
	body, err := checkBody(s.trust, d)
	if err != nil {
		return err
	}
	row, head := key(rowRefusal, d.Subject[:], d.ID[:]), key(rowRefusals, d.Subject[:])
	s.objectors.add(d.Subject) // before anybody can read the row
	return s.update(ctx, int64(2*len(body)), func(txn *badger.Txn, t *totals) error {
		if known, err := exists(txn, row); err != nil || known {
			return err
		}
		n, err := s.count(txn, head)
		if err != nil {
			return err
		}
		if !patient.IsZero() {
			if err := s.remember(txn, d.Subject, patient); err != nil {
				return err
			}
		}
		id, err := s.queue(txn, t, priorityDirective, outboxRow{kind: federation.KindDirective, body: body})
		if err != nil {
			return err
		}
		var e federation.Encoder
		e.U64(uint64(id))
		e.Time(s.now())
		e.Blob(body)
		if err := s.put(txn, row, e.Bytes()); err != nil {
			return err
		}
		t.refusals++
		return s.putCount(txn, head, n+1)
	})
}

// refuses reports whether d can count here before the region has agreed on it.
func refuses(d federation.Directive) bool {
	return d.Effect == federation.Object || d.Effect == federation.Withdrew
}

// Refusals returns the refusals of a patient that count here although they are not committed. When fewer are there than
// were recorded the answer is storage.ErrIntegrity: a missing refusal must not read as permission.
func (s *Store) Refusals(ctx context.Context, subject federation.Subject) ([]LocalRefusal, error) {
	if !s.objectors.has(subject) {
		return nil, ctx.Err()
	}
	var out []LocalRefusal
	err := s.view(ctx, func(txn *badger.Txn) (err error) {
		out, err = s.refusals(txn, subject)
		return err
	})
	return out, err
}

// AnyRefusals reports whether Refusals may have anything of anybody.
func (s *Store) AnyRefusals() bool {
	s.objectors.mu.RLock()
	defer s.objectors.mu.RUnlock()
	return len(s.objectors.all) > 0
}

// objectors are the patients of whom rows of refusals may be there, so that nothing is read for all others. A patient whose
// last refusal is cleared stays among them until the store is opened again.
type objectors struct {
	mu  sync.RWMutex
	all map[federation.Subject]bool
}

func (o *objectors) add(subject federation.Subject) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = make(map[federation.Subject]bool)
	}
	o.all[subject] = true
}

func (o *objectors) has(subject federation.Subject) bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.all[subject]
}

// findObjectors looks for all rows of refusals. A count without its rows, and the reverse, make an objector too: to read them
// fails, as it must.
func (s *Store) findObjectors(txn *badger.Txn) {
	for _, row := range []byte{rowRefusal, rowRefusals} {
		opt := badger.DefaultIteratorOptions
		opt.PrefetchValues, opt.Prefix = false, []byte{row}
		it := txn.NewIterator(opt)
		for it.Rewind(); it.Valid(); it.Next() {
			var subject federation.Subject
			copy(subject[:], it.Item().Key()[1:])
			s.objectors.add(subject)
		}
		it.Close()
	}
}

func (s *Store) refusals(txn *badger.Txn, subject federation.Subject) ([]LocalRefusal, error) {
	var out []LocalRefusal
	want, err := s.count(txn, key(rowRefusals, subject[:]))
	if err != nil {
		return nil, err
	}
	err = s.scan(txn, key(rowRefusal, subject[:]), func(_, plain []byte) (bool, error) {
		r, err := s.decodeRefusal(plain)
		out = append(out, r)
		return true, err
	})
	if err != nil {
		return nil, err
	}
	if uint64(len(out)) != want {
		return nil, fmt.Errorf("%d objections of a patient are there, %d were recorded: %w", len(out), want, storage.ErrIntegrity)
	}
	return out, nil
}

func (s *Store) decodeRefusal(plain []byte) (LocalRefusal, error) {
	d := federation.NewDecoder("objection", plain)
	r := LocalRefusal{Entry: EntryID(d.U64()), Recorded: d.Time()}
	body := d.Blob(maxBody)
	if err := d.Finish(); err != nil {
		return r, damaged(err)
	}
	var err error
	r.Directive, err = s.decodeDirective(body)
	return r, err
}

func (s *Store) decodeDirective(body []byte) (federation.Directive, error) {
	b, err := federation.DecodeBody(federation.Statement{Trust: s.trust, Kind: federation.KindDirective, Body: body})
	if err != nil {
		return federation.Directive{}, damaged(err)
	}
	d, ok := b.(federation.Directive)
	if !ok {
		return d, fmt.Errorf("objection: %w", storage.ErrIntegrity)
	}
	return d, nil
}

// ClearRefusal ends the local effect of an objection, because the region's state that this node has applied holds it. It is
// no error when there is none.
func (s *Store) ClearRefusal(ctx context.Context, subject federation.Subject, id federation.DirectiveID) error {
	return s.update(ctx, 64, func(txn *badger.Txn, t *totals) error { return s.clear(txn, t, subject, id) })
}

// committed ends the local effect of an objection whose statement was accepted.
func (s *Store) committed(txn *badger.Txn, t *totals, body []byte) error {
	d, err := s.decodeDirective(body)
	if err != nil || !refuses(d) {
		return err
	}
	return s.clear(txn, t, d.Subject, d.ID)
}

func (s *Store) clear(txn *badger.Txn, t *totals, subject federation.Subject, id federation.DirectiveID) error {
	row, head := key(rowRefusal, subject[:], id[:]), key(rowRefusals, subject[:])
	if there, err := exists(txn, row); err != nil || !there {
		return err
	}
	n, err := s.count(txn, head)
	if err != nil || n == 0 {
		return fmt.Errorf("count of a patient's objections: %w", orIntegrity(err))
	}
	t.refusals--
	if err := txn.Delete(row); err != nil {
		return err
	}
	if n == 1 {
		return txn.Delete(head)
	}
	return s.putCount(txn, head, n-1)
}
