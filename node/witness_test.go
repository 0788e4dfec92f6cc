package node

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// unconvinced is a region that takes no checkpoint until it is mended: no proof convinces it.
type unconvinced struct {
	consensus.Machine
	mended *atomic.Bool
}

func (m unconvinced) Apply(tx *consensus.Tx, at uint64, cmd []byte) ([]byte, error) {
	if signed, err := federation.DecodeSigned(cmd); err == nil && !m.mended.Load() {
		if s, err := signed.Statement(); err == nil && s.Kind == federation.KindCheckpoint {
			return index.EncodeResponse(index.Response{Outcome: index.Refused, Code: index.InconsistentAudit, Detail: "no proof"}), nil
		}
	}
	return m.Machine.Apply(tx, at, cmd)
}

func TestCheckpointThatTheRegionRefusesStopsReleases(t *testing.T) {
	t.Parallel()
	var mended atomic.Bool
	n := settledNode(t, func(o *Options) { o.Tune = func(c *consensus.Config) { c.Machine = unconvinced{c.Machine, &mended} } })
	var seen int
	refused := func() {
		noteSome(t, n, 1)
		if c, err := n.witnessedTo(t.Context(), n.audit.Size()); err != nil || c.Size != 0 {
			t.Fatalf("%d entries are witnessed, %v", c.Size, err)
		}
		eventually(t, "releases to be stopped", func() bool {
			warning, yes := stopped(t, n)
			return yes && strings.Contains(warning, "the region refused a checkpoint of the audit log")
		})
		eventually(t, "the refusal to be kept", func() bool {
			rejected, err := n.records.Rejected(t.Context(), 100)
			return err == nil && len(rejected) > seen
		})
		seen++
	}
	accept := func() {
		if _, err := n.AcceptAudit(t.Context(), &admin.AcceptAuditRequest{Reason: "the region was wrong"}); err != nil {
			t.Fatal(err)
		}
	}
	refused()
	accept()
	refused() // it is tried again, and people hear of it again
	mended.Store(true)
	accept()
	size := n.audit.Size()
	eventually(t, "the region to witness it", func() bool {
		c, err := n.witnessedTo(t.Context(), size)
		return err == nil && c.Size >= size
	})
	if warning, yes := stopped(t, n); yes {
		t.Errorf("stopped without a reason: %s", warning)
	}
}

// The region has agreed on a checkpoint that this node's copy does not have yet, as after a power cut. The next one would be proven
// against an older one, which looks like a log that was rewritten.
func TestCheckpointWaitsForTheOneBeforeIt(t *testing.T) {
	t.Parallel()
	first := settledNode(t, nil)
	second, behind := joinHeldBack(t, first)
	noteSome(t, second, 1)
	witnessed(t, second, 1)
	behind.Lock()
	held := true
	defer func() {
		if held {
			behind.Unlock()
		}
	}()
	noteSome(t, second, 1)
	size := second.audit.Size()
	asked := make(chan error, 1)
	go func() {
		_, err := second.witnessedTo(t.Context(), size)
		asked <- err
	}()
	eventually(t, "the region to agree on it", func() bool {
		c, err := first.checkpointOf(t.Context(), second.ID())
		return err == nil && c.Size >= size
	})
	if c, err := second.checkpointOf(t.Context(), second.ID()); err != nil || c.Size >= size {
		t.Fatalf("its own copy has %d entries, %v", c.Size, err)
	}
	noteSome(t, second, 1)
	soon, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := second.checkpoint(soon, new(time.Time)); err == nil {
		t.Error("a checkpoint was agreed on by a copy that does not move")
	}
	if pending, err := second.records.Pending(t.Context(), 10); err != nil || len(pending) != 0 {
		t.Errorf("%d wait to be told behind the one that the region has agreed on, %v", len(pending), err)
	}
	behind.Unlock()
	held = false
	if err := <-asked; err != nil {
		t.Error(err)
	}
	witnessed(t, second, second.audit.Size())
	eventually(t, "an empty outbox", func() bool { return outbox(t, second).Outbox == 0 })
	if warning, yes := stopped(t, second); yes {
		t.Errorf("stopped without a reason: %s", warning)
	}
}
