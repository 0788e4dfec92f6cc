package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// storeLoop puts what is in the write-ahead file into the store: a while after the first entry, at once when somebody
// waits for it, and at the end.
func (l *Log) storeLoop(ctx context.Context) {
	defer close(l.done)
	pause := time.NewTimer(l.lag)
	defer pause.Stop()
	for stopping := false; !stopping && l.Err() == nil; {
		select {
		case <-l.stop:
			stopping = true
		case <-l.hurry:
		case <-l.dirty:
			pause.Reset(l.lag)
			select {
			case <-l.stop:
				stopping = true
			case <-l.hurry:
			case <-pause.C:
			}
		}
		err := l.store(ctx)
		if err == nil {
			_, err = l.flushMark(ctx)
		}
		if err != nil && !transient(err) {
			_ = l.fail(err) // sticky: the next Append returns it
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.changed.Broadcast()
}

// store puts the backlog into the store and frees its part of the ring.
func (l *Log) store(ctx context.Context) error {
	l.mu.Lock()
	backlog := l.backlog
	l.mu.Unlock()
	stored, err := l.storeRows(ctx, backlog)
	if err != nil && !transient(err) {
		return l.fail(err)
	}
	bytes := int64(0)
	for _, r := range backlog[:stored] {
		bytes += int64(len(r.sealed))
	}
	l.unstored.Add(-bytes)
	l.mu.Lock()
	defer l.mu.Unlock()
	if stored > 0 {
		l.freed = backlog[stored-1].freed
	}
	l.backlog = l.backlog[stored:]
	if l.stuck = err; err != nil {
		signal(l.dirty) // tried again after a while
	}
	l.tries++
	l.changed.Broadcast()
	return err
}

// storeRows writes rows in lots that share transactions, and returns how many of them are durable in the store.
func (l *Log) storeRows(ctx context.Context, rows []row) (stored int, err error) {
	type lot struct {
		pending *storage.Pending
		rows    int
	}
	var lots []lot
	for from := 0; from < len(rows) && err == nil; {
		to, size := from, 0
		for to < len(rows) && (to == from || size+len(rows[to].sealed) <= maxRecord) {
			size += len(rows[to].sealed)
			to++
		}
		some := rows[from:to]
		var p *storage.Pending
		p, err = l.db.Begin(ctx, storage.Write{Bytes: 2 * int64(size), Fn: func(txn *badger.Txn) error { return writeRows(txn, some, l.block) }})
		if err == nil {
			lots = append(lots, lot{p, to - from})
		}
		from = to
	}
	for _, p := range lots {
		if werr := p.pending.Wait(); werr != nil {
			return stored, werr
		}
		stored += p.rows
	}
	return stored, err
}

// writeRows puts entries that follow the log's end into txn, in blocks of at most so many.
func writeRows(txn *badger.Txn, rows []row, block int) error {
	f, err := loadHead(txn)
	if err != nil {
		return err
	}
	for i, r := range rows {
		if r.index != f.size+uint64(i) {
			return fmt.Errorf("entry %d comes after %d: %w", r.index, f.size+uint64(i), storage.ErrIntegrity)
		}
		if r.subject.IsZero() {
			continue
		}
		if err := txn.Set(subjectKey(r.subject, r.index), nil); err != nil {
			return err
		}
	}
	for len(rows) > 0 {
		n, size := 1, len(rows[0].sealed)
		for n < min(len(rows), block) && size+len(rows[n].sealed) <= maxBlockBytes {
			size += len(rows[n].sealed)
			n++
		}
		if err := writeBlock(txn, &f, rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return txn.Set([]byte{rowHead}, f.encode())
}

// replay puts the entries into the store that were acknowledged from the write-ahead file and had not got there.
func (l *Log) replay(ctx context.Context) error {
	f, err := l.head()
	if err != nil {
		return err
	}
	tail, err := l.ahead.tail(f.size)
	if err != nil {
		return err
	}
	rows := make([]row, len(tail))
	for i, sealed := range tail {
		index := f.size + uint64(i)
		subject, err := l.subjectOf(index, sealed)
		if err != nil {
			return err
		}
		rows[i] = row{index: index, subject: subject, sealed: sealed}
	}
	_, err = l.storeRows(ctx, rows)
	return err
}

// subjectOf opens an entry and returns whom it concerns.
func (l *Log) subjectOf(index uint64, sealed []byte) (federation.Subject, error) {
	plain, err := l.sealer.Open(nil, entryKey(index), sealed)
	if err != nil {
		return federation.Subject{}, fmt.Errorf("entry %d of the write-ahead file: %w", index, err)
	}
	e, err := decodeEntry(plain)
	if err != nil {
		return federation.Subject{}, fmt.Errorf("entry %d of the write-ahead file: %w: %w", index, storage.ErrIntegrity, err)
	}
	return e.Subject, nil
}
