package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// An EntryID names an outbox entry. Entries with a smaller id go first: the first byte is the entry's priority, the rest
// counts up.
type EntryID uint64

// Priorities of outbox entries, most urgent first.
const (
	priorityDirective = iota // what patients have said
	priorityWithdraw         // what must no longer be found
	priorityOther            // agreements and the rest
	priorityPublish

	priorityShift = 56
	maxBody       = 256 << 10
)

// Urgent reports whether the entry goes ahead of bulk publishing in the region's log too: directives and withdrawals do.
func (e EntryID) Urgent() bool { return e>>priorityShift <= priorityWithdraw }

// Publishes reports whether the entry publishes a document. There can be a million of these, and of others only few.
func (e EntryID) Publishes() bool { return e>>priorityShift == priorityPublish }

// An OutboxEntry is one thing that the region is to be told.
type OutboxEntry struct {
	ID       EntryID
	Kind     federation.Kind
	Queued   time.Time
	Document federation.DocumentID // publish and withdraw
	Reason   string                // withdraw
	Pointer  federation.Pointer    // publish: as the document is described at this moment
	Body     []byte                // any other kind: the encoded body
	Err      error                 // why the entry cannot be told, such as a damaged document; others must not wait for it
	Damaged  bool                  // the entry itself is damaged, which Err says, and only its ID is known; see Mend
}

// Pending returns what waits to be told, most urgent and oldest first, at most limit entries; what the statement in flight
// covers is left out. Entries of several kinds can stand side by side: a statement has one kind.
func (s *Store) Pending(ctx context.Context, limit int) ([]OutboxEntry, error) {
	return s.PendingAfter(ctx, 0, limit)
}

// PendingAfter returns what comes behind an entry in the order of Pending, at most limit entries.
func (s *Store) PendingAfter(ctx context.Context, after EntryID, limit int) ([]OutboxEntry, error) {
	var out []OutboxEntry
	err := s.view(ctx, func(txn *badger.Txn) error {
		covered, err := s.covered(txn)
		if err != nil {
			return err
		}
		for priority := after >> priorityShift; priority <= priorityPublish; priority++ {
			err := s.outboxFrom(txn, priority, after+1, func(id EntryID) (more bool, err error) {
				if len(out) >= limit || covered[id] {
					return len(out) < limit, nil
				}
				e, err := s.pending(txn, id)
				out = append(out, e)
				return true, errors.Join(err, ctx.Err())
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// outboxFrom calls fn with each entry of a priority, from one on, while it returns true. Of a million that have been published the
// deleted rows are still there, for Badger to step over: reading begins where the first one was last. What is queued after that comes
// behind it.
func (s *Store) outboxFrom(txn *badger.Txn, priority, from EntryID, fn func(id EntryID) (more bool, err error)) error {
	lowest := priority << priorityShift
	first := max(lowest, EntryID(s.published.Load()))
	from = max(from, lowest)
	begins := priority == priorityPublish && from <= first
	if begins {
		from = first
	}
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{rowOutbox, byte(priority)}})
	defer it.Close()
	for it.Seek(entryKey(rowOutbox, from)); it.Valid(); it.Next() {
		id := EntryID(lastUint64(it.Item().Key()))
		if begins {
			s.published.Store(uint64(id))
			begins = false
		}
		if more, err := fn(id); err != nil || !more {
			return err
		}
	}
	return nil
}

// pending reads an outbox entry as PendingAfter gives it.
func (s *Store) pending(txn *badger.Txn, id EntryID) (OutboxEntry, error) {
	e, _, err := s.entry(txn, id)
	switch {
	case errors.Is(err, storage.ErrIntegrity):
		return OutboxEntry{ID: id, Err: fmt.Errorf("outbox entry %x: %w", uint64(id), err), Damaged: true}, nil
	case err == nil && e.Kind == federation.KindPublish:
		e.Pointer, e.Err = s.pointer(txn, e.Document)
	}
	return e, err
}

// pointer makes what is published of a document, as it stands.
func (s *Store) pointer(txn *badger.Txn, id federation.DocumentID) (federation.Pointer, error) {
	doc, err := s.describe(txn, id.Key())
	if err != nil {
		return federation.Pointer{}, err
	}
	if doc.Legal != "" {
		return federation.Pointer{}, fmt.Errorf("document %s is of a legally restricted class: %w", doc.ID, ErrDocument)
	}
	return doc.Pointer(), nil
}

// Enqueue queues a body that is neither about documents nor an objection: an agreement, a link, a checkpoint, the
// consent or the withdrawal of a directive, which take effect when committed and not before. An objection takes effect at once
// and is AddRefusal's; what is about documents is queued by Add and Withdraw: both are ErrDirective here.
func (s *Store) Enqueue(ctx context.Context, body federation.Body) (EntryID, error) {
	priority := uint64(priorityOther)
	switch b := body.(type) {
	case federation.Publish, federation.Withdraw:
		return 0, fmt.Errorf("%s: %w", body.Kind(), ErrDirective)
	case federation.Directive:
		if b.Effect != federation.Withdrew && b.Effect != federation.Consent {
			return 0, fmt.Errorf("an objection must take effect here first: %w", ErrDirective)
		}
		priority = priorityDirective
	}
	encoded, err := checkBody(s.trust, body)
	if err != nil {
		return 0, err
	}
	var id EntryID
	err = s.update(ctx, int64(len(encoded)), func(txn *badger.Txn, t *totals) error {
		id, err = s.queue(txn, t, priority, outboxRow{kind: body.Kind(), body: encoded})
		return err
	})
	return id, err
}

// Unsay takes back what Enqueue queued, as long as no statement has been made of it: one that is in flight can be committed
// any moment. It reports whether the entry is gone.
func (s *Store) Unsay(ctx context.Context, id EntryID) (gone bool, err error) {
	err = s.update(ctx, 64, func(txn *badger.Txn, t *totals) error {
		gone = false
		waits, err := exists(txn, entryKey(rowOutbox, id))
		if err != nil || !waits || id>>priorityShift != priorityOther {
			return err
		}
		covered, err := s.covered(txn)
		if err != nil || covered[id] {
			return err
		}
		gone = true
		return s.unqueue(txn, t, id)
	})
	return gone, err
}

// checkBody returns the encoded body, after reading it back: what replicas cannot read must not wait in the outbox.
func checkBody(trust federation.TrustID, body federation.Body) ([]byte, error) {
	encoded := federation.EncodeBody(body)
	if len(encoded) > maxBody {
		return nil, fmt.Errorf("%s of %d bytes: %w", body.Kind(), len(encoded), ErrTooLarge)
	}
	if _, err := federation.DecodeBody(federation.Statement{Trust: trust, Kind: body.Kind(), Body: encoded}); err != nil {
		return nil, fmt.Errorf("%s: %w", body.Kind(), err)
	}
	return encoded, nil
}

// outboxRow is an outbox entry as it is kept.
type outboxRow struct {
	kind     federation.Kind
	document federation.DocumentKey // publish and withdraw
	reason   string
	body     []byte
}

const outboxVersion = 1

func (r outboxRow) encode(at time.Time) []byte {
	var e federation.Encoder
	e.U8(outboxVersion)
	e.U8(uint8(r.kind))
	e.Time(at)
	e.Fixed(r.document[:])
	e.Text(r.reason)
	e.Blob(r.body)
	return e.Bytes()
}

func (s *Store) decodeEntry(id EntryID, plain []byte) (OutboxEntry, error) {
	e := OutboxEntry{ID: id}
	d := federation.NewDecoder("outbox entry", plain)
	if v := d.U8(); d.Err() == nil && v != outboxVersion {
		return e, fmt.Errorf("outbox entry version %d: %w", v, federation.ErrVersion)
	}
	e.Kind, e.Queued = federation.Kind(d.U8()), d.Time()
	var k federation.DocumentKey
	d.Into(k[:])
	if k != (federation.DocumentKey{}) {
		e.Document = federation.NewDocumentID(s.trust, k)
	}
	e.Reason = d.Text(maxReason)
	e.Body = bytes.Clone(d.Blob(maxBody))
	return e, damaged(d.Finish())
}

// queue writes an outbox entry.
func (s *Store) queue(txn *badger.Txn, t *totals, priority uint64, r outboxRow) (EntryID, error) {
	id := EntryID(priority<<priorityShift | t.next)
	t.next++
	t.outbox++
	return id, s.put(txn, entryKey(rowOutbox, id), r.encode(s.now().UTC()))
}

// announce queues a document to be published or withdrawn, in place of what waits about it already. What a statement in
// flight covers cannot be replaced: it can be committed any moment. The caller writes st.
func (s *Store) announce(txn *badger.Txn, t *totals, k federation.DocumentKey, st *State, kind federation.Kind, reason string) error {
	if st.entry != 0 {
		covered, err := s.covered(txn)
		if err != nil {
			return err
		}
		switch {
		case covered[st.entry]:
		case kind == federation.KindPublish && st.entry.Publishes():
			return nil // the pointer is made when it is sent, so that what waits already says it
		default:
			if err := s.unqueue(txn, t, st.entry); err != nil {
				return err
			}
			st.entry = 0
		}
	}
	priority := uint64(priorityPublish)
	if kind == federation.KindWithdraw {
		// Nothing in the region and nothing on its way: there is nothing to withdraw from it.
		if st.Statement == 0 && st.entry == 0 {
			return nil
		}
		priority = priorityWithdraw
	}
	var err error
	st.entry, err = s.queue(txn, t, priority, outboxRow{kind: kind, document: k, reason: reason})
	return err
}

// unqueue deletes an outbox entry.
func (s *Store) unqueue(txn *badger.Txn, t *totals, id EntryID) error {
	t.outbox--
	return txn.Delete(entryKey(rowOutbox, id))
}
