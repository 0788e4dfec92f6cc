package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
)

const salvagePattern = ".salvage-*"

// OpenSalvage opens a store that Open refuses as damaged, for View only. It leaves the store's files as they are: Badger gets a
// folder of links and corrected copies inside opt.Dir, which Close removes. What the damage has touched is missing, reads as empty, or
// is what it was before an update that was lost; it is for the caller to tell. Damage that leaves Badger nothing to
// start from is returned as ErrDamaged.
func OpenSalvage(opt Options) (*DB, error) {
	if err := opt.setDefaults(); err != nil {
		return nil, err
	}
	held, err := lock(opt.Dir, os.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", opt.Dir, err)
	}
	d := &DB{opt: opt, readOnly: true, done: make(chan struct{}), reqs: make(chan *Pending)}
	close(d.done)
	d.cleanup = func() error {
		err := os.RemoveAll(d.opt.Dir)
		return errors.Join(err, unlock(held))
	}
	if d.opt.Dir, err = os.MkdirTemp(opt.Dir, salvagePattern); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", opt.Dir, err), unlock(held))
	}
	if err = salvageFiles(opt.Dir, d.opt.Dir, &opt); err == nil {
		d.bdg, err = badger.Open(d.opt.badgerOptions(badgerLogger{}).WithReadOnly(true))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", opt.Dir, badgerError(err)), d.cleanup())
	}
	return d, nil
}

// salvageFiles makes in to what Badger can open read-only of what lies in from.
func salvageFiles(from, to string, opt *Options) error {
	bad, err := salvageManifest(from, to, opt)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err
		}
		name, src, dst := e.Name(), filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		switch ext := filepath.Ext(name); {
		case name == badger.KeyRegistryFileName:
			var b []byte
			if b, err = os.ReadFile(src); err == nil {
				err = os.WriteFile(dst, b, 0o600)
			}
		case ext == ".sst" && bad[name], info.Size() < logHeaderSize:
		case ext == ".vlog", ext == ".sst":
			src, err = filepath.Abs(src)
			if err == nil {
				err = os.Symlink(src, dst)
			}
		case ext == ".mem":
			_, err = compactLog(src, dst)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// salvageManifest writes the manifest without the tables that cannot be read, and returns their file names.
func salvageManifest(from, to string, opt *Options) (bad map[string]bool, err error) {
	b, err := os.ReadFile(filepath.Join(from, badger.ManifestFilename))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("the list of tables is gone: %w", ErrDamaged)
		}
		return nil, err
	}
	b = b[:wholeManifest(b)]
	if len(b) == 0 {
		return nil, fmt.Errorf("the list of tables cannot be read: %w", ErrDamaged)
	}
	path := filepath.Join(to, badger.ManifestFilename)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return nil, err
	}
	ids, err := manifestTables(to, opt.badgerOptions(badgerLogger{}))
	if err != nil {
		return nil, fmt.Errorf("the list of tables cannot be read: %w: %w", ErrDamaged, err)
	}
	bad = map[string]bool{}
	for _, id := range ids {
		name := filepath.Base(table.NewFilename(id, from))
		if checkTable(filepath.Join(from, name)) != nil {
			bad[name] = true
			b = append(b, manifestDeletion(id)...)
		}
	}
	return bad, os.WriteFile(path, b, 0o600)
}

// manifestDeletion returns a record that takes a table off the manifest: a protobuf message whose field 1 is a
// change, of which field 1 is the table's number and field 2 the operation, 1 for a deletion.
func manifestDeletion(id uint64) []byte {
	change := binary.AppendUvarint([]byte{1 << 3}, id)
	change = append(change, 2<<3, 1)
	set := append([]byte{1<<3 | 2, byte(len(change))}, change...)
	record := binary.BigEndian.AppendUint32(nil, uint32(len(set)))
	record = binary.BigEndian.AppendUint32(record, crc32.Checksum(set, castagnoli))
	return append(record, set...)
}

// compactLog writes the units of the memtable log at src that are whole to dst, leaving out what is damaged, and
// returns how many bytes that is.
func compactLog(src, dst string) (lost int64, err error) {
	in, err := os.Open(src)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	end, err := dataEnd(in, logHeaderSize)
	if err != nil {
		return 0, err
	}
	out := make([]byte, logHeaderSize, 64*kib)
	if _, err := in.ReadAt(out, 0); err != nil {
		return 0, err
	}
	l := newLogReader(in)
	for off := int64(logHeaderSize); off < end; {
		state, err := walkLog(in, logState{end: off}, 0, func(*logEntry) error { return nil })
		if err != nil {
			return 0, err
		}
		if state.end > off {
			unit := len(out)
			out = append(out, make([]byte, state.end-off)...)
			if _, err := in.ReadAt(out[unit:], off); err != nil {
				return 0, err
			}
			off = state.end
			continue
		}
		next, err := nextUnit(l, off, end)
		if err != nil {
			return 0, err
		}
		lost += next - off
		off = next
	}
	return lost, os.WriteFile(dst, out, 0o600)
}

// nextUnit returns where, after a damaged unit at off, the next one begins: after the next end of a transaction or
// where another transaction begins.
func nextUnit(l *logReader, off, end int64) (int64, error) {
	version := ""
	for off < end {
		e, _, err := l.entry(off)
		switch {
		case err == nil:
			own := string(e.key[len(e.key)-versionSize:])
			if version != "" && own != version {
				return off, nil
			}
			version = own
			off += e.size
			if e.meta&metaFin != 0 {
				return off, nil
			}
		case errors.Is(err, errBadEntry):
			if off, _, err = resync(l, off, end); err != nil {
				return 0, err
			}
		default:
			return 0, err
		}
	}
	return end, nil
}

// dataEnd returns the offset after the last byte of f that is not zero, at least from: Badger makes its logs longer
// than what it has written.
func dataEnd(f *os.File, from int64) (int64, error) {
	end := from
	buf := make([]byte, mib)
	for off := from; ; {
		n, err := f.ReadAt(buf, off)
		if i := len(bytes.TrimRight(buf[:n], "\x00")); i > 0 {
			end = off + int64(i)
		}
		off += int64(n)
		if errors.Is(err, io.EOF) {
			return end, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// removeSalvage removes what a salvage that was killed has left.
func removeSalvage(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, salvagePattern))
	if err != nil {
		return err
	}
	for _, path := range left {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}
