package node

import (
	"context"
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
	kinds := n.sealedKinds()
	looks, early := 0, false
	ctx := watchedContext{t.Context(), func() {
		looks++
		kept, _, err := n.records.Setting(t.Context(), settingSealed)
		early = early || err != nil || n.resealed.Load() <= 0 && string(kept) == string(kinds[:])
	}}
	if err := n.resealAll(ctx); err != nil || n.resealed.Load() != 1 {
		t.Errorf("%d published anew, %v", n.resealed.Load(), err)
	}
	if looks == 0 || early {
		t.Errorf("seen %d times: what is cut off would not begin again: %v", looks, early)
	}
	if kept, _, err := n.records.Setting(t.Context(), settingSealed); err != nil || string(kept) != string(kinds[:]) {
		t.Errorf("it would be looked for again at each start: %x, %v", kept, err)
	}
}

// watchedContext looks at what is there whenever somebody asks whether it has ended.
type watchedContext struct {
	context.Context
	look func()
}

func (c watchedContext) Err() error            { c.look(); return c.Context.Err() }
func (c watchedContext) Done() <-chan struct{} { c.look(); return c.Context.Done() }
