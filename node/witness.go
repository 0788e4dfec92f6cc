package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
)

const (
	checkpointEvery   = 10 * time.Second
	checkpointEntries = 1000
	checkpointLook    = time.Second
	checkpointWait    = 5 * time.Second // how long who exports proofs waits for one
)

// errRewritten is returned when this node's audit log is not the one that the region has agreed on.
var errRewritten = errors.New("the audit log does not go on from what the region has agreed on")

// witnessing is how far the region's witnessing of this node's audit log has come. It belongs to one task.
type witnessing struct {
	last time.Time // of the newest checkpoint
	free bool      // of a checkpoint that an earlier run of the program has left in the outbox
}

// checkpoints makes the region witness the audit log: every 10 s or 1,000 entries, when there is something new, and when somebody
// waits for it. One checkpoint waits for the region at a time: each is proven against the one before, so that all but the first of
// several would be refused.
func (n *Node) checkpoints(ctx context.Context) {
	tick := time.NewTicker(checkpointLook)
	defer tick.Stop()
	var w witnessing
	for {
		var waits chan struct{}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case waits = <-n.witnessWanted:
			w.last = time.Time{}
		}
		n.haveWitnessed(ctx, &w)
		if waits != nil {
			close(waits)
		}
	}
}

// haveWitnessed compares this folder with what the region knows of it, and has the region witness the log, if it is time to.
func (n *Node) haveWitnessed(ctx context.Context, w *witnessing) {
	if !n.ledger.Roster().Active(n.ID()) {
		return
	}
	n.compareFolder(ctx, consensus.Local())
	if n.doubtNow() != nil || n.unwitnessed() {
		return // the region would refuse whatever does not go on from its last checkpoint
	}
	var err error
	if !w.free {
		if w.free, err = n.speaker.free(ctx, federation.KindCheckpoint); err == nil && !w.free {
			return
		}
	}
	if err == nil {
		err = n.checkpoint(ctx, &w.last)
	}
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, errRewritten): // releases are stopped, and nothing more is witnessed until an operator has acted
		n.logger.Warn("the region did not witness this node's audit log", slog.Any("error", err))
	default:
		n.logger.Debug("checkpoint waits", slog.Any("error", err))
	}
}

// witnessedTo returns the newest checkpoint of this log that the region has agreed on. One that has less than so many entries is
// brought up to date first, for as long as somebody waits for that; without a quorum, or where the region takes no more of them, the
// older one is returned, or none.
func (n *Node) witnessedTo(ctx context.Context, size uint64) (c index.Checkpoint, err error) {
	if c, err = n.checkpointOf(ctx, n.ID()); err != nil || c.Size >= size {
		return c, err
	}
	patience, cancel := context.WithTimeout(ctx, checkpointWait)
	defer cancel()
	done := make(chan struct{})
	select {
	case n.witnessWanted <- done:
		select {
		case <-done:
		case <-patience.Done():
		}
	case <-patience.Done():
	}
	return n.checkpointOf(ctx, n.ID())
}

// checkpoint has the region agree on the audit log as it is, if it is time to. It waits as long as that takes.
func (n *Node) checkpoint(ctx context.Context, last *time.Time) error {
	old, err := n.checkpointOf(ctx, n.ID())
	if err != nil {
		return err
	}
	size := n.audit.Size()
	if size < old.Size {
		return fmt.Errorf("%d entries are here, the region agreed on %d: %w", size, old.Size, errRewritten) // checkFolder says so to people
	}
	if size == old.Size || size < old.Size+checkpointEntries && time.Since(*last) < checkpointEvery {
		return nil
	}
	// This copy may have gone back to what was on the disk at a power cut. A proof from an older checkpoint of it would be refused
	// like one of another history.
	if err := n.replica.View(ctx, consensus.Linearizable(), func(r consensus.Reader) error {
		c, _, err := index.CheckpointOf(r, n.ID())
		if err == nil && c.Index != old.Index {
			err = fmt.Errorf("the region has agreed on one of %d entries meanwhile", c.Size)
		}
		return err
	}); err != nil {
		return fmt.Errorf("ask for the last checkpoint: %w", err)
	}
	c, err := n.audit.Checkpoint(ctx, n.ID(), old.Size)
	if err != nil {
		return err
	}
	*last = time.Now()
	id, err := n.records.Enqueue(ctx, c)
	if err != nil {
		return fmt.Errorf("queue a checkpoint: %w", err)
	}
	o, err := n.speaker.waitLong(ctx, id)
	switch {
	case err != nil:
		return err
	case o.refused == "":
		return nil
	case strings.HasPrefix(o.refused, index.InconsistentAudit.String()+": "):
		return errors.Join(fmt.Errorf("%s: %w", o.refused, errRewritten), n.addDoubt(ctx, "the region refused a checkpoint of the audit log: it does not go on from the one before"))
	default:
		// Another was agreed on meanwhile; the next one goes on from there.
		return errors.Join(fmt.Errorf("the region refused a checkpoint: %s", o.refused), n.records.Dismiss(ctx, id))
	}
}
