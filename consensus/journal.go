package consensus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// A journal has the commits that are in memory and in no table yet, so that a process that is killed does not have to apply
// them again. It is written without being synced: the Raft log is the durable copy. Each record is one commit, whole:
//
//	0  4  length of what follows, little endian
//	4     sealed: uvarint index, uvarint term, uvarint configuration index plus one (0 for no change) and, if any,
//	      uvarint length, configuration; then for each row uvarint length, row
//
// The associated data is a label, the state's random id, the journal's number and the record's place in it: what opens is what
// was written there. Reading ends at the first record that does not, which loses a suffix of the history; journals after it go,
// too. The log gives back what was lost; where it does not reach, Open says so.
type journal struct {
	state  [16]byte
	number uint64
	sealer Sealer
	file   *os.File
	next   uint64 // place of the next record
	plain  []byte
	sealed []byte
}

const (
	journalSuffix = ".jnl"
	journalLabel  = "ridgeway/state/journal"
	// maxJournalRecord bounds what is read on the word of a length.
	maxJournalRecord = 64 << 20
)

func journalName(number uint64) string { return fmt.Sprintf("%08d%s", number, journalSuffix) }

func (j *journal) aad() []byte {
	aad := append(make([]byte, 0, len(journalLabel)+len(j.state)+16), journalLabel...)
	aad = append(aad, j.state[:]...)
	aad = binary.BigEndian.AppendUint64(aad, j.number)
	return binary.BigEndian.AppendUint64(aad, j.next)
}

// newJournal makes an empty journal.
func newJournal(dir string, state [16]byte, number uint64, sealer Sealer) (*journal, error) {
	f, err := os.OpenFile(filepath.Join(dir, journalName(number)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make journal: %w", err)
	}
	return &journal{state: state, number: number, sealer: sealer, file: f}, nil
}

// commit is what one record holds.
type commit struct {
	at      position
	members *membership // nil: as before
	entries []entry
}

// write appends a record.
func (j *journal) write(c commit) error {
	b := binary.AppendUvarint(j.plain[:0], c.at.index)
	b = binary.AppendUvarint(b, c.at.term)
	if c.members == nil {
		b = append(b, 0)
	} else {
		b = binary.AppendUvarint(b, c.members.index+1)
		b = binary.AppendUvarint(b, uint64(len(c.members.data)))
		b = append(b, c.members.data...)
	}
	for _, e := range c.entries {
		b = binary.AppendUvarint(b, uint64(len(e.row)))
		b = append(b, e.row...)
	}
	j.plain = b
	j.sealed = j.sealer.Seal(append(j.sealed[:0], 0, 0, 0, 0), j.aad(), b)
	binary.LittleEndian.PutUint32(j.sealed, uint32(len(j.sealed)-4))
	if _, err := j.file.Write(j.sealed); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	j.next++
	return nil
}

// read calls fn for each record of a journal in dir. whole is false when it ended in something else than a record; the file is
// then cut there, so that nothing is ever written behind what cannot be read.
func (j *journal) read(dir string, seed uint64, fn func(commit) error) (whole bool, err error) {
	path := filepath.Join(dir, journalName(j.number))
	b, err := os.ReadFile(path)
	if err != nil {
		return false, fmt.Errorf("read journal: %w", err)
	}
	at := int64(0)
	for len(b) > 0 {
		c, size, ok := j.record(b, seed)
		if !ok {
			return false, cutFile(path, at)
		}
		if err := fn(c); err != nil {
			return false, err
		}
		b, at = b[size:], at+int64(size)
		j.next++
	}
	return true, nil
}

// record opens the first record of b.
func (j *journal) record(b []byte, seed uint64) (c commit, size int, ok bool) {
	if len(b) < 4 {
		return c, 0, false
	}
	n := binary.LittleEndian.Uint32(b)
	if n > maxJournalRecord || int64(n) > int64(len(b)-4) {
		return c, 0, false
	}
	size = 4 + int(n)
	plain, err := j.sealer.Open(make([]byte, 0, n), j.aad(), b[4:size])
	if err != nil {
		return c, 0, false
	}
	c, err = decodeCommit(plain, seed)
	return c, size, err == nil
}

func decodeCommit(b []byte, seed uint64) (commit, error) {
	d := &decoder{b: b}
	c := commit{at: position{index: d.uint(), term: d.uint()}}
	if n := d.uint(); n > 0 {
		c.members = &membership{index: n - 1, data: d.bytes()}
	}
	for len(d.b) > 0 && d.err == nil {
		r := row(d.bytes())
		if d.err == nil && !r.whole() {
			d.err = errFrame
		}
		if d.err == nil {
			c.entries = append(c.entries, newEntry(hashKey(seed, r.key()), r))
		}
	}
	return c, d.end()
}

func cutFile(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		err = errors.Join(f.Truncate(size), f.Sync(), f.Close())
	}
	if err != nil {
		return fmt.Errorf("cut journal: %w", err)
	}
	return nil
}
