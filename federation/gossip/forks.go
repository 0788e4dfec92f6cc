package gossip

import (
	"slices"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// historyMarks is how many of our own marks are kept to compare a peer's with.
const historyMarks = 1024

// Fork says that a peer's state differs from ours at one index that both have applied. One of the two is wrong; when many
// peers are listed, it is likely this node. It is an alarm and no proof: the peer said so, but did not sign it.
type Fork struct {
	Peer   federation.NodeID
	Index  uint64            // the lowest index at which a difference was seen
	Ours   federation.Digest // our root at Index
	Theirs federation.Digest // the peer's
	Since  time.Time         // when it was first seen
}

// history is a ring of our own marks with rising indices.
type history struct {
	marks []Mark // oldest first
}

// add keeps m. A mark that is not newer than the newest is ignored.
func (h *history) add(m Mark) bool {
	if n := len(h.marks); n > 0 && m.Index <= h.marks[n-1].Index {
		return false
	}
	if len(h.marks) >= 2*historyMarks {
		h.marks = append(h.marks[:0], h.marks[len(h.marks)-historyMarks:]...)
	}
	h.marks = append(h.marks, m)
	return true
}

// newest returns a copy of the n newest marks, oldest first.
func (h *history) newest(n int) []Mark {
	return slices.Clone(h.marks[max(0, len(h.marks)-n):])
}

// root returns our root at index, if it is remembered.
func (h *history) root(index uint64) (federation.Digest, bool) {
	i, ok := slices.BinarySearchFunc(h.marks, index, func(m Mark, index uint64) int {
		switch {
		case m.Index < index:
			return -1
		case m.Index > index:
			return 1
		default:
			return 0
		}
	})
	if !ok {
		return federation.Digest{}, false
	}
	return h.marks[i].Root, true
}

// judge compares a peer's marks with ours and returns what is to be held of the peer: prev, a new fork, or nil when the
// peer has our root at an index above the fork, which means that it has been rebuilt.
func (h *history) judge(peer federation.NodeID, prev *Fork, theirs []Mark, now time.Time) *Fork {
	for _, m := range theirs {
		ours, ok := h.root(m.Index)
		switch {
		case !ok:
		case ours == m.Root && prev != nil && m.Index > prev.Index:
			prev = nil
		case ours != m.Root && prev == nil:
			prev = &Fork{Peer: peer, Index: m.Index, Ours: ours, Theirs: m.Root, Since: now}
		}
	}
	return prev
}
