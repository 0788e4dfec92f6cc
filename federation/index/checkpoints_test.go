package index

import (
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// A log that was changed after some checkpoints leaves them at one place, wherever among a trust's other statements they are.
//
//	statements  ...  c5  .  .  c8  c13  .  .  .  c21  .
func TestWhereALogLeavesItsCheckpointsIsFound(t *testing.T) {
	r := grown(t, Config{})
	ryj := r.trust("RYJ")
	var log auditLog
	log.grow(t, 0, 21, "entry")
	sizes := []int64{5, 8, 13, 21}
	old, document := int64(0), 1
	var at []uint64
	for i, size := range sizes {
		r.accept("RYJ", log.checkpoint(t, ryj, old, size))
		at = append(at, r.index)
		for range i % 3 * 2 {
			r.accept("RYJ", federation.Publish{Pointers: []federation.Pointer{pointerOf("RYJ", federation.Subject{1}, document)}})
			document++
		}
		old = size
	}
	for good := range len(sizes) + 1 { // so many of them hold
		looked := 0
		last, first, err := CheckpointBounds(r.store, "RYJ", ryj.nodeID(), func(c Checkpoint) (bool, error) {
			looked++
			return good > 0 && c.Size <= uint64(sizes[good-1]), nil
		})
		if err != nil || looked > 5 {
			t.Fatalf("%d hold: %v, looked at %d", good, err, looked)
		}
		if (good > 0) != (last != nil) || last != nil && last.Size != uint64(sizes[good-1]) {
			t.Errorf("%d hold: the last is %+v", good, last)
		}
		if (good < len(sizes)) != (first != nil) || first != nil && first.Size != uint64(sizes[good]) {
			t.Errorf("%d hold: the first that does not is %+v", good, first)
		}
	}
	for i, size := range sizes {
		c, found, err := CheckpointAt(r.store, ryj.nodeID(), at[i])
		if err != nil || !found || c.Size != uint64(size) || c.Index != at[i] || c.Trust != "RYJ" {
			t.Errorf("at %d: %+v, %v, %v", at[i], c, found, err)
		}
	}
	for name, c := range map[string]struct {
		node federation.NodeID
		at   uint64
	}{"of another node": {federation.NodeID{9}, at[0]}, "of another command": {ryj.nodeID(), at[2] + 1}, "of no command": {ryj.nodeID(), 1 << 40}} {
		if got, found, err := CheckpointAt(r.store, c.node, c.at); found || err != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
