package storage

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// ReadAhead asks the operating system to begin to read n bytes that follow b in the file that b is a mapped part of. Without
// it a sequential reader stands still at each 128 KiB for as long as the disk takes, and a thread of the runtime with it. It
// is a hint: nothing is read or changed when b is not mapped.
func ReadAhead(b []byte, n int) {
	rest := b[len(b):min(cap(b), len(b)+n)]
	if len(rest) == 0 {
		return
	}
	// Only the address is taken, to begin on a page.
	begin := int(-uintptr(unsafe.Pointer(unsafe.SliceData(rest))) & uintptr(unix.Getpagesize()-1))
	if begin >= len(rest) {
		return
	}
	_ = unix.Madvise(rest[begin:], unix.MADV_WILLNEED) // a hint that fails costs time only
}

// WriteBack asks the operating system to begin to write n bytes of f from an offset to the disk, and does not wait for it: a
// sync that comes later finds less to do. It is a hint, and makes nothing durable.
func WriteBack(f interface{ Fd() uintptr }, from, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), from, n, unix.SYNC_FILE_RANGE_WRITE) // a hint that fails costs time only
}
