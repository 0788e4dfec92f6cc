package blob

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

func testOptions(dir string) Options {
	return Options{Dir: dir, Sealer: storage.NewSealer([32]byte{1, 2, 3}), Small: true}
}

func openTest(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(testOptions(dir))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// text returns n bytes that differ by seed.
func text(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}).Read(b)
	return b
}

func mustPut(t testing.TB, s *Store, b []byte) Content {
	t.Helper()
	c, err := s.Put(t.Context(), bytes.NewReader(b))
	if err != nil {
		t.Fatalf("put: %v", err)
	}
	return c
}

func mustRead(t testing.TB, s *Store, c Content, want []byte) {
	t.Helper()
	var got []byte
	for _, chunk := range c.Chunks {
		before := len(got)
		var err error
		if got, err = s.AppendChunk(t.Context(), got, chunk.Digest); err != nil || len(got)-before != chunk.Size {
			t.Fatalf("chunk %s of %d bytes: %d, %v", chunk.Digest, chunk.Size, len(got)-before, err)
		}
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("read %d bytes that are not the %d stored", len(got), len(want))
	}
}

func TestContentOfEverySizeComesBack(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	sizes := []int{0, 1, 100, 1000, 1024, ChunkSize - 1, ChunkSize, ChunkSize + 1, 2 * ChunkSize, 5*ChunkSize + 77}
	var put []Content
	for i, n := range sizes {
		b := text(uint64(i), n)
		c := mustPut(t, s, b)
		if c.SHA256 != sha256.Sum256(b) || c.SHA1 != sha1.Sum(b) || c.Size != int64(n) {
			t.Errorf("size %d: got %+v", n, c)
		}
		if got, want := len(c.Chunks), (n+ChunkSize-1)/ChunkSize; got != want {
			t.Errorf("size %d: %d chunks, want %d", n, got, want)
		}
		put = append(put, c)
	}
	for range 2 {
		for i, n := range sizes {
			mustRead(t, s, put[i], text(uint64(i), n))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openTest(t, dir)
	}
}

func TestSameBytesAreStoredOnce(t *testing.T) {
	s := openTest(t, t.TempDir())
	b := text(1, 3*ChunkSize)
	for range 5 {
		mustPut(t, s, b)
	}
	b2 := append(bytes.Clone(b[:ChunkSize]), b[:ChunkSize]...)
	mustPut(t, s, b2)
	n := 0
	if err := s.Digests(t.Context(), func(federation.Digest) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	if n != 3 {
		t.Fatalf("%d chunks stored, want 3", n)
	}
	written := 0
	if err := s.db.ScanValueLog(t.Context(), func(_, v []byte) error { written += len(v); return nil }); err != nil {
		t.Fatal(err)
	}
	if want := 3 * (ChunkSize + storage.SealOverhead); written != want {
		t.Fatalf("%d bytes written, want %d", written, want)
	}
}

func TestNothingOfTheContentLiesInTheClear(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	canary := "NHS number 943 476 5919, Smith"
	mustPut(t, s, []byte(strings.Repeat(canary, 1000)))
	mustPut(t, s, []byte(canary)) // small: lies in the tree
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte("943 476")) || bytes.Contains(b, []byte("Smith")) {
			t.Errorf("%s holds the canary", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestMissingAndDamagedAreDifferent(t *testing.T) {
	s := openTest(t, t.TempDir())
	c := mustPut(t, s, text(1, 5000))
	if _, err := s.Chunk(t.Context(), federation.Digest{9}); !errors.Is(err, ErrNotFound) || errors.Is(err, ErrIntegrity) {
		t.Errorf("missing: %v", err)
	}
	s2 := newStore(s.db, Options{Sealer: storage.NewSealer([32]byte{7})})
	if _, err := s2.Chunk(t.Context(), c.SHA256); !errors.Is(err, ErrIntegrity) {
		t.Errorf("wrong key: %v", err)
	}
}

func TestBatchOfManyDocuments(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	b := s.NewBatch()
	var wg sync.WaitGroup
	contents := make([]Content, 200)
	for w := range 4 {
		wg.Go(func() {
			for i := w; i < len(contents); i += 4 {
				var err error
				if contents[i], err = b.Put(t.Context(), bytes.NewReader(text(uint64(i%150), 70000))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Release()
	if _, err := b.Put(t.Context(), strings.NewReader("x")); !errors.Is(err, ErrBatchDone) {
		t.Errorf("put after commit: %v", err)
	}
	crashed := openTest(t, crash(t, dir))
	for i, c := range contents {
		mustRead(t, crashed, c, text(uint64(i%150), 70000))
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("scanner unplugged") }

func TestFailedSourceStoresNothingReferenced(t *testing.T) {
	s := openTest(t, t.TempDir())
	if _, err := s.Put(t.Context(), io.MultiReader(bytes.NewReader(text(1, 3*ChunkSize)), brokenReader{})); err == nil || !strings.Contains(err.Error(), "unplugged") {
		t.Fatalf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(ctx, strings.NewReader("x")); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if len(s.pins.count) != 0 {
		t.Fatalf("%d chunks stay pinned", len(s.pins.count))
	}
}

// crash returns a copy of dir as a kill -9 would leave it.
func crash(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(to, e.Name())
		if err := os.WriteFile(path, bytes.TrimRight(b, "\x00"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, int64(len(b))); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestConcurrentPutsAndReads(t *testing.T) {
	s := openTest(t, t.TempDir())
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 15 {
				b := text(uint64(w%4*100+i), 10000+i)
				mustRead(t, s, mustPut(t, s, b), b)
			}
		})
	}
	wg.Wait()
}

func TestFailedSyncIsSeenByPut(t *testing.T) {
	var failing sync.Map
	opt := testOptions(t.TempDir())
	opt.Sync = func(f *os.File) error {
		if _, on := failing.Load("on"); on && strings.HasSuffix(f.Name(), ".vlog") {
			return fmt.Errorf("input/output error")
		}
		return nil
	}
	s, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mustPut(t, s, text(1, 5000))
	failing.Store("on", true)
	if _, err := s.Put(t.Context(), bytes.NewReader(text(2, 5000))); !errors.Is(err, storage.ErrFailed) {
		t.Fatalf("got %v", err)
	}
	failing.Delete("on")
	if _, err := s.Put(t.Context(), bytes.NewReader(text(3, 5000))); !errors.Is(err, storage.ErrFailed) {
		t.Fatalf("a put after the failed one: %v", err)
	}
	// Nothing may be acknowledged on the strength of what the failed write has left in Badger.
	if _, err := s.Put(t.Context(), bytes.NewReader(text(2, 5000))); !errors.Is(err, storage.ErrFailed) {
		t.Fatalf("a put of what the failed one left: %v", err)
	}
}
