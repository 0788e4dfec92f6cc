package storage

import (
	"os"
	"path/filepath"
	"unsafe"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"
)

const (
	keepWritten = 128 * mib // of what was written to the value log last stays in memory
	letGoBytes  = 16 * mib  // of it are let go of at once
	largePage   = 2 * mib   // the kernel maps files by these where it can; taking a part of one costs it more than the whole
)

// written knows what of the value log was written since the store was opened and is still in memory, so that memory does not fill with
// what is read seldom if ever: scans by the million. Then the pages of the next values are those that the last ones have had. It is
// used by the committer only.
type written struct {
	keep  int64 // bytes that stay in memory
	bytes int64 // of all spans
	spans []span
}

// A span is a piece of a value log file that begins with the entry of a key.
type span struct {
	file  logName
	key   []byte
	from  int64
	bytes int64
}

// note is told of each entry that file has taken, in their order.
func (w *written) note(file logName, e *logEntry) error {
	if e == nil {
		return nil
	}
	last := len(w.spans) - 1
	if last < 0 || w.spans[last].file != file || w.spans[last].bytes >= letGoBytes {
		w.spans = append(w.spans, span{file: file, key: append([]byte(nil), e.userKey()...), from: e.off})
		last++
	}
	w.spans[last].bytes += e.size
	w.bytes += e.size
	return nil
}

// letGo tells the kernel of what was written long enough ago. It runs when all of it is durable and has been answered.
func (d *DB) letGo() {
	w := &d.guard.written
	for len(w.spans) > 0 && w.bytes-w.spans[0].bytes >= w.keep {
		s := w.spans[0]
		w.spans = w.spans[1:]
		w.bytes -= s.bytes
		d.unmap(s)
		if f, err := os.Open(filepath.Join(d.opt.Dir, s.file.String())); err == nil { // else it was collected, and has gone
			// Whole large pages as in LetGo. A hint that fails costs time only.
			from, to := (s.from+largePage-1)/largePage*largePage, (s.from+s.bytes)/largePage*largePage
			if from < to {
				_ = unix.Fadvise(int(f.Fd()), from, to-from, unix.FADV_DONTNEED)
			}
			_ = f.Close() // nothing is read through it
		}
	}
}

// unmap has the kernel take back the pages of a span that Badger has mapped, as it has those of the file that it appends to: the kernel
// keeps mapped pages, whatever is said of the file. A value that was deleted or moved meanwhile says where another one is, or nothing:
// either costs time only.
func (d *DB) unmap(s span) {
	_ = d.View(func(txn *badger.Txn) error {
		item, err := txn.Get(s.key)
		if err != nil {
			return err
		}
		return item.Value(func(v []byte) error {
			LetGo(v, int(s.bytes))
			return nil
		})
	})
}

// unmapNew takes the pages of what was just written to the value log, n bytes at most that begin with the entry first, out of this
// process's memory; they stay in the kernel's, to be synced. Cleaning pages that are mapped interrupts the other processors for each.
func (d *DB) unmapNew(first *logHead, n int64) {
	_ = d.View(func(txn *badger.Txn) error {
		item, err := txn.Get(first.key[:len(first.key)-versionSize])
		if err != nil || item.Version() != first.version() {
			return err
		}
		return item.Value(func(v []byte) error {
			if int64(len(v)) == first.valueSize && len(v) >= chunkThreshold {
				dropPages(v, first.valueAt, n)
			}
			return nil
		})
	})
}

// dropPages unmaps the pages of a mapped file in which the n bytes lie that begin some bytes ahead of v. They are read anew when they
// are asked for. In memory that is not of a file all would be lost: v must be what Badger reads from its value log.
func dropPages(v []byte, ahead, n int64) {
	page := uintptr(os.Getpagesize())
	at := uintptr(unsafe.Pointer(unsafe.SliceData(v)))
	from := (at - uintptr(ahead)) &^ (page - 1)
	to := (at + min(uintptr(n), uintptr(cap(v)))) &^ (page - 1) // what lies behind is not of the file
	if from < to {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED) // a hint that fails costs time only
	}
}

// LetGo tells the operating system that the n bytes that begin with b, in the file that b is a mapped part of, will not be read
// soon: their memory serves for others. It is a hint: what is not on the disk yet stays, and nothing changes when b is not mapped.
func LetGo(b []byte, n int) {
	all := b[:min(cap(b), n)]
	if len(all) == 0 {
		return
	}
	// Only the address is taken. Large pages that lie in the piece as a whole are let go of: what follows begins with what is looked at
	// to let go of it, and a page that is missing then has the kernel read all that is around it.
	at := uintptr(unsafe.Pointer(unsafe.SliceData(all)))
	begin := int(-at & (largePage - 1))
	end := len(all) - int((at+uintptr(len(all)))&(largePage-1))
	if begin >= end {
		return
	}
	_ = unix.Madvise(all[begin:end], unix.MADV_PAGEOUT) // a hint that fails costs time only
}
