package index

import (
	"crypto/sha256"
	"fmt"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// meta is the one row that says how far the ledger is. It is written with every command that is accepted or refused.
//
//	size  field
//	1     version, 1
//	32    effects: hash chain over the effects of accepted statements
//	32    refused: hash chain over the refusals
//	32    roster root: value of effects after the last change of the roster
//	8     roster index: index of that change
//	8     index of the last command that wrote anything
//	8x8   statements, refusals ever, pointers, withdrawn, directives, links, bytes of envelopes, bytes of kept refusals
type meta struct {
	effects     federation.Digest
	refused     federation.Digest
	rosterRoot  federation.Digest
	rosterIndex uint64
	index       uint64
	statements  uint64
	refusals    uint64
	pointers    uint64
	withdrawn   uint64
	directives  uint64
	links       uint64
	envelopes   uint64
	refusalLog  uint64
}

const (
	metaVersion = 1
	metaSize    = 1 + 3*sha256.Size + 10*8
)

func (m *meta) numbers() []*uint64 {
	return []*uint64{&m.rosterIndex, &m.index, &m.statements, &m.refusals, &m.pointers, &m.withdrawn, &m.directives, &m.links, &m.envelopes, &m.refusalLog}
}

func (m *meta) encode() []byte {
	var e federation.Encoder
	e.U8(metaVersion)
	e.Fixed(m.effects[:])
	e.Fixed(m.refused[:])
	e.Fixed(m.rosterRoot[:])
	for _, n := range m.numbers() {
		e.U64(*n)
	}
	return e.Bytes()
}

func decodeMeta(b []byte) (meta, error) {
	var m meta
	d := federation.NewDecoder("meta row", b)
	if v := d.U8(); d.Err() == nil && v != metaVersion {
		d.Fail("version %d", v)
	}
	d.Into(m.effects[:])
	d.Into(m.refused[:])
	d.Into(m.rosterRoot[:])
	for _, n := range m.numbers() {
		*n = d.U64()
	}
	return m, d.Finish()
}

// readMeta returns the meta row; zero for an empty state.
func readMeta(r Reader) (meta, error) {
	b, found, err := r.Get(metaKey())
	if err != nil {
		return meta{}, fmt.Errorf("read meta row: %w", err)
	}
	if !found {
		return meta{}, nil
	}
	m, err := decodeMeta(b)
	if err != nil {
		return meta{}, corrupt(metaKey(), err)
	}
	return m, nil
}

// kept is how many refusals are still in the state.
func (m *meta) kept() uint64 { return min(m.refusals, MaxRefusals) }

// root is what replicas compare: both chains in one digest.
func (m *meta) root() federation.Digest {
	b := make([]byte, 0, 96)
	b = append(b, "ridgeway root v1\x00"...)
	b = append(b, m.effects[:]...)
	return federation.Sum(append(b, m.refused[:]...))
}

// Root returns the digest of everything the ledger has done, and the index of the last command that did anything. Two
// replicas that applied the same commands have the same root; two that differ at the same applied index have forked. It is
// not a digest that proves single rows.
func Root(r Reader) (federation.Digest, uint64, error) {
	m, err := readMeta(r)
	if err != nil {
		return federation.Digest{}, 0, err
	}
	return m.root(), m.index, nil
}

// Counts says how much the ledger holds.
type Counts struct {
	Statements uint64 // accepted
	Refusals   uint64 // ever; the last MaxRefusals are kept
	Pointers   uint64 // in force
	Withdrawn  uint64 // documents that were withdrawn and not published again
	Directives uint64
	Links      uint64
}

// CountsOf returns how much the ledger holds, without reading it all.
func CountsOf(r Reader) (Counts, error) {
	m, err := readMeta(r)
	if err != nil {
		return Counts{}, err
	}
	return Counts{
		Statements: m.statements, Refusals: m.refusals, Pointers: m.pointers, Withdrawn: m.withdrawn,
		Directives: m.directives, Links: m.links,
	}, nil
}
