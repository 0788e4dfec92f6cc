package blob

import (
	"bytes"
	"errors"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// A chunk that is read without its digest being computed is still one that this store has sealed in this place.
func TestOpenedChunkIsAuthenticated(t *testing.T) {
	s, err := Open(Options{Dir: t.TempDir(), Sealer: storage.NewSealer([32]byte{1}), Small: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	content := text(3, 3*ChunkSize+5)
	c, err := s.Put(t.Context(), bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for _, chunk := range c.Chunks {
		if got, err = s.AppendOpened(t.Context(), got, chunk.Digest); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, content) {
		t.Fatal("other bytes were read than were put")
	}
	sealed := func(d federation.Digest) []byte {
		var out []byte
		if err := s.db.View(func(txn *badger.Txn) error {
			item, err := txn.Get(chunkKey(d))
			if err != nil {
				return err
			}
			out, err = item.ValueCopy(nil)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	a, b := c.Chunks[0].Digest, c.Chunks[1].Digest
	flipped := sealed(b)
	flipped[len(flipped)/2] ^= 1
	for name, value := range map[string][]byte{"of another chunk": sealed(a), "flipped": flipped, "cut": sealed(b)[:1000], "empty": nil} {
		if err := s.db.Update(t.Context(), func(txn *badger.Txn) error { return txn.Set(chunkKey(b), value) }); err != nil {
			t.Fatal(err)
		}
		kept := []byte("before")
		got, err := s.AppendOpened(t.Context(), kept, b)
		var damaged *ChunkError
		if !errors.Is(err, ErrIntegrity) || !errors.As(err, &damaged) || damaged.Digest != b || string(got) != "before" {
			t.Errorf("%s: %d bytes, %v; want ErrIntegrity and what was there before", name, len(got), err)
		}
	}
	if _, err := s.AppendOpened(t.Context(), nil, federation.Digest{9}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a chunk that is not there: %v", err)
	}
}

func TestLotsShrinkWithContentsPutAtOnce(t *testing.T) {
	var s Store
	for _, c := range []struct {
		putting int64
		want    int
	}{{0, handInBytes}, {1, handInBytes}, {8, handInBytes}, {64, 1 << 20}, {100_000, ChunkSize}} {
		s.putting.Store(c.putting)
		if got := s.lotBytes(); got != c.want {
			t.Errorf("%d at once: lots of %d bytes, want %d", c.putting, got, c.want)
		}
	}
}
