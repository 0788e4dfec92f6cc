package gossip

import (
	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Mark is the state root that a node had when it had applied this index.
type Mark struct {
	Index uint64
	Root  federation.Digest
}

const (
	headVersion = 1
	headMarks   = 8 // most marks in one head
	flagLeaving = 1
	knownFlags  = flagLeaving
)

// head is what a node says of itself, to each peer itself. It is not signed: the lane proves who sent it, and nobody
// passes it on.
//
//	offset  size  field
//	0       1     version, 1
//	1       1     flags: 1 = the sender is leaving
//	2       1+n   the sender's program version: length, at most 64 bytes
//	        1     number of marks, at most 8
//	        40*n  marks, oldest first: index (8, big-endian, rising), root (32)
type head struct {
	Leaving bool
	Version string
	Marks   []Mark
}

func (h head) encode() []byte {
	var e federation.Encoder
	e.U8(headVersion)
	var flags uint8
	if h.Leaving {
		flags |= flagLeaving
	}
	e.U8(flags)
	e.Text(h.Version)
	e.U8(uint8(len(h.Marks)))
	for _, m := range h.Marks {
		e.U64(m.Index)
		e.Fixed(m.Root[:])
	}
	return e.Bytes()
}

// decodeHead reads what encode wrote. It fails with federation.ErrVersion or federation.ErrMalformed.
func decodeHead(b []byte) (head, error) {
	d := federation.NewDecoder("head", b)
	if v := d.U8(); d.Err() == nil && v != headVersion {
		return head{}, federation.ErrVersion
	}
	flags := d.U8()
	h := head{Leaving: flags&flagLeaving != 0, Version: d.Text(maxVersion)}
	n := int(d.U8())
	if d.Err() == nil && (flags&^knownFlags != 0 || n > headMarks) {
		d.Fail("flags %#x, %d marks", flags, n)
	}
	var last uint64
	for range n {
		if d.Err() != nil {
			break
		}
		m := Mark{Index: d.U64()}
		d.Into(m.Root[:])
		if d.Err() == nil && m.Index <= last {
			d.Fail("mark %d after %d", m.Index, last)
		}
		last = m.Index
		h.Marks = append(h.Marks, m)
	}
	if err := d.Finish(); err != nil {
		return head{}, err
	}
	return h, nil
}
