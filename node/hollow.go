package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// errSome ends a walk over chunks: there are some.
var errSome = errors.New("there are some")

// hollow says that documents are described here and that the document store has nothing at all, in words; it is empty when
// that is not so. It costs one look: a store that lacks some chunks only is Scrub's to find.
func (n *Node) hollow(ctx context.Context, documents uint64) string {
	if documents == 0 {
		return ""
	}
	err := n.blobs.Digests(ctx, func(federation.Digest) error { return errSome })
	if err != nil {
		return "" // there are some; or the store fails, which others say
	}
	dir := n.folder.Path("chunks")
	return fmt.Sprintf("the bytes of all %d documents held here are gone: %s is empty or was removed. Stop the node and put that folder back from a backup, or take the documents in again from their files. 'ridgeway scrub --data %s' names them", documents, dir, admin.Arg(n.options.Data))
}

// checkHollow says in the log when the document store lost everything while the node was stopped. The node starts all the
// same: it has its part in the region, and taking the documents in again heals them.
func (n *Node) checkHollow(ctx context.Context) error {
	stats, err := n.records.Stats(ctx)
	if err != nil {
		return n.storeOpenProblem("record store", err)
	}
	if text := n.hollow(ctx, stats.Documents-stats.Phases[record.Erased]); text != "" {
		n.logger.Error("documents are lost", slog.String("what", text))
	}
	return nil
}
