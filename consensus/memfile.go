package consensus

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Badger logs each memory table in a file NNNNN.mem and replays these at open, each up to the first record that fails its
// checksum, without a word. Of the newest file that costs a suffix of the history, applied index included, which the Raft
// log gives back. Of an older one it would leave a hole that nothing gives back. So, before Badger sees the folder, every
// file after a torn one is removed too: what is left is again a prefix of the history.
//
//	header  20 bytes
//	record  meta 1 | user meta 1 | uvarint key length | uvarint value length | uvarint expiry | key | value | CRC-32C, big endian
//	...     each transaction ends in a record with memFinTxn
//	zeros   to the end of the file
const (
	memHeader   = 20
	memSuffix   = ".mem"
	memFinTxn   = 1 << 7
	memMaxKey   = 1 << 16
	memMaxValue = 64 << 20
)

// cutMemFiles removes the memory table files that come after a torn one.
func cutMemFiles(dir string, log *slog.Logger) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), memSuffix) {
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		whole, err := memFileWhole(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if whole {
			continue
		}
		log.Warn("state is torn; the log will replay what is missing",
			slog.String("file", filepath.Join(dir, name)), slog.Int("files_after", len(names)-i-1))
		for _, later := range names[i+1:] {
			if err := os.Remove(filepath.Join(dir, later)); err != nil {
				return err
			}
		}
		return nil
	}
	return nil
}

// memFileWhole reports whether the file holds whole transactions and nothing else.
func memFileWhole(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	whole, err := memWhole(bufio.NewReaderSize(f, 1<<20))
	return whole, errors.Join(err, f.Close())
}

func memWhole(r *bufio.Reader) (bool, error) {
	if _, err := r.Discard(memHeader); err != nil {
		return errors.Is(err, io.EOF), nil
	}
	ended := true
	for {
		if head, err := r.Peek(4); err != nil || binary.LittleEndian.Uint32(head) == 0 {
			zero, err := onlyZeros(r)
			return ended && zero, err
		}
		meta, ok, err := memRecord(r)
		if err != nil {
			return false, err
		}
		if !ok {
			return false, nil
		}
		ended = meta&memFinTxn != 0
	}
}

// memRecord reads one record; ok is false when it is not whole.
func memRecord(r *bufio.Reader) (meta byte, ok bool, err error) {
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	in := &summed{r: r, sum: sum}
	meta, err = in.ReadByte()
	if err == nil {
		_, err = in.ReadByte()
	}
	var sizes [3]uint64
	for i := range sizes {
		if err == nil {
			sizes[i], err = binary.ReadUvarint(in)
		}
	}
	if err == nil && (sizes[0] > memMaxKey || sizes[1] > memMaxValue) {
		return 0, false, nil
	}
	if err == nil {
		_, err = io.CopyN(sum, r, int64(sizes[0]+sizes[1]))
	}
	var stored [4]byte
	if err == nil {
		_, err = io.ReadFull(r, stored[:])
	}
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			return 0, false, fmt.Errorf("read state: %w", err)
		}
		return 0, false, nil // the file ends within the record, or a length is no uvarint
	}
	return meta, binary.BigEndian.Uint32(stored[:]) == sum.Sum32(), nil
}

type summed struct {
	r   *bufio.Reader
	sum io.Writer
}

func (s *summed) ReadByte() (byte, error) {
	b, err := s.r.ReadByte()
	if err != nil {
		return 0, err
	}
	_, err = s.sum.Write([]byte{b})
	return b, err
}

func onlyZeros(r *bufio.Reader) (bool, error) {
	piece, zeros := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := r.Read(piece)
		if !bytes.Equal(piece[:n], zeros[:n]) {
			return false, nil
		}
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}
