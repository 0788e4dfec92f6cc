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

// A Pending is an entry on its way into the log.
type Pending struct {
	kind    Kind
	began   time.Time
	plain   []byte
	subject federation.Subject
	row     row
	err     error
	done    chan struct{} // closed when row and err are set
}

// A row is an entry that is durable in the write-ahead file.
type row struct {
	index   uint64
	subject federation.Subject
	sealed  []byte
	freed   int64 // position up to which the ring is free once the store has the row
}

// Append adds e to the log and returns its index, counted from 0. The entry is durable when Append returns without an
// error. Entries of concurrent callers share one write and one sync.
//
//  1. ErrEntry: e cannot be encoded. 2. storage.ErrDiskFull, storage.ErrClosed, the context's error: nothing was written.
//  3. ErrFailed: the log takes no more entries; whether this one is in it is not known.
func (l *Log) Append(ctx context.Context, e Entry) (uint64, error) {
	p, alone, err := l.hand(ctx, &e, true)
	if err != nil {
		return 0, err
	}
	if alone {
		l.lead()
	}
	return p.Wait()
}

// Begin hands e in and returns without waiting until it is durable, so that the caller can prepare what must not be done
// before. Errors are those of Append that mean that nothing was written. Once handed in, the entry is written whatever becomes
// of the caller.
func (l *Log) Begin(ctx context.Context, e Entry) (*Pending, error) {
	p, _, err := l.hand(ctx, &e, false)
	return p, err
}

// hand puts an entry in line. alone says that nobody else has one, or had at the last write, and nobody writes: a caller that waits for
// it (stays) is to lead then, which spares the waking of two goroutines. Where others write too, writeLoop does, for all of them: to
// hand on between callers costs more than it spares.
func (l *Log) hand(ctx context.Context, e *Entry, stays bool) (_ *Pending, alone bool, _ error) {
	plain, err := e.encode()
	if err != nil {
		return nil, false, err
	}
	p := &Pending{kind: e.Kind, began: time.Now(), plain: plain, subject: e.Subject, done: make(chan struct{})}
	if err := l.admit(ctx); err != nil {
		return nil, false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return nil, false, fmt.Errorf("append to the audit log: %w", storage.ErrClosed)
	}
	alone = stays && l.last <= 1 && !l.driven && !l.writing && len(l.waiting) == 0
	l.waiting = append(l.waiting, p)
	if !alone {
		l.drive()
	}
	return p, alone, nil
}

// drive has writeLoop write. The caller holds l.mu.
func (l *Log) drive() {
	l.driven = true
	signal(l.handed)
}

// lead writes the group that waits, in the place of writeLoop, which gets what has come meanwhile.
func (l *Log) lead() {
	runtime.Gosched() // as writeLoop does
	l.writeNext()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) > 0 {
		l.drive()
	}
}

// Wait returns when the entry is durable, with its index, or has failed; see Append. It may be called many times.
func (p *Pending) Wait() (uint64, error) {
	<-p.done
	return p.row.index, p.err
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

// writeLoop writes what is handed in and has nobody to lead, group after group, until the log is closed.
func (l *Log) writeLoop() {
	defer close(l.idle)
	for {
		select {
		case <-l.stop:
			return
		case <-l.handed:
		}
		// A sync keeps its processor until it is done, and nobody else runs there. Where others could run they go first, and those of
		// them that have an entry come along; where nobody waits for a processor this takes no time.
		for more := true; more; {
			for runtime.Gosched(); l.writeNext(); runtime.Gosched() {
			}
			l.mu.Lock()
			more = len(l.waiting) > 0 && !l.writing
			l.driven = more // who leads hands on what it leaves
			l.mu.Unlock()
		}
	}
}

// writeNext writes the group that is next and tells its callers; false when there was none.
func (l *Log) writeNext() bool {
	l.mu.Lock()
	if l.writing || len(l.waiting) == 0 {
		l.mu.Unlock()
		return false
	}
	group, size := l.waiting, 0
	for i, p := range group {
		if size += len(p.plain) + storage.SealOverhead; size > maxRecord && i > 0 {
			group = group[:i:i]
			break
		}
	}
	l.waiting, l.writing, l.last = l.waiting[len(group):], true, len(group)
	l.mu.Unlock()
	err := l.writeGroup(group)
	l.mu.Lock()
	l.writing = false
	l.changed.Broadcast()
	l.mu.Unlock()
	for _, p := range group {
		if p.err = err; err == nil {
			l.metrics.appended(p.kind, time.Since(p.began))
		}
		close(p.done)
	}
	return true
}

// writeGroup makes a group durable. It is called by one goroutine at a time.
func (l *Log) writeGroup(group []*Pending) error {
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
