package record

import (
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// lostEntry is the reason that stands with an outbox entry that was set aside by Mend.
const lostEntry = "the entry is damaged at this node, and what it said is not kept anywhere else: have it recorded again, then dismiss this"

// Mended is what Mend did.
type Mended struct {
	Anew  int // written anew
	Aside int // set aside, see Rejected
}

// Mend writes outbox entries whose rows are damaged anew: that of a document from the document's state, that of an objection
// from the row that keeps it in force here. Of the others nothing else is known: they are set aside among the rejected ones,
// so that they hold up nobody. Entries that are whole stay as they are.
func (s *Store) Mend(ctx context.Context, ids []EntryID) (Mended, error) {
	rows, err := s.sources(ctx, ids)
	if err != nil {
		return Mended{}, err
	}
	var done Mended
	err = s.update(ctx, int64(len(ids))*maxReason+int64(len(rows))*maxReason, func(txn *badger.Txn, t *totals) error {
		done = Mended{}
		for _, id := range ids {
			if _, _, err := s.entry(txn, id); !errors.Is(err, storage.ErrIntegrity) {
				if err != nil {
					return err
				}
				continue
			}
			if there, err := exists(txn, entryKey(rowOutbox, id)); err != nil || !there {
				return err // told or taken back meanwhile
			}
			row, known := rows[id]
			if known {
				known, err = s.stillNames(txn, id, row)
			}
			if err != nil {
				return err
			}
			if known {
				done.Anew++
				err = s.put(txn, entryKey(rowOutbox, id), row.encode(s.now().UTC()))
			} else {
				done.Aside++
				err = s.setAside(txn, t, id)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Mended{}, fmt.Errorf("mend the outbox: %w", err)
	}
	return done, nil
}

// entry reads an outbox entry, which must be there.
func (s *Store) entry(txn *badger.Txn, id EntryID) (e OutboxEntry, plain []byte, err error) {
	if plain, err = s.must(txn, entryKey(rowOutbox, id)); err != nil {
		return e, nil, err
	}
	e, err = s.decodeEntry(id, plain)
	return e, plain, err
}

// sources returns what other rows know of outbox entries.
func (s *Store) sources(ctx context.Context, ids []EntryID) (map[EntryID]outboxRow, error) {
	wanted, rows := make(map[EntryID]bool, len(ids)), make(map[EntryID]outboxRow)
	for _, id := range ids {
		wanted[id] = true
	}
	err := s.walk(ctx, rowState, func(txn *badger.Txn, k []byte) error {
		dk := federation.DocumentKey(k[1:])
		st, _, err := s.state(txn, dk)
		if err == nil && wanted[st.entry] {
			rows[st.entry] = documentRow(dk, st)
		}
		return unlessDamaged(err)
	})
	if err != nil {
		return nil, err
	}
	err = s.walk(ctx, rowRefusal, func(txn *badger.Txn, k []byte) error {
		plain, err := s.must(txn, k)
		var r LocalRefusal
		if err == nil {
			r, err = s.decodeRefusal(plain)
		}
		if err == nil && wanted[r.Entry] {
			rows[r.Entry] = outboxRow{kind: federation.KindDirective, body: federation.EncodeBody(r.Directive)}
		}
		return unlessDamaged(err)
	})
	return rows, err
}

// documentRow is the outbox entry that a document's state names.
func documentRow(k federation.DocumentKey, st State) outboxRow {
	if st.entry.Publishes() {
		return outboxRow{kind: federation.KindPublish, document: k}
	}
	row := outboxRow{kind: federation.KindWithdraw, document: k}
	if st.Phase == Withdrawn || st.Phase == Erased {
		row.reason = st.Reason
	}
	return row
}

// stillNames reports whether a document's state names an entry now as well.
func (s *Store) stillNames(txn *badger.Txn, id EntryID, row outboxRow) (bool, error) {
	if row.kind == federation.KindDirective {
		return true, nil // saying an objection again does no harm
	}
	st, found, err := s.state(txn, row.document)
	return found && st.entry == id, err
}

// setAside moves an entry of which nothing is known to the rejected ones.
func (s *Store) setAside(txn *badger.Txn, t *totals, id EntryID) error {
	kinds := map[EntryID]federation.Kind{
		priorityDirective: federation.KindDirective, priorityWithdraw: federation.KindWithdraw, priorityPublish: federation.KindPublish,
	}
	if err := s.unqueue(txn, t, id); err != nil {
		return err
	}
	row := outboxRow{kind: kinds[id>>priorityShift]}.encode(s.now().UTC())
	return s.reject(txn, t, OutboxEntry{ID: id}, row, Outcome{Refused: lostEntry})
}

// unlessDamaged passes on what is no damage: a damaged row knows nothing of others.
func unlessDamaged(err error) error {
	if errors.Is(err, storage.ErrIntegrity) {
		return nil
	}
	return err
}

// said returns an entry as a statement has said it, the n-th of those that the statement covers.
func (s *Store) said(signed federation.Signed, ids []EntryID, n int) (e OutboxEntry, plain []byte, err error) {
	statement, err := signed.Statement()
	if err != nil {
		return e, nil, damaged(err)
	}
	body, err := federation.DecodeBody(statement)
	if err != nil {
		return e, nil, damaged(err)
	}
	row, told := outboxRow{kind: statement.Kind}, 1
	switch b := body.(type) {
	case federation.Publish:
		if told = len(b.Pointers); told == len(ids) {
			row.document = b.Pointers[n].Document.Key()
		}
	case federation.Withdraw:
		if told = len(b.Documents); told == len(ids) {
			row.document, row.reason = b.Documents[n].Key(), b.Reason
		}
	default:
		row.body = statement.Body
	}
	if told != len(ids) {
		return e, nil, fmt.Errorf("a statement tells %d things and covers %d entries: %w", told, len(ids), storage.ErrIntegrity)
	}
	plain = row.encode(s.now().UTC())
	e, err = s.decodeEntry(ids[n], plain)
	return e, plain, err
}
