package consensus

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// manifest says what a state is made of. It is one sealed file that is replaced as a whole, so the tables, the position that
// they are at and the journals that follow change together:
//
//	1   version, 2
//	16  random id of the state
//	8   seed of its hashes
//	    uvarints: next number of a file, first journal that counts, index, term, index of the configuration
//	v+n configuration
//	    uvarint number of tables; each, newest first: uvarint number, 16 id, uvarints rows, hashes, scheme and bytes of pages,
//	    index, filter and pages before they were packed, 0 when they are not
//
// Version 1 has no tables whose pages are packed, and does not say so.
type manifest struct {
	id      [16]byte
	seed    uint64
	next    uint64 // number of the next file
	journal uint64 // first journal whose commits are in no table
	at      position
	members membership
	tables  []tableInfo // newest first
}

const (
	manifestFile    = "MANIFEST"
	manifestLabel   = "ridgeway/state/manifest"
	manifestVersion = 2
	manifestClear   = 1 // the version before, which is read as well
)

// newManifest describes an empty state.
func newManifest() (*manifest, error) {
	var seed [8]byte
	m := &manifest{next: 1, journal: 1}
	_, err := rand.Read(m.id[:])
	if err == nil {
		_, err = rand.Read(seed[:])
	}
	m.seed = binary.LittleEndian.Uint64(seed[:])
	return m, err
}

func (m *manifest) encode() []byte {
	e := &encoder{b: append([]byte{manifestVersion}, m.id[:]...)}
	e.b = binary.LittleEndian.AppendUint64(e.b, m.seed)
	for _, v := range []uint64{m.next, m.journal, m.at.index, m.at.term, m.members.index} {
		e.uint(v)
	}
	e.bytes(m.members.data)
	e.uint(uint64(len(m.tables)))
	for _, t := range m.tables {
		e.uint(t.number)
		e.b = append(e.b, t.id[:]...)
		for _, v := range []uint64{t.rows, t.hashes, t.scheme, uint64(t.pages), uint64(t.index), uint64(t.bloom), uint64(t.plain)} {
			e.uint(v)
		}
	}
	return e.b
}

func decodeManifest(b []byte) (*manifest, error) {
	m := &manifest{}
	if len(b) < 1+len(m.id)+8 || b[0] != manifestVersion && b[0] != manifestClear {
		return nil, errFrame
	}
	copy(m.id[:], b[1:])
	m.seed = binary.LittleEndian.Uint64(b[1+len(m.id):])
	d := &decoder{b: b[1+len(m.id)+8:]}
	for _, v := range []*uint64{&m.next, &m.journal, &m.at.index, &m.at.term, &m.members.index} {
		*v = d.uint()
	}
	if m.members.data = d.bytes(); len(m.members.data) == 0 {
		m.members.data = nil
	}
	for left := d.uint(); left > 0 && d.err == nil; left-- {
		t := tableInfo{number: d.uint()}
		if len(d.b) < len(t.id) {
			return nil, errFrame
		}
		d.b = d.b[copy(t.id[:], d.b):]
		t.rows, t.hashes, t.scheme = d.uint(), d.uint(), d.uint()
		sizes := []*int64{&t.pages, &t.index, &t.bloom, &t.plain}
		if b[0] == manifestClear {
			sizes = sizes[:3]
		}
		for _, v := range sizes {
			if n := d.uint(); n < 1<<50 {
				*v = int64(n)
			} else {
				d.err = errFrame
			}
		}
		m.tables = append(m.tables, t)
	}
	return m, d.end()
}

// readManifest returns the manifest of a folder, nil when there is none.
func readManifest(dir string, sealer Sealer) (*manifest, error) {
	sealed, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	plain, err := sealer.Open(nil, []byte(manifestLabel), sealed)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w: %w", ErrDamaged, err)
	}
	m, err := decodeManifest(plain)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w: %w", ErrDamaged, err)
	}
	return m, nil
}

// write puts the manifest in the place of the one before, durably.
func (m *manifest) write(dir string, sealer Sealer, disk syncer) error {
	return disk.replace(dir, manifestFile, sealer.Seal(nil, []byte(manifestLabel), m.encode()))
}
