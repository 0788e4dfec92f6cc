package blob

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

func TestSweepRemovesOnlyWhatNobodyHolds(t *testing.T) {
	s := openTest(t, t.TempDir())
	kept, pinned, loose := mustPut(t, s, text(1, 5000)), mustPut(t, s, text(2, 5000)), mustPut(t, s, text(3, 5000))
	s.Unpin(kept)
	s.Unpin(loose)
	n, err := s.Sweep(t.Context(), SweepOptions{Referenced: func(d federation.Digest) (bool, error) { return d == kept.SHA256, nil }})
	if err != nil || n != (SweepReport{Chunks: 3, Loose: 1, Deleted: 1}) {
		t.Fatalf("%+v, %v", n, err)
	}
	mustRead(t, s, kept, text(1, 5000))
	mustRead(t, s, pinned, text(2, 5000))
	if _, err := s.Chunk(t.Context(), loose.SHA256); !errors.Is(err, ErrNotFound) {
		t.Fatalf("swept chunk: %v", err)
	}
	mustRead(t, s, mustPut(t, s, text(3, 5000)), text(3, 5000))
}

func TestRecordStoredDuringASweepKeepsItsChunks(t *testing.T) {
	s := openTest(t, t.TempDir())
	c := mustPut(t, s, text(1, 5000))
	n, err := s.Sweep(t.Context(), SweepOptions{Referenced: func(federation.Digest) (bool, error) {
		s.Unpin(c) // the record is stored after the sweep has asked for it, and before it deletes
		return false, nil
	}})
	if err != nil || n.Deleted != 0 {
		t.Fatalf("%+v, %v", n, err)
	}
}

func TestPutWaitsForADeletionOfItsChunk(t *testing.T) {
	s := openTest(t, t.TempDir())
	c := mustPut(t, s, text(1, 5000))
	s.Unpin(c)
	if !s.pins.doom(c.SHA256) {
		t.Fatal("an unpinned chunk is kept")
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Put(short, bytes.NewReader(text(1, 5000))); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a Put of a chunk that is being deleted: %v", err) // what it stores now, the deletion takes away
	}
	s.pins.deleted([]federation.Digest{c.SHA256})
	mustRead(t, s, mustPut(t, s, text(1, 5000)), text(1, 5000))
}

func TestPutsRacingSweepsAreNeverLost(t *testing.T) {
	s := openTest(t, t.TempDir())
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := s.Sweep(t.Context(), SweepOptions{Referenced: func(federation.Digest) (bool, error) { return false, nil }}); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	var puts sync.WaitGroup
	for range 4 {
		puts.Go(func() {
			for i := range 30 {
				b := text(uint64(i%3), 3000) // the same few again and again
				c := mustPut(t, s, b)
				mustRead(t, s, c, b)
				s.Unpin(c)
			}
		})
	}
	puts.Wait()
	close(stop)
	wg.Wait()
}

func TestGarbageIsCollectedAndTheGuardKeepsUp(t *testing.T) {
	dir := t.TempDir()
	opt := testOptions(dir)
	opt.ValueLogFile = 1 << 20
	s, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	var contents []Content
	for i := range 80 {
		c := mustPut(t, s, text(uint64(i), 100000))
		s.Unpin(c)
		contents = append(contents, c)
	}
	kept := func(i int) bool { return i%8 == 0 }
	var gone []federation.Digest
	for i, c := range contents {
		if !kept(i) {
			gone = append(gone, c.SHA256)
		}
	}
	if removed, err := s.Delete(t.Context(), gone); err != nil || len(removed) != len(gone) {
		t.Fatalf("removed %d of %d: %v", len(removed), len(gone), err)
	}
	files := 0
	for range 3 { // Badger counts garbage when it merges tables, which a reopening makes it do
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = Open(opt); err != nil {
			t.Fatal(err)
		}
		n, err := s.CollectGarbage(t.Context(), 0.3)
		if err != nil {
			t.Fatal(err)
		}
		files += n
		check := openTest(t, crash(t, dir))
		for i, c := range contents {
			if kept(i) {
				mustRead(t, check, c, text(uint64(i), 100000))
			}
		}
		if err := check.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if files == 0 {
		t.Fatal("no file was given back")
	}
	for i, c := range contents {
		if kept(i) {
			mustRead(t, s, c, text(uint64(i), 100000))
		}
	}
}
