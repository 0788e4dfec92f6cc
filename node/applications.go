package node

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

const (
	// keptApplications is how many directives a node remembers the moment of that it applied them. Of older ones it knows that
	// it has, and no longer when.
	keptApplications = 4096
	// applicationsPause is how often what is new is written down. A crash loses the moments of one such pause, not directives.
	applicationsPause   = time.Second
	applicationsSetting = "directives applied"
)

// applications remembers when this node applied directives. The agreed state has no clock of its own: each node knows for
// itself.
type applications struct {
	mu    sync.Mutex
	at    map[federation.DirectiveID]time.Time
	order []federation.DirectiveID // oldest first
	dirty bool
	now   func() time.Time
}

// loadApplications returns what an earlier run has written down.
func loadApplications(ctx context.Context, records *record.Store) (*applications, error) {
	a := &applications{at: make(map[federation.DirectiveID]time.Time), now: time.Now}
	kept, _, err := records.Setting(ctx, applicationsSetting)
	if err != nil {
		return nil, err
	}
	d := federation.NewDecoder("times of directives", kept)
	for range len(kept) / (len(federation.DirectiveID{}) + 8) {
		var id federation.DirectiveID
		d.Into(id[:])
		a.add(id, d.Time())
	}
	if d.Finish() != nil { // a moment that is not known is no reason not to start
		a.at, a.order = make(map[federation.DirectiveID]time.Time), nil
	}
	a.dirty = false
	return a, nil
}

// applied notes that a directive is in this node's copy of the agreed state from now on. It is a hook of the ledger.
func (a *applications) applied(id federation.DirectiveID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.add(id, a.now())
}

// add keeps the first moment of a directive. The caller holds mu.
func (a *applications) add(id federation.DirectiveID, at time.Time) {
	if _, known := a.at[id]; known {
		return
	}
	a.at[id], a.order, a.dirty = at.UTC().Truncate(time.Microsecond), append(a.order, id), true
	for len(a.order) > keptApplications {
		delete(a.at, a.order[0])
		a.order = a.order[1:]
	}
}

// of returns when a directive was applied.
func (a *applications) of(id federation.DirectiveID) (at time.Time, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at, known = a.at[id]
	return at, known
}

// encode returns all as it is kept; changed is false when that has been written down already.
func (a *applications) encode() (b []byte, changed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var e federation.Encoder
	for _, id := range a.order {
		e.Fixed(id[:])
		e.Time(a.at[id])
	}
	changed, a.dirty = a.dirty, false
	return e.Bytes(), changed
}

// keepApplications writes down when directives were applied, until ctx ends and once then.
func (n *Node) keepApplications(ctx context.Context) {
	tick := time.NewTicker(applicationsPause)
	defer tick.Stop()
	for last := false; ; {
		if b, changed := n.applications.encode(); changed {
			if err := n.records.SetSetting(context.WithoutCancel(ctx), applicationsSetting, b); err != nil {
				n.logger.Warn("when directives were applied was not kept", slog.Any("error", err))
			}
		}
		if last {
			return
		}
		select {
		case <-ctx.Done():
			last = true
		case <-tick.C:
		}
	}
}
