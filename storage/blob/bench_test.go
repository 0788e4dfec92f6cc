package blob

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

const benchDoc = 64 << 10

func benchStore(b *testing.B) *Store {
	b.Helper()
	s, err := Open(Options{Dir: b.TempDir(), Sealer: storage.NewSealer([32]byte{1})})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	b.SetBytes(benchDoc)
	return s
}

// doc returns a document that no other call has returned, without the cost of making random bytes.
func doc(buf []byte, n uint64) *bytes.Reader {
	binary.LittleEndian.PutUint64(buf, n)
	return bytes.NewReader(buf)
}

// BenchmarkPut64KiB takes in 64 KiB documents, each durable by itself, from 32 writers.
func BenchmarkPut64KiB(b *testing.B) {
	s := benchStore(b)
	base := text(1, benchDoc)
	var next atomic.Uint64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 32 {
		wg.Go(func() {
			buf := bytes.Clone(base)
			for {
				n := next.Add(1)
				if n > uint64(b.N) {
					return
				}
				c, err := s.Put(b.Context(), doc(buf, n))
				if err != nil {
					b.Error(err)
					return
				}
				s.Unpin(c)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "docs/s")
}

// BenchmarkBatch64KiB takes in 64 KiB documents in batches of 500, from 2 writers into each batch.
func BenchmarkBatch64KiB(b *testing.B) {
	const perBatch = 500
	s := benchStore(b)
	base := text(1, benchDoc)
	b.ResetTimer()
	for from := 0; from < b.N; from += perBatch {
		batch := s.NewBatch()
		var wg sync.WaitGroup
		for w := range 2 {
			wg.Go(func() {
				buf := bytes.Clone(base)
				for n := from + w; n < min(from+perBatch, b.N); n += 2 {
					if _, err := batch.Put(b.Context(), doc(buf, uint64(n))); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		if err := batch.Commit(b.Context()); err != nil {
			b.Fatal(err)
		}
		batch.Release()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "docs/s")
}

// BenchmarkChunk64KiB reads, opens and verifies 64 KiB chunks.
func BenchmarkChunk64KiB(b *testing.B) {
	s := benchStore(b)
	base := text(1, benchDoc)
	batch := s.NewBatch()
	var contents []Content
	for n := range 1000 {
		c, err := batch.Put(b.Context(), doc(base, uint64(n)))
		if err != nil {
			b.Fatal(err)
		}
		contents = append(contents, c)
	}
	if err := batch.Commit(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	var buf []byte
	for n := range b.N {
		var err error
		if buf, err = s.AppendChunk(b.Context(), buf[:0], contents[n%len(contents)].SHA256); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFloor64KiB is what no store can avoid: both digests, the seal, and an append to a file that is synced
// every 500 documents.
func BenchmarkFloor64KiB(b *testing.B) {
	base := text(1, benchDoc)
	sealer := storage.NewSealer([32]byte{1})
	f, err := os.Create(filepath.Join(b.TempDir(), "pack"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	b.SetBytes(benchDoc)
	var mu sync.Mutex
	var wg sync.WaitGroup
	b.ResetTimer()
	for w := range 2 {
		wg.Go(func() {
			buf := bytes.Clone(base)
			for n := w; n < b.N; n += 2 {
				binary.LittleEndian.PutUint64(buf, uint64(n))
				d := federation.Sum(buf)
				_ = sha1.Sum(buf)
				sealed := sealer.Seal(nil, d[:], buf)
				mu.Lock()
				_, err := f.Write(sealed)
				if err == nil && n%500 == 0 {
					err = f.Sync()
				}
				mu.Unlock()
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "docs/s")
}
