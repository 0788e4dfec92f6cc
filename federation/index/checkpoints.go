package index

import (
	"fmt"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// CheckpointAt returns the checkpoint of a node's audit log that the region's command at an index was; none where that command
// was something else or was refused.
func CheckpointAt(r Reader, n federation.NodeID, at uint64) (c Checkpoint, found bool, err error) {
	key := numberKey(rowEnvelope, at)
	value, found, err := r.Get(key)
	if err != nil || !found {
		return Checkpoint{}, false, err
	}
	signed, err := federation.DecodeSigned(value)
	if err != nil {
		return Checkpoint{}, false, corrupt(key, err)
	}
	return checkpointIn(signed, n, at)
}

// checkpointIn reads a checkpoint of a node's audit log from an accepted statement, if it is one.
func checkpointIn(signed federation.Signed, n federation.NodeID, at uint64) (Checkpoint, bool, error) {
	s, err := signed.Statement()
	if err != nil || s.Kind != federation.KindCheckpoint {
		return Checkpoint{}, false, err
	}
	body, err := federation.DecodeBody(s)
	if err != nil {
		return Checkpoint{}, false, fmt.Errorf("checkpoint at %d: %w", at, err)
	}
	c, ok := body.(federation.Checkpoint)
	if !ok || c.Node != n {
		return Checkpoint{}, false, nil
	}
	return Checkpoint{Node: n, Trust: s.Trust, Size: c.Size, Root: c.Root, At: s.At, Index: at}, true, nil
}

// CheckpointBounds looks for where a node's audit log leaves the checkpoints that the region has committed: it returns the last
// one that holds and the first that does not, as far as there are such. The region takes only checkpoints of which each is proven
// to extend the one before, so that all before one that holds do too: about as many are looked at as the number of the trust's
// statements has bits.
func CheckpointBounds(r Reader, t federation.TrustID, n federation.NodeID, holds func(Checkpoint) (bool, error)) (last, first *Checkpoint, err error) {
	high, _, err := Head(r, t)
	if err != nil {
		return nil, nil, err
	}
	for low := uint64(0); low < high; {
		middle := high - (high-low)/2
		c, seq, err := checkpointUpTo(r, t, n, low, middle)
		if err != nil {
			return nil, nil, err
		}
		if c == nil {
			low = middle
			continue
		}
		good, err := holds(*c)
		switch {
		case err != nil:
			return nil, nil, err
		case good:
			last, low = c, middle
		default:
			first, high = c, seq-1
		}
	}
	return last, first, nil
}

// checkpointUpTo returns the last checkpoint among a trust's statements after low and up to high, and its number.
func checkpointUpTo(r Reader, t federation.TrustID, n federation.NodeID, low, high uint64) (*Checkpoint, uint64, error) {
	for seq := high; seq > low; seq-- {
		signed, at, found, err := statementAt(r, t, seq)
		if err != nil {
			return nil, 0, err
		}
		if !found {
			return nil, 0, corrupt(statementKey(t, seq), errMissing)
		}
		if c, is, err := checkpointIn(signed, n, at); err != nil || is {
			return &c, seq, err
		}
	}
	return nil, 0, nil
}
