package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// verifyStep is how many entries are checked at a time. They are read in one transaction, and a long one would keep Badger from
// cleaning up; but the more there are, the nearer to each other lie the rows that find them.
const verifyStep = 100_000

// maxDamaged bounds the list of damaged entries in a Report; they are counted beyond it.
const maxDamaged = 100_000

// A Witness is how the log compares with one checkpoint that the region holds.
type Witness struct {
	Size  uint64
	Root  federation.Digest // as committed
	Holds bool              // the log's first Size entries have that root
	Fault string            // why not, for people
}

// A Report is what Verify found.
type Report struct {
	Entries   uint64            // entries checked
	Root      federation.Digest // as computed from the entries
	Damaged   []uint64          // entries that are missing, altered, or whose stored hashes are; ascending, the first 100,000
	Faults    uint64            // how many entries are damaged
	HeadHolds bool              // the stored head and the mark agree with the computed root
	Witnesses []Witness         // for each checkpoint handed in, ascending
}

// OK reports whether nothing is wrong.
func (r Report) OK() bool {
	return r.Faults == 0 && r.HeadHolds && !slices.ContainsFunc(r.Witnesses, func(w Witness) bool { return !w.Holds })
}

// Verify reads the whole log as it is when it begins: it opens every entry, compares it with its leaf hash, computes
// every hash of the tree anew and compares it with the stored one, looks for the rows that find a patient's entries, and
// compares the root at each checkpoint in against with the one the region committed. It never stops at a fault. The
// signatures of the checkpoints are not its business: the region checked them when it committed them.
//
// An entry that cannot be opened stands in the tree by its stored leaf hash, so that one damaged entry does not make
// every later checkpoint fail: then the checkpoints say whether that hash is the one of the entry that was appended.
func (l *Log) Verify(ctx context.Context, against []federation.Checkpoint) (Report, error) {
	if err := l.settle(); err != nil {
		return Report{}, fmt.Errorf("verify audit log: %w", err)
	}
	l.markMu.Lock()
	v := verifier{log: l, mark: l.mark.last, against: slices.Clone(against)}
	l.markMu.Unlock()
	size, err := v.extent()
	if err != nil {
		return Report{}, fmt.Errorf("verify audit log: %w", err)
	}
	v.report.Entries = size
	slices.SortFunc(v.against, func(a, b federation.Checkpoint) int {
		return int(min(max(int64(a.Size)-int64(b.Size), -1), 1))
	})
	v.atSize()
	for v.tree.size < size {
		if err := v.step(ctx, size); err != nil {
			return v.report, fmt.Errorf("verify audit log: %w", err)
		}
	}
	for _, c := range v.against {
		v.report.Witnesses = append(v.report.Witnesses, Witness{
			Size: c.Size, Root: c.Root,
			Fault: fmt.Sprintf("the region holds a checkpoint of %d entries, the log has %d", c.Size, size),
		})
	}
	root := v.tree.root()
	v.report.Root = digest(root)
	v.report.HeadHolds = v.headHolds && v.markHolds
	return v.report, nil
}

// extent finds the stored head and returns how many entries there are or should be. They differ only in a log that Open
// refuses, and by what the write-ahead file has beyond the store.
func (v *verifier) extent() (size uint64, err error) {
	err = v.log.db.View(func(txn *badger.Txn) error {
		v.head, err = loadHead(txn)
		if err != nil && !(v.log.examine && errors.Is(err, storage.ErrIntegrity)) {
			return err
		}
		size = max(v.head.size, v.mark.size)
		if last, any := lastEntry(txn); any {
			size = max(size, last+1)
			v.headEnds = v.head.size == last+1
		} else {
			v.headEnds = v.head.size == 0
		}
		for index := range v.log.lost {
			size = max(size, index+1)
		}
		return nil
	})
	return size, err
}

type verifier struct {
	log       *Log
	tree      frontier
	against   []federation.Checkpoint // not reached yet, ascending
	mark      mark
	markHolds bool
	head      frontier // as stored
	headEnds  bool     // its size is that of the stored rows
	headHolds bool
	report    Report
}

// step checks up to verifyStep entries: they are read and opened on all processors, and go into the tree one after the other.
func (v *verifier) step(ctx context.Context, size uint64) error {
	found, err := v.found(ctx, v.tree.size, min(v.tree.size+verifyStep, size))
	if err != nil {
		return err
	}
	for _, f := range found {
		index := v.tree.size
		if !v.hashes(f, index) || f.fault {
			v.report.Faults++
			if len(v.report.Damaged) < maxDamaged {
				v.report.Damaged = append(v.report.Damaged, index)
			}
		}
		v.atSize()
	}
	return nil
}

// hashes adds an entry to the tree and compares what it completes with what is stored. The leaf of an entry that cannot be
// opened is the stored one.
func (v *verifier) hashes(f found, index uint64) bool {
	leaf := f.leaf
	if !f.opened {
		copy(leaf[:], f.stored)
	}
	var computed []byte
	for _, h := range v.tree.add(leaf) {
		computed = append(computed, h[:]...)
	}
	if _, ok := v.log.lost[index]; ok {
		return true // its hashes were to be stored with it
	}
	return bytes.Equal(computed, f.stored)
}

// atSize compares the tree as far as it has been computed with the mark and the checkpoints of this size.
func (v *verifier) atSize() {
	if v.mark.size == v.tree.size {
		v.markHolds = v.mark.root == v.tree.root()
	}
	if v.head.size == v.tree.size {
		v.headHolds = v.headEnds && v.head.size >= v.mark.size && v.head.root() == v.tree.root()
	}
	for len(v.against) > 0 && v.against[0].Size == v.tree.size {
		w := Witness{Size: v.tree.size, Root: v.against[0].Root, Holds: v.against[0].Root == digest(v.tree.root())}
		if !w.Holds {
			w.Fault = fmt.Sprintf("the first %d entries do not have the root that the region committed", w.Size)
		}
		v.report.Witnesses = append(v.report.Witnesses, w)
		v.against = v.against[1:]
	}
}
