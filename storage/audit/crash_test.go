package audit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/storage"
)

func TestCopyOfTheFolderKeepsEveryAcknowledgedEntry(t *testing.T) {
	dir := t.TempDir()
	l := open(t, testOptions(dir))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := l.Append(ctx, entry(i)); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	}()
	for range 5 {
		if _, err := l.Append(context.Background(), entry(0)); err != nil {
			t.Fatal(err)
		}
		acknowledged := l.Size()
		copied := t.TempDir()
		// The marks are copied first: a real crash never leaves one ahead of what it marks.
		if err := os.Mkdir(filepath.Join(copied, "entries"), 0o700); err != nil {
			t.Fatal(err)
		}
		l.markMu.Lock()
		copyFile(t, filepath.Join(dir, "MARK"), filepath.Join(copied, "MARK"))
		l.markMu.Unlock()
		copyAhead(t, l, copied)
		copyFile(t, filepath.Join(dir, "entries", "GUARD"), filepath.Join(copied, "entries", "GUARD"))
		copyFolder(t, filepath.Join(dir, "entries"), filepath.Join(copied, "entries"), "GUARD")
		after := open(t, testOptions(copied))
		if n := after.Size(); n < acknowledged {
			t.Errorf("%d entries in the copy, %d were acknowledged", n, acknowledged)
		}
		report, err := after.Verify(context.Background(), nil)
		if err != nil || !report.OK() {
			t.Errorf("copy: %+v, %v", report, err)
		}
		closeLog(t, after)
	}
	cancel()
	<-done
}

// copyAhead copies the write-ahead file between two records: a crash leaves the file of one moment.
func copyAhead(t *testing.T, l *Log, to string) {
	t.Helper()
	l.mu.Lock()
	for l.writing {
		l.changed.Wait()
	}
	l.writing = true
	l.mu.Unlock()
	copyFile(t, l.ahead.f.Name(), filepath.Join(to, "AHEAD"))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing = false
	signal(l.handed)
	l.changed.Broadcast()
}

func copyFolder(t *testing.T, from, to, except string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			copyFolder(t, filepath.Join(from, e.Name()), filepath.Join(to, e.Name()), except)
			continue
		}
		if e.Name() == except {
			continue
		}
		copyFile(t, filepath.Join(from, e.Name()), filepath.Join(to, e.Name()))
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
}

func FuzzDecodeEntry(f *testing.F) {
	for i := range 3 {
		b, err := entry(i).encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append([]byte{entryVersion1}, b[1:len(b)-17]...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEntry(b)
		if err != nil {
			return
		}
		again, err := e.encode()
		if err != nil {
			t.Fatalf("%x is read and not written: %v", b, err)
		}
		if b[0] == entryVersion1 { // it is written with the fields that it lacks, empty
			again = append([]byte{entryVersion1}, again[1:max(len(again)-17, 1)]...)
		}
		if !bytes.Equal(again, b) {
			t.Fatalf("%x read and written is %x", b, again)
		}
	})
}

func FuzzDecodeFrontier(f *testing.F) {
	f.Add((&frontier{}).encode())
	f.Add(binary.BigEndian.AppendUint64(nil, 3))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decodeFrontier(b)
		if err == nil && !bytes.Equal(v.encode(), b) {
			t.Fatalf("%x is not what it decodes to", b)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for name, writers := range map[string]int{"1 writer": 1, "64 writers": 64} {
		b.Run(name, func(b *testing.B) {
			opt := testOptions(b.TempDir())
			opt.Small = false
			l := open(b, opt)
			b.SetParallelism(max(1, writers/2)) // times GOMAXPROCS
			if writers == 1 {
				for i := range b.N {
					if _, err := l.Append(context.Background(), entry(i)); err != nil {
						b.Fatal(err)
					}
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i++ {
						if _, err := l.Append(context.Background(), entry(i)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
	b.Run("fdatasync of 4 KiB", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "f"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		m := &markFile{f: f, sealer: storage.NewSealer([32]byte{}), sync: fdatasync}
		if err := f.Truncate(2 * markSlot); err != nil {
			b.Fatal(err)
		}
		for i := range b.N {
			if err := m.write(mark{size: uint64(i), root: emptyRoot}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
