package node

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// settingWhole is the setting that says that this folder's copy of the agreed state was whole once.
const settingWhole = "agreed state was whole"

// wholeness is whether this node has the agreed state, or only a beginning of it: it has just joined, or lost its copy and gets
// another. A beginning does not know all trusts, rules and wishes; nothing is told of documents or decided on it, neither yes nor no.
// A copy that was whole once and is merely old is another thing: answers say how old it is, and releases need a lease.
type wholeness struct {
	whole atomic.Bool
	kept  bool // in the record store; of the task that keeps it
}

// loadWhole reads what an earlier run knew. It comes once the replica is open.
func (n *Node) loadWhole(ctx context.Context) error {
	_, found, err := n.records.Setting(ctx, settingWhole)
	if err != nil {
		return n.storeOpenProblem("record store", err)
	}
	switch {
	case !found:
	case n.replica.Status().Forgotten:
		// Set aside by Recover: what has come since may be cut off in the middle.
		return n.records.DeleteSetting(ctx, settingWhole)
	default:
		n.wholeness.kept = true
		n.wholeness.whole.Store(true)
	}
	return nil
}

// hasWhole reports whether this node's copy of the agreed state is whole: it was proven once to hold all that had been agreed on.
func (n *Node) hasWhole() bool {
	if n.ledger.Roster().RegionID.IsZero() {
		return false
	}
	if n.wholeness.whole.Load() {
		return true
	}
	if !n.lease.Current().Proven() {
		return false
	}
	n.wholeness.whole.Store(true)
	return true
}

// mayAnswer fails while this node has only a beginning of the agreed state, in the same words whatever was asked for.
func (n *Node) mayAnswer() error {
	if n.hasWhole() {
		return nil
	}
	return admin.Errorf(admin.CodeStale, "%s cannot say yet what there is and who may see it: its copy of what the region has agreed on is still on its way. Try again in a few seconds; 'ridgeway status --data %s' says how far it is", n.Trust(), admin.Arg(n.options.Data))
}

// keepWhole writes down that the copy is whole.
func (n *Node) keepWhole(ctx context.Context) error {
	if n.wholeness.kept || !n.hasWhole() {
		return nil
	}
	if err := n.records.SetSetting(ctx, settingWhole, []byte{1}); err != nil {
		return fmt.Errorf("keep that the copy of the agreed state is whole: %w", err)
	}
	n.wholeness.kept = true
	return nil
}
