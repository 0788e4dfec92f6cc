package blob

import (
	"context"
	"crypto/sha1" //nolint:gosec // a checksum that FHIR asks for, not a proof
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

const (
	handInBytes = 8 << 20  // a batch hands in what it holds when it reaches this many bytes
	lotsBytes   = 64 << 20 // or its part of this, when many contents are put at once
	maxInFlight = 3        // and waits when so many lots of it are not durable yet

	chunkOverhead = 128 // about what a chunk takes in Badger's files beside its sealed bytes
)

// A Batch takes in many contents under few syncs. Put may be called by many goroutines at once; Commit once. What
// it has stored is kept from sweeps until Release.
type Batch struct {
	s *Store

	mu      sync.Mutex
	lot     []entry // not handed in yet
	size    int
	flight  []*storage.Pending
	fresh   map[federation.Digest]struct{} // stored by this batch
	found   bool                           // a chunk was stored already, perhaps by a write that is still under way
	pinned  []Chunk
	err     error // sticky
	closing bool
}

type entry struct{ key, sealed []byte }

// NewBatch returns an empty Batch. Release it when done.
func (s *Store) NewBatch() *Batch {
	return &Batch{s: s, fresh: map[federation.Digest]struct{}{}}
}

// Put stores what r yields and returns when it is durable. Concurrent calls share syncs. Memory is bounded whatever
// the size of r. The chunks are kept from sweeps until Unpin is called with the result, which is to be done once the record
// that references them is stored; until then a Put that nobody unpins only costs some memory.
//
// On an error what has been stored of r stays behind as unreferenced chunks for a sweep to remove.
func (s *Store) Put(ctx context.Context, r io.Reader) (Content, error) {
	b := s.NewBatch()
	c, err := b.Put(ctx, r)
	if err == nil {
		err = b.Commit(ctx)
	}
	if err != nil {
		b.Release()
		return Content{}, err
	}
	return c, nil
}

// Unpin lets sweeps judge the content's chunks by their references again. Call it once for each Put by the Store,
// not for those into a Batch.
func (s *Store) Unpin(c Content) { s.pins.unpin(c.Chunks) }

// Put takes in what r yields. The content is durable when Commit has returned nil, not before.
func (b *Batch) Put(ctx context.Context, r io.Reader) (Content, error) {
	buf, ok := b.s.bufs.Get().(*[]byte)
	if !ok {
		return Content{}, errors.New("put: no buffer") // cannot happen: New returns nothing else
	}
	defer b.s.bufs.Put(buf)
	b.s.putting.Add(1)
	defer b.s.putting.Add(-1)
	var c Content
	whole, one := sha256.New(), sha1.New() //nolint:gosec // see the import
	for {
		if err := ctx.Err(); err != nil {
			return Content{}, fmt.Errorf("put: %w", err)
		}
		n, err := io.ReadFull(r, *buf)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return Content{}, fmt.Errorf("put: read content: %w", err)
		}
		data := (*buf)[:n]
		if n > 0 {
			one.Write(data)
			chunk := Chunk{Digest: sha256.Sum256(data), Size: n}
			if c.Size > 0 || !last { // content of one chunk has that chunk's digest
				whole.Write(data)
			}
			if err := b.add(ctx, chunk, data); err != nil {
				return Content{}, err
			}
			c.Chunks = append(c.Chunks, chunk)
			c.Size += int64(n)
		}
		if last {
			break
		}
	}
	if len(c.Chunks) == 1 {
		c.SHA256 = c.Chunks[0].Digest
	} else {
		whole.Sum(c.SHA256[:0])
	}
	one.Sum(c.SHA1[:0])
	return c, nil
}

// Commit returns when everything put into the batch is durable. Nothing can be put into it any more.
func (b *Batch) Commit(ctx context.Context) error {
	b.mu.Lock()
	b.closing = true
	lot := b.take()
	b.mu.Unlock()
	err := b.handIn(ctx, lot)
	b.mu.Lock()
	flight, found := b.flight, b.found
	b.flight = nil
	if err == nil {
		err = b.err
	}
	b.mu.Unlock()
	if found && err == nil {
		// What was found can belong to a write that Badger has and the guard has not yet: wait until it is durable.
		err = b.s.db.Barrier(ctx)
	}
	for _, p := range flight {
		if werr := p.Wait(); err == nil && werr != nil {
			err = fmt.Errorf("commit: %w", werr)
		}
	}
	return err
}

// Release lets sweeps judge the batch's chunks by their references again: call it once the records are stored, or
// when the batch is given up. It is idempotent.
func (b *Batch) Release() {
	b.mu.Lock()
	b.closing = true
	pinned := b.pinned
	b.pinned = nil
	b.mu.Unlock()
	b.s.pins.unpin(pinned)
}

// add pins a chunk and stores it unless it is stored already. A stored one counts only when it can be read back: no
// Put is acknowledged on the strength of a damaged chunk, and storing the content again heals it.
func (b *Batch) add(ctx context.Context, c Chunk, data []byte) error {
	b.mu.Lock()
	if b.err != nil || b.closing {
		defer b.mu.Unlock()
		return errors.Join(ErrBatchDone, b.err)
	}
	_, known := b.fresh[c.Digest]
	deleting := b.s.pins.pin(c.Digest)
	b.pinned = append(b.pinned, c)
	b.mu.Unlock()
	if known {
		return nil
	}
	if deleting != nil {
		select {
		case <-deleting:
		case <-ctx.Done():
			return fmt.Errorf("put: %w", ctx.Err())
		}
	}
	stored, err := b.s.readable(ctx, c)
	if stored {
		b.mu.Lock()
		b.found = true
		b.mu.Unlock()
	}
	if stored || err != nil {
		return err
	}
	e := entry{key: chunkKey(c.Digest), sealed: b.s.sealer.Seal(nil, chunkAAD(c.Digest), data)}

	b.mu.Lock()
	if _, known := b.fresh[c.Digest]; known {
		b.mu.Unlock()
		return nil
	}
	b.fresh[c.Digest] = struct{}{}
	b.lot = append(b.lot, e)
	b.size += len(e.sealed) + chunkOverhead
	var lot []entry
	if b.size >= b.s.lotBytes() {
		lot = b.take()
	}
	b.mu.Unlock()
	return b.handIn(ctx, lot)
}

// lotBytes is how much a batch gathers: less when many contents are put at once, so that all of them together hold lotsBytes, and
// maxInFlight times as much on the way to the disk.
func (s *Store) lotBytes() int {
	return min(handInBytes, max(lotsBytes/int(max(s.putting.Load(), 1)), ChunkSize))
}

// take returns what is to be handed in next. The caller holds b.mu.
func (b *Batch) take() []entry {
	lot := b.lot
	b.lot, b.size = nil, 0
	return lot
}

// handIn gives entries to the writer, and waits while too many are under way.
func (b *Batch) handIn(ctx context.Context, lot []entry) error {
	if len(lot) == 0 {
		return nil
	}
	size := 0
	for _, e := range lot {
		size += len(e.sealed) + chunkOverhead
	}
	p, err := b.s.db.Begin(ctx, storage.Write{Bytes: int64(size), Fn: func(txn *badger.Txn) error {
		for _, e := range lot {
			if err := txn.Set(e.key, e.sealed); err != nil {
				return err
			}
		}
		return nil
	}})
	var wait *storage.Pending
	b.mu.Lock()
	if err == nil {
		b.flight = append(b.flight, p)
		if len(b.flight) >= maxInFlight {
			wait = b.flight[0]
			b.flight = b.flight[1:]
		}
	}
	b.mu.Unlock()
	if wait != nil {
		err = wait.Wait()
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("store chunks: %w", err)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	return err
}

// readable reports whether the chunk is stored and can be read back.
func (s *Store) readable(ctx context.Context, c Chunk) (bool, error) {
	stored, err := s.Has(c.Digest)
	if err != nil || !stored {
		return false, err
	}
	buf, ok := s.bufs.Get().(*[]byte)
	if !ok {
		return false, errors.New("put: no buffer") // cannot happen: New returns nothing else
	}
	defer s.bufs.Put(buf)
	got, err := s.AppendChunk(ctx, (*buf)[:0], c.Digest)
	switch {
	case err == nil:
		return len(got) == c.Size, nil
	case errors.Is(err, ErrIntegrity), errors.Is(err, ErrNotFound):
		return false, nil
	default:
		return false, err
	}
}
