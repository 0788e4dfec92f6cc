package index

import (
	"crypto/ed25519"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

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

// auditLog is the Merkle tree of an audit log.
type auditLog struct{ hashes []tlog.Hash }

func (a *auditLog) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, n := range at {
		out[i] = a.hashes[n]
	}
	return out, nil
}

func (a *auditLog) grow(t *testing.T, from, to int64, entry string) {
	t.Helper()
	for n := from; n < to; n++ {
		h, err := tlog.StoredHashes(n, []byte(entry), a)
		if err != nil {
			t.Fatal(err)
		}
		a.hashes = append(a.hashes, h...)
	}
}

// checkpoint is of size entries, with the proof from old.
func (a *auditLog) checkpoint(t *testing.T, trust *testTrust, old, size int64) federation.Checkpoint {
	t.Helper()
	root, err := tlog.TreeHash(size, a)
	if err != nil {
		t.Fatal(err)
	}
	c := federation.Checkpoint{Node: trust.nodeID(), Size: uint64(size), Root: federation.Digest(root)}
	if old > 0 {
		proof, err := tlog.ProveTree(size, old, a)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range proof {
			c.Proof = append(c.Proof, federation.Digest(h))
		}
	}
	return sealCheckpoint(c, trust.audit)
}

func sealCheckpoint(c federation.Checkpoint, key ed25519.PrivateKey) federation.Checkpoint {
	copy(c.Sig[:], ed25519.Sign(key, c.SignedBytes()))
	return c
}

// honest:     5 entries -> 8 -> 21            each with its proof
// rewritten:  5 others -> 8                   no proof leads there
func TestRewrittenAuditLogsCannotBeCheckpointed(t *testing.T) {
	r := grown(t, Config{})
	ryj := r.trust("RYJ")
	var honest, rewritten auditLog
	honest.grow(t, 0, 21, "entry")
	rewritten.grow(t, 0, 21, "another entry")
	at := func(old, size int64) federation.Checkpoint { return honest.checkpoint(t, ryj, old, size) }

	r.refuse("RYJ", at(3, 5), BadCheckpoint) // a proof, and nothing to prove
	r.refuse("RYJ", sealCheckpoint(at(0, 5), ryj.statement), BadCheckpoint)
	r.refuse("RYJ", sealCheckpoint(federation.Checkpoint{Node: ryj.nodeID()}, ryj.audit), BadCheckpoint)
	r.refuse("RAS", at(0, 5), NoSuchTrust)
	r.accept("RYJ", at(0, 5))

	r.refuse("RYJ", at(0, 5), BadCheckpoint)
	r.refuse("RYJ", at(0, 4), BadCheckpoint)
	r.refuse("RYJ", at(0, 8), InconsistentAudit)
	r.refuse("RYJ", rewritten.checkpoint(t, ryj, 5, 8), InconsistentAudit)
	huge := at(5, 8)
	huge.Size = 1 << 63
	r.refuse("RYJ", sealCheckpoint(huge, ryj.audit), BadCheckpoint)
	huge.Size = maxAuditSize
	r.refuse("RYJ", sealCheckpoint(huge, ryj.audit), InconsistentAudit)
	for i := range at(5, 8).Proof {
		c := at(5, 8)
		c.Proof = slices.Clone(c.Proof)
		c.Proof[i][0] ^= 1
		r.refuse("RYJ", c, InconsistentAudit)
	}
	r.accept("RYJ", at(5, 8))

	// A new node key is no occasion to begin anew, a new audit key neither.
	before, nextNode, nextAudit := ryj.nodeID(), testKey("RYJ", "node 2"), testKey("RYJ", "audit 2")
	r.accept("RYJ", rotation(federation.RoleNode, ryj.node, nextNode, "127.0.0.1:7000"))
	r.accept("RYJ", rotation(federation.RoleAudit, ryj.audit, nextAudit, ""))
	stale := at(8, 21)
	ryj.node = nextNode
	r.refuse("RYJ", stale, NoSuchTrust)
	r.refuse("RYJ", at(8, 21), BadCheckpoint) // by the old audit key
	ryj.audit = nextAudit
	r.refuse("RYJ", rewritten.checkpoint(t, ryj, 0, 9), InconsistentAudit)
	r.accept("RYJ", at(8, 21))
	c, found, err := CheckpointOf(r.store, ryj.nodeID())
	if err != nil || !found || c.Size != 21 || c.Trust != "RYJ" || c.Index != r.index {
		t.Errorf("%+v, %v, %v", c, found, err)
	}
	if _, found, err := CheckpointOf(r.store, before); found || err != nil {
		t.Errorf("under the old key: %v, %v", found, err)
	}
}
