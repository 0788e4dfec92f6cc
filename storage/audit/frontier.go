package audit

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// A frontier is the right edge of a Merkle tree (RFC 6962 §2.1): the roots of its complete subtrees, largest first. It
// is all that is needed to add a leaf or to tell the root. The subtrees of a tree of 11 leaves:
//
//	     o
//	 o       o       o
//	o o     o o     o     o
//	0 1 2 3 4 5 6 7 8 9 10       roots: [0,8) [8,10) [10,11)
type frontier struct {
	size  uint64
	roots []tlog.Hash
}

// add appends a leaf and returns the hashes it completed: its own, then each subtree that ends with it, lowest first.
func (f *frontier) add(leaf tlog.Hash) []tlog.Hash {
	done := []tlog.Hash{leaf}
	for n := f.size; n&1 != 0; n >>= 1 {
		last := len(f.roots) - 1
		leaf = tlog.NodeHash(f.roots[last], leaf)
		f.roots = f.roots[:last]
		done = append(done, leaf)
	}
	f.roots = append(f.roots, leaf)
	f.size++
	return done
}

// root returns the root of the tree; that of the empty tree is the hash of nothing.
func (f *frontier) root() tlog.Hash {
	if len(f.roots) == 0 {
		return emptyRoot
	}
	h := f.roots[len(f.roots)-1]
	for i := len(f.roots) - 2; i >= 0; i-- {
		h = tlog.NodeHash(f.roots[i], h)
	}
	return h
}

// emptyRoot is the root of a tree without leaves: the SHA-256 of nothing (RFC 6962 §2.1). It never changes.
var emptyRoot = func() tlog.Hash {
	h, _ := tlog.TreeHash(0, nil) // reads nothing, so that it cannot fail
	return h
}()

func (f *frontier) encode() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(f.roots)*hashSize), f.size)
	for _, h := range f.roots {
		b = append(b, h[:]...)
	}
	return b
}

var errFrontier = errors.New("not the edge of a tree")

func decodeFrontier(b []byte) (frontier, error) {
	if len(b) < 8 {
		return frontier{}, errFrontier
	}
	f := frontier{size: binary.BigEndian.Uint64(b)}
	b = b[8:]
	if len(b) != bits.OnesCount64(f.size)*hashSize || f.size > maxCount {
		return frontier{}, errFrontier
	}
	for ; len(b) > 0; b = b[hashSize:] {
		f.roots = append(f.roots, tlog.Hash(b[:hashSize]))
	}
	return f, nil
}
