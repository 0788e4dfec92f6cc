package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"sync"
)

// A Reader reads content by its list of chunks. Every byte it returns has been verified against its chunk's digest. It
// holds one chunk at a time. It may be used by many goroutines at once.
type Reader struct {
	s      *Store
	chunks []Chunk
	ends   []int64 // ends[i] is the offset after chunk i

	mu   sync.Mutex
	at   int // index of the chunk held, -1 for none
	data []byte
}

// Reader returns a Reader of the content that chunks make up. It reads nothing yet.
func (s *Store) Reader(chunks []Chunk) *Reader {
	r := &Reader{s: s, chunks: chunks, ends: make([]int64, len(chunks)), at: -1}
	end := int64(0)
	for i, c := range chunks {
		end += int64(c.Size)
		r.ends[i] = end
	}
	return r
}

// Size returns the size of the content in bytes.
func (r *Reader) Size() int64 {
	if len(r.ends) == 0 {
		return 0
	}
	return r.ends[len(r.ends)-1]
}

// ReadAt reads as io.ReaderAt says. A chunk that is missing is ErrIntegrity: the list says that it was stored.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at %d: %w", off, ErrRange)
	}
	done := 0
	for done < len(p) {
		if off >= r.Size() {
			return done, io.EOF
		}
		n, err := r.copyFrom(p[done:], off)
		if err != nil {
			return done, err
		}
		done, off = done+n, off+int64(n)
	}
	return done, nil
}

// WriteRange writes n bytes from off on to w, chunk by chunk, and stops when ctx ends. A range that is not within
// the content is ErrRange and writes nothing.
func (r *Reader) WriteRange(ctx context.Context, w io.Writer, off, n int64) error {
	if off < 0 || n < 0 || off > r.Size()-n {
		return fmt.Errorf("range of %d bytes at %d of %d: %w", n, off, r.Size(), ErrRange)
	}
	buf, ok := r.s.bufs.Get().(*[]byte)
	if !ok {
		return errors.New("read range: no buffer") // cannot happen: New returns nothing else
	}
	defer r.s.bufs.Put(buf)
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read range: %w", err)
		}
		i := r.chunkOf(off)
		p := (*buf)[:min(n, r.ends[i]-off, int64(len(*buf)))]
		if _, err := r.ReadAt(p, off); err != nil {
			return err
		}
		if _, err := w.Write(p); err != nil {
			return fmt.Errorf("write range: %w", err)
		}
		off, n = off+int64(len(p)), n-int64(len(p))
	}
	return nil
}

// chunkOf returns the index of the chunk that holds the byte at off, which is within the content.
func (r *Reader) chunkOf(off int64) int {
	return sort.Search(len(r.ends), func(i int) bool { return r.ends[i] > off })
}

// copyFrom copies from the one chunk that holds off.
func (r *Reader) copyFrom(p []byte, off int64) (int, error) {
	i := r.chunkOf(off)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at != i {
		if err := r.load(i); err != nil {
			return 0, err
		}
	}
	return copy(p, r.data[off-(r.ends[i]-int64(r.chunks[i].Size)):]), nil
}

// load makes chunk i the one held. The caller holds r.mu, which serialises readers of one Reader on purpose: they
// share the one buffer that bounds its memory.
func (r *Reader) load(i int) error {
	r.at = -1
	c := r.chunks[i]
	data, err := r.s.appendChunk(r.data[:0], c.Digest)
	switch {
	case errors.Is(err, ErrNotFound):
		return &ChunkError{Digest: c.Digest, Err: fmt.Errorf("a referenced chunk is missing: %w", ErrIntegrity)}
	case err != nil:
		return err
	case len(data) != c.Size:
		return &ChunkError{Digest: c.Digest, Err: fmt.Errorf("%d bytes, want %d: %w", len(data), c.Size, ErrIntegrity)}
	}
	r.data, r.at = data, i
	return nil
}
