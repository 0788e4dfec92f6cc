package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4"
)

const (
	damagedFolder = "damaged"
	fillerKey     = "\xff\xffridgeway/gap"
)

// Repair makes a damaged store usable again by giving up what is damaged, and nothing else, and returns what that
// is. The files that it changes are kept as they were in the folder "damaged" of the store. A store without damage
// is left alone. Call it only when somebody has decided to go on without what is lost.
//
//   - A damaged entry of a value log is replaced by one of the same length that holds nothing, so that Badger does not cut
//     off all that follows it.
//   - A damaged transaction of a memtable log, and a damaged table, is taken out.
//   - The mark is set to what is there.
func Repair(opt Options) ([]Damage, error) {
	if err := opt.setDefaults(); err != nil {
		return nil, err
	}
	held, err := lock(opt.Dir, os.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("repair %s: %w", opt.Dir, err)
	}
	defer func() { _ = unlock(held) }()
	file, err := os.OpenFile(filepath.Join(opt.Dir, markFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("repair %s: %w", opt.Dir, err)
	}
	defer file.Close()
	found, err := repair(&opt, file)
	if err != nil {
		return found, fmt.Errorf("repair %s: %w", opt.Dir, err)
	}
	return found, nil
}

// Assess returns the damage for which Open would refuse the store, and reads value log files that are ended as well. It
// changes nothing. A folder that is not there has none. It fails with ErrInUse.
func Assess(opt Options) ([]Damage, error) {
	if err := opt.setDefaults(); err != nil {
		return nil, err
	}
	opt.VerifyAll = true
	held, err := lock(opt.Dir, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("assess %s: %w", opt.Dir, err)
	}
	defer func() { _ = unlock(held) }()
	file, err := os.Open(filepath.Join(opt.Dir, markFile))
	if errors.Is(err, fs.ErrNotExist) {
		return []Damage{{File: markFile, Reason: "the mark is gone"}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("assess %s: %w", opt.Dir, err)
	}
	defer file.Close()
	found, err := assess(&opt, file)
	if err != nil {
		return found, fmt.Errorf("assess %s: %w", opt.Dir, err)
	}
	return found, nil
}

// Repaired reports whether Repair has given something up in the store in dir, and what it took away is still there.
func Repaired(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, damagedFolder))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func repair(opt *Options, file *os.File) ([]Damage, error) {
	found, err := assess(opt, file)
	if err != nil || len(found) == 0 {
		return found, err
	}
	keep := filepath.Join(opt.Dir, damagedFolder)
	if err := os.MkdirAll(keep, 0o700); err != nil {
		return found, err
	}
	if err := repairManifest(opt, keep); err != nil {
		return found, err
	}
	mems, err := listLogs(opt.Dir, 'm')
	if err != nil {
		return found, err
	}
	for _, name := range mems {
		if err := repairMem(filepath.Join(opt.Dir, name.String()), keep); err != nil {
			return found, err
		}
	}
	sealed := &sealedList{gen: 1, files: map[uint32]logState{}}
	values, err := listLogs(opt.Dir, 'v')
	if err != nil {
		return found, err
	}
	for _, name := range values {
		path := filepath.Join(opt.Dir, name.String())
		state, err := repairValues(path, keep)
		if err != nil {
			return found, err
		}
		if state.end >= logHeaderSize {
			sealed.files[name.fid] = state
		}
	}
	return found, writeFreshMark(opt.Dir, file, sealed)
}

// assess returns the damage that Open would return.
func assess(opt *Options, file io.ReaderAt) ([]Damage, error) {
	p, err := newPreflight(opt, file)
	var de *DamageError
	if errors.As(err, &de) {
		return de.Damage, nil
	}
	if err != nil || p.mark == nil {
		return nil, err
	}
	err = p.check()
	return p.damage, err
}

// repairManifest takes tables that cannot be read off the manifest and out of the folder.
func repairManifest(opt *Options, keep string) error {
	tmp, err := os.MkdirTemp(opt.Dir, salvagePattern)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	bad, err := salvageManifest(opt.Dir, tmp, opt)
	if err != nil {
		return err
	}
	path := filepath.Join(opt.Dir, badger.ManifestFilename)
	if err := copyFile(path, filepath.Join(keep, badger.ManifestFilename)); err != nil {
		return err
	}
	listed, err := manifestTables(tmp, opt.badgerOptions(badgerLogger{}))
	if err != nil {
		return err
	}
	tables, err := filepath.Glob(filepath.Join(opt.Dir, "*.sst"))
	if err != nil {
		return err
	}
	for _, t := range tables { // what is not listed Badger would remove
		var id uint64
		if _, err := fmt.Sscanf(filepath.Base(t), "%d.sst", &id); err == nil && slices.Contains(listed, id) && !bad[filepath.Base(t)] {
			continue
		}
		if err := os.Rename(t, filepath.Join(keep, filepath.Base(t))); err != nil {
			return err
		}
	}
	b, err := os.ReadFile(filepath.Join(tmp, badger.ManifestFilename))
	if err != nil {
		return err
	}
	return WriteFileAtomic(path, b)
}

// repairMem takes damaged transactions out of a memtable log.
func repairMem(path, keep string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	saved := filepath.Join(keep, filepath.Base(path))
	if info.Size() < logHeaderSize {
		return os.Rename(path, saved)
	}
	compact := path + ".tmp"
	lost, err := compactLog(path, compact)
	if err != nil {
		return err
	}
	if lost == 0 {
		return os.Remove(compact)
	}
	b, err := os.ReadFile(compact)
	if err != nil {
		return err
	}
	if err := copyFile(path, saved); err != nil {
		return err
	}
	return errors.Join(WriteFileAtomic(path, b), os.Remove(compact))
}

// repairValues fills the gaps that damage has made in a value log file and returns its state.
func repairValues(path, keep string) (logState, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return logState{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return logState{}, err
	}
	none := func(*logEntry) error { return nil }
	state, err := walkLog(f, logState{}, 0, none)
	if err != nil || state.end == info.Size() || state.end < logHeaderSize {
		return state, err
	}
	end, err := dataEnd(f, state.end)
	if err != nil {
		return logState{}, err
	}
	// The checksum of the last entry may end in zeros, which are part of it.
	gaps, end, err := survey(f, filepath.Base(path), state.end, end)
	if err != nil {
		return logState{}, err
	}
	if n := len(gaps); n > 0 && gaps[n-1].Offset+gaps[n-1].Length == end {
		end, gaps = gaps[n-1].Offset, gaps[:n-1] // nothing good follows the last one
	}
	if len(gaps) > 0 {
		if err := copyFile(path, filepath.Join(keep, filepath.Base(path))); err != nil {
			return logState{}, err
		}
	}
	for _, gap := range gaps {
		filler, err := fillerEntry(gap.Length)
		if err != nil {
			return logState{}, err
		}
		if _, err := f.WriteAt(filler, gap.Offset); err != nil {
			return logState{}, err
		}
	}
	if err := f.Truncate(end); err != nil {
		return logState{}, err
	}
	if err := f.Sync(); err != nil {
		return logState{}, err
	}
	return walkLog(f, logState{}, 0, none)
}

// fillerEntry returns an entry of n bytes that is marked as deleted and that no key points at.
func fillerEntry(n int64) ([]byte, error) {
	for klen := len(fillerKey) + versionSize; klen > versionSize; klen-- {
		for vsize := 1; vsize <= binary.MaxVarintLen32; vsize++ {
			vlen := n - int64(2+1+vsize+1+klen+crc32.Size)
			if vlen < 0 || len(binary.AppendUvarint(nil, uint64(vlen))) != vsize {
				continue
			}
			b := append(make([]byte, 0, n), metaDelete, 0, byte(klen))
			b = append(binary.AppendUvarint(b, uint64(vlen)), 0)
			b = append(b, fillerKey[:klen-versionSize]...)
			b = append(b, make([]byte, versionSize+vlen)...)
			return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
		}
	}
	return nil, fmt.Errorf("a gap of %d bytes cannot be filled", n)
}

// writeFreshMark writes a mark that claims no more than what is there. The sequence number and the store's id are
// taken from Badger when the store is opened.
func writeFreshMark(dir string, file *os.File, sealed *sealedList) error {
	if err := WriteFileAtomic(filepath.Join(dir, sealedFile), sealed.encode()); err != nil {
		return err
	}
	manifest, err := os.ReadFile(filepath.Join(dir, badger.ManifestFilename))
	if err != nil {
		return err
	}
	m := mark{gen: 1, sealedGen: sealed.gen, manifest: stateOfManifest(manifest)}
	b, err := m.encode()
	if err != nil {
		return err
	}
	if err := file.Truncate(0); err != nil {
		return err
	}
	if err := file.Truncate(slotCount * slotSize); err != nil {
		return err
	}
	if _, err := file.WriteAt(b, slotSize); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return syncDir(dir)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}
