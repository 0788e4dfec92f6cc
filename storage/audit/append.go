package audit

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// A ticket is an entry on its way into the log.
type ticket struct {
	plain   []byte
	subject federation.Subject
	row     row
	err     error
	turn    chan bool // true: its caller writes the next group; false: it is written or has failed
}

// A row is an entry that is durable in the write-ahead file.
type row struct {
	index   uint64
	subject federation.Subject
	sealed  []byte
	freed   int64 // position up to which the ring is free once the store has the row
}

// Append adds e to the log and returns its index, counted from 0. The entry is durable when Append returns without an
// error. Concurrent callers share one write and one sync: the one that comes first writes, the others wait in line, and
// one of them writes all that have come meanwhile.
//
//  1. ErrEntry: e cannot be encoded. 2. storage.ErrDiskFull, storage.ErrClosed, the context's error: nothing was written.
//  3. ErrFailed: the log takes no more entries; whether this one is in it is not known.
func (l *Log) Append(ctx context.Context, e Entry) (uint64, error) {
	plain, err := e.encode()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := l.admit(ctx); err != nil {
		return 0, err
	}
	t := &ticket{plain: plain, subject: e.Subject, turn: make(chan bool, 1)}
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		return 0, fmt.Errorf("append to the audit log: %w", storage.ErrClosed)
	}
	l.waiting = append(l.waiting, t)
	lead := !l.writing
	l.writing = true
	l.mu.Unlock()
	if lead || <-t.turn {
		l.lead(t)
	}
	if t.err != nil {
		return 0, t.err
	}
	l.metrics.appended(e.Kind, time.Since(began))
	return t.row.index, nil
}

// admit returns why an entry cannot be taken, before anything is written.
func (l *Log) admit(ctx context.Context) error {
	if l.examine {
		return fmt.Errorf("append to the audit log: %w", storage.ErrReadOnly)
	}
	if err := l.Err(); err != nil {
		return err
	}
	if err := l.db.Err(); err != nil {
		return l.fail(err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("append to the audit log: %w", err)
	}
	return nil
}

// lead writes the group that begins with first, hands on to the next in line, and tells the others of the group.
func (l *Log) lead(first *ticket) {
	// A sync keeps its processor until it is done, and nobody else runs there: where others could run, they go first, and those of
	// them that have an entry come along. Where nobody waits for a processor this takes no time.
	runtime.Gosched()
	l.mu.Lock()
	group, size := l.waiting, 0
	for i, t := range group {
		if size += len(t.plain) + storage.SealOverhead; size > maxRecord && i > 0 {
			group = group[:i:i]
			break
		}
	}
	l.waiting = l.waiting[len(group):]
	l.mu.Unlock()
	err := l.writeGroup(group)
	for _, t := range group {
		if t.err = err; t != first {
			t.turn <- false
		}
	}
	// The next is woken last: the scheduler runs first what was woken last, and all others wait for the disk.
	l.mu.Lock()
	if l.writing = len(l.waiting) > 0; l.writing {
		l.waiting[0].turn <- true
	}
	l.changed.Broadcast()
	l.mu.Unlock()
}

// writeGroup makes a group durable. It is called by one goroutine at a time.
func (l *Log) writeGroup(group []*ticket) error {
	if err := l.Err(); err != nil {
		return err
	}
	size := l.unstored.Load()
	for _, t := range group {
		size += int64(len(t.plain))
	}
	if err := l.db.Allow(storage.Essential, size); err != nil {
		return fmt.Errorf("append to the audit log: %w", err)
	}
	first := l.Size()
	sealed := make([][]byte, len(group))
	bytes := int64(0)
	for i, t := range group {
		index := first + uint64(i)
		t.row = row{index: index, subject: t.subject, sealed: l.sealer.Seal(nil, entryKey(index), t.plain)}
		sealed[i] = t.row.sealed
		bytes += int64(len(t.row.sealed))
	}
	record := l.ahead.encode(first, sealed)
	place, err := l.reserve(int64(len(record)))
	if err != nil {
		return err
	}
	if err := l.ahead.write(record, place%l.ahead.ring()); err != nil {
		return l.fail(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written = place + int64(len(record))
	for i, t := range group {
		if t.row.freed = place; i == len(group)-1 { // a record is of no more use when all of it is in the store
			t.row.freed = l.written
		}
		l.backlog = append(l.backlog, t.row)
	}
	l.size += uint64(len(group))
	l.unstored.Add(bytes)
	signal(l.dirty)
	if l.written-l.freed > l.ahead.ring()/2 {
		signal(l.hurry)
	}
	return nil
}

// reserve returns the position of the ring for the next record of n bytes, when what lay there is in the store.
func (l *Log) reserve(n int64) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ring := l.ahead.ring()
	place := l.written
	if left := ring - place%ring; left < n {
		place += left // a record does not wrap around
	}
	for place+n-l.freed > ring {
		if err := l.storeNow(); err != nil {
			return 0, err
		}
		if len(l.backlog) == 0 {
			l.freed = place // what is skipped at the end of the ring is free too
		}
	}
	return place, nil
}

// storeNow waits until the backlog, as it is, has been tried to be put into the store. The caller holds l.mu.
func (l *Log) storeNow() error {
	for tries := l.tries; l.tries == tries && l.failed == nil; {
		if l.ended {
			return storage.ErrClosed
		}
		signal(l.hurry)
		l.changed.Wait()
	}
	if l.failed != nil {
		return l.failed
	}
	return l.stuck
}

// settle waits until everything that was acknowledged is in the store, where readers look.
func (l *Log) settle() error {
	if l.examine {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for size := l.size; len(l.backlog) > 0 && l.backlog[0].index < size; {
		if err := l.storeNow(); err != nil {
			return err
		}
	}
	return nil
}

// Err returns nil while the log takes entries, and the cause wrapped in ErrFailed after it has failed.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// fail makes every later Append fail.
func (l *Log) fail(cause error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = fmt.Errorf("%w: %w", ErrFailed, cause)
		l.failure(cause)
		l.changed.Broadcast()
	}
	return l.failed
}

// Size returns how many entries the log has.
func (l *Log) Size() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// transient reports whether a write to the store was refused before it began.
func transient(err error) bool { return errors.Is(err, storage.ErrDiskFull) }
