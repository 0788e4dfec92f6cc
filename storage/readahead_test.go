package storage

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// The hints may be given of anything, mapped or not, and at any length.
func TestHintsChangeNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 64<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mapped, err := unix.Mmap(int(f.Fd()), 0, 1<<20, unix.PROT_READ, unix.MAP_SHARED) // longer than the file, as Badger's are
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(mapped) }()
	for _, at := range []int{0, 1, 4095, 4096, 60 << 10, 64 << 10, 1<<20 - 1, 1 << 20} {
		ReadAhead(mapped[:at], 256<<10)
		LetGo(mapped[at:], 256<<10)
	}
	heap := make([]byte, 10, 20<<10)
	ReadAhead(heap, 1<<20)
	ReadAhead(nil, 1<<20)
	LetGo(heap, 1<<20)
	LetGo(nil, 1<<20)
	WriteBack(f, 0, 1<<30)
	for i, b := range mapped[:64<<10] {
		if b != 0 {
			t.Fatalf("byte %d has changed", i)
		}
	}
}
