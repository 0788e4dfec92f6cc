package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"
)

// Scans by the million must not drive from memory what is read: of the value log only what was written last stays, also where it goes
// on in another file. All of it is there when it is asked for.
func TestWhatWasWrittenLongAgoLeavesMemory(t *testing.T) {
	requirePageOut(t)
	dir := t.TempDir()
	db, err := Open(Options{Dir: dir, Profile: Chunks, Small: true, ValueLogFile: 2 * letGoBytes})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.guard.written.keep = letGoBytes // seen by the committer with the first write
	const values = 256                 // of 256 KiB, in a file of 32 MiB and the beginning of another
	value := func(i int) []byte {
		b := make([]byte, 256*kib)
		random := rand.NewChaCha8([32]byte{byte(i)})
		_, _ = random.Read(b) // never fails
		return b
	}
	for i := range values {
		put(t, db, fmt.Sprint("key", i), string(value(i)))
	}
	first := filepath.Join(dir, logName{'v', 1}.String())
	if got, whole := resident(t, first); got > whole/2 {
		t.Errorf("%d of the %d MiB that were written first are in memory", got/mib, whole/mib)
	}
	last := filepath.Join(dir, db.guard.values.logName.String())
	if got, _ := resident(t, last); got < letGoBytes && db.guard.values.end > letGoBytes {
		t.Errorf("%d MiB of what was written last are in memory", got/mib)
	}
	err = db.View(func(txn *badger.Txn) error {
		for i := range values {
			item, err := txn.Get(fmt.Append(nil, "key", i))
			if err != nil {
				return err
			}
			if err := item.Value(func(v []byte) error {
				if !bytes.Equal(v, value(i)) {
					return fmt.Errorf("value %d has changed", i)
				}
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// What is let go of can have been deleted in the meantime, or have gone with its file.
func TestLettingGoOutlivesWhatIsDeleted(t *testing.T) {
	db, err := Open(Options{Dir: t.TempDir(), Profile: Chunks, Small: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.guard.written.keep = 0 // seen by the committer with the first write
	for i := range 64 {
		key := fmt.Sprint("key", i)
		put(t, db, key, string(make([]byte, 256*kib)))
		if err := db.Update(context.Background(), func(txn *badger.Txn) error { return txn.Delete([]byte(key)) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Err(); err != nil {
		t.Error(err)
	}
}

// What is in memory because the file was read, and is mapped by nobody, leaves as well.
func TestWhatIsNotMappedLeavesMemory(t *testing.T) {
	dir := t.TempDir()
	opt := Options{Dir: dir, Profile: Chunks, Small: true}
	db, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 64 {
		put(t, db, fmt.Sprint("key", i), string(make([]byte, 256*kib)))
	}
	if err := db.Close(); err != nil { // of its maps none is left
		t.Fatal(err)
	}
	if db, err = Open(opt); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	name := logName{'v', 1}
	path := filepath.Join(dir, name.String())
	if _, err := os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	before, whole := resident(t, path)
	requireDropped(t, before, whole)
	db.guard.written = written{spans: []span{{file: name, key: []byte("none"), bytes: whole}}, bytes: whole}
	db.letGo() // by nobody else: nothing is written
	if got, _ := resident(t, path); got > whole/2 {
		t.Errorf("%d of %d MiB are in memory", got/mib, whole/mib)
	}
}

// requirePageOut skips where the kernel or the file system does not take back the pages of mapped files.
func requirePageOut(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 16*mib), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	m, err := unix.Mmap(int(f.Fd()), 0, 16*mib, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(m) }()
	for i := 0; i < len(m); i += unix.Getpagesize() { // only what has been touched is mapped
		if m[i] != 0 {
			t.Fatalf("byte %d is %d", i, m[i])
		}
	}
	LetGo(m[:1], len(m))
	if got, whole := resident(t, path); got > whole/2 {
		t.Skip("this kernel keeps the pages of a mapped file here, so that nothing can be told")
	}
}

// requireDropped skips where a file that was just read is not in memory, or does not leave it when it may.
func requireDropped(t *testing.T, inMemory, of int64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 4*mib), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 4*mib, unix.FADV_DONTNEED)); err != nil {
		t.Fatal(err)
	}
	if got, whole := resident(t, path); got > whole/2 || inMemory < of/2 {
		t.Skip("memory follows no hints here, so that nothing can be told")
	}
}

// resident returns how many bytes of a file are in memory, and how many it has.
func resident(t *testing.T, path string) (got, whole int64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	m, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(m) }()
	page := unix.Getpagesize()
	in := make([]byte, (len(m)+page-1)/page)
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), uintptr(unsafe.Pointer(&in[0]))); errno != 0 {
		t.Fatal(errno)
	}
	for _, p := range in {
		got += int64(p&1) * int64(page)
	}
	return got, info.Size()
}
