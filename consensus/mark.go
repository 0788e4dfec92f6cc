package consensus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"
	"time"
)

// mark is the high-water mark: what this replica has promised to others, kept outside of the log that holds it. A log that
// ends below it was lost or rolled back. The file has two slots of 64 bytes, written in turn and fsynced, so that a torn write
// leaves the other one:
//
//	0   4  "RWHM"
//	4   1  version, 1
//	5   1  flags: 1 = forgotten
//	8   8  generation; the higher valid slot counts (this and all below: little endian)
//	16  8  last index
//	24  8  term of the last entry
//	32  8  current term
//	40  8  term of the last vote
//	60  4  CRC-32C of the 60 bytes before
type mark struct {
	index     uint64 // last entry that was promised, or the position of a received snapshot
	entryTerm uint64
	term      uint64
	voteTerm  uint64
	// forgotten is set by Forget: the replica does not vote or stand until the region has taken its vote away.
	forgotten bool
}

const (
	markSlot    = 64
	markMagic   = "RWHM"
	markVersion = 1
)

var errMarkMissing = errors.New("no high-water mark")

func (m mark) encode(generation uint64) []byte {
	b := make([]byte, markSlot)
	copy(b, markMagic)
	b[4] = markVersion
	if m.forgotten {
		b[5] = 1
	}
	le := binary.LittleEndian
	le.PutUint64(b[8:], generation)
	le.PutUint64(b[16:], m.index)
	le.PutUint64(b[24:], m.entryTerm)
	le.PutUint64(b[32:], m.term)
	le.PutUint64(b[40:], m.voteTerm)
	le.PutUint32(b[60:], crc32.Checksum(b[:60], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// decodeMark reads one slot; ok is false for a slot that was never or not wholly written.
func decodeMark(b []byte) (m mark, generation uint64, ok bool) {
	le := binary.LittleEndian
	if len(b) != markSlot || string(b[:4]) != markMagic || b[4] != markVersion ||
		le.Uint32(b[60:]) != crc32.Checksum(b[:60], crc32.MakeTable(crc32.Castagnoli)) {
		return mark{}, 0, false
	}
	return mark{
		index: le.Uint64(b[16:]), entryTerm: le.Uint64(b[24:]), term: le.Uint64(b[32:]), voteTerm: le.Uint64(b[40:]),
		forgotten: b[5]&1 != 0,
	}, le.Uint64(b[8:]), true
}

// markKeeper keeps the mark on disk. set is synchronous: terms, votes and steps back. raise is not: a second fsync for each
// write of the log, even one beside it, halves the commits a second. The mark trails a busy log by markEvery, and close
// catches up, so what a crash followed by a rollback could hide is the entries of its last moment.
type markKeeper struct {
	file syncedFile
	fail func(error)

	writing sync.Mutex // held while writing, so that older values do not overwrite newer ones
	mu      sync.Mutex
	now     mark
	written mark
	gen     uint64

	kick chan struct{}
	quit chan struct{}
	done chan struct{}
}

// syncedFile is what a mark keeper does with its *os.File.
type syncedFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
}

// markEvery is how often raise writes at most.
const markEvery = 25 * time.Millisecond

// openMark reads the mark. A missing file is errMarkMissing unless create is set.
func openMark(path string, create bool, fail func(error)) (*markKeeper, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	file, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errMarkMissing
	}
	if err != nil {
		return nil, fmt.Errorf("open mark: %w", err)
	}
	h := &markKeeper{file: file, fail: fail, kick: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	if err := h.load(create); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	go h.run()
	return h, nil
}

func (h *markKeeper) load(create bool) error {
	b := make([]byte, 2*markSlot)
	n, err := h.file.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read mark: %w", err)
	}
	if n == 0 && create {
		return h.write(mark{})
	}
	found := false
	for slot := range 2 {
		m, gen, ok := decodeMark(b[slot*markSlot : (slot+1)*markSlot])
		if ok && (!found || gen > h.gen) {
			found, h.now, h.written, h.gen = true, m, m, gen
		}
	}
	if !found {
		return fmt.Errorf("read mark: neither slot is whole: %w", ErrDamaged)
	}
	return nil
}

// get returns the mark as it will be once all writes are done.
func (h *markKeeper) get() mark {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// set changes the mark and returns once it is on disk.
func (h *markKeeper) set(change func(*mark)) error {
	h.mu.Lock()
	change(&h.now)
	h.mu.Unlock()
	return h.flush()
}

// raise changes the mark soon.
func (h *markKeeper) raise(change func(*mark)) {
	h.mu.Lock()
	change(&h.now)
	h.mu.Unlock()
	select {
	case h.kick <- struct{}{}:
	default:
	}
}

func (h *markKeeper) run() {
	defer close(h.done)
	timer := time.NewTimer(markEvery)
	defer timer.Stop()
	for {
		select {
		case <-h.kick:
		case <-h.quit:
			return
		}
		if err := h.flush(); err != nil {
			h.fail(err)
			return
		}
		timer.Reset(markEvery)
		select {
		case <-timer.C:
		case <-h.quit:
			return
		}
	}
}

func (h *markKeeper) flush() error {
	h.writing.Lock()
	defer h.writing.Unlock()
	h.mu.Lock()
	m, same := h.now, h.now == h.written
	h.mu.Unlock()
	if same {
		return nil
	}
	if err := h.write(m); err != nil {
		return err
	}
	h.mu.Lock()
	h.written = m
	h.mu.Unlock()
	return nil
}

func (h *markKeeper) write(m mark) error {
	gen := h.gen + 1
	if _, err := h.file.WriteAt(m.encode(gen), int64(gen%2)*markSlot); err != nil {
		return fmt.Errorf("write mark: %w", err)
	}
	if err := h.file.Sync(); err != nil {
		return fmt.Errorf("write mark: %w", err)
	}
	h.gen = gen
	return nil
}

// close writes what is outstanding. No other method may be called afterwards.
func (h *markKeeper) close() error {
	close(h.quit)
	<-h.done
	return errors.Join(h.flush(), h.file.Close())
}
