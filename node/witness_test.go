package node

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
)

// unconvinced is a region that takes no checkpoint: no proof convinces it.
type unconvinced struct{ consensus.Machine }

func (m unconvinced) Apply(tx *consensus.Tx, at uint64, cmd []byte) ([]byte, error) {
	if signed, err := federation.DecodeSigned(cmd); err == nil {
		if s, err := signed.Statement(); err == nil && s.Kind == federation.KindCheckpoint {
			return index.EncodeResponse(index.Response{Outcome: index.Refused, Code: index.InconsistentAudit, Detail: "no proof"}), nil
		}
	}
	return m.Machine.Apply(tx, at, cmd)
}

func TestCheckpointThatTheRegionRefusesStopsReleases(t *testing.T) {
	t.Parallel()
	n := settledNode(t, func(o *Options) { o.Tune = func(c *consensus.Config) { c.Machine = unconvinced{c.Machine} } })
	noteSome(t, n, 1)
	var last time.Time
	if err := n.checkpoint(t.Context(), &last); !errors.Is(err, errRewritten) {
		t.Errorf("got %v", err)
	}
	if warning, yes := stopped(t, n); !yes || !strings.Contains(warning, "the region refused a checkpoint of the audit log") {
		t.Errorf("releases are stopped: %v %s", yes, warning)
	}
}
