package node

import (
	"sync"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
)

// TestWhatWaitsForTheRegionIsPublishedAnewToo: what was signed before the settings were changed is on its way as it was, and says more
// than it may.
func TestWhatWaitsForTheRegionIsPublishedAnewToo(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	n := settledNode(t, func(o *Options) {
		o.Settings.SealedTypes = []string{"local:other"}
		o.Tune = func(c *consensus.Config) { c.Machine = heldBack{c.Machine, &mu} }
	})
	eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
	mu.Lock()
	t.Cleanup(mu.Unlock)
	mustTake(t, n, "Sealed", "one", func(i *ingest.Item) { i.Sensitivity = []string{"HIV"} })
	mustTake(t, n, "Open", "two", nil)
	if err := n.records.SetSetting(t.Context(), settingSealed, []byte("as it was before")); err != nil {
		t.Fatal(err)
	}
	if err := n.resealAll(t.Context()); err != nil || n.resealed.Load() != 1 {
		t.Errorf("%d published anew, %v", n.resealed.Load(), err)
	}
	kinds := n.sealedKinds()
	if kept, _, err := n.records.Setting(t.Context(), settingSealed); err != nil || string(kept) != string(kinds[:]) {
		t.Errorf("it would be looked for again at each start: %x, %v", kept, err)
	}
}
