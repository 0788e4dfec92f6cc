package node

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/web"
)

// scrubSetting is where the outcome of the latest scrub is kept, so that it is known after a restart.
const scrubSetting = "scrub.latest"

// Health tells how this node and its region are, out of what the node knows without asking anybody.
func (n *Node) Health(ctx context.Context) (*web.Health, error) {
	st, err := n.Status(ctx, &admin.StatusRequest{})
	if err != nil {
		return nil, err
	}
	roots, err := n.AuditRoots(ctx, &admin.AuditRootsRequest{})
	if err != nil {
		return nil, err
	}
	out := &web.Health{Status: st, Roots: roots.GetRoots(), Applied: map[string]uint64{string(replicaID(n.ID())): st.GetApplied()}}
	for id, p := range n.gossip.Peers() {
		if p.Applied > 0 {
			out.Applied[string(replicaID(id))] = p.Applied
		}
	}
	if out.Scrub, err = n.latestScrub(ctx); err != nil {
		return nil, err
	}
	return out, nil
}

// latestScrub returns what the latest scrub has found, or nil when this node remembers none.
func (n *Node) latestScrub(ctx context.Context) (*web.Scrubbed, error) {
	kept, found, err := n.records.Setting(ctx, scrubSetting)
	if err != nil {
		return nil, n.storeProblem(err)
	}
	if !found {
		return nil, nil
	}
	out := &web.Scrubbed{}
	if err := json.Unmarshal(kept, out); err != nil {
		return nil, fmt.Errorf("read what the latest scrub found: %w", err)
	}
	return out, nil
}

// scrubText says that the latest scrub has found damage, in words; it is empty when it has not, or there was none.
func (n *Node) scrubText(ctx context.Context) string {
	x, err := n.latestScrub(ctx)
	switch {
	case err != nil:
		return fmt.Sprintf("what the latest scrub has found is not known: %v. Run 'ridgeway scrub --data %s'", err, admin.Arg(n.options.Data))
	case x == nil || x.Damaged+x.Wrong == 0:
		return ""
	}
	return fmt.Sprintf("the latest scrub, of %s, has found damage: %d documents are touched by it, and are not delivered. 'ridgeway scrub --data %s' names them: "+
		"take them in again from their files, as they were taken in, and scrub once more", x.At.Format("2 January 2006 15:04 MST"), x.Damaged, admin.Arg(n.options.Data))
}

// keepScrub remembers what a scrub has found. One that cannot be remembered, on a full disk, counts all the same.
func (n *Node) keepScrub(ctx context.Context, r *admin.ScrubReply) {
	b, err := json.Marshal(web.Scrubbed{At: time.Now().UTC(), Documents: r.GetRecords(), Bytes: r.GetBytes(), Damaged: len(r.GetDamagedDocuments()), Wrong: len(r.GetFindings())})
	if err == nil {
		err = n.records.SetSetting(ctx, scrubSetting, b)
	}
	if err != nil {
		n.logger.Warn("the outcome of a scrub is not remembered", slog.Any("error", err))
	}
}
