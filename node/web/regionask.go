package web

import (
	"context"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// Watching is what the page about the region asks.
type Watching interface {
	// Health tells how the node and its region are, from the node's own copy: it asks nobody, so that it answers when nobody else
	// does.
	Health(ctx context.Context) (*Health, error)
}

// Health is what there is to know of a node and its region.
type Health struct {
	Status  *admin.StatusReply
	Applied map[string]uint64 // by Site.Node: the newest entry that a node has, by its own word; none where it has not said
	Roots   []*admin.AuditRoot
	Scrub   *Scrubbed // nil: there was none that this node remembers
}

// Scrubbed is what the latest scrub of the node's stores has found.
type Scrubbed struct {
	At             time.Time
	Documents      uint64
	Bytes          uint64
	Damaged, Wrong int // documents, and findings
}
