package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// makeRoom allocates on the disk what the next transaction can take of the logs that Badger appends to: up to keys bytes of the
// memtable log and values bytes of the value log. Badger writes them as mapped memory, of files with holes; where another
// process has taken the last block, the kernel has no answer to that but to end this one (SIGBUS). ErrDiskFull says it while
// nothing has been written yet.
func (g *guard) makeRoom(keys, values int64) error {
	g.expected = values
	if err := g.mems[len(g.mems)-1].makeRoom(keys, g.allocate); err != nil || values == 0 {
		return err
	}
	return g.values.makeRoom(values, g.allocate)
}

// checkRoom returns ErrDiskFull unless there is room for the tables that Badger makes of its memtables when it opens a store or
// closes it. It writes those as mapped memory as well.
func (o *Options) checkRoom() error {
	if o.Space == nil {
		return nil
	}
	if _, err := o.Space.Check(); err != nil {
		return err
	}
	if free, _ := o.Space.Free(); free < 3*uint64(o.MemTable) {
		return fmt.Errorf("%d MiB free, %d MiB needed: %w", free/mib, 3*o.MemTable/mib, ErrDiskFull)
	}
	return nil
}

// allocate gives the bytes of a file from one offset on their blocks on the disk. The file keeps its size.
func allocate(f *os.File, from, n int64) error {
	for {
		if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, from, n); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func (l *openLog) makeRoom(n int64, allocate func(f *os.File, from, n int64) error) error {
	if l.end+n <= l.room {
		return nil
	}
	f, err := os.OpenFile(l.f.Name(), os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // Badger has put it into a table, and goes on in another
	}
	if err != nil {
		return fmt.Errorf("make room: %w", err)
	}
	defer f.Close() // nothing is written through it
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("make room: %w", err)
	}
	// A quarter more, so that it is not asked for each time. Nothing beyond the end of the file is ever mapped.
	to := min(l.end+n+n/4, info.Size())
	from := max(min(l.end, to), l.room)
	if from < to {
		err = allocate(f, from, to-from)
	}
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("allocate %d bytes of %s: %w: %w", to-from, l.logName, ErrDiskFull, err)
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
		l.room = math.MaxInt64 // this file system cannot, so that the gates alone must do
		return nil
	case err != nil:
		return fmt.Errorf("allocate %d bytes of %s: %w", to-from, l.logName, err)
	default:
		l.room = max(l.room, l.end+n, to)
		return nil
	}
}
