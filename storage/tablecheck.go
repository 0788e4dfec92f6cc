package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/table"
	"golang.org/x/sys/unix"
)

// checkTables reads every table that the manifest names. Badger checks blocks as well, but a damaged foot or block
// length makes it end the process or panic on a goroutine of its own.
func (p *preflight) checkTables() error {
	ids, err := manifestTables(p.dir, p.opt.badgerOptions(badgerLogger{}))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		p.add(Damage{File: badger.ManifestFilename, Reason: err.Error()})
		return nil //nolint:nilerr // the damage is on the list, and what can be checked beside it is
	}
	for _, id := range ids {
		path := table.NewFilename(id, p.dir)
		err := checkTable(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("the table is gone")
		}
		if err != nil {
			p.add(Damage{File: filepath.Base(path), Reason: err.Error()})
		}
	}
	return nil
}

// manifestTables returns the numbers of the tables that the manifest in dir names, ascending.
func manifestTables(dir string, opt badger.Options) ([]uint64, error) {
	f, err := os.Open(filepath.Join(dir, badger.ManifestFilename))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, _, err := badger.ReplayManifestFile(f, opt.ExternalMagicVersion, opt)
	if err != nil {
		return nil, err
	}
	ids := make([]uint64, 0, len(m.Tables))
	for id := range m.Tables {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids, nil
}

// checkTable checks every checksum in the table at path.
//
//	+--------+-----+-------+-----------------+----------+--------------------+
//	| blocks | ... | index | index length, 4 | checksum | checksum length, 4 |
//	+--------+-----+-------+-----------------+----------+--------------------+
//
// The index is a flatbuffer that says where the blocks lie; a block ends with its own checksum in the same way.
func checkTable(path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < 8 {
		return fmt.Errorf("the table has %d bytes", info.Size())
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map the table: %w", err)
	}
	defer func() {
		if uerr := unix.Munmap(data); err == nil && uerr != nil {
			err = fmt.Errorf("unmap the table: %w", uerr)
		}
	}()
	return checkTableData(data)
}

// errTableEnd is for the operator: numbers that are read from what is no foot would only mislead.
var errTableEnd = errors.New("it does not end as a table does: it was cut off, or its end was overwritten")

func checkTableData(data []byte) error {
	body, sum, err := splitChecksum(data)
	if err != nil {
		return errTableEnd
	}
	if len(body) < 4 {
		return errTableEnd
	}
	n := int64(binary.BigEndian.Uint32(body[len(body)-4:]))
	body = body[:len(body)-4]
	if n == 0 || n > int64(len(body)) {
		return errTableEnd
	}
	index := body[int64(len(body))-n:]
	if crc32.Checksum(index, castagnoli) != sum {
		return errors.New("the index does not match its checksum")
	}
	blocks := body[:int64(len(body))-n]
	ti := fb.GetRootAsTableIndex(index, 0) // safe to walk: it is as Badger wrote it
	if ti.OffsetsLength() == 0 {
		return errors.New("the index is empty")
	}
	for i := range ti.OffsetsLength() {
		var bo fb.BlockOffset
		if !ti.Offsets(&bo, i) {
			return fmt.Errorf("block %d is not in the index", i)
		}
		from, size := int64(bo.Offset()), int64(bo.Len())
		if from+size > int64(len(blocks)) {
			return fmt.Errorf("block %d lies outside of the table", i)
		}
		block, sum, err := splitChecksum(blocks[from : from+size])
		if err != nil {
			return fmt.Errorf("block %d at byte %d: %w", i, from, err)
		}
		if crc32.Checksum(block, castagnoli) != sum {
			return fmt.Errorf("block %d at byte %d does not match its checksum", i, from)
		}
	}
	return nil
}

// splitChecksum splits what ends with a checksum and the checksum's length. The checksum is a protobuf message of
// two varints, 1: algorithm (0 is CRC-32C and the only one written), 2: sum; a field of value 0 is left out.
func splitChecksum(b []byte) (body []byte, sum uint32, err error) {
	if len(b) < 4 {
		return nil, 0, errors.New("too short for a checksum")
	}
	n := int64(binary.BigEndian.Uint32(b[len(b)-4:]))
	b = b[:len(b)-4]
	if n > int64(len(b)) || n > 16 {
		return nil, 0, fmt.Errorf("checksum of %d bytes", n)
	}
	body, msg := b[:int64(len(b))-n], b[int64(len(b))-n:]
	for len(msg) > 0 {
		field, k := binary.Uvarint(msg[1:])
		if k <= 0 {
			return nil, 0, errors.New("checksum cannot be read")
		}
		switch msg[0] {
		case 1 << 3:
			if field != 0 {
				return nil, 0, fmt.Errorf("checksum of unknown kind %d", field)
			}
		case 2 << 3:
			sum = uint32(field)
		default:
			return nil, 0, errors.New("checksum cannot be read")
		}
		msg = msg[1+k:]
	}
	return body, sum, nil
}
